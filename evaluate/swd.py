"""The sliced Wasserstein distance of image patches (Karras et al. 2018, PGGAN, section 5)."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO

import numpy as np
from threadpoolctl import threadpool_limits

from evaluate.image_sets import check_image_sets, list_chunks_of_compared_images, read_rgb_chunks

SMALLEST_LEVEL = 16  # pixels of the shorter side
PATCH = 7  # pixels of a patch's side
PATCHES = 128  # per image and level
REPEATS = 4  # their mean is the mean over all directions, so all are drawn at once
DIRECTIONS = 128  # per repeat
SCALE = 1e3
BINOMIAL = np.float32([1, 4, 6, 4, 1]) / 16

PROJECTION_BYTES = 2**30  # of the projections of both sets: fewer bytes mean more passes
BYTES_IN_MEMORY = 2**25  # of a level of a set; a larger one goes to a file
THREADS = 4  # for sorting; one thread projects each set


def measure_sliced_wasserstein(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """{"swd_64", "swd_32", "swd_16": of each level, by its shorter side; "swd": their mean} x 1e3.

    reals, fakes: uint8 (N, H, W, C), equally many. Each image becomes a Laplacian pyramid, down to
    a shorter side of 16 or more; smaller images have one level, the image itself. Each level gives
    128 random patches of 7 x 7 x 3 per image. A set's patches are normalised by their own mean and
    deviation per channel, projected on 4 x 128 random directions, and sorted: the distance is the
    mean difference. Gray is repeated, RGBA is laid on white, and half of an odd side is rounded up.

    Both sets take patches at the same places, so the distance of a set to itself is 0. (The
    original draws them apart: 9.04 instead of 8.91 for two halves of 3,600 faces of 32 x 32.)
    Memory: 1.4 GB, or 1,024 N bytes if that is more. The pyramids are in temporary files: 16 bytes
    for each of the N H W pixels of both sets. Raises ValueError when the sets differ in size or
    shape.
    """
    height, width, _ = check_image_sets(reals, fakes, metric="SWD", least=1)
    if len(reals) != len(fakes):
        raise ValueError(
            f"SWD needs as many reals as fakes but was given {len(reals):,} reals and "
            f"{len(fakes):,} fakes: leave out some of the larger set"
        )

    shapes = list_pyramid_level_shapes(height, width)
    with open_pyramids(reals, shapes) as first, open_pyramids(fakes, shapes) as second:
        distances = {
            f"swd_{min(shape)}": SCALE * compare_levels(first, second, level, seed)
            for level, shape in enumerate(shapes)
        }
    return distances | {"swd": float(np.mean(list(distances.values())))}


def list_pyramid_level_shapes(height: int, width: int) -> list[tuple[int, int]]:
    """(height, width) of the levels of a pyramid, from full resolution down."""
    shapes = [(height, width)]
    while min(height, width) > SMALLEST_LEVEL:
        height, width = -(-height // 2), -(-width // 2)
        if min(height, width) >= SMALLEST_LEVEL:
            shapes.append((height, width))
    return shapes


@contextlib.contextmanager
def open_pyramids(images, shapes: list[tuple[int, int]]):
    """The Laplacian pyramids of a set of images, in temporary files that last for the block."""
    with contextlib.ExitStack() as stack:
        files = [
            stack.enter_context(tempfile.SpooledTemporaryFile(BYTES_IN_MEMORY)) for _ in shapes
        ]
        for chunk in read_rgb_chunks(images):
            for level, file in zip(build_laplacian_pyramid(chunk, len(shapes)), files, strict=True):
                file.write(level.tobytes())
        yield Pyramids(len(images), shapes, files)


@dataclasses.dataclass(frozen=True)
class Pyramids:
    """count: of images. shapes: (h, w) of the levels. files: (count, h, w, 3) float32 of each."""

    count: int
    shapes: list[tuple[int, int]]
    files: list[IO[bytes]]

    def read_patches(self, level: int, seed: int) -> Iterator[np.ndarray]:
        """Chunks of PATCHES random patches per image: (n * PATCHES, PATCH * PATCH * 3) float32."""
        file = self.files[level]
        file.seek(0)
        shape = (*self.shapes[level], 3)
        rng = np.random.default_rng((seed, level))
        for start, stop in list_chunks_of_compared_images(self.count, shape):
            content = file.read((stop - start) * 4 * int(np.prod(shape)))
            images = np.frombuffer(content, np.float32).reshape(stop - start, *shape)
            yield cut_patches(images, *draw_patch_corners(rng, len(images), shape))


def build_laplacian_pyramid(images: np.ndarray, levels: int) -> list[np.ndarray]:
    """What halving loses at each level, and the smallest image: float32 (n, h, w, 3) each."""
    pyramid = [images]
    for _ in range(levels - 1):
        image = pyramid[-1]
        smaller = halve_images(image)
        height, width = image.shape[1:3]
        pyramid[-1] = image - double_images(smaller)[:, :height, :width]
        pyramid.append(smaller)
    return pyramid


def halve_images(images: np.ndarray) -> np.ndarray:
    """Every second pixel of the blurred images: (n, H, W, C) -> (n, ceil(H/2), ceil(W/2), C)."""
    return _blur_axis(_blur_axis(images, 1, stride=2), 2, stride=2)


def double_images(images: np.ndarray) -> np.ndarray:
    """The images with zeros between their pixels, blurred: (n, h, w, C) -> (n, 2h, 2w, C)."""
    count, height, width, channels = images.shape
    spread = np.zeros((count, 2 * height, 2 * width, channels), np.float32)
    spread[:, ::2, ::2] = images * 4  # three of four pixels are zeros
    return _blur_axis(_blur_axis(spread, 1), 2)


def _blur_axis(images: np.ndarray, axis: int, stride: int = 1) -> np.ndarray:
    """Every `stride`-th pixel of a binomial blur along an axis, with NumPy's "reflect" padding."""
    pads = [(2, 2) if a == axis else (0, 0) for a in range(4)]
    padded = np.moveaxis(np.pad(images, pads, "reflect"), axis, 0)
    length = images.shape[axis]
    blurred = sum(w * padded[k : k + length : stride] for k, w in enumerate(BINOMIAL))
    return np.moveaxis(blurred, 0, axis)


def draw_patch_corners(rng: np.random.Generator, count: int, shape) -> tuple:
    """(top, left) of PATCHES patches in each of `count` images of `shape` (h, w, 3)."""
    tops = rng.integers(0, shape[0] - PATCH + 1, count * PATCHES)
    lefts = rng.integers(0, shape[1] - PATCH + 1, count * PATCHES)
    return tops, lefts


def cut_patches(images: np.ndarray, tops: np.ndarray, lefts: np.ndarray) -> np.ndarray:
    """(n, h, w, 3) -> (n * PATCHES, PATCH * PATCH * 3): rows, columns, channels."""
    count, height, width, channels = images.shape
    row = PATCH * channels  # a patch's pixels of one row are contiguous
    windows = np.lib.stride_tricks.as_strided(
        images,
        (count, height - PATCH + 1, width - PATCH + 1, PATCH, row),
        (*images.strides[:3], images.strides[1], images.itemsize),
    )
    image = np.repeat(np.arange(count), PATCHES)
    # (n * PATCHES, PATCH, PATCH * 3) -> (n * PATCHES, PATCH * PATCH * 3)
    return windows[image, tops, lefts].reshape(-1, PATCH * row)


def compare_levels(first: Pyramids, second: Pyramids, level: int, seed: int) -> float:
    """The mean distance of the sorted projections over all directions, as many at once as fit."""
    directions = draw_directions(seed, level)
    sides = [
        (side, *normalise_patch_directions(side, level, seed, directions))
        for side in (first, second)
    ]
    columns = first.count * PATCHES
    at_once = min(len(directions), max(1, PROJECTION_BYTES // (2 * 4 * columns)))
    projections = np.empty((2, at_once, columns), np.float32)

    total = 0.0
    # BLAS's own threads would lose a third of the time by waiting for each other.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(directions), at_once):
            part = slice(start, start + at_once)
            chunks = [side.read_patches(level, seed) for side, *_ in sides]
            scaled = [directions[part] for _, directions, _ in sides]
            list(pool.map(project_patches, chunks, scaled, projections))
            shifts = sides[0][2][part] - sides[1][2][part]
            total += sum(pool.map(compare_projections, *projections, shifts))
    return total / len(directions)


def draw_directions(seed: int, level: int) -> np.ndarray:
    """Uniform random unit vectors: float64 (REPEATS * DIRECTIONS, PATCH * PATCH * 3)."""
    rng = np.random.default_rng((seed, level, 1))
    directions = rng.standard_normal((REPEATS * DIRECTIONS, PATCH * PATCH * 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def normalise_patch_directions(
    side: Pyramids, level: int, seed: int, directions: np.ndarray
) -> tuple:
    """(directions / deviation, mean / deviation on the directions), which normalise projections.

    Mean and deviation are those of a channel over all patches of the set. A constant channel is
    left at 0.
    """
    total, squares, count = np.zeros(3), np.zeros(3), 0
    for patches in side.read_patches(level, seed):
        # (PATCH * PATCH * 3,) -> (PATCH * PATCH, 3): places and channels
        total += patches.sum(0).reshape(-1, 3).sum(0, dtype=np.float64)
        squares += np.einsum("pv,pv->v", patches, patches).reshape(-1, 3).sum(0, dtype=np.float64)
        count += patches.size // 3

    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    inverse = np.where(deviation > 1e-3, 1 / np.maximum(deviation, 1e-3), 0)  # levels of 0 to 255
    scaled = directions * np.tile(inverse, PATCH * PATCH)
    return scaled.astype(np.float32), (scaled @ np.tile(mean, PATCH * PATCH)).astype(np.float32)


def project_patches(chunks: Iterator[np.ndarray], directions: np.ndarray, out: np.ndarray) -> None:
    """Writes all patches' projections to the first rows of `out` (directions, N * PATCHES)."""
    start = 0
    for patches in chunks:
        stop = start + len(patches)
        np.matmul(directions, patches.T, out=out[: len(directions), start:stop])
        start = stop


def compare_projections(first: np.ndarray, second: np.ndarray, shift: float) -> float:
    """Mean |a - b - shift| of two lists of numbers, which are first sorted in place."""
    first.sort()
    second.sort()
    gaps = first - second
    gaps -= shift
    return float(np.mean(np.abs(gaps, out=gaps), dtype=np.float64))
