"""Weights that this program exported come back as the same networks, and hostile files do not."""

import json
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from export.source import restore_source
from export.writing import write_formats
from foreign.import_weights import import_weights
from foreign.published import FILE, read_published_weights
from gan import DCGAN
from model import Discriminator, Generator
from runs.checkpoints import Checkpoints, restore_networks

# Everything that changes what is drawn: labels, statistics of the batch, an average, odd sides.
SETTINGS = {
    "labels": "folder",
    "label_names": ("cat", "dog"),
    "fc_width": 16,
    "output_width": 21,
    "bn_statistics": "batch",
    "upsample": "smooth",
    "blocks": 1,
    "d_norm": "spectral",
    "ema_half_life": 100.0,
    "padding": "symmetric",
}


@pytest.fixture
def exported(tiny):
    """A run with an average that differs from its weights, and its weights.safetensors."""
    config = tiny(**SETTINGS).resolve()
    dcgan, rng = DCGAN(config), np.random.default_rng(0)
    for variable in dcgan.average.generator.variables:
        if "variance" not in variable.path:
            variable.assign(rng.normal(0, 0.1, variable.shape))
    Checkpoints(dcgan, config).save(4)
    return config, write_formats(restore_source(config), ["safetensors"])["safetensors"]


def networks_of(config):
    network = config.network_config()
    generator, discriminator = Generator(network), Discriminator(network)
    restore_networks(config, generator=generator, discriminator=discriminator)
    return generator, discriminator


def test_a_published_run_comes_back_with_its_settings_and_every_weight(exported, tmp_path):
    config, path = exported
    given = {"out_dir": str(tmp_path / "there"), "out_name": "back"}
    imported = import_weights(str(path.parent), given)
    for one, other in zip(networks_of(config), networks_of(imported), strict=True):
        for variable, back in zip(one.variables, other.variables, strict=True):
            np.testing.assert_array_equal(variable, back, err_msg=variable.path)
    for name, value in SETTINGS.items():
        assert getattr(imported, name) == value
    assert (imported.width, imported.batch_size, imported.z_dim) == (21, 8, 8)
    assert imported.steps == type(imported).steps  # how long to train is not taken over


@pytest.mark.slow
def test_a_zip_with_the_folder_somewhere_in_it(exported, tmp_path):
    _, path = exported
    packed = tmp_path / "model.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model-main/README.md", "a model")
        archive.write(path, f"model-main/{FILE}")
    weights, expected = read_published_weights(packed), read_published_weights(path)
    assert weights.settings == expected.settings
    np.testing.assert_array_equal(
        weights.generator["conv1/kernel"], expected.generator["conv1/kernel"]
    )
    assert weights.origin == f"exported weights {packed}"


@pytest.mark.slow
def test_another_size_is_refused(exported, tmp_path):
    given = {"out_dir": str(tmp_path), "out_name": "x", "output_height": 32}
    with pytest.raises(ValueError, match="--output_height is fixed by the weights: 16"):
        import_weights(str(exported[1]), given)


ARRAYS = {"generator/stem/kernel": np.zeros((8, 512), np.float32)}
GOOD = {"config": json.dumps({"output_height": 16, "c_dim": 3, "stem_width": 32, "z_dim": 8})}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "must be a whole safetensors file"),
        (b"\x80\x04K\x01.", "must be a whole safetensors file"),  # a pickle
        (save(ARRAYS, GOOD)[:-9], "must be a whole safetensors file"),
        (save(ARRAYS), "must hold the settings of its run, .* Received: no metadata"),
        (save(ARRAYS, {"format": "pt"}), "must hold the settings .* Received: format. Export"),
        (save(ARRAYS, {"config": "[3"}), "must hold the settings"),
        (save(ARRAYS, {"config": "[]"}), "must hold the settings .* Received: config"),
        (
            save(ARRAYS, {"config": '{"output_height": 3, "c_dim": 3}'}),
            "must hold settings .* at least 8",
        ),
        (
            save(ARRAYS, {"config": '{"output_height": 16, "c_dim": [3]}'}),
            "must hold settings that",
        ),
        (save(ARRAYS, GOOD), "must hold generator .* of shape .* Received: nothing"),
    ],
)
def test_other_files_are_one_line_and_leave_nothing(content, reason, tmp_path):
    path = tmp_path / "strange.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=reason) as error:
        import_weights(str(path), {"out_dir": str(tmp_path / "out"), "out_name": "x"})
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "out").glob("x/checkpoints/*"))


def test_zips_that_are_none_or_hold_none_or_inflate(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match=r"must be a zip that can be read\. .* Fetch it again"):
        read_published_weights(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README.md", "")
    with pytest.raises(ValueError, match=rf"must hold one {FILE}\. Received: 0 in"):
        read_published_weights(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(FILE, bytes(10**6))
    with pytest.raises(ValueError, match=r"must not inflate .* 1,000,000 bytes from"):
        read_published_weights(path)
