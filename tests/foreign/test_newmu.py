"""Its arrays, and a forward pass by the definition of Theano's convolution."""

import numpy as np
import pytest
from common import ROOT
from originals import logits_agree, networks, newmu_discrim, newmu_gen, random_inputs, write_newmu

import ops
from config.stored import change_settings
from foreign.import_weights import import_weights
from foreign.newmu import read_newmu_weights

SVHN = ROOT.parent / "shared" / "reference" / "newmu_svhn"


def test_newmu_draws_the_same_pixels(tmp_path):
    gen, discrim = write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    z, images = random_inputs(32, 3, count=8)
    config = import_weights(
        str(tmp_path / "theirs"), {"out_dir": str(tmp_path / "out"), "out_name": "theirs"}
    )
    assert (config.bn_statistics, config.padding, config.bias, config.z_dist) == (
        "batch",
        "symmetric",
        False,
        "normal01",
    )
    generator, discriminator = networks(config)
    np.testing.assert_allclose(generator(z), newmu_gen(z, gen), atol=1e-4)
    logits_agree(discriminator(images), newmu_discrim(images, discrim))


@pytest.mark.slow
def test_newmu_can_use_moving_statistics_after_all(tmp_path):
    """Then an image no longer depends on its batch, and comes out much the same."""
    write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    config = import_weights(
        str(tmp_path / "theirs"), {"out_dir": str(tmp_path / "out"), "out_name": "theirs"}
    )
    z = ops.latents(0, 64, z_dim=config.z_dim, z_dist=config.z_dist)
    of_batch = networks(config)[0](z)
    moving = networks(change_settings(config, {"bn_statistics": "moving"}))[0]
    np.testing.assert_allclose(moving(z[:1]), moving(z)[:1], atol=1e-5)
    assert np.abs(moving(z) - of_batch).mean() < 0.25 * np.abs(of_batch).mean()


@pytest.mark.slow
@pytest.mark.skipif(not SVHN.is_dir(), reason=f"the official SVHN weights are not at {SVHN}")
def test_the_official_svhn_weights_draw_what_they_must(tmp_path):
    config = import_weights(str(SVHN), {"out_dir": str(tmp_path / "out"), "out_name": "svhn"})
    expected = np.load(SVHN / "expected_generator.npz")
    generator, discriminator = networks(config)
    images = generator(expected["z"]).numpy()
    np.testing.assert_allclose(images, expected["images"], atol=1e-4)
    discrim = [np.load(path) for path in sorted(SVHN.glob("200_discrim*.npy"))]
    logits_agree(discriminator(images[:4]), newmu_discrim(images[:4], discrim))


@pytest.mark.slow
def test_newmu_imported_for_moving_statistics_at_once(tmp_path):
    write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    given = {"out_dir": str(tmp_path / "out"), "out_name": "theirs", "bn_statistics": "moving"}
    assert (
        abs(
            networks(import_weights(str(tmp_path / "theirs"), given))[
                0
            ].stem.norm.moving_mean.numpy()
        ).max()
        > 0
    )


def test_the_newest_epoch_is_read_and_the_discriminator_may_be_missing(tmp_path):
    gen, _ = write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    for path in (tmp_path / "theirs").glob("200_gen*.npy"):
        array = np.load(path)
        np.save(path.with_name(path.name.replace("200", "25")), array)
        np.save(path.with_name(path.name.replace("200", "1000")), array + 1)
    weights = read_newmu_weights(tmp_path / "theirs")
    assert weights.discriminator is None
    np.testing.assert_array_equal(weights.generator["stem/kernel"], gen[0] + 1)


@pytest.mark.parametrize(
    "dimensions",
    [(4, 1, 1, 4), (4, 1, 1, 4, 1, 1, 4), (2, 1, 1, 2), (2, 1, 1, 2, 1, 1, 4)],
    ids=str,
)
def test_a_generator_is_a_dense_layer_and_then_convolutions(tmp_path, dimensions):
    for number, count in enumerate(dimensions, 1):
        array = np.ones((2,) * count, np.float32)
        np.save(tmp_path / f"200_gen_params.jl_{number:02d}.npy", array)
    with pytest.raises(ValueError, match="must be the arrays of an unconditional DCGAN"):
        read_newmu_weights(tmp_path)


def test_an_archive_in_place_of_an_array_is_refused(tmp_path):
    write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    with open(tmp_path / "theirs" / "200_gen_params.jl_01.npy", "wb") as file:
        np.savez(file, np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"must hold complete .npy files\. Received: an .npz"):
        read_newmu_weights(tmp_path / "theirs")


def test_a_discriminator_ends_in_a_dense_layer(tmp_path):
    write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    last = max((tmp_path / "theirs").glob("200_discrim*.npy"))
    np.save(last, np.ones((2, 2, 5, 5), np.float32))
    with pytest.raises(ValueError, match="must be the arrays of an unconditional DCGAN"):
        read_newmu_weights(tmp_path / "theirs")
