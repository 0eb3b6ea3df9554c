"""Nearest neighbours: the tests of the paper's code, duplicates among the fakes, and memorisation.

Every function takes images, uint8 (N, H, W, C), compared as pixels in [0, 1] (RGBA on white), or
features, float (N, d). Memory: two blocks of them, 100 MB, whatever N is.
"""

import dataclasses
import math

import numpy as np

from evaluate.image_sets import check_set_sizes, lay_compared_images_on_background

BLOCK_VALUES = 2**23  # of a block of rows: 32 MB in float32
BLOCK_ROWS = 2048
MOST_FAKES = 2000  # that are looked up; the time grows with their number
CLOSEST_SHARE = 0.01  # of the reals have a neighbour near enough to count as a duplicate


@dataclasses.dataclass(frozen=True)
class Nearest:
    """The nearest reference of each query: distances (N,) float64, Euclidean; indices (N,)."""

    distances: np.ndarray
    indices: np.ndarray


@dataclasses.dataclass(frozen=True)
class LabelledImages:
    """images: a set, uint8 (N, H, W, C). classes: a whole number for each, (N,)."""

    images: np.ndarray
    classes: np.ndarray


@dataclasses.dataclass(frozen=True)
class Memorisation:
    """Whether fakes are nearer to training images than to held-out ones.

    share: of the fakes that are nearer; a tie counts half. expected: the share without
    memorisation, which is the training images' share of all reals. p_value: the probability of this
    share or a larger one without memorisation, where it is uniform in [0, 1] and 0.5 on average.
    training, held_out: the nearest of each, for the first fakes.
    """

    share: float
    expected: float
    p_value: float
    training: Nearest
    held_out: Nearest


def measure_nearest_fake_distance(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """{"nnd": mean distance from a real to its nearest fake}: the paper's code's `nnd_score`.

    reals: images that were not trained on. The distance falls with the number of fakes, and when
    they are slightly blurred: use it to compare with the paper's code, not to compare models.
    `seed` is not used.
    """
    _check_fakes_comparable_to_reals(reals, fakes, metric="nnd", least=1)
    return {"nnd": float(find_nearest(reals, fakes).distances.mean())}


def measure_nearest_fake_label_accuracy(
    reals: LabelledImages, fakes: LabelledImages, *, seed: int = 0
) -> dict[str, float]:
    """{"nnc": accuracy} of predicting each real's class from its nearest fake, 0 to 1.

    `nnc_score` in the paper's code; 1 minus it is the test error of the paper's table 3. reals:
    images that were not trained on. `seed` is not used.
    """
    _check_fakes_comparable_to_reals(reals.images, fakes.images, metric="nnc", least=1)
    guesses = fakes.classes[find_nearest(reals.images, fakes.images).indices]
    return {"nnc": float(np.mean(guesses == reals.classes))}


def measure_duplicates(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """{"duplicates": near-duplicate pairs among the fakes, "duplicates_reals": among the reals}.

    The birthday test (Arora & Zhang 2018): a generator of s different images repeats one within
    about sqrt(s) draws. The test takes the first 2,000 images (or all) of each set, equally many,
    and counts the pairs that are as near as the closest 1% of the reals' nearest neighbours. `seed`
    is not used. Raises ValueError for fewer than 2 images.
    """
    _check_fakes_comparable_to_reals(reals, fakes, metric="duplicates", least=2)
    count = min(len(reals), len(fakes), MOST_FAKES)
    reals, fakes = reals[:count], fakes[:count]
    nearest = find_nearest(reals, reals, skip_itself=True)
    reach = float(np.quantile(nearest.distances, CLOSEST_SHARE))
    return {
        "duplicates": float(count_close_pairs(fakes, reach)),
        "duplicates_reals": float(count_close_pairs(reals, reach)),
    }


def measure_memorisation(training, held_out, fakes, *, seed: int = 0) -> Memorisation:
    """Compares each fake's distances to its nearest training and nearest held-out image.

    It takes the first MOST_FAKES fakes. Without memorisation, training and held-out images are
    exchangeable, so the probability that the nearest real is a training image is their share of all
    reals. The p-value is that of exchanging them at random (by a normal approximation), which
    allows for many fakes with the same nearest real. `seed` is not used.
    """
    _check_fakes_comparable_to_reals(training, fakes, metric="memorisation", least=1)
    _check_fakes_comparable_to_reals(held_out, fakes, metric="memorisation", least=2)
    fakes = fakes[:MOST_FAKES]
    known, unseen = find_nearest(fakes, training), find_nearest(fakes, held_out)
    nearer = np.where(known.distances == unseen.distances, 0.5, known.distances < unseen.distances)

    # How often each real is the nearest of all: (training + held-out,)
    counts = np.bincount(known.indices, nearer, len(training))
    counts = np.append(counts, np.bincount(unseen.indices, 1 - nearer, len(held_out)))
    expected = len(training) / len(counts)
    variance = expected * (1 - expected) * len(counts) / (len(counts) - 1)
    variance *= np.sum((counts - counts.mean()) ** 2)  # of drawing the training images at random

    excess = nearer.sum() - expected * len(nearer)
    p_value = math.erfc(excess / math.sqrt(2 * variance)) / 2 if variance else 0.5
    return Memorisation(float(nearer.mean()), expected, p_value, known, unseen)


def find_nearest(queries, references, *, skip_itself: bool = False) -> Nearest:
    """The nearest of the references for each query.

    The search is in float32: of two references whose distances agree to about 5 digits, either may
    be returned. skip_itself: query i is reference i, and not its own neighbour.
    """
    parts = [
        _search_references(queries[rows], references, rows.start if skip_itself else None)
        for rows in _list_blocks_of_compared_rows(queries)
    ]
    indices = np.concatenate(parts)
    distances = [
        _measure_pair_distances(queries[rows], references, indices[rows])
        for rows in _list_blocks_of_compared_rows(queries)
    ]
    return Nearest(np.concatenate(distances), indices)


def _search_references(queries, references, own: int | None) -> np.ndarray:
    """Indices (n,) of the nearest references; own: the index of query 0 among them, or None."""
    rows = _to_rows(queries, np.float32)
    best = np.full(len(rows), np.inf, np.float32)
    indices = np.zeros(len(rows), np.int64)
    for block in _list_blocks_of_compared_rows(references):
        squares = _square_distances(rows, _to_rows(references[block], np.float32))
        if own is not None:
            _exclude_diagonal(squares, own - block.start)
        nearest = squares.argmin(1)
        values = squares[np.arange(len(rows)), nearest]
        closer = values < best
        best[closer] = values[closer]
        indices[closer] = nearest[closer] + block.start
    return indices


def _exclude_diagonal(squares: np.ndarray, shift: int) -> None:
    """Puts infinity where the column is the row + shift."""
    rows = np.arange(max(0, -shift), min(len(squares), squares.shape[1] - shift))
    squares[rows, rows + shift] = np.inf


def _measure_pair_distances(queries, references, indices: np.ndarray) -> np.ndarray:
    """The exact distance of each query to the reference of its index: (n,) float64."""
    distances = np.empty(len(indices))
    for row, index in enumerate(indices.tolist()):
        pair = queries[row : row + 1], references[index : index + 1]
        first, second = (_to_rows(side, np.float64) for side in pair)
        distances[row] = np.linalg.norm(first - second)
    return distances


def count_close_pairs(samples, reach: float) -> int:
    """Pairs of different samples at a distance of `reach` or less."""
    limit = reach**2 * (1 + 1e-9) + 1e-9  # allows for the rounding of float64 only
    pairs = 0
    for block in _list_blocks_of_compared_rows(samples):
        rows = _to_rows(samples[block], np.float64)
        for other in _list_blocks_of_compared_rows(samples):
            if other.start > block.start:
                break
            close = _square_distances(rows, _to_rows(samples[other], np.float64)) <= limit
            pairs += int(np.tril(close, -1).sum() if other == block else close.sum())
    return pairs


def _square_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """|a - b|^2 of each row of (n, d) with each of (m, d)."""
    norms = [np.einsum("nd,nd->n", side, side) for side in (first, second)]
    return norms[0][:, None] + norms[1] - 2 * (first @ second.T)


def _list_blocks_of_compared_rows(samples) -> list[slice]:
    width = int(np.prod(np.shape(samples[:1])))
    size = min(BLOCK_ROWS, max(1, BLOCK_VALUES // width))
    return [slice(i, min(i + size, len(samples))) for i in range(0, len(samples), size)]


def _to_rows(samples, dtype) -> np.ndarray:
    """Images (n, H, W, C) as pixels in [-0.5, 0.5], which rounds less than [0, 1]; features (n, d)
    as they are: (n, values).
    """
    samples = np.asarray(samples)
    if samples.ndim == 4:
        samples = lay_compared_images_on_background(samples).astype(dtype) / 255 - dtype(0.5)
    return samples.reshape(len(samples), -1).astype(dtype, copy=False)


def _check_fakes_comparable_to_reals(reals, fakes, *, metric: str, least: int) -> None:
    check_set_sizes(reals, fakes, metric=metric, least=least)
    shapes = np.shape(reals[:1])[1:], np.shape(fakes[:1])[1:]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"{metric} compares images or features of one shape, but the reals are {shapes[0]} "
            f"and the fakes {shapes[1]}: give both the same size and channels"
        )
