import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load

from export.safetensors import encode_file, load_generator
from export.source import restore_source
from model import Discriminator, Generator
from runs.checkpoints import restore_networks

READER = """
import sys
from safetensors.numpy import load_file
print(sorted(load_file(sys.argv[1]))[0], "tensorflow" in sys.modules)
"""


@pytest.fixture(scope="module")
def source(trained):
    return restore_source(trained)


@pytest.fixture(scope="module")
def path(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("safetensors") / "weights.safetensors"
    path.write_bytes(encode_file(source))
    return path


def test_every_array_of_both_networks_by_the_path_of_its_variable(trained, path):
    network = trained.network_config()
    networks = {"generator": Generator(network), "discriminator": Discriminator(network)}
    restore_networks(trained, **networks)
    arrays = load(path.read_bytes())
    expected = {
        f"{name}/{variable.path}": variable.numpy()
        for name, one in networks.items()
        for variable in one.variables
    }
    assert set(arrays) == set(expected)
    assert "generator/norm0/moving_variance" in arrays
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name])


def test_the_metadata_are_the_runs_settings(trained, path):
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    assert (metadata["step"], metadata["weights"]) == ("3", "live")
    assert json.loads(metadata["config"])["stem_width"] == trained.stem_width


def test_the_file_alone_draws_the_images_of_the_run(source, path):
    z = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    images = load_generator(path)(z=z)
    np.testing.assert_array_equal(images, source.generator(z))


@pytest.mark.slow
def test_it_is_read_without_tensorflow_and_without_this_code(path, tmp_path):
    command = [sys.executable, "-I", "-c", READER, path]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert told == "discriminator/conv1/bias False\n"
