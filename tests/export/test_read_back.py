import importlib

import numpy as np
import pytest

from export import onnx, read_back, safetensors
from export.read_back import measure_difference_in_levels, read_format_back
from export.source import restore_source


@pytest.fixture(scope="module")
def source(trained):
    """A run whose SavedModel is written."""
    return restore_source(trained)


@pytest.mark.slow
def test_the_saved_model_draws_the_networks_own_pixels(source, messages):
    assert read_format_back(source, "saved_model") == 0
    assert messages[-1] == "saved_model was read back: its pixels are the network's own."


def test_a_file_that_draws_something_else_is_told(source, messages, monkeypatch):
    other = np.zeros((read_back.CHECKED_IMAGES, 16, 16, 3), np.float32)
    monkeypatch.setattr(safetensors, "load_generator", lambda path: lambda z: other)
    levels = read_format_back(source, "safetensors")
    assert levels > 1
    [told] = messages
    assert f"differ from the network's by up to {levels} levels of 255: more than" in told


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleNotFoundError("x", name="onnxruntime"), "is not installed (pip install -r req"),
        (ImportError("needs\nmacOS 14"), "cannot be imported (needs macOS 14)"),
    ],
)
def test_without_its_runtime_it_says_so(source, messages, monkeypatch, error, reason):
    def import_nothing(name):
        if name == "onnxruntime":
            raise error
        return onnx

    monkeypatch.setattr(importlib, "import_module", import_nothing)
    assert read_format_back(source, "onnx") is None
    [told] = messages
    assert f"generator.onnx was not read back: onnxruntime {reason}" in told


def test_differences_are_counted_in_levels():
    images = np.linspace(-1, 1, 48, dtype=np.float32).reshape(1, 4, 4, 3)
    assert measure_difference_in_levels(images, images) == 0
    assert measure_difference_in_levels(images, np.clip(images + 3 / 127.5, -1, 1)) == 3
    assert measure_difference_in_levels(images, images * np.nan) == 255
    assert measure_difference_in_levels(images[:0], images[:0]) == 0
