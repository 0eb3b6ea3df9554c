"""Means of groups and their sums, by hand."""

import numpy as np
import pytest

from explore.exemplars import (
    Exemplars,
    add_means,
    add_signed_means,
    compare_length_with_latents,
    measure_share_outside,
)
from explore.expressions import Term


def make_group(*numbers, y=None):
    """A group whose latents are awkward to add exactly; they depend on the sample's number."""
    z = np.stack([np.random.default_rng(n).uniform(-1, 1, 50) for n in numbers])
    z = (z * np.geomspace(1e-12, 1, 50)).astype(np.float32)
    y = None if y is None else np.array(y, np.float32)
    images = np.stack([np.full((2, 2, 1), 10 * n, np.uint8) for n in numbers])
    return Exemplars(Term(numbers), list(numbers), z, y, images)


def test_a_minus_a_plus_c_is_the_mean_of_c_to_the_bit():
    a, c = make_group(1, 2, 3), make_group(4, 5)
    mean = c.z.astype(np.float64).mean(0).astype(np.float32)
    for groups, signs in (([a, a, c], [1, -1, 1]), ([c, a, make_group(3, 1, 2)], [1, 1, -1])):
        np.testing.assert_array_equal(add_means(groups, signs).z, mean)
    assert not add_means([a, a], [1, -1]).z.any()


def test_a_sum_is_a_sum_of_means_and_is_not_clipped():
    a, b = make_group(1, 2), make_group(3)
    expected = 2 * (a.z[0] + a.z[1]) / 2 - b.z[0]
    np.testing.assert_allclose(add_means([a, b, a], [1, -1, 1]).z, expected, rtol=1e-5)
    big = Exemplars(a.term, [9], np.ones((1, 3), np.float32), None, a.images)
    assert add_means([big, big], [1, 1]).z.tolist() == [2, 2, 2]


def test_labels_follow_the_sum_and_stay_labels():
    a = make_group(1, 2, y=[[1, 0, 0], [1, 1, 0]])
    b = make_group(3, y=[[0, 1, 1]])
    assert add_means([a], [1]).y.tolist() == [1, 0.5, 0]
    assert add_means([a, b], [1, -1]).y.tolist() == [1, 0, 0]
    assert add_means([a, b], [1, 1]).y.tolist() == [1, 1, 1]


def test_means_of_pixels_do_not_overflow():
    a, b = make_group(20, 24), make_group(25)
    total = add_signed_means([a, b], [1, 1], [a.images, b.images])
    assert (total == 220 + 250).all()


@pytest.mark.parametrize("z_dist", ["uniform_signed", "uniform_unsigned", "normal01"])
def test_latents_are_as_long_as_latents_and_inside_their_range(tiny, z_dist):
    from ops import latents

    config = tiny(z_dim=1000, z_dist=z_dist)
    z = latents(0, 1, z_dim=1000, z_dist=z_dist).numpy()[0]
    assert compare_length_with_latents(z, config) == pytest.approx(1, abs=0.06)
    assert compare_length_with_latents(0 * z, config) == 0
    assert measure_share_outside(z, config) == 0


def test_the_share_outside_the_range(tiny):
    z = np.array([-1.5, -0.5, 0.5, 1.0])
    assert measure_share_outside(z, tiny(z_dist="uniform_signed")) == 0.25
    assert measure_share_outside(z, tiny(z_dist="uniform_unsigned")) == 0.5
    assert measure_share_outside(z, tiny(z_dist="normal01")) == 0
