"""The films and the picture, tile by tile against the guide's figures."""

import subprocess
import sys

import imageio.v3 as iio
import numpy as np
import pytest
from common import ROOT
from scipy import ndimage

from explore import conv_arithmetic
from explore.convolution import drawing
from explore.run import write_findings

# name: i, o, p, k, s, d (arXiv 1603.07285, the animations)
GUIDE = {
    "no_padding_no_strides": (4, 2, 0, 3, 1, 1),
    "arbitrary_padding_no_strides": (5, 6, 2, 4, 1, 1),
    "same_padding_no_strides": (5, 5, 1, 3, 1, 1),
    "full_padding_no_strides": (5, 7, 2, 3, 1, 1),
    "no_padding_strides": (5, 2, 0, 3, 2, 1),
    "padding_strides": (5, 3, 1, 3, 2, 1),
    "padding_strides_odd": (6, 3, 1, 3, 2, 1),
    "dilation": (7, 3, 0, 3, 1, 2),
}


def stretched(y, s, before, after):
    """y with s - 1 zeros between its units and zeros around."""
    out = np.zeros([before + s * (n - 1) + 1 + after for n in y.shape], np.float32)
    ends = [size - after for size in out.shape]
    out[before : ends[0] : s, before : ends[1] : s] = y
    return out


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The pictures' folder, and their paths."""
    folder = tmp_path_factory.mktemp("pictures")
    findings = conv_arithmetic.run_experiment(None)
    write_findings("conv_arithmetic", findings, folder)
    place = folder / "conv_arithmetic"
    return place, [place / name for name in findings.files]


@pytest.mark.slow
def test_draw_writes_the_guides_fifteen_figures_and_the_matrix(drawn):
    folder, paths = drawn
    names = {f"{name}.gif" for name in GUIDE} | {
        f"{name}_transposed.gif" for name in GUIDE if name != "dilation"
    }
    assert len(names) == 15
    assert {path.name for path in paths} == names | {"matrix.png"}
    assert {*paths, folder / ".written.json"} == {*folder.iterdir()}
    assert iio.imread(folder / "matrix.png").ndim == 3


def cells(frame, colours):
    """The number of separate tiles of a colour."""
    return [ndimage.label(np.all(frame[..., :3] == colour, axis=-1))[1] for colour in colours]


def check_frames(path, units, kernel, stride, output, dilation):
    """units (n, n) bool: the input with its zeros, True at a unit."""
    frames = iio.imread(path)
    assert len(frames) == output**2
    for frame, (row, column) in zip(frames, np.ndindex(output, output), strict=True):
        taps = dilation * np.arange(kernel)
        read = units[np.ix_(row * stride + taps, column * stride + taps)].sum()
        colours = [
            getattr(drawing, name) for name in ("CYAN", "CYAN_SHADED", "BLUE", "BLUE_SHADED")
        ]
        assert cells(frame, colours) == [output**2 - 1, 1, units.sum() - read, read]


@pytest.mark.slow
@pytest.mark.parametrize("name", GUIDE)
def test_a_film_shows_every_unit_of_the_guides_figure(drawn, name):
    i, o, p, k, s, d = GUIDE[name]
    check_frames(drawn[0] / f"{name}.gif", np.pad(np.ones((i, i), bool), p), k, s, o, d)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GUIDE if name != "dilation"])
def test_a_transposed_film_goes_from_the_output_to_the_input(drawn, name):
    i, o, p, k, s, _ = GUIDE[name]
    extra = i + 2 * p - k - s * (o - 1)
    units = stretched(np.ones((o, o)), s, k - p - 1, k - p - 1 + extra) > 0
    check_frames(drawn[0] / f"{name}_transposed.gif", units, k, 1, i, 1)


@pytest.mark.slow
def test_films_go_on_for_ever_at_one_pace(drawn):
    for path in drawn[1][:-1]:
        still = iio.immeta(path)
        assert (still["loop"], still["duration"]) == (0, 300)
        assert path.stat().st_size < 200_000


def test_the_arithmetic_needs_no_tensorflow():
    code = "import sys, explore.conv_arithmetic; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
