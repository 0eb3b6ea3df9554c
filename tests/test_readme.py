"""Every command line in carpedm20/DCGAN-tensorflow's README, and in our documents, works here."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from absl.testing import flagsaver
from common import ROOT
from PIL import Image
from program import run_here

import main
from config.flags import collect_action_flags, collect_given_settings, parse_flags
from config.presets import apply_preset
from config.settings import Config
from data import fetch

# From its README (2017 to 2020), without the prompts.
ORIGINAL = """
python download.py mnist celebA
python main.py --dataset mnist --input_height=28 --output_height=28 --train
python main.py --dataset celebA --input_height=108 --train --crop
python main.py --dataset mnist --input_height=28 --output_height=28
python main.py --dataset celebA --input_height=108 --crop
python main.py --dataset DATASET_NAME --train
python main.py --dataset DATASET_NAME
python main.py --dataset=eyes --input_fname_pattern="*_cropped.png" --train
python main.py --dataset DATASET_NAME --data_dir DATASET_ROOT_DIR --train
python main.py --dataset DATASET_NAME --data_dir DATASET_ROOT_DIR
python main.py --dataset=eyes --data_dir ../datasets/ --input_fname_pattern="*_cropped.png" --train
"""


DOCUMENTS = [
    ROOT / "README.md",
    *sorted(ROOT.glob("docs/*.md")),
    ROOT / "docs" / "dcgan.ipynb",
    ROOT / "data" / "README.md",
]


def commands(text):
    """The command lines in a text, each once, without comments: on a line or in backticks."""
    command = r"python (?:main|download)\.py"
    lines = re.findall(rf"^ *(?:\$ )?({command} [^#\n]*)", text, re.MULTILINE)
    quoted = re.findall(rf"`({command} [^`]*)`", text)
    return list(dict.fromkeys(" ".join(line.split()) for line in lines + quoted))


def parsed(line):
    """(settings, actions) that the program takes a line of main.py for."""
    with flagsaver.flagsaver():
        parse_flags(shlex.split(line)[1:])
        return Config(**apply_preset(collect_given_settings())), collect_action_flags(
            [*main.ACTIONS]
        )


@pytest.mark.parametrize("line", commands(ORIGINAL))
def test_the_originals_command_lines(line):
    if "download.py" in line:
        assert fetch.parse_download_arguments(shlex.split(line)[2:])[0] == ["mnist", "celebA"]
        return
    config, actions = parsed(line)
    assert actions == ({"train"} if "--train" in line else {"sample"})
    if "mnist" in line:
        assert (config.height, config.labels, config.g_widths, config.name) == (
            28,
            "own",
            (128, 128),
            "mnist-28x28",
        )
    if "celebA" in line:
        assert (config.height, config.input_height, config.crop) == (64, 108, True)
    if "eyes" in line:
        assert (config.dataset, config.input_fname_pattern) == ("eyes", "*_cropped.png")


def test_there_are_eleven_of_them():
    assert len(commands(ORIGINAL)) == 11


def our_commands():
    return commands("\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS))


@pytest.mark.parametrize("line", our_commands())
def test_our_command_lines(line):
    if "download.py" in line:
        assert fetch.parse_download_arguments(shlex.split(line)[2:])[0]
    elif "--help" not in line:
        assert parsed(line)[1]


def test_there_are_many_of_them():
    """If the documents' layout changes, the search above must not find nothing and pass."""
    assert len(our_commands()) >= 20


def test_the_readme_is_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 110
    assert len(text.split()) <= 900


@pytest.mark.slow
def test_its_custom_dataset_trains_and_is_tested(tmp_path, monkeypatch, caplog):
    """The original README's last two commands, with a shorter training and a smaller network."""
    rng = np.random.default_rng(0)
    (tmp_path / "datasets" / "eyes").mkdir(parents=True)
    for number in range(4):
        for kind in ("cropped", "whole"):
            pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "datasets" / "eyes" / f"{number}_{kind}.png")
    line = ["--dataset=eyes", "--data_dir", "../datasets/", "--input_fname_pattern=*_cropped.png"]
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    short = ["--train", "--steps", "1", "--stem_width", "32", "--batch_size", "4"]
    assert run_here(*line, *short, tiny=()) == 0
    assert "found 4 images" in caplog.text
    assert run_here(*line, tiny=()) == 0
    assert len(list(Path("out/eyes-64x64/samples/seed_0").glob("0*.png"))) == 64
