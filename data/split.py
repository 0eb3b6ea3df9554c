"""Chooses which images of a pack to hold out from training: scores compare with them."""

import dataclasses
import hashlib

import numpy as np
from tqdm import tqdm

from data.batches import open_image_row_reader

KEY = b"DCGAN holdout 1"  # never change it: another key would hold out other images
BLOCK_BYTES = 2**24  # of images read at a time


@dataclasses.dataclass(frozen=True)
class Split:
    """Rows of a pack, int64 and ascending: those to train on, and those held out."""

    training: np.ndarray
    held_out: np.ndarray


def split_rows_for_holdout(images: np.ndarray, share: float) -> Split:
    """Holds out about `share` of images (N, H, W, C) uint8. With 0, holds out and reads none.

    Only an image's pixels decide whether it is held out: the run, the seed, the order and the other
    images do not matter, and copies of an image stay together. A larger share holds out the same
    images and more. Memory: 16 MB plus 24 bytes per image. Raises ValueError when no image is held
    out, or fewer than 2 are left to train on.
    """
    if not share:
        everything = np.arange(len(images), dtype=np.int64)
        return Split(everything, everything[:0])

    is_held_out = _hash_pixels_to_split_dataset(images) < np.uint64(share * 2**64)
    split = Split(np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out))
    if not len(split.held_out) or len(split.training) < 2:
        raise ValueError(
            "--holdout must hold out one image or more, and leave two or more to train on. "
            f"Received: {share:g}, which holds out {len(split.held_out)} of {len(images):,}. "
            "Add images, or choose another --holdout."
        )
    return split


def _hash_pixels_to_split_dataset(images: np.ndarray) -> np.ndarray:
    """uint64 (N,), uniform: BLAKE2b of each image's bytes with KEY, 8 bytes, big-endian."""
    digests = bytearray()
    size = max(1, BLOCK_BYTES // images[0].nbytes)
    with (
        open_image_row_reader(images) as read_rows,
        tqdm(total=len(images), unit="img", desc="split", disable=None, leave=False) as bar,
    ):
        for start in range(0, len(images), size):
            block = read_rows(np.arange(start, min(start + size, len(images))))
            for image in np.ascontiguousarray(block):
                digests += hashlib.blake2b(image, digest_size=8, key=KEY).digest()
            bar.update(len(block))
    return np.frombuffer(bytes(digests), ">u8").astype(np.uint64)
