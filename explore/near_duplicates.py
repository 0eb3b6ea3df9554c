"""Finds images that are near duplicates of earlier ones, by their hashes and then their pixels."""

import hashlib
import itertools
from collections.abc import Iterator, Mapping

import numpy as np

# The paper calls images with the same hash duplicates. Here the hash only proposes pairs: of 120
# copies that were made 5% brighter and saved as JPEGs of quality 75, a tenth kept their hash; the
# others differed in 3 bits on average and 12 at most. Different images may be as close: drawn faces
# and robots that differ in one detail are.
TABLES = 8  # of 16 bits each: a pair that differs in up to 7 bits agrees in at least one of them
MOST_BITS = 12  # by which the hashes of near duplicates differ

# The pixels decide. Copies of drawn faces and robots stay below these limits when they are saved as
# JPEGs of quality 75, halved in size, or made 5% brighter or darker; no two of 4,000 such faces,
# 3,000 robots or 4,000 of MNIST's digits do. Pixels are from 0 to 255.
MOST_BRIGHTNESS = 16.0  # by which the mean of all pixels differs
LEAST_CONTRAST_RATIO = 0.8  # of their standard deviations
MOST_DEVIATION = 8.0  # root mean square over all pixels, after both are made equally bright
MOST_DEVIATION_SHARE = 0.2  # of the standard deviation of pixels: two plain skies are not copies
MOST_CELL_DEVIATION = 10.0  # of the mean of any cell, which tells a changed mouth from JPEG's noise
CELL = 4  # pixels a side
CHUNK = 1024  # pairs in memory as floats


def find_near_duplicates(images: np.ndarray, hashes: np.ndarray) -> dict[int, list[int]]:
    """Row of an image to keep -> the rows of its near duplicates, all ascending.

    images: (N, H, W, C) uint8, with H and W multiples of CELL. hashes: bool (N, 128). Each
    duplicate is like the image that is kept, not only like another duplicate. Time: linear in N,
    apart from images whose hashes agree in a table.
    """
    first_of_copies = find_exact_copies(images)
    originals = np.flatnonzero(first_of_copies == np.arange(len(images)))
    pairs = originals[propose_pairs(hashes[originals])]  # (P, 2)
    similar = pairs[are_near_duplicates(images, pairs)]

    kept_for = _choose_images_to_keep(similar)
    groups = {}
    for row, first in enumerate(first_of_copies.tolist()):
        keep = kept_for.get(first, first)
        if keep != row:
            groups.setdefault(keep, []).append(row)
    return dict(sorted(groups.items()))


def find_exact_copies(images: np.ndarray) -> np.ndarray:
    """int64 (N,): for each image, the first row with exactly the same pixels."""
    rows = {}
    return np.array(
        [
            rows.setdefault(hashlib.blake2b(np.ascontiguousarray(image)).digest(), row)
            for row, image in enumerate(images)
        ]
    )


def propose_pairs(hashes: np.ndarray) -> np.ndarray:
    """int64 (P, 2): pairs of rows, the smaller first, whose hashes differ in MOST_BITS or fewer.

    hashes: bool (N, 128). Finds all pairs that differ in fewer bits than there are TABLES, and most
    of the others, by sorting each table.
    """
    packed = np.packbits(hashes, axis=1)  # (N, 16) uint8
    found = [np.empty((0, 2), np.int64)]
    for table in np.split(packed, TABLES, axis=1):  # (N, 2)
        keys = np.ascontiguousarray(table).view(np.uint16)[:, 0]
        for first, second in _list_pairs_of_equal_keys(keys):
            differing = np.unpackbits(packed[first] ^ packed[second], axis=1).sum(1)
            close = differing <= MOST_BITS
            found.append(np.stack([first[close], second[close]], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def _list_pairs_of_equal_keys(keys: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields (rows, later rows) until all pairs with equal keys (N,) have been given, each once."""
    order = np.argsort(keys, kind="stable")
    ordered, starts = keys[order], np.arange(len(keys))
    for offset in itertools.count(1):  # neighbours in the order, then those one further, ...
        starts = starts[starts + offset < len(keys)]
        starts = starts[ordered[starts] == ordered[starts + offset]]
        if not len(starts):
            return
        yield order[starts], order[starts + offset]


def are_near_duplicates(images: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """bool (P,): whether the pixels of each pair (P, 2) of images (N, H, W, C) are nearly equal."""
    results = [np.empty(0, bool)]
    for start in range(0, len(pairs), CHUNK):
        first, second = pairs[start : start + CHUNK].T
        results.append(_compare_pixels(images[first], images[second]))
    return np.concatenate(results)


def _compare_pixels(ones: np.ndarray, others: np.ndarray) -> np.ndarray:
    """bool (n,): whether images (n, H, W, C) and others differ in brightness and contrast only."""
    ones, others = (images.astype(np.float32) for images in (ones, others))
    axes = (1, 2, 3)
    brightness = [images.mean(axes, keepdims=True) for images in (ones, others)]
    contrast = [np.maximum(images.std(axes, keepdims=True), 1) for images in (ones, others)]

    # The image of higher contrast is scaled to the contrast of the other, but not by too much.
    lower = np.minimum(*contrast)
    scales = [np.maximum(lower / one, LEAST_CONTRAST_RATIO) for one in contrast]
    difference = (ones - brightness[0]) * scales[0] - (others - brightness[1]) * scales[1]

    count, height, width, channels = difference.shape
    cells = (count, height // CELL, CELL, width // CELL, CELL, channels)
    largest_cell = np.abs(difference.reshape(cells).mean((2, 4))).max(axes)
    deviation = np.sqrt(np.square(difference).mean(axes))
    most = np.minimum(MOST_DEVIATION, MOST_DEVIATION_SHARE * lower.reshape(count))
    return (
        (np.abs(brightness[0] - brightness[1]).reshape(count) <= MOST_BRIGHTNESS)
        & (deviation <= most)
        & (largest_cell <= MOST_CELL_DEVIATION)
    )


def _choose_images_to_keep(pairs: np.ndarray) -> Mapping[int, int]:
    """Duplicate -> the first kept image that it is like. pairs: (P, 2), the smaller row first."""
    kept_for = {}
    # Sorted by the later image, so that it is known which of the earlier ones are kept.
    for later, earlier in sorted((second, first) for first, second in pairs.tolist()):
        if earlier not in kept_for:
            kept_for.setdefault(later, earlier)
    return kept_for
