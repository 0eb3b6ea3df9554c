"""Problems provoked in real runs on the handwritten digits, and a run left alone."""

import dataclasses
import json

import numpy as np
import pytest
from program import state

from config.settings import Config
from data.load import load_dataset
from gan import DCGAN
from runs.checkpoint_files import list_checkpoints
from runs.history import locate_metrics
from train import train
from training.diagnosis import SIGNS

pytestmark = pytest.mark.slow  # test_diagnosis.py checks the same with given scores


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The 1,797 digits, uint8 (N, 16, 16, 1)."""
    folder = str(tmp_path_factory.mktemp("data"))
    return np.array(
        load_dataset(Config(dataset="digits", output_height=16, data_dir=folder)).images
    )


@pytest.fixture
def settings(tiny):
    def make(**changes):
        small = {"stem_width": 32, "z_dim": 100, "batch_size": 64, "c_dim": 1}
        usual = {"steps": 200, "eval_freq": 50, "out_name": "run"}
        return tiny(**small | usual | changes)

    return make


def freeze(monkeypatch, name):
    """Leaves a network's weights as they are."""
    original = DCGAN.update_network_weights

    def update(self, optimizer, tape, scaled_loss, network):
        if network.name != name:
            original(self, optimizer, tape, scaled_loss, network)

    monkeypatch.setattr(DCGAN, "update_network_weights", update)


def list_verdicts(messages):
    return [text.rpartition(": ")[2].rstrip(".") for text in messages if "diversity" in text]


def warned_of(messages, words):
    return [text for text in messages if words in text and "times its floor" not in text]


def test_a_healthy_run_is_left_in_peace(settings, digits, messages):
    train(settings(), digits)
    found = list_verdicts(messages)
    assert len(found) == 4
    assert found[0] == "too early for a verdict"
    assert {*found[1:]} <= {"little diversity yet", "healthy"}
    assert found[-1] == "healthy"


def test_a_discriminator_that_learns_nothing_is_asleep(settings, digits, messages, monkeypatch):
    freeze(monkeypatch, "discriminator")
    train(settings(steps=80, eval_freq=20), digits)
    assert list_verdicts(messages)[-1] == "D asleep"
    assert len(warned_of(messages, "no longer tells fakes from reals")) == 1


def test_a_discriminator_without_an_opponent_is_too_strong(settings, digits, messages, monkeypatch):
    freeze(monkeypatch, "generator")
    train(settings(steps=120, eval_freq=20, learning_rate=0.002), digits)
    assert list_verdicts(messages)[-1] == "D too strong"
    assert len(warned_of(messages, "spots every fake")) == 1


def test_a_learning_rate_of_a_hundred_times_is_noticed(settings, digits, messages):
    train(settings(learning_rate=0.02, steps=150, eval_freq=25), digits)
    assert {text.partition(",")[0] for text in list_verdicts(messages)} & {"collapsing", "D asleep"}
    warnings = warned_of(messages, "is collapsing") + warned_of(messages, "no longer tells")
    assert warnings
    assert "--learning_rate=0.01" in warnings[0]


def test_a_learning_rate_of_one_diverges(settings, digits, messages):
    assert (
        train(settings(learning_rate=1.0, eval_freq=10, steps=50, on_collapse="stop"), digits)
        is None
    )
    assert len(warned_of(messages, "is diverging")) == 1


def test_eight_images_are_memorised(settings, digits, messages):
    train(settings(steps=500, eval_freq=250), digits[:8])
    assert list_verdicts(messages)[-1] == "memorising"
    assert warned_of(messages, "is memorising its training images")


@pytest.fixture
def collapse_once(monkeypatch):
    """Makes the first evaluation of a step count as a collapse, and all others as healthy."""

    def collapse(step):
        left = [step]

        def judge(evaluations, *signs):
            if [evaluations.last["step"]] != left:
                return None, "healthy"
            left.clear()
            return SIGNS[1], "collapsing"

        monkeypatch.setattr("training.diagnosis.judge_training_by_scores", judge)

    return collapse


def read_steps(config, name="step"):
    lines = locate_metrics(config).read_text().splitlines()
    return [line[name] for line in map(json.loads, lines) if name in line]


def test_a_restored_run_goes_on_from_its_best_checkpoint_with_half_the_rate(
    settings, digits, messages, collapse_once
):
    small = {"blocks": 1, "g_updates": 1, "batch_size": 8, "eval_freq": 2, "ckpt_freq": 1}
    config = settings(**small, steps=6, on_collapse="restore", max_to_keep=9)
    collapse_once(6)
    restored = train(config, digits)
    assert restored.halvings == 1
    scored = read_steps(config, "frechet")
    assert len(scored) == 3
    assert read_steps(config) == sorted({*read_steps(config)})
    [aside] = config.checkpoint_path.glob("collapsed*")
    assert [path.name for path in list_checkpoints(aside)] == ["step-5"]
    assert any(
        "collapsing. Going back to step 4, the best, with half the learning rate: 0.0001." in text
        for text in messages
    )

    # 4 steps as they were, 2 with half the rate
    by_hand = settings(**small, steps=4, out_name="by-hand")
    by_hand = train(by_hand, digits)
    train(dataclasses.replace(by_hand, steps=6, halvings=1), digits)
    assert state(config.run_dir) == state(by_hand.run_dir)


def test_a_run_that_stops_on_collapse_saves_and_returns_nothing(settings, digits, collapse_once):
    small = {"blocks": 1, "g_updates": 1, "batch_size": 8, "eval_freq": 2}
    config = settings(**small, steps=6, on_collapse="stop")
    collapse_once(4)
    assert train(config, digits) is None
    assert [path.name for path in list_checkpoints(config.checkpoint_path)][-1] == "step-4"
    assert read_steps(config)[-1] == 4
    assert train(config, digits) is not None  # the same command goes on
