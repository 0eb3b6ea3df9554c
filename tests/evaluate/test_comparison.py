"""Scores of fakes against reals, checked with plain NumPy and with sets whose scores are known."""

import numpy as np
import pytest
import tensorflow as tf

from data.split import Split
from evaluate.comparison import Comparison, shrink_images_to_compare
from evaluate.features.random_conv import DIMENSIONS
from evaluate.swd import measure_sliced_wasserstein
from gan import DCGAN


def draw(count, seed=0, side=8):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


def split(training, held_out=0):
    rows = np.arange(training + held_out)
    return Split(rows[:training], rows[training:])


def nearest(first, second):
    """Mean Euclidean distance of images to their nearest other image."""
    rows = [x.reshape(len(x), -1).astype(np.float64) / 255 for x in (first, second)]
    distances = np.linalg.norm(rows[0][:, None] - rows[1], axis=-1)
    return np.where(distances == 0, np.inf, distances).min(1).mean()


def test_copies_of_training_images_have_a_ratio_of_nothing_and_strangers_of_one(tiny):
    images, fakes = draw(40), draw(64, seed=1)
    comparison = Comparison(tiny(), images, split(40))
    assert comparison.score_fakes(images)["nearest_ratio"] == pytest.approx(0, abs=1e-6)
    expected = nearest(fakes, images) / nearest(images, images)
    assert comparison.score_fakes(fakes)["nearest_ratio"] == pytest.approx(expected, rel=1e-4)


def test_images_that_are_all_the_same_have_no_ratio(tiny):
    images = np.repeat(draw(1), 9, 0)
    assert "nearest_ratio" not in Comparison(tiny(), images, split(9)).score_fakes(draw(9))


def test_held_out_images_show_copies_of_training_images(tiny):
    images = draw(200)
    comparison = Comparison(tiny(), images, split(100, 100))
    assert not comparison.uses_held_out
    assert comparison.score_fakes(images[:100])["held_out_ratio"] == pytest.approx(0, abs=1e-6)
    expected = nearest(draw(64, seed=1), images[:100]) / nearest(draw(64, seed=1), images[100:])
    found = comparison.score_fakes(draw(64, seed=1))["held_out_ratio"]
    assert found == pytest.approx(expected, rel=1e-4)


def test_enough_held_out_images_are_the_reals(tiny, monkeypatch):
    """Held-out images are dark, training images bright: dark fakes then have the better score."""
    enough = DIMENSIONS + 1  # for a Frechet distance
    monkeypatch.setattr("evaluate.comparison.HELD_OUT_IMAGES", enough)
    images = draw(3 * enough)
    images[2 * enough :] //= 4
    dark, bright = draw(enough, seed=1) // 4, draw(enough, seed=1)
    for fewer, is_bright_better in ((0, False), (1, True)):
        rows = split(2 * enough, enough - fewer)
        comparison = Comparison(tiny(), images, rows)
        found = [comparison.score_fakes(fakes)["frechet"] for fakes in (bright, dark)]
        assert (found[0] < found[1]) == is_bright_better


def test_a_small_pixel_is_the_mean_of_those_it_covers():
    images = draw(3, side=32)
    expected = images.reshape(3, 16, 2, 16, 2, 3).mean((2, 4)).reshape(3, -1) / 255
    np.testing.assert_allclose(shrink_images_to_compare(images), expected, atol=1e-6)
    np.testing.assert_allclose(
        shrink_images_to_compare(draw(2)), draw(2).reshape(2, -1) / 255, atol=1e-6
    )


@pytest.mark.parametrize("labels", [{}, {"labels": "own", "label_names": ("a", "b")}])
def test_the_discriminator_is_asked_and_not_changed(tiny, labels):
    config = tiny(blocks=1, output_height=8, **labels)
    discriminator = DCGAN(config).discriminator
    before = [variable.numpy() for variable in discriminator.variables]
    images, fakes = draw(70), draw(64, seed=1)
    y, fake_y = (np.eye(2, dtype=np.float32)[draw(n)[:, 0, 0, 0] % 2] for n in (70, 64))
    y, fake_y = (y, fake_y) if labels else (None, None)
    comparison = Comparison(config, images, split(70), discriminator, y)
    scores = comparison.score_fakes(fakes, fake_y)

    logits = [
        discriminator(tf.constant(x / 127.5 - 1, tf.float32), of_x).numpy()[:, 0]
        for x, of_x in ((images, y), (fakes, fake_y))
    ]
    assert scores["real_logit"] == pytest.approx(logits[0].mean(), abs=1e-5)
    assert scores["fake_logit"] == pytest.approx(logits[1].mean(), abs=1e-5)
    assert scores["pair_accuracy"] == pytest.approx(
        np.mean(logits[0][:, None] > logits[1]), abs=1e-3
    )
    for old, new in zip(before, discriminator.variables, strict=True):
        np.testing.assert_array_equal(old, new.numpy())


@pytest.mark.parametrize("metric", ["coverage", "frechet", "kid", "swd"])
def test_the_wanted_metric_is_measured_against_the_same_reals(tiny, metric):
    images, fakes = draw(2 * DIMENSIONS + 2), draw(DIMENSIONS + 1, seed=1)
    comparison = Comparison(tiny(eval_metric=metric), images, split(len(images)))
    scores = comparison.score_fakes(fakes)
    assert {"coverage", "frechet", "kid", "swd"} & {*scores} == {"frechet", metric}
    if metric == "swd":
        expected = measure_sliced_wasserstein(images[comparison.trained[: len(fakes)]], fakes)
        assert scores["swd"] == expected["swd"]
