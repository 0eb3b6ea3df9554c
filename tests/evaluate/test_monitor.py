"""Scores during training: when they come, what they leave unchanged, and what is kept."""

import dataclasses
import errno
import json
import shutil
import time

import numpy as np
import psutil
import pytest
import tensorflow as tf
from program import signal_after

from config.settings import Config
from evaluate.features.random_conv import DIMENSIONS
from evaluate.monitor import Monitor
from runs.changes import record_changed_settings
from runs.checkpoint_files import list_checkpoints
from runs.history import locate_metrics
from sample import Sampler
from train import train

COUNT = 2 * DIMENSIONS + 2


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 16, 16, 3), np.uint8)


def read_lines(config: Config) -> list[dict]:
    return [json.loads(line) for line in locate_metrics(config).read_text().splitlines()]


@pytest.mark.slow
def test_training_is_scored_and_the_same_bit_for_bit_without(tiny, images, messages, capsys):
    usual = {"blocks": 1, "g_updates": 1, "steps": 4, "ckpt_freq": 3, "max_to_keep": 1}
    config = tiny(**usual, eval_freq=2, out_name="scored")
    train(config, images)
    scored = {line["step"]: line["frechet"] for line in read_lines(config) if "frechet" in line}
    assert [*scored] == [2, 4]
    last = read_lines(config)[-1]
    [line] = [text for text in messages if text.startswith("step 4: Frechet distance")]
    assert line.endswith(f": {last['verdict']}.")
    assert last["frechet_floor"] > 0
    [best] = list_checkpoints(config.best_path)
    assert best.name == f"step-{min(scored, key=scored.get)}"
    assert sum("times its floor" in text for text in messages) == 2
    hint = f"the best of the scored checkpoints is {best.name}: --checkpoint=best"
    said = capsys.readouterr().out
    assert (hint in said) == (best.name != "step-4")
    report = config.run_dir / "evaluate" / "report.png"
    assert report.is_file() and f"scores, losses and grids in one picture: {report}" in said

    if best.name == "step-4":
        shutil.rmtree(config.best_path)  # as by a kill before it was written
        Monitor(config, images, None)
        assert list_checkpoints(config.best_path) == [best]

    without = dataclasses.replace(config, eval_freq=0, out_name="without")
    train(without, images)
    assert not without.best_path.exists()
    assert not (without.run_dir / "evaluate").exists()
    assert all("frechet" not in line for line in read_lines(without))
    ours, theirs = (Sampler(some).generator.variables for some in (config, without))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EIO, "Input/output error", "x.npy"), "x.npy cannot be used: Input/output "),
        (MemoryError(), "Out of memory. "),
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), "Out of memory. "),
    ],
)
def test_a_score_that_fails_costs_no_steps(tiny, images, messages, monkeypatch, error, reason):
    def fail(*_):
        raise error

    monkeypatch.setattr(Monitor, "score_fakes_against_reals", fail)
    config = train(tiny(blocks=1, g_updates=1, steps=2, ckpt_freq=1, eval_freq=1), images)
    assert [path.name for path in list_checkpoints(config.checkpoint_path)][-1] == "step-2"
    told = [text for text in messages if "has no scores" in text]
    assert len(told) == 2 and told[0].startswith(f"step 1 has no scores: {reason}")
    assert told[0].endswith(" Training continues.")


def test_it_is_due_at_its_steps_or_seldom(tiny, images, trained):
    sampler = Sampler(trained())
    often = Monitor(tiny(eval_freq=20), images, sampler)
    assert [step for step in range(1, 61) if often.is_evaluation_due(step, is_last=False)] == [
        20,
        40,
        60,
    ]
    off = Monitor(tiny(eval_freq=0), images, sampler)
    assert not off.is_evaluation_due(20, is_last=True)

    seldom = Monitor(tiny(eval_freq=None), images, sampler)
    assert seldom.is_evaluation_due(200, is_last=False)  # the first
    seldom.score_fakes_against_reals(200)
    assert seldom.seconds == seldom.seconds_of_last > 0
    assert (off.estimate_share_of_time(), often.estimate_share_of_time()) == (0, 0.05)
    seldom.began = time.monotonic() - 1000 * seldom.seconds
    assert seldom.estimate_share_of_time() == pytest.approx(0.001, rel=0.1)
    seldom.seconds, seldom.seconds_of_last = 3.0, 2.0  # with the next one, 5 seconds
    seldom.began = time.monotonic() - 90
    assert not seldom.is_evaluation_due(400, is_last=False)
    seldom.began -= 10
    assert seldom.is_evaluation_due(400, is_last=False)
    seldom.seconds = 3.1
    assert not seldom.is_evaluation_due(400, is_last=False)
    assert seldom.is_evaluation_due(401, is_last=True)


@pytest.mark.slow
def test_the_scores_order_what_the_eye_orders(tiny, images, trained):
    monitor = Monitor(tiny(eval_freq=None), images, Sampler(trained()))
    found = {}
    for name, fakes in (
        ("reals", images[::-1]),
        ("half as bright", images // 2),
        ("one image", np.repeat(images[:1], COUNT, 0)),
    ):
        monitor.sampler.draw = lambda *_, fakes=fakes: fakes
        found[name] = monitor.score_fakes_against_reals(1)
    assert found["reals"]["frechet"] < found["half as bright"]["frechet"]
    assert found["reals"]["frechet"] < found["one image"]["frechet"]
    assert found["one image"]["vendi"] < 0.2 < 0.8 < found["reals"]["vendi"] < 1.2


def test_large_images_are_fewer(tiny, trained, monkeypatch):
    large = np.zeros((2000, 16, 16, 3), np.uint8)
    sampler = Sampler(trained())
    assert Monitor(tiny(eval_freq=None), large, sampler).comparison.count == 1000
    monkeypatch.setattr("evaluate.comparison.IMAGE_BYTES", 300 * 16 * 16 * 3)
    assert Monitor(tiny(eval_freq=None), large, sampler).comparison.count == 300


def test_few_images_have_no_distance_and_that_is_said_where_scores_were_asked_for(
    tiny, images, trained, messages
):
    sampler = Sampler(trained())
    messages.clear()
    few = Monitor(tiny(eval_freq=None), images[:9], sampler)
    Monitor(tiny(eval_freq=None), images[:-2], sampler)
    assert few.score_fakes_against_reals(1).keys() == {"vendi", "nearest_ratio", "eval_seconds"}
    few.keep_best_scored_checkpoint(1)
    assert not few.config.best_path.exists()
    assert not Monitor(tiny(eval_freq=None), images[:1], sampler).is_on
    needed = f"a Frechet distance needs {COUNT} images"
    assert set(messages) == {f"{needed}: without it, training writes no best/ or report.png."}
    messages.clear()
    Monitor(tiny(eval_freq=5), images[:-2], sampler)
    assert messages == [
        f"The Frechet distance needs at least {COUNT} images. Received: {COUNT - 2}. Without it, "
        "nothing is kept in best/, and collapse is not detected."
    ]


def test_scores_of_other_images_do_not_count(tiny, images, trained, messages):
    run = trained(dataset_fingerprint="before", eval_freq=20)
    config = dataclasses.replace(run, dataset_fingerprint="now")
    lines = [{"step": step, "frechet": 9.0 + step, "vendi": 1.0} for step in (3, 5, 7)]
    locate_metrics(config).parent.mkdir()
    locate_metrics(config).write_text("".join(json.dumps(line) + "\n" for line in lines[:2]))
    assert [entry["step"] for entry in Monitor(config, images, Sampler(run)).history] == [3, 5]

    record_changed_settings(config, 5)
    told = "scores up to step 5 are of other images and do not count for the best."
    monitor = Monitor(config, images, Sampler(run))
    assert (monitor.history, messages[-1]) == ([], told)
    monitor.keep_best_scored_checkpoint(5)
    assert not config.best_path.exists()

    locate_metrics(config).write_text("".join(json.dumps(line) + "\n" for line in lines))
    messages.clear()
    assert [entry["step"] for entry in Monitor(config, images, Sampler(run)).history] == [7]
    assert messages == []  # it was said when they changed


@pytest.mark.slow
def test_a_stop_does_not_wait_for_a_score(tiny, images, monkeypatch):
    config = tiny(blocks=1, g_updates=1, steps=9, eval_freq=3, out_name="run")
    signal_after(monkeypatch, step=3)
    assert train(config, images) is None
    lines = read_lines(config)
    assert lines[-1]["step"] == 3
    assert all("frechet" not in line for line in lines)


@pytest.mark.slow
def test_scores_hold_on_to_nothing(tiny, images, trained):
    """Memory grows while functions are traced and the allocator warms up, and then stays."""
    monitor, sizes = Monitor(tiny(eval_freq=None), images, Sampler(trained())), []
    for step in range(40):
        monitor.score_fakes_against_reals(step)
        sizes.append(psutil.Process().memory_info().rss / 2**20)  # MB
    assert np.median(sizes[-10:]) - np.median(sizes[10:20]) < 5
