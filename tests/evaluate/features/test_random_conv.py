import numpy as np
import pytest

from evaluate import image_sets
from evaluate.features import random_conv
from evaluate.features.random_conv import (
    DIMENSIONS,
    compute_random_features,
    draw_kernels,
    draw_normal_numbers_for_features,
    extract_random_features,
)

FIRST = [-0.031432286, 0.25152245, 0.67097962, 0.069930241]
LAST = [0.070190236, -0.0601331, -0.0095072063, 0.017499765]


def noise(seed, shape=(6, 16, 16, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def extract(images, seed=0):
    return np.concatenate(list(extract_random_features(images, seed=seed)))


def features_by_loops(image, kernels):
    """One image (H, W, 3) through the network as its module describes it."""
    maps, features = image / 127.5 - 1, []
    for kernel in kernels:
        size = [-(-side // 2) for side in maps.shape[:2]]
        pads = [max(0, 2 * (s - 1) + 3 - side) for s, side in zip(size, maps.shape, strict=False)]
        maps = np.pad(maps, [(p // 2, p - p // 2) for p in pads] + [(0, 0)])
        out = np.empty((*size, kernel.shape[-1]))
        for y, x in np.ndindex(*size):
            out[y, x] = np.tensordot(maps[2 * y : 2 * y + 3, 2 * x : 2 * x + 3], kernel, 3)
        maps = np.where(out > 0, out, 0.2 * out)
        features += [maps[..., :16].mean((0, 1)), maps[..., :16].std((0, 1))]
    return np.concatenate(features)


@pytest.mark.parametrize("shape", [(1, 16, 16, 3), (1, 11, 9, 3)])
def test_features_are_those_of_the_published_network(shape):
    images = noise(0, shape)
    expected = features_by_loops(images[0], draw_kernels(0))
    np.testing.assert_allclose(extract(images)[0], expected, rtol=1e-4, atol=1e-5)


def test_kernels_are_the_same_on_every_machine():
    """The published numbers of seed 0: changing them changes every score."""
    first, *_, last = draw_kernels(0)
    assert (first.shape, last.shape) == ((3, 3, 3, 64), (3, 3, 64, 64))
    np.testing.assert_allclose(first[0, 0, 0, :4], FIRST, rtol=1e-6)
    np.testing.assert_allclose(last[2, 2, 63, -4:], LAST, rtol=1e-6)


def test_kernels_keep_the_scale_of_what_passes():
    for kernel in draw_kernels(1):
        gain = kernel.std() * np.sqrt(np.prod(kernel.shape[:3]) * (1 + 0.2**2) / 2)
        assert gain == pytest.approx(1, rel=0.04)


def test_normal_numbers_are_normal():
    numbers = draw_normal_numbers_for_features(np.random.PCG64(0), 200_000)
    moments = [np.mean(numbers**power) for power in (1, 2, 3, 4)]
    assert moments == pytest.approx([0, 1, 0, 3], abs=0.05)


def test_chunks_change_nothing(monkeypatch):
    images = noise(0)
    whole = extract(images)
    assert whole.shape == (6, DIMENSIONS)
    monkeypatch.setattr(image_sets, "CHUNK_IMAGES", 4)
    np.testing.assert_allclose(extract(images), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 8, 8, 1), (6, 28, 28, 1), (6, 9, 20, 3), (6, 16, 16, 4)])
def test_any_size_and_number_of_channels_gives_standard_features(shape):
    reals, fakes = compute_random_features(noise(0, shape), noise(1, shape))
    assert reals.shape == fakes.shape == (6, DIMENSIONS)
    assert reals.dtype == np.float32
    np.testing.assert_allclose(reals.mean(0), 0, atol=1e-4)
    deviations = reals.std(0, ddof=1)
    constant = deviations == 0  # one place has no deviation
    np.testing.assert_allclose(deviations[~constant], 1, rtol=1e-3)
    assert constant.sum() == (random_conv.POOLED * (2 if min(shape[1:3]) == 8 else 1)) or not (
        constant.any()
    )
    assert np.isfinite(fakes).all()


def test_seeds_are_different_networks_and_gray_is_rgb_of_equal_channels():
    gray = noise(0, (3, 16, 16, 1))
    np.testing.assert_array_equal(extract(gray), extract(np.repeat(gray, 3, axis=-1)))
    assert not np.allclose(extract(gray, seed=0), extract(gray, seed=1))


def test_other_shapes_and_single_images_are_refused():
    with pytest.raises(ValueError, match="random features compares images of one shape"):
        compute_random_features(noise(0), noise(0, (6, 8, 8, 3)))
    with pytest.raises(ValueError, match="needs at least 2 images of each kind"):
        compute_random_features(noise(0)[:1], noise(1))
