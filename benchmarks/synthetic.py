"""Synthetic photos, as the repository has no real ones: seeded noise in the shape of CelebA's."""

from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 218, 178  # of CelebA's images


def write_jpegs(folder: Path, count: int, seed: int) -> Path:
    """Creates `folder` with `count` JPEGs of about 7 KB, and returns it."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(count):
        draw_photo(rng).save(folder / f"{number:06d}.jpg", quality=75)
    return folder


def draw_photo(rng: np.random.Generator) -> Image.Image:
    """Smooth colours, soft edges and noise: its JPEG takes as long to decode as CelebA's."""
    coarse = Image.fromarray(rng.integers(0, 256, (14, 11, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), np.float32)
    noise = rng.normal(0, 4, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))
