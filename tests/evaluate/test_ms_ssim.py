import numpy as np
import pytest
import tensorflow as tf

from evaluate import ms_ssim
from evaluate.ms_ssim import compute_ms_ssim, compute_ssim, measure_ms_ssim


def noise(seed, shape=(3, 32, 24, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def mixed(amount):
    """Two sets; the second is the first with some noise."""
    first, other = noise(0, (2, 176, 176, 1)), noise(1, (2, 176, 176, 1))
    first = first // 2 + 64
    second = ((1 - amount) * first + amount * other).astype(np.uint8)
    return first.astype(np.float32), second.astype(np.float32)


@pytest.mark.parametrize("shape", [(2, 8, 8, 1), (2, 16, 17, 3), (2, 33, 64, 4)])
def test_an_image_is_like_itself(shape):
    images = noise(0, shape).astype(np.float32)
    np.testing.assert_allclose(compute_ms_ssim(images, images), 1, rtol=1e-5)


@pytest.mark.parametrize("amount", [0.1, 0.5])
def test_large_images_are_tensorflows(amount):
    """From 176 pixels on, the window of 11 fits into all five levels, as TensorFlow wants it. (It
    multiplies the levels of each channel, PGGAN those of their mean: one channel is the same.)
    """
    first, second = mixed(amount)
    expected = tf.image.ssim_multiscale(first, second, 255)
    np.testing.assert_allclose(compute_ms_ssim(first, second), expected, rtol=2e-4)


def test_one_level_is_tensorflows_where_the_window_fits():
    first, second = (side[:, :20, :13] for side in mixed(0.3))
    ssim, _ = compute_ssim(*(np.moveaxis(side, -1, 1) for side in (first, second)))
    np.testing.assert_allclose(ssim, tf.image.ssim(first, second, 255), rtol=1e-4)


def test_a_small_level_has_a_window_of_its_size():
    """At 2 x 2, the window is the whole level, and its four weights are equal."""
    first, second = (noise(s, (1, 1, 2, 2)).astype(np.float32) for s in range(2))
    means = first.mean(), second.mean()
    covariance = np.mean(first * second) - means[0] * means[1]
    structure = (2 * covariance + ms_ssim.CONTRAST) / (
        first.var() + second.var() + ms_ssim.CONTRAST
    )
    assert compute_ssim(first, second)[1][0] == pytest.approx(structure, rel=1e-4)


def test_one_image_repeated_is_one_and_different_ones_are_less(monkeypatch):
    monkeypatch.setattr(ms_ssim, "PAIRS", 50)
    reals = noise(0, (20, 16, 16, 3))
    scores = measure_ms_ssim(reals, np.repeat(reals[:1], 5, axis=0))
    assert scores["ms_ssim"] == pytest.approx(1, rel=1e-5)
    assert scores["ms_ssim_reals"] < 0.3
    assert measure_ms_ssim(reals, reals, seed=1) == measure_ms_ssim(reals, reals, seed=1)
    assert measure_ms_ssim(reals, reals, seed=1) != measure_ms_ssim(reals, reals, seed=2)


def test_a_pair_is_of_two_images(monkeypatch):
    seen = []

    def record_pair(first, second):
        seen.append((first[:, 0, 0, 0], second[:, 0, 0, 0]))
        return np.zeros(len(first))

    monkeypatch.setattr(ms_ssim, "compute_ms_ssim", record_pair)
    images = np.repeat(np.arange(3, dtype=np.uint8), 64).reshape(3, 8, 8, 1)
    ms_ssim.compare_random_pairs(images, seed=0)
    first, second = (np.concatenate(side) for side in zip(*seen, strict=True))
    assert len(first) == ms_ssim.PAIRS
    assert not (first == second).any()
    assert len({*zip(first, second, strict=True)}) == 6


def test_a_single_image_is_refused():
    with pytest.raises(ValueError, match="MS-SSIM needs at least 2 images of each kind"):
        measure_ms_ssim(noise(0)[:1], noise(1))
