import numpy as np
import pytest

from evaluate import neighbours
from evaluate.neighbours import (
    LabelledImages,
    count_close_pairs,
    find_nearest,
    measure_duplicates,
    measure_memorisation,
    measure_nearest_fake_distance,
    measure_nearest_fake_label_accuracy,
)


def noise(seed, count=30, channels=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 8, 8, channels), dtype=np.uint8)


def gaussians(seed, count, width=4):
    return np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)


def distances_by_loops(queries, references):
    rows = [np.float64(side).reshape(len(side), -1) for side in (queries, references)]
    return np.array([[np.linalg.norm(a - b) for b in rows[1]] for a in rows[0]])


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK_ROWS", 7)


@pytest.mark.usefixtures("small_blocks")
def test_nearest_is_the_brute_force_one_of_pixels_and_of_features():
    for queries, references, unit in (
        (noise(0), noise(1, 40), 255),
        (gaussians(0, 30), gaussians(1, 40), 1),
    ):
        distances = distances_by_loops(queries, references) / unit
        nearest = find_nearest(queries, references)
        np.testing.assert_array_equal(nearest.indices, distances.argmin(1))
        np.testing.assert_allclose(nearest.distances, distances.min(1), rtol=1e-9)


@pytest.mark.usefixtures("small_blocks")
def test_an_image_is_not_its_own_neighbour_unless_it_is_there_twice():
    images = noise(0, 20)
    images[17] = images[3]
    distances = distances_by_loops(images, images)
    np.fill_diagonal(distances, np.inf)
    nearest = find_nearest(images, images, skip_itself=True)
    np.testing.assert_array_equal(nearest.indices, distances.argmin(1))
    assert nearest.distances[[3, 17]].tolist() == [0, 0]


def test_nearest_distance_looks_from_the_reals_to_the_fakes():
    reals, fakes = noise(0), noise(1, 40)
    expected = distances_by_loops(reals, fakes).min(1).mean() / 255
    assert measure_nearest_fake_distance(reals, fakes) == pytest.approx({"nnd": expected})
    assert measure_nearest_fake_distance(reals, np.concatenate([fakes, reals])) == {"nnd": 0}


def test_nearest_accuracy_takes_the_label_of_the_nearest_fake():
    fakes = noise(0, 10)
    reals = fakes[[2, 5, 9]] ^ 1
    labelled = LabelledImages(fakes, np.arange(10))
    scores = measure_nearest_fake_label_accuracy(
        LabelledImages(reals, np.array([2, 5, 8])), labelled
    )
    assert scores == pytest.approx({"nnc": 2 / 3})


@pytest.mark.usefixtures("small_blocks")
def test_close_pairs_are_counted_once():
    images = noise(0, 25)
    images[20:23] = images[2]  # four of them: six pairs
    distances = distances_by_loops(images, images)[np.triu_indices(25, 1)] / 255
    reach = np.quantile(distances, 0.3)
    assert count_close_pairs(images, 0) == 6
    assert count_close_pairs(images, reach) == (distances <= reach).sum()


def test_planted_duplicates_are_found():
    reals, fakes = noise(0, 200), noise(1, 200)
    assert measure_duplicates(reals, fakes)["duplicates"] <= 5
    fakes[150:] = fakes[:50] ^ 1
    scores = measure_duplicates(reals, fakes)
    assert 50 <= scores["duplicates"] <= 55
    assert 1 <= scores["duplicates_reals"] <= 4  # of 1% of 200
    repeated = np.repeat(fakes[:1], 200, axis=0)
    assert measure_duplicates(reals, repeated)["duplicates"] == 200 * 199 / 2


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_copies_of_training_images_are_called_so(channels):
    reals = noise(0, 200, channels)
    training, held_out = reals[:100], reals[100:]
    found = measure_memorisation(training, held_out, training[::2] ^ 1)
    assert (found.share, found.expected) == (1, 0.5)
    assert found.p_value < 1e-6
    np.testing.assert_array_equal(found.training.indices, np.arange(0, 100, 2))
    assert (found.held_out.distances > found.training.distances).all()
    assert measure_memorisation(held_out, training, training[::2]).p_value > 1 - 1e-6


@pytest.mark.parametrize("held_out", [150, 30])
def test_without_memorisation_every_p_value_is_as_likely(held_out):
    """For an honest generator, however many fakes share a nearest real."""
    found = [
        measure_memorisation(
            gaussians(3 * s, 150), gaussians(3 * s + 1, held_out), gaussians(3 * s + 2, 300)
        )
        for s in range(60)
    ]
    p_values = np.array([one.p_value for one in found])
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.15)
    assert np.mean(p_values < 0.25) == pytest.approx(0.25, abs=0.17)
    assert np.mean(p_values > 0.75) == pytest.approx(0.25, abs=0.17)
    assert np.mean([one.share for one in found]) == pytest.approx(found[0].expected, abs=0.02)


def test_a_tie_is_half():
    same = noise(0)
    found = measure_memorisation(same, same, noise(1))
    assert (found.share, found.p_value) == (0.5, 0.5)


def test_sets_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"nnd compares .* \(8, 8, 1\) and the fakes \(8, 8, 3\)"):
        measure_nearest_fake_distance(noise(0), noise(0, channels=3))
    with pytest.raises(ValueError, match="duplicates needs at least 2 images of each kind"):
        measure_duplicates(noise(0)[:1], noise(1))
