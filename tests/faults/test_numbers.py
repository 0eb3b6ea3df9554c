"""NaN, infinity and exhausted memory: training goes back, says so, and never saves them."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from absl import logging
from program import is_one_line, run_here, state

from config import checks
from config.settings import Config
from gan import DCGAN
from runs.checkpoint_files import list_checkpoints
from runs.find import find_run_to_train
from runs.read import read_run
from train import train
from training.steps import Steps

OF_LITTLE_DATA = ("shapes appear", "fewer than")  # in warnings

pytestmark = pytest.mark.slow  # most of its tests take three to nine seconds


@pytest.fixture
def images(photos):
    return photos(20, 16, 16)


@pytest.fixture
def warned(monkeypatch):
    """The warnings, without those that any training of a few images for a few steps gives."""
    said = []

    def warn(text, *values):
        if not any(words in text for words in OF_LITTLE_DATA):
            said.append(text % values)

    monkeypatch.setattr(logging, "warning", warn)
    return said


def poison(monkeypatch, step, how, *, times=1):
    """Does `how(dcgan)` to the real networks after `step` steps, in the first `times` sessions."""
    original, left = Steps.run, [times]

    def run(self, calls):
        for results in original(self, calls):
            yield results
            if int(self.dcgan.g_scaler.inner_optimizer.iterations) == 2 * step and left[0]:
                left[0] -= 1
                how(self.dcgan)

    monkeypatch.setattr(Steps, "run", run)


def nan_weight(dcgan):
    dcgan.generator.blocks[0].conv.kernel.assign(dcgan.generator.blocks[0].conv.kernel * np.nan)


def inf_weight(dcgan):
    dcgan.discriminator.blocks[0].conv.bias.assign([np.inf] * 16)


def nan_statistics(dcgan):
    norm = dcgan.generator.stem.norm
    norm.moving_mean.assign(norm.moving_mean * np.nan)


def inf_moment(dcgan):
    adam = dcgan.d_scaler.inner_optimizer
    adam._velocities[0].assign(adam._velocities[0] + np.inf)


def all_finite(config):
    for path in list_checkpoints(config.checkpoint_path):
        reader = tf.train.load_checkpoint(str(path))
        for name in reader.get_variable_to_shape_map():
            value = reader.get_tensor(name)
            assert not isinstance(value, np.ndarray | np.floating) or np.isfinite(value).all(), (
                path,
                name,
            )
    return True


@pytest.mark.parametrize("harm", [nan_weight, inf_weight, nan_statistics, inf_moment])
def test_one_accident_goes_back_with_half_the_learning_rate(
    harm, tiny, images, monkeypatch, warned
):
    poison(monkeypatch, 13, harm)
    config = train(tiny(steps=40, ckpt_freq=10), images)
    assert config.halvings == 1
    assert read_run(config.run_dir) == config
    assert "Going back to the last checkpoint with half the learning rate: 0.0001." in warned[0]
    assert len([text for text in warned if "Going back" in text]) == 1
    assert all_finite(config)
    straight = train(dataclasses.replace(config, out_name="straight", steps=10, halvings=0), images)
    longer = train(dataclasses.replace(straight, steps=40, halvings=1), images)
    # 10 steps as they were, 30 with half the rate
    assert state(config.run_dir) == state(longer.run_dir)


def test_gradients_that_are_no_numbers(tiny, images, monkeypatch, warned):
    original = DCGAN.update_network_weights

    def scaled(self, optimizer, tape, loss, network):
        with tape:
            factor = tf.where(self.g_scaler.inner_optimizer.iterations.value < 24, 1.0, math.inf)
            loss = loss if self.config.halvings else loss * factor
        original(self, optimizer, tape, loss, network)

    monkeypatch.setattr(DCGAN, "update_network_weights", scaled)
    config = train(tiny(steps=30, ckpt_freq=10), images)
    assert config.halvings == 1
    assert all_finite(config)


def test_it_stops_after_three_tries_with_advice_and_keeps_what_was_saved(
    tiny, images, monkeypatch, warned
):
    poison(monkeypatch, 13, nan_weight, times=99)
    with pytest.raises(
        ValueError,
        match=r"Halving the learning rate 3 times, to 2.5e-05, did not help. The checkpoints",
    ):
        train(tiny(steps=40, ckpt_freq=10, out_name="run"), images)
    assert len([text for text in warned if "Going back" in text]) == 3
    stored = read_run(tiny(out_name="run").run_dir)
    assert [path.name for path in list_checkpoints(stored.checkpoint_path)] == ["step-10"]
    assert all_finite(stored)
    given = {"out_dir": stored.out_dir, "out_name": "run", "output_height": 16}
    assert find_run_to_train(given).halvings == 3  # the same command
    assert find_run_to_train({**given, "learning_rate": 2e-4}).halvings == 3
    assert find_run_to_train({**given, "learning_rate": 1e-5}).halvings == 0  # what was advised


def test_without_a_checkpoint_it_begins_again(tiny, images, monkeypatch, warned):
    poison(monkeypatch, 5, nan_weight)
    config = train(tiny(steps=20), images)
    assert config.halvings == 1
    fresh = train(dataclasses.replace(config, out_name="fresh"), images)
    assert state(config.run_dir) == state(fresh.run_dir)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_ten_thousand_times_the_learning_rate(precision, tiny, images, monkeypatch):
    """It ends well or with advice, and never saves a number that is not finite."""
    monkeypatch.setattr(checks, "_check_setting_range", lambda *_: None)
    config = tiny(
        steps=60, ckpt_freq=5, learning_rate=1e4 * Config.learning_rate, mixed_precision=precision
    )
    try:
        train(config, images)
    except ValueError as error:
        assert "Halving the learning rate" in str(error)
    assert all_finite(config)


def test_an_overflow_in_float16_is_skipped_and_the_scale_shrinks(tiny, images, monkeypatch, warned):
    poison(monkeypatch, 20, lambda dcgan: dcgan.d_scaler.dynamic_scale.assign(2.0**40))
    config = train(tiny(steps=60, ckpt_freq=10, mixed_precision="float16"), images)
    assert (config.halvings, [text for text in warned if "Going back" in text]) == (0, [])
    assert all_finite(config)
    reader = tf.train.load_checkpoint(str(list_checkpoints(config.checkpoint_path)[-1]))
    assert reader.get_tensor("d_scale/.ATTRIBUTES/VARIABLE_VALUE") < 2.0**33


def test_activations_that_overflow_in_float16_leave_no_trace(tiny, images, monkeypatch, warned):
    def overflow(dcgan):
        dcgan.discriminator.blocks[0].conv.kernel.assign(
            dcgan.discriminator.blocks[0].conv.kernel * 1e6
        )

    poison(monkeypatch, 13, overflow)
    config = train(tiny(steps=40, ckpt_freq=10, mixed_precision="float16"), images)
    assert all_finite(config)


def test_other_errors_of_tensorflow_are_one_line_too(tiny, images, monkeypatch):
    def broken(*_):
        raise tf.errors.InternalError(
            None, None, "Graph execution error:\n\nDetected at node x\ncuDNN has failed\n[[{{x}}]]"
        )

    monkeypatch.setattr(DCGAN, "train_step", broken)
    with pytest.raises(
        ValueError, match=r"TensorFlow could not take a step: cuDNN has failed. The checkpoints are"
    ):
        train(tiny(steps=2), images)


def test_too_little_memory_is_said_before_the_first_step(tiny, images, monkeypatch, warned):
    monkeypatch.setattr("training.announcements.measure_available_memory", lambda: 0.5e9)
    train(tiny(steps=1), images)
    assert "A step needs about 0.8 GB of memory, and 0.5 GB are free." in warned[0]


ONEDNN = (
    "Graph execution error:\n\nOperation received an exception:Status: 1, "
    "message: could not create a primitive"
)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM"),
        MemoryError(),
        tf.errors.AbortedError(None, None, ONEDNN),
    ],
)
def test_no_memory_is_one_line_with_the_estimate_and_what_to_lower(
    error, tiny, image_folder, monkeypatch, capsys
):
    image_folder(12)

    def full(*_):
        raise error

    monkeypatch.setattr(DCGAN, "train_step", full)
    config = tiny()
    flags = [
        "--dataset=faces",
        f"--data_dir={config.data_dir}",
        f"--out_dir={config.out_dir}",
        "--train",
    ]
    small = ["--output_height=16", "--stem_width=32", "--batch_size=8", "--mixed_precision=float32"]
    assert run_here(*flags, *small) == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    assert (
        "Out of memory: a training step needs about 0.8 GB. Lower --batch_size (now 8) or "
        "--stem_width (now 32). "
        "--data_on_device=off saves" in said
    )
