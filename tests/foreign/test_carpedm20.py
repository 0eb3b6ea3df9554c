"""Its checkpoints against TensorFlow 1's own graph, with its scopes and names."""

from pathlib import Path

import numpy as np
import pytest
from originals import (
    conditional,
    logits_agree,
    networks,
    random_inputs,
    tf1_checkpoint,
    unconditional,
    v1,
)

from config.presets import apply_preset
from config.settings import Config
from config.stored import read_config
from foreign.carpedm20 import _map_mnist_tf1_names, find_tf1_prefix, read_carpedm20_weights
from foreign.import_weights import import_weights, read_foreign_weights
from gan import DCGAN
from model import Discriminator, Generator
from runs.checkpoints import Checkpoints


@pytest.mark.parametrize(
    ("side", "channels", "flag"), [(64, 3, None), pytest.param(50, 1, 50, marks=pytest.mark.slow)]
)
def test_carpedm20_draws_the_same_pixels(tmp_path, side, channels, flag):
    def build(z, images, rng):
        return unconditional(z, images, rng, side=side, channels=channels)

    z, images = random_inputs(side, channels)
    prefix, (drawn, logits) = tf1_checkpoint(tmp_path / "theirs", build, z, images)
    given = {"out_dir": str(tmp_path / "out"), "out_name": "theirs"} | (
        {"output_height": flag} if flag else {}
    )
    config = import_weights(prefix, given)
    assert config == read_config(config.run_dir / "config.json")
    assert (config.network_config().image_shape, config.z_dim, config.stem_width) == (
        (side, side, channels),
        6,
        32,
    )
    generator, discriminator = networks(config)
    np.testing.assert_allclose(generator(z), drawn, atol=1e-5)
    logits_agree(discriminator(images), logits)


def test_carpedm20_by_folder_and_in_tensorflow_0s_format(carpedm20, tmp_path):
    old, _ = tf1_checkpoint(
        tmp_path / "old", unconditional, *carpedm20.inputs, version=v1.train.SaverDef.V1
    )
    expected = read_carpedm20_weights(carpedm20.prefix)
    folder = Path(carpedm20.prefix).parent
    for path in (folder, folder / "model.b64-1002.index", Path(old), Path(old).parent):
        weights = read_foreign_weights([path])
        for network in ("generator", "discriminator"):
            found, arrays = getattr(weights, network), getattr(expected, network)
            assert found.keys() == arrays.keys()
            assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


def test_carpedm20s_conditional_pair_for_mnist(tmp_path):
    """Theirs uses images in [0, 1], ours in [-1, 1]; zeros around the image are black there and
    gray here.
    """
    z, images = random_inputs(28, 1, low=0)
    y = np.eye(10, dtype=np.float32)[[3, 1, 4, 1, 5]]
    prefix, (drawn, logits) = tf1_checkpoint(tmp_path / "theirs", conditional, z, images, y)
    config = import_weights(prefix, {"out_dir": str(tmp_path / "out"), "out_name": "mnist"})
    assert config.label_names == tuple("0123456789")
    assert (config.network_config().image_shape, config.z_dim, config.fc_width) == (
        (28, 28, 1),
        6,
        8,
    )
    generator, discriminator = networks(config)
    np.testing.assert_allclose((generator(z, y) + 1) / 2, drawn, atol=1e-5)
    logits_agree(discriminator(images * 2 - 1, y), logits)


@pytest.mark.slow
def test_mnist_by_default_has_the_shapes_of_carpedm20s(tmp_path):
    """In full size, so that real checkpoints load: 11 and 74 maps in D, 128 and 128 in G, 1024
    units.
    """
    z, images = random_inputs(28, 1, z_dim=100, count=1)

    def build(z, images, y, rng):
        return conditional(z, images, y, rng, gf=64, df=64, fc=1024)

    prefix, _ = tf1_checkpoint(
        tmp_path / "theirs", build, z, images, np.eye(10, dtype=np.float32)[:1]
    )
    weights = read_carpedm20_weights(prefix)
    settings = apply_preset({"dataset": "mnist"})
    names = weights.settings["label_names"]
    network = Config(**settings, label_names=names, c_dim=1).network_config()
    for ours, arrays in (
        (Generator(network), weights.generator),
        (Discriminator(network), weights.discriminator),
    ):
        shapes = {variable.path: tuple(variable.shape) for variable in ours.variables}
        assert shapes == {name: array.shape for name, array in arrays.items()}


def test_our_own_checkpoints_need_no_import(tmp_path, tiny):
    config = tiny().resolve()
    Checkpoints(DCGAN(config), config).save(1)
    with pytest.raises(ValueError, match="do not need to be imported"):
        import_weights(
            str(config.checkpoint_path), {"out_dir": str(tmp_path / "out"), "out_name": "x"}
        )


def test_of_several_checkpoints_in_a_folder_the_newest_counts(tmp_path):
    for name in ("model-2.index", "model-10.index", "model-10.meta", "notes.txt"):
        (tmp_path / name).touch()
    assert find_tf1_prefix(tmp_path) == str(tmp_path / "model-10")
    assert find_tf1_prefix(tmp_path / "model-2.index") == str(tmp_path / "model-2")
    assert find_tf1_prefix(tmp_path / "model-2") == str(tmp_path / "model-2")
    assert find_tf1_prefix(tmp_path / "nowhere") is None


def test_a_pair_for_mnist_whose_maps_leave_no_labels_is_refused(monkeypatch):
    """Damaged: its second transposed convolution takes only what the first one gives."""
    shapes = {"Matrix": (8, 8 * 49), "w": (5, 5, 8, 8)}
    names = [name for network in _map_mnist_tf1_names() for name in network.values()]
    arrays = {name: np.zeros(shapes.get(name.split("/")[1], (8,))) for name in names}
    monkeypatch.setattr("foreign.carpedm20._load_tf1_checkpoint", lambda prefix: arrays)
    with pytest.raises(ValueError, match="With labels, conv2/kernel must take more maps"):
        read_carpedm20_weights("mnist")
