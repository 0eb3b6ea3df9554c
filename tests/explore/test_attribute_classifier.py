"""A classifier that is planted with an attribute, and where it sees it."""

import numpy as np
import pytest

from explore.attribute_classifier import find_hot_box, learn_attribute
from explore.boxes import Box


def plant_attribute(count: int):
    """Maps (N, 4, 4, 3) with noise; with the attribute, all are higher at position (0, 2)."""
    rng = np.random.default_rng(0)
    maps, has_it = rng.normal(size=(count, 4, 4, 3)).astype(np.float32), rng.random(count) < 0.5
    maps[has_it, 0, 2] += 5
    return maps, has_it


def test_a_planted_attribute_is_learnt_with_its_place():
    maps, has_it = plant_attribute(400)
    classifier = learn_attribute(maps, has_it, "x", np.random.default_rng(1))
    assert classifier.accuracy > 0.95
    logits = classifier.compute_logits(maps)
    assert ((logits > 0) == has_it).mean() > 0.95
    heat = classifier.compute_heat(maps)
    np.testing.assert_allclose(heat.sum((1, 2)) + classifier.bias, logits, rtol=1e-4, atol=1e-4)
    mean = heat[has_it].mean(0) - heat[~has_it].mean(0)
    assert np.unravel_index(mean.argmax(), mean.shape) == (0, 2)


def test_an_attribute_that_nothing_shows_is_a_guess():
    maps, _ = plant_attribute(400)
    has_it = np.random.default_rng(2).random(400) < 0.5
    assert learn_attribute(maps, has_it, "x", np.random.default_rng(1)).accuracy < 0.65


def test_too_few_images_are_refused():
    maps, _ = plant_attribute(40)
    with pytest.raises(ValueError, match="Received: x, which 3 of 40 images have"):
        learn_attribute(maps, np.arange(40) < 3, "x", np.random.default_rng(0))


def test_a_box_is_around_what_is_joined_to_the_hottest():
    heat = np.zeros((4, 8))
    heat[1, 2], heat[2, 3], heat[1, 3] = 10, 6, 4.9  # the last is too cool
    heat[3, 7] = 9  # apart
    assert find_hot_box(5, heat, (8, 32)) == Box(5, 8, 2, 16, 6)
