"""PNGs, image grids and GIFs."""

import contextlib
import io
import math
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from PIL import Image

GIF_FRAMES = 100  # at most; of a longer list of pictures, evenly spaced ones are taken
GIF_SIDE = 768  # pixels of the longer side, at most
GIF_SECONDS = 10.0  # for all frames together
GIF_MILLISECONDS = (40, 500)  # per frame: the shortest and the longest time


def encode_png(image: np.ndarray) -> bytes:
    """A PNG of uint8 pixels (H, W, C), C = 1, 3 or 4; the same pixels give the same bytes.

    It is compressed by run lengths alone: for images from networks, that gives the same size in
    half the time.
    """
    if image.shape[-1] == 1:
        image = image.squeeze(-1)  # (H, W, 1) -> (H, W), as Pillow wants gray images
    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG", compress_type=zlib.Z_RLE)
    return content.getvalue()


def arrange_image_grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """One picture of all images (N, H, W, C), in rows of `columns`; default: as square as possible.

    Unused places in the last row are black.
    """
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)

    blank = np.zeros((rows * columns - count, height, width, channels), images.dtype)
    tiles = np.concatenate([images, blank])
    tiles = tiles.reshape(rows, columns, height, width, channels)
    # (r, c, h, w, C) -> (r, h, c, w, C) -> (r * h, c * w, C)
    return tiles.swapaxes(1, 2).reshape(rows * height, columns * width, channels)


def encode_grids_as_gif(grids: list[Path]) -> bytes:
    """A looping GIF of the image files `grids`, in order; empty when there are none.

    Files that are not images, and grids whose size differs from the last one's, are left out.
    """
    places = np.linspace(0, len(grids) - 1, min(len(grids), GIF_FRAMES))
    frames = list(_read_gif_frames(grids[round(place)] for place in places))
    if not frames:
        return b""

    frames = np.stack([frame for frame in frames if frame.shape == frames[-1].shape])
    shortest, longest = GIF_MILLISECONDS
    duration = min(longest, max(shortest, 1000 * GIF_SECONDS / len(frames)))
    return iio.imwrite("<bytes>", frames, extension=".gif", duration=duration, loop=0)


def _read_gif_frames(paths: Iterable[Path]) -> Iterator[np.ndarray]:
    for path in paths:
        with contextlib.suppress(
            OSError, SyntaxError, ValueError
        ):  # what Pillow raises for other files
            yield make_gif_frame(iio.imread(path))


def make_gif_frame(image: np.ndarray) -> np.ndarray:
    """A uint8 image, (H, W) or (H, W, C), as a frame of a GIF: (h, w) or (h, w, 3).

    It keeps every k-th pixel of an image longer than GIF_SIDE. RGBA is put on white, because a
    GIF's pixels are either transparent or not.
    """
    step = math.ceil(max(image.shape[:2]) / GIF_SIDE)
    image = image[::step, ::step].copy()  # a view would keep the whole grid in memory
    if image.ndim == 2 or image.shape[-1] == 3:
        return image
    if image.shape[-1] == 1:
        return image.squeeze(-1)

    alpha = image[..., 3:] / 255.0
    return np.round(image[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
