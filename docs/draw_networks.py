"""Draws docs/networks.png: the default networks at 64x64, from the numbers in Config.

python -m docs.draw_networks [PATH]
"""

import functools
import itertools
import sys
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from config.settings import Config

PICTURE = Path(__file__).parent / "networks.png"

# All lengths below are in units of 2 pixels, for high-resolution screens.
WIDTH, HEIGHT = 830, 740
PIXELS = 2
SMOOTH = 2  # drawn this much larger, then averaged

COLUMNS = 188, WIDTH - 188  # the middles of the generator and of the discriminator
TITLE_Y, SUBTITLE_Y = 30, 52
VECTOR_Y = 98  # the middle of z and of the logit
FIRST_MAP_Y, LAST_MAP_Y = 190, 630  # the middles of the smallest and of the largest maps
COS_30 = 0.866  # for the isometric projection
GAP = 7  # between an arrow and what it connects

LABEL_X = 78  # from a column's middle outwards to the sizes
CAPTION_X = 22  # from a column's middle inwards to what the layers do

TITLE, TEXT, SMALL = 21, 14.5, 12.5  # heights of the fonts

PAPER = (255, 255, 255)
INK = (38, 50, 66)
FAINT = (106, 119, 137)
ARROW = (140, 151, 166)
# The top of a block and its two sides, lit from the left.
GENERATOR = (150, 197, 240), (94, 160, 224), (58, 117, 184)
DISCRIMINATOR = (160, 230, 223), (88, 198, 189), (34, 150, 143)
IMAGE = (255, 224, 160), (250, 190, 92), (221, 150, 48)


class Maps(NamedTuple):
    """Feature maps, or an image, as a flat block: its top is a map, its thickness their number."""

    height: int
    width: int
    channels: int

    @property
    def sides(self) -> tuple[float, float]:
        """Units along the two sides of the top. The square root keeps 4x4 visible beside 64x64."""
        return 8.6 * self.height**0.5, 8.6 * self.width**0.5

    @property
    def thickness(self) -> float:
        return max(2.9 * self.channels**0.5, 5)

    @property
    def extent(self) -> float:
        """Units from the block's top to its bottom on the page."""
        return sum(self.sides) / 2 + self.thickness

    def __str__(self):
        return f"{self.height}x{self.width}x{self.channels}"


def generator_maps(config: Config) -> list[Maps]:
    """The output of the stem and of every block of the generator, the image last."""
    widths = [*config.generator_widths, config.network_config().image_shape[-1]]
    return [Maps(*size, width) for size, width in zip(config.sizes, widths, strict=True)]


def discriminator_maps(config: Config) -> list[Maps]:
    """The image, and the output of every convolution of the discriminator."""
    widths = [config.network_config().image_shape[-1], *config.discriminator_widths]
    return [Maps(*size, width) for size, width in zip(config.sizes[::-1], widths, strict=True)]


def captions(config: Config) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(operation, what follows it) for each layer of the generator, and of the discriminator."""
    kernel = f"{config.kernel_size}x{config.kernel_size}, stride 2"
    blocks = len(config.sizes) - 1

    up = (f"transposed conv {kernel}", "batch norm, ReLU")
    down = (f"conv {kernel}", "batch norm, leaky ReLU")
    generator = [("dense, reshape", "batch norm, ReLU"), *[up] * (blocks - 1), (up[0], "tanh")]
    discriminator = [(down[0], "leaky ReLU"), *[down] * (blocks - 1), ("flatten, dense", "")]

    return generator, discriminator


class Page:
    """A picture that is drawn large and then averaged, so that its edges are smooth."""

    def __init__(self, width: int, height: int):
        self.scale = PIXELS * SMOOTH
        self.image = Image.new("RGB", (width * self.scale, height * self.scale), PAPER)
        self.pen = ImageDraw.Draw(self.image)
        self.words = []

    def polygon(self, colour: tuple, *points: tuple[float, float]) -> None:
        self.pen.polygon([self._at(point) for point in points], fill=colour)

    def line(self, colour: tuple, *points: tuple[float, float], width: float = 1) -> None:
        line_width = round(width * self.scale)
        self.pen.line([self._at(point) for point in points], colour, line_width, joint="curve")

    def text(self, at: tuple[float, float], words: str, size: float, anchor="mm", colour=INK):
        self.pen.text(self._at(at), words, colour, font(size * self.scale), anchor=anchor)
        self.words.append(words)

    def save(self, path: Path) -> None:
        """Saves a PNG that also holds the words of the picture as text."""
        information = PngInfo()
        information.add_itxt("Description", "\n".join(self.words))
        small = self.image.reduce(SMOOTH).quantize(dither=Image.Dither.NONE)
        small.save(path, optimize=True, pnginfo=information)

    def _at(self, point: tuple[float, float]) -> tuple[float, float]:
        return point[0] * self.scale, point[1] * self.scale


@functools.cache
def font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def draw_block(page: Page, middle: tuple[float, float], maps: Maps, colours: tuple) -> None:
    """A block in isometric projection around `middle`: its top, and its two visible sides."""
    top, left, right = colours
    one, other = (COS_30 * side for side in maps.sides)
    x, y = middle[0] + (one - other) / 2, middle[1] - maps.extent / 2
    depth = sum(maps.sides) / 2  # sin 30° of both

    back, front = (x, y), (x + other - one, y + depth)
    west, east = (x - one, y + maps.sides[0] / 2), (x + other, y + maps.sides[1] / 2)

    def below(point):
        return point[0], point[1] + maps.thickness

    page.polygon(top, back, east, front, west)
    page.polygon(left, west, front, below(front), below(west))
    page.polygon(right, front, east, below(east), below(front))
    for edge in ((west, front), (front, east), (front, below(front))):
        page.line(PAPER, *edge, width=0.75)


def draw_arrow(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A straight arrow along one of the axes."""
    (x0, y0), (x1, y1) = start, end
    dx, dy = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
    base = x1 - 7 * dx, y1 - 7 * dy

    page.line(ARROW, start, base, width=1.5)
    page.polygon(
        ARROW, end, (base[0] + 4 * dy, base[1] + 4 * dx), (base[0] - 4 * dy, base[1] - 4 * dx)
    )


def draw_vector(page: Page, middle: tuple[float, float], cells: int, colour: tuple) -> None:
    """A row of square cells."""
    side, pitch = 12, 14
    left = middle[0] - (cells * pitch - 2) / 2
    for cell in range(cells):
        x, y = left + cell * pitch, middle[1] - side / 2
        page.polygon(colour, (x, y), (x + side, y), (x + side, y + side), (x, y + side))


def middles(blocks: list[Maps]) -> list[float]:
    """The y of each block's middle, from the smallest maps down, with equal gaps between blocks."""
    extents = [maps.extent for maps in blocks]
    room = LAST_MAP_Y - FIRST_MAP_Y - sum(extents) + (extents[0] + extents[-1]) / 2
    gap = room / (len(blocks) - 1)

    heights = [FIRST_MAP_Y]
    for above, below in itertools.pairwise(extents):
        heights.append(heights[-1] + above / 2 + gap + below / 2)
    return heights


def draw_network(page: Page, x: float, blocks: list[Maps], layers: list, *, outwards: int, colours):
    """A column of blocks, the smallest maps on top and the image at the bottom.

    layers: (operation, what follows it) from top to bottom. outwards: -1 on the left of the page,
    where the arrows go down, and 1 on the right, where they go up.
    """
    heights = middles(blocks)
    inwards, anchor = x - outwards * CAPTION_X, "lm" if outwards < 0 else "rm"
    above = VECTOR_Y + 6

    for maps, y, (operation, then) in zip(blocks, heights, layers, strict=True):
        draw_block(page, (x, y), maps, IMAGE if maps == blocks[-1] else colours)
        page.text((x + outwards * LABEL_X, y), str(maps), TEXT, "rm" if outwards < 0 else "lm")

        ends = (x, above + GAP), (x, y - maps.extent / 2 - GAP + 2)
        draw_arrow(page, *(ends if outwards < 0 else ends[::-1]))
        halfway = (ends[0][1] + ends[1][1]) / 2
        page.text((inwards, halfway - (8 if then else 0)), operation, TEXT, anchor)
        if then:
            page.text((inwards, halfway + 9), then, SMALL, anchor, FAINT)
        above = y + maps.extent / 2


def draw(config: Config) -> Page:
    """Both networks: the generator goes down to an image, the discriminator up from one."""
    page = Page(WIDTH, HEIGHT)
    (left, right), (generator, discriminator) = COLUMNS, captions(config)

    page.text((left, TITLE_Y), "Generator", TITLE)
    page.text((left, SUBTITLE_Y), "draws an image from random numbers", SMALL, colour=FAINT)
    page.text((right, TITLE_Y), "Discriminator", TITLE)
    page.text((right, SUBTITLE_Y), "tells real images from generated ones", SMALL, colour=FAINT)

    draw_vector(page, (left, VECTOR_Y), 9, GENERATOR[1])
    page.text((left - LABEL_X, VECTOR_Y), f"z: {config.z_dim} numbers", TEXT, "rm")
    draw_vector(page, (right, VECTOR_Y), 1, DISCRIMINATOR[1])
    page.text((right + LABEL_X, VECTOR_Y), "1 logit", TEXT, "lm")
    page.text((right + LABEL_X, VECTOR_Y + 17), "sigmoid: P(real)", SMALL, "lm", FAINT)

    down, up = generator_maps(config), discriminator_maps(config)[::-1]
    draw_network(page, left, down, generator, outwards=-1, colours=GENERATOR)
    draw_network(page, right, up, discriminator[::-1], outwards=1, colours=DISCRIMINATOR)
    draw_inputs(page, down[-1])

    return page


def draw_inputs(page: Page, image: Maps) -> None:
    """The two kinds of images that the discriminator sees."""
    left, right = COLUMNS
    reach = COS_30 * image.sides[0] + 14
    draw_arrow(page, (left + reach, LAST_MAP_Y), (right - reach, LAST_MAP_Y))
    middle = (left + right) / 2
    page.text((middle, LAST_MAP_Y - 14), "generated images", TEXT)

    below = LAST_MAP_Y + image.extent / 2
    draw_arrow(page, (right, below + 36), (right, below + GAP))
    page.text((right, below + 48), "or real images", TEXT)


def main(arguments: list[str]) -> None:
    path = Path(arguments[0]) if arguments else PICTURE
    draw(Config(c_dim=3)).save(path)


if __name__ == "__main__":
    main(sys.argv[1:])
