"""The autoencoder learns, and its hashes tell images apart but not their brightness."""

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from explore import autoencoder


@pytest.mark.slow
def test_hashes_do_not_change_with_brightness(monkeypatch):
    photo = load_sample_images().images[0]
    corners = [(top, left) for top in range(160, 390, 40) for left in range(0, 600, 40)]
    images = np.stack([photo[top : top + 32, left : left + 32] for top, left in corners])
    images = images[images.std((1, 2, 3)) > 30][:40]  # half of it is not flat yet
    brighter = (images // 2 + 100).astype(np.uint8)
    both = np.concatenate([images, brighter])
    monkeypatch.setattr(autoencoder, "STEPS", 60)
    hashes = autoencoder.compute_semantic_hashes(both, 0)
    assert hashes.shape == (80, autoencoder.UNITS)
    apart = (hashes[:40, None] != hashes[None, :40]).sum(-1)[np.triu_indices(40, 1)]
    assert (hashes[:40] != hashes[40:]).sum(1).max() < apart.min()
    assert 0.2 < hashes.mean() < 0.8


@pytest.mark.slow
def test_the_autoencoder_learns_to_reproduce_its_images(monkeypatch):
    """Images on a line in pixel space: a code of one number is enough."""
    rng = np.random.default_rng(0)
    pattern = rng.integers(0, 2, (32, 32, 3)) * 100
    ramp = np.linspace(0, 1, 32)[:, None, None] * 100
    shares = np.linspace(0, 1, 64)[:, None, None, None]
    images = (50 + shares * pattern + (1 - shares) * ramp).astype(np.uint8)
    monkeypatch.setattr(autoencoder, "STEPS", 100)
    normal = autoencoder.normalize_brightness(images)
    np.testing.assert_allclose(normal.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std(1), 1, atol=1e-5)
    code = np.asarray(autoencoder.train_encoder(images, normal.mean(0), 0)(normal - normal.mean(0)))
    assert code.shape == (64, 128)
    assert code.min() == 0
    # The code tells where on the line an image is: a linear map of it predicts the share.
    inputs = np.column_stack([code, np.ones(64)])
    fitted = inputs @ np.linalg.lstsq(inputs, shares.ravel(), rcond=None)[0]
    assert np.abs(fitted - shares.ravel()).max() < 0.05
