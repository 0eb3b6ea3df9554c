"""Draws the convolutions of Dumoulin & Visin 2016 (arXiv 1603.07285) as animations, and one as a sparse matrix."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np

from config.settings import Config
from explore.arithmetic.drawing import Sweep, film, matrix_picture
from explore.arithmetic.relations import convolution_matrix, output_size, transposed
from system.files import write_atomic
from utils import png

# The guide's figures: i, k, s, p, d of a convolution. Each without dilation is drawn with its transpose, o to i.
FIGURES = {
    "no_padding_no_strides": (4, 3, 1, 0, 1),
    "arbitrary_padding_no_strides": (5, 4, 1, 2, 1),
    "same_padding_no_strides": (5, 3, 1, 1, 1),
    "full_padding_no_strides": (5, 3, 1, 2, 1),
    "no_padding_strides": (5, 3, 2, 0, 1),
    "padding_strides": (5, 3, 2, 1, 1),
    "padding_strides_odd": (6, 3, 2, 1, 1),
    "dilation": (7, 3, 1, 0, 2),
}
FRAME_MILLISECONDS = 300
# Small numbers that can be followed by hand; every weight its own, to be found again in the matrix.
MATRIX_IMAGE = np.array([[1, 0, 2, 0], [0, 1, 0, 1], [2, 0, 0, 1], [0, 1, 1, 0]])
MATRIX_KERNEL = np.arange(1, 10).reshape(3, 3)  # (9,) -> (3, 3)


def run(config: Config, folder: Path) -> list[Path]:
    """Writes the guide's fifteen animations as <figure>.gif, and matrix.png: both products with C and its transpose.

    Returns the files. `config` is what every experiment gets; this one needs no run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    matrix = convolution_matrix(MATRIX_KERNEL, len(MATRIX_IMAGE)).toarray()
    contents = {f"{name}.gif": _gif(film(sweep)) for name, sweep in figures().items()}
    contents["matrix.png"] = png(matrix_picture(MATRIX_IMAGE, MATRIX_KERNEL, matrix))
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return [folder / name for name in contents]


def figures() -> dict[str, Sweep]:
    """The guide's fifteen animations by name: seven convolutions, each with its transpose, and the dilated one."""
    found = {}
    for name, figure in FIGURES.items():
        found[name] = _direct(*figure)
        if name != "dilation":
            found[f"{name}_transposed"] = _reversed(*figure)
    return found


def _direct(i: int, k: int, s: int, p: int, d: int) -> Sweep:
    o = output_size(i, k, s=s, p=p, d=d)
    gaps = f"  d={d}" if d > 1 else ""
    return Sweep(i, 1, p, p, k, s, d, o, (f"i={i}  k={k}  s={s}  p={p}{gaps}  ->  o={o}",))


def _reversed(i: int, k: int, s: int, p: int, d: int) -> Sweep:
    """The way back from a convolution's output to its input of i units, as the direct convolution that computes it."""
    units = output_size(i, k, s=s, p=p, d=d)
    a = (i + 2 * p - k) % s
    t = transposed(units, k, s=s, p=p, a=a)
    extra = f"  a={a}" if a else ""
    reverses = f"i'={units}  k={k}  s={s}  p={p}  ->  o'={t.output}"
    computes = f"i~'={t.stretched}  k'={t.kernel}  s'={t.stride}  p'={t.padding}{extra}"
    return Sweep(units, s, t.padding, t.padding + a, k, t.stride, d, t.output, (reverses, computes))


def _gif(frames: np.ndarray) -> bytes:
    """frames (N, H, W, 3) uint8, shown for ever."""
    return iio.imwrite("<bytes>", frames, extension=".gif", duration=FRAME_MILLISECONDS, loop=0)
