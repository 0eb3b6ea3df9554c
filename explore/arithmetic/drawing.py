"""The pictures of explore/conv_arithmetic.py: a kernel that sweeps over its input, and a convolution as a matrix."""

import functools
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

PITCH, TILE = 30, 26  # pixels from cell to cell, and of a cell
MARGIN = 16
TEXT, DIGITS = 14, 12  # height of a font
LABEL = 24  # a line above a grid
SMOOTH = 4  # masks are drawn this much larger and averaged

PAPER = (255, 255, 255)
INK = (38, 50, 66)
PALE = (156, 167, 181)  # the dashes of a zero
BLUE, BLUE_SHADED = (94, 160, 224), (38, 92, 158)  # a unit of the input; the same under the kernel
CYAN, CYAN_SHADED = (112, 214, 206), (16, 138, 132)  # a unit of the output; the one being computed
GREY = (203, 210, 219)  # a zero under the kernel
TAPS = (  # one colour a weight of a 3x3 kernel: a hue a row, darker to the right
    *((255, 232, 196), (255, 212, 145), (250, 186, 88)),
    *((248, 214, 222), (242, 178, 193), (231, 137, 160)),
    *((226, 220, 248), (201, 190, 240), (172, 156, 228)),
)


class Sweep(NamedTuple):
    """A direct convolution of square input and kernel, sizes in units along one side."""

    units: int  # of the input
    spacing: int  # from one unit to the next; above 1 the cells between hold zeros
    before: int  # zeros at the top and on the left
    after: int  # zeros at the bottom and on the right
    kernel: int
    stride: int
    dilation: int
    output: int
    caption: tuple[str, ...]  # lines


def film(sweep: Sweep) -> np.ndarray:
    """(o * o, H, W, 3) uint8: a frame for every unit of the output, row by row; the output is drawn above the input."""
    still, upper, lower = _still(sweep)
    frames = []
    for row in range(sweep.output):
        for column in range(sweep.output):
            frame = still.copy()
            _cell(frame, upper, row, column, CYAN_SHADED)
            _frame(frame, upper, row, column, 1)
            _shadow(frame, lower, sweep, row, column)
            frames.append(np.asarray(frame))
    return np.stack(frames)


def matrix_picture(image: np.ndarray, kernel: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: an image x (i, i), a 3x3 kernel, the kernel's matrix C (o * o, i * i), y = C x and C^T y.

    The weights must differ: each has one colour wherever it stands. What has the shape of x is blue, of y cyan.
    """
    (rows, columns), side = matrix.shape, len(image)
    product = (matrix @ image.ravel()).reshape(side - 2, side - 2)  # (o * o,) -> (o, o)
    back = (matrix.T @ product.ravel()).reshape(side, side)  # (i * i,) -> (i, i)
    tint = dict(zip(kernel.ravel().tolist(), TAPS, strict=True)).get
    step = (
        (columns - side) * PITCH // 2
    )  # between the three rows on the left, as high together as C^T
    right = MARGIN + (columns + 1) * PITCH
    canvas = Image.new(
        "RGB", (right + rows * PITCH + MARGIN, columns * PITCH + LABEL + 2 * MARGIN), PAPER
    )
    places = (  # cells from the left, row of three, label, numbers, colour of a number
        (0, 0, "image x", image, lambda _: BLUE),
        (side + 1, 0, "kernel", kernel, tint),
        (side + 5, 0, "y = C x", product, lambda _: CYAN),
        (0, 1, "C: a row for each unit of y, a column for each unit of x", matrix, tint),
        (0, 2, "C^T y", back, lambda _: BLUE),
    )
    for cells, row, label, numbers, colour in places:
        _grid(canvas, (MARGIN + cells * PITCH, MARGIN + row * step), label, numbers, colour)
    _grid(canvas, (right, MARGIN), "C^T", matrix.T, tint)
    note = "C^T y has the shape of x, not its numbers:\na transposed convolution is no inverse."
    below = (MARGIN + (side + 1) * PITCH, MARGIN + 2 * step + LABEL)
    ImageDraw.Draw(canvas).text(below, note, INK, _font(TEXT), spacing=6)
    return np.asarray(canvas)


def _grid(canvas: Image.Image, corner: tuple, label: str, numbers: np.ndarray, colour) -> None:
    """A label, and below it numbers on tiles of colour(number), dashed where that is None."""
    pen = ImageDraw.Draw(canvas)
    pen.text((corner[0] + 2, corner[1]), label, INK, _font(TEXT))
    corner = (corner[0], corner[1] + LABEL)
    for (row, column), number in np.ndenumerate(numbers):
        fill = colour(int(number))
        _cell(canvas, corner, row, column, fill)
        middle = (corner[0] + (column + 0.5) * PITCH, corner[1] + (row + 0.5) * PITCH)
        pen.text(middle, str(number), INK if fill else PALE, _font(DIGITS), anchor="mm")


def _still(sweep: Sweep) -> tuple[Image.Image, tuple, tuple]:
    """What all frames share, with the top left corners (x, y) of the output and the input."""
    side = _side(sweep)
    text = max(_font(TEXT).getlength(line) for line in sweep.caption)
    width = 2 * MARGIN + max(side * PITCH, sweep.output * PITCH, int(text) + 1)
    upper = ((width - sweep.output * PITCH) // 2, MARGIN)
    lower = ((width - side * PITCH) // 2, upper[1] + sweep.output * PITCH + MARGIN)
    bottom = lower[1] + side * PITCH + MARGIN // 2
    line_height = TEXT + 6
    canvas = Image.new(
        "RGB", (width, bottom + len(sweep.caption) * line_height + MARGIN // 2), PAPER
    )
    for row, column in np.ndindex(sweep.output, sweep.output):
        _cell(canvas, upper, row, column, CYAN)
    for row, column in np.ndindex(side, side):
        _cell(canvas, lower, row, column, BLUE if _is_unit(sweep, row, column) else None)
    for number, line in enumerate(sweep.caption):
        middle = (width // 2, bottom + number * line_height + line_height // 2)
        ImageDraw.Draw(canvas).text(middle, line, INK, _font(TEXT), anchor="mm")
    return canvas, upper, lower


def _shadow(canvas: Image.Image, corner: tuple, sweep: Sweep, row: int, column: int) -> None:
    """Darkens what the kernel reads for one unit of the output, and frames it."""
    top, left = row * sweep.stride, column * sweep.stride
    taps = sweep.dilation * np.arange(sweep.kernel)
    for y, x in ((top + y, left + x) for y in taps for x in taps):
        unit = _is_unit(sweep, y, x)
        _cell(canvas, corner, y, x, BLUE_SHADED if unit else GREY)
        if not unit:
            _cell(canvas, corner, y, x, None)
    _frame(canvas, corner, top, left, 1 + int(taps[-1]))


def _side(sweep: Sweep) -> int:
    """Cells along the input with all its zeros."""
    return sweep.before + sweep.spacing * (sweep.units - 1) + 1 + sweep.after


def _is_unit(sweep: Sweep, row: int, column: int) -> bool:
    offsets = (row - sweep.before, column - sweep.before)
    return all(at % sweep.spacing == 0 and 0 <= at // sweep.spacing < sweep.units for at in offsets)


def _cell(canvas: Image.Image, corner: tuple, row: int, column: int, colour: tuple | None) -> None:
    """A filled tile, or the dashes of a zero where there is no colour."""
    place = (
        corner[0] + column * PITCH + (PITCH - TILE) // 2,
        corner[1] + row * PITCH + (PITCH - TILE) // 2,
    )
    canvas.paste(colour or PALE, place, _dashes() if colour is None else _tile())


def _frame(canvas: Image.Image, corner: tuple, row: int, column: int, cells: int) -> None:
    canvas.paste(
        INK, (corner[0] + column * PITCH - 1, corner[1] + row * PITCH - 1), _outline(cells)
    )


@functools.cache
def _tile() -> Image.Image:
    return _rounded(TILE, radius=4, fill=255)


@functools.cache
def _outline(cells: int) -> Image.Image:
    """A line in the gap around `cells` x `cells` cells."""
    return _rounded(cells * PITCH + 2, radius=6, outline=255, width=2 * SMOOTH)


def _rounded(side: int, *, radius: int, **style) -> Image.Image:
    """A mask (L) of a rounded square."""
    mask = Image.new("L", (side * SMOOTH, side * SMOOTH))
    square = (0, 0, side * SMOOTH - 1, side * SMOOTH - 1)
    ImageDraw.Draw(mask).rounded_rectangle(square, radius * SMOOTH, **style)
    return mask.reduce(SMOOTH)


@functools.cache
def _dashes() -> Image.Image:
    """A mask (L) of a square of dashes, 2 pixels on and 2 off."""
    mask = np.zeros((TILE, TILE), np.uint8)
    on = np.arange(TILE) % 4 < 2
    for edge in (0, -1):
        mask[edge, on] = mask[on, edge] = 255
    return Image.fromarray(mask)


@functools.cache
def _font(size: int):
    return ImageFont.load_default(size)
