"""Sets of images and of features, as the metrics take them.

A set of images is uint8 (N, H, W, C), C = 1, 3 or 4, and has `len` and slices [i:j]: an array, a
memory-mapped pack, or an object that draws images on demand. No metric reads a whole set at once. A
set of features is float (N, d).
"""

from collections.abc import Iterator

import numpy as np

from data.packing.decode import BACKGROUND

CHUNK_VALUES = 2**22  # of a chunk of images: 16 MB in float32
CHUNK_IMAGES = 256
SMALLEST_SIDE = 8  # pixels


class TooFewImagesError(ValueError):
    """A metric needs more images. What to do about it, the caller knows."""


def check_image_sets(reals, fakes, *, metric: str, least: int) -> tuple[int, int, int]:
    """The (H, W, C) of both sets.

    Raises ValueError when it differs between the sets, when a side is under SMALLEST_SIDE, or when
    a set has fewer than `least` images.
    """
    check_set_sizes(reals, fakes, metric=metric, least=least)
    real_shape, fake_shape = (
        read_shape_of_compared_images(reals),
        read_shape_of_compared_images(fakes),
    )
    if real_shape != fake_shape:
        raise ValueError(
            f"{metric} compares images of one shape, but the reals are "
            f"{_describe_image_shape(real_shape)} and the fakes "
            f"{_describe_image_shape(fake_shape)}: give both the same size and channels"
        )
    if min(real_shape[:2]) < SMALLEST_SIDE:
        raise ValueError(
            f"{metric} needs images of {SMALLEST_SIDE}x{SMALLEST_SIDE} pixels or more, but these "
            f"are {_describe_image_shape(real_shape)}: use larger ones"
        )
    return real_shape


def check_feature_sets(reals, fakes, *, metric: str, least: int) -> int:
    """The d of both sets (N, d); raises ValueError as `check_image_sets` does."""
    check_set_sizes(reals, fakes, metric=metric, least=least)
    shapes = [np.shape(features[:1]) for features in (reals, fakes)]
    if any(len(shape) != 2 for shape in shapes) or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            f"{metric} compares features (N, d) with the same d, but one real has features "
            f"{shapes[0]} and one fake {shapes[1]}: take both from the same network"
        )
    return shapes[0][1]


def check_set_sizes(reals, fakes, *, metric: str, least: int) -> None:
    """Raises TooFewImagesError when one of the sets has fewer than `least` members."""
    if min(len(reals), len(fakes)) < least:
        raise TooFewImagesError(
            f"{metric} needs at least {least:,} images of each kind but was given "
            f"{len(reals):,} reals and {len(fakes):,} fakes"
        )


def read_shape_of_compared_images(images) -> tuple[int, int, int]:
    """(H, W, C); raises ValueError unless `images` is a set of images."""
    first = np.asarray(images[:1])
    if first.ndim != 4 or first.dtype != np.uint8 or first.shape[-1] not in (1, 3, 4):
        raise ValueError(
            "a set of images must be uint8 (N, H, W, C) with C = 1, 3 or 4, but this one is "
            f"{first.dtype}, and its first image is {first.shape}: convert it"
        )
    return first.shape[1:]


def _describe_image_shape(shape: tuple[int, int, int]) -> str:
    height, width, channels = shape
    return f"{width} wide x {height} high with {channels} channel{'s' * (channels > 1)}"


def list_chunks_of_compared_images(count: int, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """(start, stop) of chunks of at most CHUNK_IMAGES images and CHUNK_VALUES values."""
    size = min(CHUNK_IMAGES, max(1, CHUNK_VALUES // int(np.prod(shape))))
    return [(start, min(start + size, count)) for start in range(0, count, size)]


def read_compared_chunks_on_background(images) -> Iterator[np.ndarray]:
    """Chunks of the set as `lay_compared_images_on_background` gives them."""
    for start, stop in list_chunks_of_compared_images(
        len(images), read_shape_of_compared_images(images)
    ):
        yield lay_compared_images_on_background(images[start:stop])


def read_rgb_chunks(images) -> Iterator[np.ndarray]:
    """Chunks (n, H, W, 3) float32, 0 to 255; gray is repeated."""
    for shown in read_compared_chunks_on_background(images):
        yield np.repeat(shown, 3, axis=-1) if shown.shape[-1] == 1 else shown


def read_rgb_batches(images, size: int) -> Iterator[np.ndarray]:
    """Batches of `size` images or fewer, as `read_rgb_chunks` gives them, in whole numbers."""
    for chunk in read_rgb_chunks(images):
        for start in range(0, len(chunk), size):
            yield np.rint(chunk[start : start + size])


def lay_compared_images_on_background(images) -> np.ndarray:
    """uint8 (n, H, W, C) -> float32 (n, H, W, 1 or 3), 0 to 255.

    RGBA is laid on the same background as in a pack: nobody sees the colour of a transparent pixel.
    """
    shown = np.asarray(images).astype(np.float32)
    if shown.shape[-1] != 4:
        return shown
    alpha = shown[..., 3:] / 255
    return shown[..., :3] * alpha + np.float32(BACKGROUND) * (1 - alpha)


def take_compared_images(images, indices: np.ndarray) -> np.ndarray:
    """The images at `indices` (n,), in that order: uint8 (n, H, W, C)."""
    if isinstance(images, np.ndarray):
        return images[indices]
    return np.concatenate([images[index : index + 1] for index in indices.tolist()])
