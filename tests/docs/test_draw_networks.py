"""The committed picture of the networks is what its script draws from Config."""

import subprocess
import sys

import pytest
from common import ROOT
from PIL import Image

from config.settings import Config
from docs.draw_networks import discriminator_maps, draw, generator_maps


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("docs") / "networks.png"
    command = [sys.executable, "-m", "docs.draw_networks", str(path)]
    subprocess.run(command, cwd=ROOT, check=True)
    return Image.open(path)


def test_the_script_draws_the_committed_picture(picture):
    committed = Image.open(ROOT / "docs" / "networks.png")
    assert picture.size == committed.size == (1660, 1480)
    assert picture.text == committed.text, "run python -m docs.draw_networks"


def test_it_shows_every_layer(picture):
    words = picture.text["Description"].splitlines()
    for size in ("4x4x512", "8x8x256", "16x16x128", "32x32x64", "64x64x3"):
        assert words.count(size) == 2, size
    assert words.count("transposed conv 5x5, stride 2") == words.count("conv 5x5, stride 2") == 4
    assert words.count("batch norm, ReLU") == 4  # the stem and all blocks but the last
    assert words.count("batch norm, leaky ReLU") == 3  # all convolutions but the first


@pytest.mark.parametrize(
    "settings",
    [
        {"output_height": 128},
        {"output_height": 48, "output_width": 80, "c_dim": 1, "kernel_size": 4},
        {"output_height": 28, "blocks": 2, "g_widths": (128, 128), "d_widths": (11, 74)},
    ],
)
def test_other_networks_can_be_drawn(settings):
    config = Config(**{"c_dim": 3, **settings})
    words = draw(config).words
    for maps in generator_maps(config) + discriminator_maps(config):
        assert str(maps) in words
