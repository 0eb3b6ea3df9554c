"""Identifies a dataset by its content, wherever it is stored."""

import hashlib

import numpy as np

from config.settings import Config
from data.sources.source import Source

FINGERPRINTED_IMAGES = 1024  # evenly spaced; hashing them takes 0.1 s at 128x128


def fingerprint_pixels(images: np.ndarray) -> str:
    """images (N, H, W, C) uint8 -> a hash of their shape and of FINGERPRINTED_IMAGES of them."""
    digest = hashlib.sha256(repr(images.shape).encode())
    count = min(len(images), FINGERPRINTED_IMAGES)
    for number in np.linspace(0, len(images) - 1, count).astype(int):
        digest.update(np.ascontiguousarray(images[number]))
    return digest.hexdigest()


def fingerprint_labels(y: np.ndarray) -> str:
    """y (N, y_dim) of 0 and 1 -> a hash of them."""
    return hashlib.sha256(repr(y.shape).encode() + np.packbits(y != 0).tobytes()).hexdigest()


def name_place_of_dataset(config: Config, source: Source) -> str:
    """The absolute path that --dataset resolved to, or the dataset's name if it has no path."""
    return str(source.path.resolve()) if source.path else config.dataset
