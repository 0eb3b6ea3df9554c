"""Where tiles are drawn; test_conv_arithmetic.py counts them in whole films."""

import numpy as np

from explore.convolution.drawing import (
    BLUE,
    BLUE_SHADED,
    CYAN_SHADED,
    GREY,
    WEIGHT_COLOURS,
    Sweep,
    draw_convolution_as_matrix,
    draw_convolution_film,
)
from explore.convolution.relations import build_convolution_matrix

# 2x2 units with a zero between and around them, under a 3x3 kernel: the transpose of 5 -> 2.
SWEEP = Sweep(
    units=2,
    spacing=2,
    before=1,
    after=1,
    kernel=3,
    stride=1,
    dilation=1,
    output=3,
    caption=("i=2", "o=3"),
)


def count(picture, colour):
    """The number of pixels of a colour."""
    return int(np.all(picture == colour, axis=-1).sum())


def test_units_lie_between_zeros():
    assert SWEEP.input_cells == 5
    units = [cell for cell in np.ndindex(5, 5) if SWEEP.input_cell_holds_unit(*cell)]
    assert units == [(1, 1), (1, 3), (3, 1), (3, 3)]


def test_a_film_has_a_frame_for_every_unit_of_the_output():
    film = draw_convolution_film(SWEEP)
    assert film.shape[0] == 9
    assert (film.dtype, film.shape[-1]) == (np.uint8, 3)
    assert len(np.unique(film.reshape(9, -1), axis=0)) == 9


def test_the_kernel_darkens_what_it_reads():
    """At the corner it reads one unit and eight zeros, in the middle four units and five."""
    film = draw_convolution_film(SWEEP)
    tile = count(film[0], BLUE_SHADED)
    assert count(film[4], BLUE_SHADED) == 4 * tile > 0
    assert count(film[4], BLUE) == 0
    assert count(film[0], BLUE) == 3 * tile
    assert count(film[0], GREY) > count(film[4], GREY) > 0
    assert all(count(frame, CYAN_SHADED) == count(film[0], CYAN_SHADED) > 0 for frame in film)


def test_the_output_stands_above_the_input_and_the_windows_run_row_by_row():
    places = [
        np.argwhere(np.all(frame == CYAN_SHADED, axis=-1)) for frame in draw_convolution_film(SWEEP)
    ]
    rows, columns = np.array([place.mean(0) for place in places]).round().T.reshape(2, 3, 3)
    assert (np.diff(columns, axis=1) > 0).all()
    assert (np.diff(rows, axis=0) > 0).all()
    blue = np.argwhere(np.all(draw_convolution_film(SWEEP)[4] == BLUE_SHADED, axis=-1))
    assert rows.max() < blue[:, 0].min()


def test_a_weight_has_one_colour_wherever_it_stands():
    """Each of nine weights: once in the kernel, four times in C and four times in C transposed."""
    kernel, image = np.arange(1, 10).reshape(3, 3), np.eye(4, dtype=int)
    picture = draw_convolution_as_matrix(
        image, kernel, build_convolution_matrix(kernel, 4).toarray()
    )
    tiles = np.array([count(picture, colour) for colour in WEIGHT_COLOURS])
    assert tiles.min() > 0.9 * tiles.max() > 0
