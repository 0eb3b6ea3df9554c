"""The regressions that tell which maps stand for an object; test_forget.py has the rules."""

import numpy as np

from explore.map_choice import fit_weights


def test_weights_have_the_sign_of_what_a_map_tells():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(size=(2, 200, 4))
    inside[:, 0] += 3
    inside[:, 1] -= 3
    inside[:, 3] = outside[:, 3] = 7  # never changes
    more, less, nothing, constant = fit_weights(inside, outside)
    assert more > 1 > abs(nothing) and less < -1 and constant == 0


def test_the_scale_of_a_map_does_not_matter():
    rng = np.random.default_rng(1)
    inside, outside = rng.normal(1, size=(50, 2)), rng.normal(0, size=(50, 2))
    scale = np.array([1000, 0.001])
    weights = fit_weights(inside * scale, outside * scale)
    np.testing.assert_allclose(weights, fit_weights(inside, outside), rtol=1e-3)
