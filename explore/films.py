"""Looping GIFs, and MP4s where imageio-ffmpeg is installed."""

import functools
import importlib.util
import tempfile
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from absl import logging

from explore.captions import enlarge, make_rgb

FRAME_MILLISECONDS = 60
MIN_SIDE = 256  # pixels of a film: smaller images are enlarged
BLOCK = 16  # pixels: both sides of an MP4 are multiples


def encode_loop(name: str, frames: np.ndarray) -> dict[str, bytes]:
    """<name>.gif of uint8 frames (N, H, W, C), which repeats for ever, and <name>.mp4."""
    frames = enlarge(make_rgb(frames), MIN_SIDE)
    gif = iio.imwrite("<bytes>", frames, extension=".gif", duration=FRAME_MILLISECONDS, loop=0)
    files = {f"{name}.gif": gif}
    if is_mp4_available():
        files[f"{name}.mp4"] = encode_mp4(frames)
    return files


@functools.cache
def is_mp4_available() -> bool:
    """Whether MP4s can be written. Says how, once, if they cannot."""
    if importlib.util.find_spec("imageio_ffmpeg"):
        return True
    logging.info("to get MP4s as well as GIFs: pip install imageio-ffmpeg")
    return False


def encode_mp4(frames: np.ndarray) -> bytes:
    """H.264 of frames (N, H, W, 3), padded at the right and the bottom to whole blocks."""
    height, width = frames.shape[1:3]
    pads = ((0, 0), (0, -height % BLOCK), (0, -width % BLOCK), (0, 0))
    with tempfile.TemporaryDirectory() as folder:  # ffmpeg needs a file
        path = Path(folder) / "film.mp4"
        fps = 1000 / FRAME_MILLISECONDS
        options = {"codec": "libx264", "quality": 8, "output_params": ["-threads", "1"]}
        iio.imwrite(path, np.pad(frames, pads, mode="edge"), plugin="FFMPEG", fps=fps, **options)
        return path.read_bytes()
