"""Draws a kernel that sweeps over its input, and the products of a convolution's matrix.

Every number or unit has a cell of PITCH x PITCH pixels. A `corner` is the top left pixel (x, y) of
a grid of cells; rows and columns are counted from there, in cells.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PITCH, TILE = 30, 26  # pixels from one cell to the next, and along a tile within it
MARGIN = 16  # pixels
TEXT_SIZE, DIGIT_SIZE = 14, 12  # of a font, in pixels
LINE_HEIGHT = TEXT_SIZE + 6  # of the caption
LABEL_HEIGHT = 24  # of the line above a grid
SUPERSAMPLING = 4  # masks are drawn this much larger and averaged

Colour = tuple[int, int, int]

PAPER = (255, 255, 255)
INK = (38, 50, 66)
PALE = (156, 167, 181)  # the dashes of a zero
BLUE, BLUE_SHADED = (94, 160, 224), (38, 92, 158)  # a unit of the input; the same under the kernel
CYAN, CYAN_SHADED = (112, 214, 206), (16, 138, 132)  # a unit of the output; the one being computed
GREY = (203, 210, 219)  # a zero under the kernel

# A colour for each weight of a 3x3 kernel: a hue for each row, darker to the right.
WEIGHT_COLOURS = (
    *((255, 232, 196), (255, 212, 145), (250, 186, 88)),
    *((248, 214, 222), (242, 178, 193), (231, 137, 160)),
    *((226, 220, 248), (201, 190, 240), (172, 156, 228)),
)

NO_INVERSE_NOTE = (
    "C^T y has the shape of x, not its numbers:\na transposed convolution is not an inverse."
)


class Sweep(NamedTuple):
    """A direct convolution with square input and kernel; sizes are in cells along one side."""

    units: int  # of the input, without zeros
    spacing: int  # from one unit to the next; above 1 the cells between hold zeros
    before: int  # zeros at the top and on the left
    after: int  # zeros at the bottom and on the right
    kernel: int
    stride: int
    dilation: int
    output: int
    caption: tuple[str, ...]  # lines

    @property
    def input_cells(self) -> int:
        """Cells along the input with all its zeros."""
        return self.before + self.spacing * (self.units - 1) + 1 + self.after

    def input_cell_holds_unit(self, row: int, column: int) -> bool:
        """Whether this cell of the input holds a unit rather than a zero."""
        for place in (row - self.before, column - self.before):
            if place % self.spacing or not 0 <= place // self.spacing < self.units:
                return False
        return True


def draw_convolution_film(sweep: Sweep) -> np.ndarray:
    """(o * o, H, W, 3) uint8: a frame for each unit of the output, row by row.

    The output is drawn above the input.
    """
    background, output_corner, input_corner = _draw_background_of_sweep_film(sweep)
    frames = []
    for row, column in np.ndindex(sweep.output, sweep.output):
        frame = background.copy()
        _draw_cell_tile(frame, output_corner, row, column, CYAN_SHADED)
        _outline_grid_cells(frame, output_corner, row, column, 1)
        _draw_kernel_over_input(frame, input_corner, sweep, row, column)
        frames.append(np.asarray(frame))

    return np.stack(frames)


def draw_convolution_as_matrix(
    image: np.ndarray, kernel: np.ndarray, matrix: np.ndarray
) -> np.ndarray:
    """(H, W, 3) uint8: an image x, a 3x3 kernel, its matrix C, and the products y = C x and C^T y.

    image (i, i); matrix (o * o, i * i). The weights of the kernel must differ, as each has the same
    colour everywhere. Numbers in the shape of x are blue, in the shape of y cyan.
    """
    (rows, columns), side = matrix.shape, len(image)
    # On the left are three rows of grids, together as high as C^T on the right.
    row_height = (columns - side) * PITCH // 2
    right = MARGIN + (columns + 1) * PITCH
    size = (right + rows * PITCH + MARGIN, columns * PITCH + LABEL_HEIGHT + 2 * MARGIN)
    canvas = Image.new("RGB", size, PAPER)

    for cells, row, label, numbers, colour in _list_number_grids(image, kernel, matrix):
        corner = (MARGIN + cells * PITCH, MARGIN + row * row_height)
        _draw_number_grid(canvas, corner, label, numbers, colour)

    beside_last_grid = (MARGIN + (side + 1) * PITCH, MARGIN + 2 * row_height + LABEL_HEIGHT)
    ImageDraw.Draw(canvas).text(
        beside_last_grid, NO_INVERSE_NOTE, INK, _load_drawing_font(TEXT_SIZE), spacing=6
    )
    return np.asarray(canvas)


def _list_number_grids(image: np.ndarray, kernel: np.ndarray, matrix: np.ndarray) -> tuple:
    """For each grid: cells from the left, row of three, label, numbers, colour of a number."""
    side = len(image)
    y = (matrix @ image.ravel()).reshape(side - 2, side - 2)  # (o * o,) -> (o, o)
    transposed = (matrix.T @ y.ravel()).reshape(side, side)  # (i * i,) -> (i, i)
    weight_colour = dict(zip(kernel.ravel().tolist(), WEIGHT_COLOURS, strict=True)).get

    return (
        (0, 0, "image x", image, lambda _: BLUE),
        (side + 1, 0, "kernel", kernel, weight_colour),
        (side + 5, 0, "y = C x", y, lambda _: CYAN),
        (0, 1, "C: a row for each unit of y, a column for each unit of x", matrix, weight_colour),
        (0, 2, "C^T y", transposed, lambda _: BLUE),
        (side * side + 1, 0, "C^T", matrix.T, weight_colour),
    )


def _draw_number_grid(
    canvas: Image.Image,
    corner: tuple[int, int],
    label: str,
    numbers: np.ndarray,
    colour: Callable[[int], Colour | None],
) -> None:
    """A label and, below it, a grid of numbers on tiles of colour(number), or dashes for None."""
    pen = ImageDraw.Draw(canvas)
    left, top = corner
    pen.text((left + 2, top), label, INK, _load_drawing_font(TEXT_SIZE))

    top += LABEL_HEIGHT
    for (row, column), number in np.ndenumerate(numbers):
        fill = colour(int(number))
        _draw_tile_or_dashes(canvas, (left, top), row, column, fill)

        middle = (left + (column + 0.5) * PITCH, top + (row + 0.5) * PITCH)
        ink = INK if fill else PALE
        pen.text(middle, str(number), ink, _load_drawing_font(DIGIT_SIZE), anchor="mm")


def _draw_background_of_sweep_film(sweep: Sweep) -> tuple[Image.Image, tuple, tuple]:
    """What all frames share, and the corners of the output and of the input."""
    input_side, output_side = sweep.input_cells * PITCH, sweep.output * PITCH
    text_width = max(_load_drawing_font(TEXT_SIZE).getlength(line) for line in sweep.caption)
    width = 2 * MARGIN + max(input_side, output_side, int(text_width) + 1)
    output_corner = ((width - output_side) // 2, MARGIN)
    input_corner = ((width - input_side) // 2, MARGIN + output_side + MARGIN)

    caption_top = input_corner[1] + input_side + MARGIN // 2
    height = caption_top + len(sweep.caption) * LINE_HEIGHT + MARGIN // 2
    canvas = Image.new("RGB", (width, height), PAPER)

    for row, column in np.ndindex(sweep.output, sweep.output):
        _draw_cell_tile(canvas, output_corner, row, column, CYAN)
    _draw_input_cells(canvas, input_corner, sweep)

    _draw_caption(canvas, caption_top, sweep.caption)

    return canvas, output_corner, input_corner


def _draw_caption(canvas: Image.Image, top: int, lines: tuple[str, ...]) -> None:
    for number, line in enumerate(lines):
        middle = (canvas.width // 2, top + number * LINE_HEIGHT + LINE_HEIGHT // 2)
        ImageDraw.Draw(canvas).text(middle, line, INK, _load_drawing_font(TEXT_SIZE), anchor="mm")


def _draw_input_cells(canvas: Image.Image, corner: tuple[int, int], sweep: Sweep) -> None:
    """A tile for each unit of the input, dashes for each zero."""
    for row, column in np.ndindex(sweep.input_cells, sweep.input_cells):
        fill = BLUE if sweep.input_cell_holds_unit(row, column) else None
        _draw_tile_or_dashes(canvas, corner, row, column, fill)


def _draw_kernel_over_input(
    canvas: Image.Image, corner: tuple[int, int], sweep: Sweep, row: int, column: int
) -> None:
    """Darkens the cells under the kernel for the output's unit (row, column), and outlines them."""
    top, left = row * sweep.stride, column * sweep.stride
    taps = sweep.dilation * np.arange(sweep.kernel)
    for y, x in ((top + y, left + x) for y in taps for x in taps):
        if sweep.input_cell_holds_unit(y, x):
            _draw_cell_tile(canvas, corner, y, x, BLUE_SHADED)
        else:
            _draw_cell_tile(canvas, corner, y, x, GREY)
            _draw_zero_dashes(canvas, corner, y, x)

    _outline_grid_cells(canvas, corner, top, left, 1 + int(taps[-1]))


def _draw_cell_tile(
    canvas: Image.Image, corner: tuple[int, int], row: int, column: int, colour: Colour
) -> None:
    canvas.paste(colour, _locate_cell_tile(corner, row, column), _draw_tile_mask())


def _draw_tile_or_dashes(
    canvas: Image.Image, corner: tuple[int, int], row: int, column: int, colour: Colour | None
) -> None:
    if colour:
        _draw_cell_tile(canvas, corner, row, column, colour)
    else:
        _draw_zero_dashes(canvas, corner, row, column)


def _draw_zero_dashes(canvas: Image.Image, corner: tuple[int, int], row: int, column: int) -> None:
    """The dashed square of a zero."""
    canvas.paste(PALE, _locate_cell_tile(corner, row, column), _draw_dashed_square_mask())


def _locate_cell_tile(corner: tuple[int, int], row: int, column: int) -> tuple[int, int]:
    gap = (PITCH - TILE) // 2
    return corner[0] + column * PITCH + gap, corner[1] + row * PITCH + gap


def _outline_grid_cells(
    canvas: Image.Image, corner: tuple[int, int], row: int, column: int, cells: int
) -> None:
    """A line around `cells` x `cells` cells; (row, column) is the first."""
    place = (corner[0] + column * PITCH - 1, corner[1] + row * PITCH - 1)
    canvas.paste(INK, place, _draw_outline_mask(cells))


@functools.cache
def _draw_tile_mask() -> Image.Image:
    return _draw_rounded_square_mask(TILE, radius=4, fill=255)


@functools.cache
def _draw_outline_mask(cells: int) -> Image.Image:
    """A line in the gap around `cells` x `cells` cells."""
    side = cells * PITCH + 2
    return _draw_rounded_square_mask(side, radius=6, outline=255, width=2 * SUPERSAMPLING)


def _draw_rounded_square_mask(side: int, *, radius: int, **style) -> Image.Image:
    """(side, side) in mode L; radius in pixels, style for Pillow's rounded_rectangle."""
    large = side * SUPERSAMPLING
    mask = Image.new("L", (large, large))
    square = (0, 0, large - 1, large - 1)
    ImageDraw.Draw(mask).rounded_rectangle(square, radius * SUPERSAMPLING, **style)

    return mask.reduce(SUPERSAMPLING)


@functools.cache
def _draw_dashed_square_mask() -> Image.Image:
    """A square outline in mode L, 2 pixels on and 2 off."""
    mask = np.zeros((TILE, TILE), np.uint8)
    on = np.arange(TILE) % 4 < 2
    for edge in (0, -1):
        mask[edge, on] = mask[on, edge] = 255

    return Image.fromarray(mask)


@functools.cache
def _load_drawing_font(size: int):
    return ImageFont.load_default(size)
