"""Which images of a pack are held out: never trained on, so that scores can compare with them."""

import dataclasses
import hashlib

import numpy as np
from tqdm import tqdm

from data.batches import open_image_row_reader

KEY = b"DCGAN holdout 1"  # fixed for ever: with another key, other images would be held out
BLOCK_BYTES = 2**24  # of images that are read at a time


@dataclasses.dataclass(frozen=True)
class Split:
    """Rows of a pack, int64 and ascending: those to train on, and those held out."""

    training: np.ndarray
    held_out: np.ndarray


def split_rows_for_holdout(images: np.ndarray, share: float) -> Split:
    """Holds out about `share` of images (N, H, W, C) uint8; none for 0, without reading any.

    An image's side is a function of its pixels alone: the same for every run, seed and order,
    whatever images are added or removed, and copies of an image are on one side. A larger share
    holds out these and more. Memory: 16 MB, and 24 bytes an image. Raises ValueError when no
    image is held out, or fewer than 2 are left to train on.
    """
    if not share:
        everything = np.arange(len(images), dtype=np.int64)
        return Split(everything, everything[:0])

    is_held_out = _hash_pixels_to_split_dataset(images) < np.uint64(share * 2**64)
    split = Split(np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out))
    if not len(split.held_out) or len(split.training) < 2:
        raise ValueError(
            "A holdout must have an image, and leave two to train on. Received: "
            f"{share:g}, which holds out {len(split.held_out)} of {len(images):,}. "
            "Add images, or choose another --holdout."
        )
    return split


def _hash_pixels_to_split_dataset(images: np.ndarray) -> np.ndarray:
    """uint64 (N,), evenly spread: BLAKE2b of each image's bytes with KEY, 8 bytes, big-endian."""
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
