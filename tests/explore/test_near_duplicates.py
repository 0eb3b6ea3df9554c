"""Pairs are those of a comparison of all with all, and only nearly equal pixels count."""

import numpy as np

from explore.near_duplicates import (
    MOST_BITS,
    TABLES,
    are_near_duplicates,
    find_exact_copies,
    find_near_duplicates,
    propose_pairs,
)


def test_pairs_of_near_hashes_are_found_as_by_comparing_all():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2, (300, 128)).astype(bool)
    for row in range(0, 100, 2):  # pairs that differ in 0 to 24 bits
        hashes[row + 1] = hashes[row]
        hashes[row + 1, rng.permutation(128)[: row // 4]] ^= True
    distances = (hashes[:, None] != hashes[None]).sum(-1)
    near = {(a, b) for a, b in np.argwhere(distances <= MOST_BITS).tolist() if a < b}
    certain = {(a, b) for a, b in near if distances[a, b] < TABLES}
    found = [*map(tuple, propose_pairs(hashes).tolist())]
    assert len(found) == len(set(found))
    assert certain <= set(found) <= near
    assert len(certain) == 16


def test_many_equal_hashes_are_all_paired():
    pairs = propose_pairs(np.zeros((40, 128), bool))
    assert pairs.tolist() == [[a, b] for a in range(40) for b in range(a + 1, 40)]
    assert propose_pairs(np.zeros((0, 128), bool)).shape == (0, 2)


def test_pixels_decide():
    """The limits, by hand: on a gray image with a pattern, what may differ and what may not."""
    rng = np.random.default_rng(0)
    base = np.clip(rng.normal(128, 40, (32, 32, 3)), 60, 200).round()
    cell, pixel, contrast = base.copy(), base.copy(), 128 + 0.4 * (base - 128)
    cell[8:12, 8:12] += 20
    pixel[8, 8] += 40
    cases = [base, base + 10, base + 25, pixel, cell, contrast, base[:, ::-1]]
    images = np.stack(cases).round().astype(np.uint8)
    pairs = np.array([[0, other] for other in range(len(images))])
    expected = [True, True, False, True, False, False, False]
    assert are_near_duplicates(images, pairs).tolist() == expected
    assert are_near_duplicates(images, pairs[:, ::-1]).tolist() == expected
    flat = np.stack([np.full((32, 32, 3), value, np.uint8) for value in (0, 255)])
    assert not are_near_duplicates(flat, np.array([[0, 1]]))[0]


def test_each_duplicate_is_like_the_image_that_stays():
    """Of images that get brighter step by step, every other step is too far from the first."""
    steps = np.stack([np.full((32, 32, 3), 100 + 12 * k, np.uint8) for k in range(5)])
    images = np.concatenate([steps, steps[:2], steps[3:]])
    groups = find_near_duplicates(images, np.zeros((len(images), 128), bool))
    assert groups == {0: [1, 5, 6], 2: [3, 7], 4: [8]}
    assert find_exact_copies(images).tolist() == [0, 1, 2, 3, 4, 0, 1, 3, 4]
