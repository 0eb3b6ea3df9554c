"""The animations of Dumoulin & Visin 2016 (arXiv 1603.07285), and a convolution as a matrix."""

import imageio.v3 as iio
import numpy as np

from explore.convolution.drawing import Sweep, draw_convolution_as_matrix, draw_convolution_film
from explore.convolution.relations import (
    DirectConvolution,
    build_convolution_matrix,
    compute_conv_output_size,
    compute_transposed_conv_relation,
)
from explore.experiments import Findings
from utils import encode_png

# The guide's figures as i, k, s, p, d of a convolution; explore/convolution/relations.py explains
# the letters. All but the dilated one are also drawn as a transpose, from o back to i.
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

# Small numbers, to follow by hand. No weight occurs twice, so each can be found in the matrix.
MATRIX_IMAGE = np.array([[1, 0, 2, 0], [0, 1, 0, 1], [2, 0, 0, 1], [0, 1, 1, 0]])
MATRIX_KERNEL = np.arange(1, 10).reshape(3, 3)  # (9,) -> (3, 3)


def run_experiment(_) -> Findings:
    """The guide's fifteen animations, <figure>.gif, and matrix.png.

    matrix.png shows a convolution's matrix C, and products with C and with its transpose. Every
    experiment gets a `Subject`; this one does not need it.
    """
    files = {
        f"{name}.gif": _encode_film_as_gif(draw_convolution_film(sweep))
        for name, sweep in plan_convolution_sweeps().items()
    }
    return Findings(files | {"matrix.png": _encode_matrix_picture()})


def plan_convolution_sweeps() -> dict[str, Sweep]:
    """What each of the guide's fifteen animations shows, by name.

    There are seven convolutions, each followed by its transpose, and a dilated convolution.
    """
    sweeps = {}
    for name, sizes in FIGURES.items():
        sweeps[name] = _plan_convolution_sweep(*sizes)
        if name != "dilation":
            sweeps[f"{name}_transposed"] = _plan_transpose_sweep(*sizes)

    return sweeps


def _plan_convolution_sweep(i: int, k: int, s: int, p: int, d: int) -> Sweep:
    o = compute_conv_output_size(i, k, s=s, p=p, d=d)
    dilation = f"  d={d}" if d > 1 else ""

    return Sweep(
        units=i,
        spacing=1,
        before=p,
        after=p,
        kernel=k,
        stride=s,
        dilation=d,
        output=o,
        caption=(f"i={i}  k={k}  s={s}  p={p}{dilation}  ->  o={o}",),
    )


def _plan_transpose_sweep(i: int, k: int, s: int, p: int, d: int) -> Sweep:
    """The transpose of a convolution of i units, as the direct convolution that computes it."""
    units = compute_conv_output_size(i, k, s=s, p=p, d=d)
    a = (i + 2 * p - k) % s
    direct = compute_transposed_conv_relation(units, k, s=s, p=p, a=a)

    reversed_sizes = f"i'={units}  k={k}  s={s}  p={p}  ->  o'={direct.output}"

    return Sweep(
        units=units,
        spacing=s,
        before=direct.padding,
        after=direct.padding + a,
        kernel=k,
        stride=direct.stride,
        dilation=d,
        output=direct.output,
        caption=(reversed_sizes, _caption_direct_convolution(direct)),
    )


def _caption_direct_convolution(direct: DirectConvolution) -> str:
    """The sizes of the direct convolution that computes a transposed one, in one line."""
    extra = f"  a={direct.extra}" if direct.extra else ""
    sizes = f"i~'={direct.stretched}  k'={direct.kernel}  s'={direct.stride}"
    return sizes + f"  p'={direct.padding}{extra}"


def _encode_matrix_picture() -> bytes:
    matrix = build_convolution_matrix(MATRIX_KERNEL, len(MATRIX_IMAGE)).toarray()
    return encode_png(draw_convolution_as_matrix(MATRIX_IMAGE, MATRIX_KERNEL, matrix))


def _encode_film_as_gif(frames: np.ndarray) -> bytes:
    """A GIF of frames (N, H, W, 3) uint8 that repeats for ever."""
    return iio.imwrite("<bytes>", frames, extension=".gif", duration=FRAME_MILLISECONDS, loop=0)
