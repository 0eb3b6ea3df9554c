"""How D judges images: checked by counting pairs and with a simple discriminator."""

import numpy as np
import pytest
import tensorflow as tf

from evaluate.discrimination import DiscriminatorReader, measure_pair_accuracy


def test_pair_accuracy_counts_pairs():
    real, fake = np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 4.0, 5.0])
    pairs = [(r > f) + (r == f) / 2 for r in real for f in fake]
    assert measure_pair_accuracy(real, fake) == pytest.approx(np.mean(pairs))
    assert measure_pair_accuracy(fake, real) == pytest.approx(1 - np.mean(pairs))


def test_logits_of_no_more_than_a_batch_at_a_time():
    sizes = []

    def discriminate(images, y):
        sizes.append(images.shape[0])
        return tf.reduce_mean(images, (1, 2))[:, :1]

    images = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 3), np.uint8)
    found = DiscriminatorReader(discriminate).compute_logits(images)
    np.testing.assert_allclose(found, (images / 127.5 - 1).mean((1, 2))[:, 0], atol=1e-6)
    assert sizes == [64, 36]


def test_gradient_norms_of_a_discriminator_with_a_known_slope():
    """C(x) = sum of w x^2 / 2, so its gradient is w x."""
    images = np.random.default_rng(1).integers(0, 256, (70, 8, 8, 1), np.uint8)
    weights = np.random.default_rng(2).normal(size=(8, 8, 1)).astype(np.float32)

    def discriminate(images, y):
        return tf.reduce_sum(weights * images**2 / 2, (1, 2))

    found = DiscriminatorReader(discriminate).compute_gradient_norms(images)
    slopes = weights * (images / 127.5 - 1)
    np.testing.assert_allclose(found, np.sqrt((slopes**2).sum((1, 2, 3))), rtol=1e-5)
