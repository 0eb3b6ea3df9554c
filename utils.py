"""PNGs, image grids and GIFs."""

import io
import math
import zlib
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from PIL import Image

from system.files import write_atomic

GIF_FRAMES = 100  # at most, evenly spaced
GIF_SIDE = 768  # pixels
GIF_SECONDS = 10.0  # for the whole film


def png(image: np.ndarray) -> bytes:
    """A PNG of uint8 pixels (H, W, C), C = 1, 3 or 4; the same pixels give the same bytes.

    Runs are all that the deflation looks for: what networks draw comes to the same size in half of the time.
    """
    content = io.BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(
        content, "PNG", compress_type=zlib.Z_RLE
    )
    return content.getvalue()


def image_grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """(N, H, W, C) -> one picture of rows x columns images, by default as square as can be; empty places are black."""
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    blank = np.zeros((rows * columns - count, height, width, channels), images.dtype)
    tiles = np.concatenate([images, blank]).reshape(rows, columns, height, width, channels)
    return tiles.swapaxes(1, 2).reshape(
        rows * height, columns * width, channels
    )  # (r, h, c, w, C) -> (r*h, c*w, C)


def write_film(grids: list[Path], path: Path) -> None:
    """A looping GIF of the grids that training left, in order; nothing when there are none."""
    chosen = [grids[round(k)] for k in np.linspace(0, len(grids) - 1, min(len(grids), GIF_FRAMES))]
    if not chosen:
        return
    frames = [make_film_frame(iio.imread(grid)) for grid in chosen]
    frames = [frame for frame in frames if frame.shape == frames[-1].shape]
    milliseconds = min(500, max(40, 1000 * GIF_SECONDS / len(frames)))
    write_atomic(
        path,
        iio.imwrite("<bytes>", np.stack(frames), extension=".gif", duration=milliseconds, loop=0),
    )


def make_film_frame(image: np.ndarray) -> np.ndarray:
    """An image as a GIF's frame: every k-th pixel of a large one; RGBA on white, as transparency is all or nothing."""
    step = math.ceil(max(image.shape[:2]) / GIF_SIDE)
    image = image[::step, ::step].copy()  # a view would keep the whole grid
    if image.ndim < 3 or image.shape[-1] != 4:
        return image.squeeze(-1) if image.shape[-1] == 1 and image.ndim == 3 else image
    alpha = image[..., 3:] / 255.0
    return np.round(image[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
