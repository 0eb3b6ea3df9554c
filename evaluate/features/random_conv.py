"""Features of a convolutional network that is never trained (arXiv 2208.09218).

The network in full, so that anybody can rebuild it: pixels as RGB in [-1, 1]; DEPTHS convolutions
of 3 x 3 with stride 2, padding "SAME", WIDTH channels and no bias, each followed by a leaky ReLU of
slope 0.2; at each depth, the mean and the standard deviation over all places of its first POOLED
channels. Kernels are He-normal (He et al. 2015), from `draw_kernels`. So d = 4 * 16 * 2 = 128.
"""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from evaluate.frechet import gather_moments
from evaluate.image_sets import check_image_sets, read_rgb_chunks

SEEDS = (0, 1, 2)  # the spread over these shows how much the choice of network matters
DEPTHS = 4
WIDTH = 64  # channels
POOLED = 16  # channels of each depth that become features
KERNEL = 3  # pixels
SLOPE = 0.2
DIMENSIONS = DEPTHS * POOLED * 2  # d
LEAST_DEVIATION = 1e-5  # below this, a feature is the same for all reals, and is left out


def compute_random_features(
    reals, *others, seed: int = 0, gather: Callable | None = None
) -> tuple[np.ndarray, ...]:
    """Features of each set, float32 (N, 128), shifted and scaled by the reals' mean and deviation.

    reals, others: uint8 (N, H, W, C), any C, any side from 8 pixels up. This gives all features the
    same weight, and their products a scale that KID can use. gather: replaces
    `gather_random_features`. Memory: the features, 512 bytes an image, and one chunk of images.
    Raises ValueError for fewer than 2 images.
    """
    gather = gather or gather_random_features
    for other in others:
        check_image_sets(reals, other, metric="random features", least=2)
    features = [gather(images, seed=seed) for images in (reals, *others)]
    scale = find_feature_mean_and_deviation(features[0])
    return tuple(standardise_features(of_set, *scale) for of_set in features)


def gather_random_features(images, *, seed: int = 0) -> np.ndarray:
    """float32 (N, 128) of a set, as the network gives them."""
    return np.concatenate(list(extract_random_features(images, seed=seed)))


def extract_random_features(images, *, seed: int = 0) -> Iterator[np.ndarray]:
    """Chunks (n, 128) float32 of the features of a set, as the network gives them."""
    kernels = [tf.constant(kernel) for kernel in draw_kernels(seed)]
    for chunk in read_rgb_chunks(images):
        yield _apply_random_feature_network(tf.constant(chunk), kernels).numpy()


def find_feature_mean_and_deviation(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, deviation) of features (N, d), float64 (d,); a constant feature's deviation is inf."""
    moments = gather_moments([features])
    deviation = np.sqrt(np.diag(moments.covariance))
    return moments.mean, np.where(deviation < LEAST_DEVIATION, np.inf, deviation)


def standardise_features(features: np.ndarray, mean, deviation) -> np.ndarray:
    """(features - mean) / deviation, float32 (n, d)."""
    return ((features - mean) / deviation).astype(np.float32)


def name_random_network(seed: int) -> str:
    """A name that differs for networks with other kernels."""
    digest = hashlib.sha256(b"".join(kernel.tobytes() for kernel in draw_kernels(seed)))
    return f"random convolutions, sha256 {digest.hexdigest()}"


def draw_kernels(seed: int) -> list[np.ndarray]:
    """The kernels, float32 (3, 3, inputs, 64), inputs = 3 for the first, 64 for the others."""
    generator = np.random.PCG64(seed)
    kernels = []
    for inputs in (3, *[WIDTH] * (DEPTHS - 1)):
        shape = (KERNEL, KERNEL, inputs, WIDTH)
        fan_in = KERNEL * KERNEL * inputs
        normal = draw_normal_numbers_for_features(generator, int(np.prod(shape))).reshape(shape)
        kernels.append((normal * np.sqrt(2 / (1 + SLOPE**2) / fan_in)).astype(np.float32))
    return kernels


def draw_normal_numbers_for_features(generator: np.random.PCG64, count: int) -> np.ndarray:
    """`count` (even) numbers of N(0, 1), float64, by Box and Muller's method.

    NumPy promises the same raw bits in every version, but not the same normal numbers.
    """
    bits = generator.random_raw(count)
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53  # in (0, 1)
    radius = np.sqrt(-2 * np.log(uniform[0::2]))
    angle = 2 * np.pi * uniform[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()


@tf.function(reduce_retracing=True)
def _apply_random_feature_network(pixels: tf.Tensor, kernels: list[tf.Tensor]) -> tf.Tensor:
    """pixels (n, H, W, 3), 0 to 255 -> (n, 128)."""
    maps = pixels / 127.5 - 1
    pooled = []
    for kernel in kernels:
        maps = tf.nn.leaky_relu(tf.nn.conv2d(maps, kernel, 2, "SAME"), SLOPE)
        first = maps[..., :POOLED]
        mean = tf.reduce_mean(first, (1, 2), keepdims=True)
        variance = tf.reduce_mean((first - mean) ** 2, (1, 2))
        pooled += [mean[:, 0, 0], tf.sqrt(variance)]  # (n, 1, 1, 16) -> (n, 16)
    return tf.concat(pooled, 1)
