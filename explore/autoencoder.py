"""Semantic hashes of images, from a small autoencoder (Radford et al. 2016, section 4.1).

A denoising autoencoder, 3072-128-3072, regularized by dropout, learns to reproduce images of 32x32.
Which of its 128 hidden units are active is a hash that hardly changes when an image is compressed
or recoloured a little.
"""

import system.quiet_tensorflow  # noqa: F401  (before anything that imports TensorFlow)

# isort: split
from collections.abc import Iterator

import keras
import numpy as np
from tqdm import tqdm

from data.batches import prefetch_batches

SIDE = 32  # of the images, as in the paper
PIXELS = SIDE * SIDE * 3
UNITS = 128  # of the code, as in the paper

# The paper does not say how it trained. With these, codes of photos, drawings and digits use about
# half of their units, and re-encoding an image as a JPEG changes a few of the 128 bits.
NOISE = 0.3  # standard deviation, where that of an image is 1
DROPOUT = 0.2  # share of the code
STEPS = 1000
BATCH_SIZE = 128
LEARNING_RATE = 1e-3

LEAST_CONTRAST = 8.0  # standard deviation of pixels, 0 to 255: flatter images count as flat
CHUNK = 1024  # images in memory as floats


def compute_semantic_hashes(images: np.ndarray, seed: int) -> np.ndarray:
    """bool (N, 128): which units of the code are active, for images (N, 32, 32, 3) uint8.

    Trains an autoencoder on the images. The same seed and images give the same hashes.
    """
    mean = _compute_mean_of_normalized_images(images)
    encoder = train_encoder(images, mean, seed)
    codes = [
        keras.ops.convert_to_numpy(encoder(normalize_brightness(chunk) - mean))
        for chunk in _read_chunks(images)
    ]
    return np.concatenate(codes) > 0


def train_encoder(images: np.ndarray, mean: np.ndarray, seed: int) -> keras.Model:
    """Trains on images (N, 32, 32, 3) uint8; returns (n, 3072) -> the code (n, 128), at least 0.

    mean: (3072,), the mean of the normalized images; the encoder takes images less this mean.
    """
    first, second = (keras.initializers.GlorotUniform(seed=seed + layer) for layer in range(2))
    encoder = keras.Sequential(
        [
            keras.Input((PIXELS,)),
            keras.layers.GaussianNoise(NOISE, seed=seed),
            keras.layers.Dense(UNITS, activation="relu", kernel_initializer=first),
        ]
    )
    decoder = [
        keras.layers.Dropout(DROPOUT, seed=seed),
        keras.layers.Dense(PIXELS, kernel_initializer=second),
    ]
    autoencoder = keras.Sequential([encoder, *decoder])
    adam = keras.optimizers.Adam(LEARNING_RATE)
    autoencoder.compile(adam, "mean_squared_error", jit_compile=False)

    calls = (range(step, step + 1) for step in range(STEPS))
    batches = prefetch_batches(images, batch_size=BATCH_SIZE, seed=seed, calls=calls)
    for (batch,) in tqdm(batches, total=STEPS, desc="autoencoder", unit="step", disable=None):
        reals = normalize_brightness(batch[0]) - mean
        autoencoder.train_on_batch(reals, reals)
    return encoder


def normalize_brightness(images: np.ndarray) -> np.ndarray:
    """Images (n, H, W, C) of 0 to 255 -> float32 (n, H * W * C), each of mean 0 and deviation 1.

    So a brighter copy of an image gets the same hash. (The paper does not do this.)
    """
    pixels = images.reshape(len(images), -1).astype(np.float32)  # (n, H, W, C) -> (n, H * W * C)
    pixels -= pixels.mean(1, keepdims=True)
    return pixels / np.maximum(pixels.std(1, keepdims=True), LEAST_CONTRAST)


def _compute_mean_of_normalized_images(images: np.ndarray) -> np.ndarray:
    """(3072,) float32. Subtracting it keeps units from being active for all images, or for none."""
    sums = (normalize_brightness(chunk).sum(0, dtype=np.float64) for chunk in _read_chunks(images))
    return (sum(sums) / len(images)).astype(np.float32)


def _read_chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    return (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
