"""best/ holds one checkpoint, complete at any moment, and leaves the user's files alone."""

import dataclasses
import errno
import json
import os

import pytest

from config.stored import write_config
from runs.best import find_best_scored_entry, keep_best_checkpoint, put_best_checkpoint_of_run_back
from runs.changes import record_changed_settings
from runs.checkpoint_files import (
    list_checkpoints,
    list_steps_in_checkpoint_list,
    write_checkpoint_list,
)
from runs.history import locate_metrics


@pytest.fixture
def config(tiny):
    """Settings of a run with three checkpoints of two files."""
    config = tiny(max_to_keep=9)
    config.checkpoint_path.mkdir(parents=True)
    for step in (1, 2, 3):
        for suffix in ("data-00000-of-00001", "index"):
            (config.checkpoint_path / f"step-{step}.{suffix}").write_text(f"{step} {suffix}")
    return config


def files(config):
    return {path.name: path.read_text() for path in config.best_path.iterdir() if path.is_file()}


def of_step(step):
    names = ("data-00000-of-00001", "index")
    return {f"step-{step}.{suffix}": f"{step} {suffix}" for suffix in names}


@pytest.mark.parametrize("has_links", [True, False])
def test_a_better_one_takes_the_place(config, monkeypatch, has_links):
    def fail(*_, **__):
        raise OSError(errno.EPERM, "no links here")

    if not has_links:
        monkeypatch.setattr("os.link", fail)
    keep_best_checkpoint(config, 1, {1})
    (config.best_path / "notes.txt").write_text("mine")
    keep_best_checkpoint(config, 2, {1, 2})
    assert files(config) == of_step(2) | {"notes.txt": "mine"}
    (config.best_path / "step-1.data-00000-of-00001").touch()  # a kill came before it was removed

    for path in config.checkpoint_path.glob("step-2.*"):
        path.unlink()  # as newer ones replace it
    assert files(config).items() >= of_step(2).items()
    keep_best_checkpoint(config, 3, {1, 2, 3})
    keep_best_checkpoint(config, 3, {1, 2, 3})
    keep_best_checkpoint(config, 2, {1, 2, 3})  # which is gone
    assert files(config) == of_step(3) | {"notes.txt": "mine"}


def test_the_best_of_steps_that_the_run_went_back_from_is_put_aside(config, messages):
    keep_best_checkpoint(config, 3, {1, 3})
    keep_best_checkpoint(config, 2, {1, 2})
    assert files(config) == of_step(2)
    aside = config.best_path.with_name("best.1")
    assert {path.name: path.read_text() for path in aside.iterdir()} == of_step(3)
    assert messages[0].endswith(
        "held the best checkpoint of later steps; it was moved aside to best.1."
    )


def test_the_best_of_a_run_that_lost_its_metrics_is_put_aside(config, messages):
    """By its owner, who removed logs/; the run itself never went back."""
    keep_best_checkpoint(config, 1, {1})
    keep_best_checkpoint(config, 3, {3})
    assert files(config) == of_step(3)
    assert messages == [
        f"{config.best_path} held step 1, whose score is no longer in logs/metrics.jsonl; it was "
        "moved aside to best.1."
    ]


def test_the_best_of_other_images_is_put_aside(config, messages):
    keep_best_checkpoint(config, 1, {1})
    record_other_images(config, 2)
    keep_best_checkpoint(config, 3, {3})
    assert files(config) == of_step(3)
    assert content_of(config.best_path.with_name("best.1")) == of_step(1)
    assert messages == [
        f"{config.best_path} held step 1, the best of other images; it was moved aside to best.1."
    ]


def test_a_best_of_other_images_is_not_gone_back_to(config):
    write_metrics(config, 2)
    keep_best_checkpoint(config, 2, {2})
    record_other_images(config, 2)
    assert put_best_checkpoint_of_run_back(config) == 0
    assert content_of(config.checkpoint_path) == of_step(1) | of_step(2) | of_step(3)


def record_other_images(config, step):
    """Does what training does that resumes at `step` with other images than before."""
    write_config(dataclasses.replace(config, dataset_fingerprint="before"))
    record_changed_settings(dataclasses.replace(config, dataset_fingerprint="now"), step)


def write_metrics(config, *scored):
    path = locate_metrics(config)
    path.parent.mkdir(parents=True)
    lines = [{"step": step} | ({"frechet": 9.0} if step in scored else {}) for step in (1, 2, 3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def content_of(folder):
    return {path.name: path.read_text() for path in folder.glob("step-*")}


@pytest.mark.parametrize("kill_at", [None, 1, 2, 3, 4])
def test_a_run_goes_back_to_its_best_and_keeps_what_came_after(config, monkeypatch, kill_at):
    """If it is killed at any file that it moves, it has a complete checkpoint, and a second try
    finishes.
    """
    write_metrics(config, 1)
    (config.checkpoint_path / "notes.txt").write_text("mine")
    keep_best_checkpoint(config, 1, {1})
    for path in config.checkpoint_path.glob("step-1.*"):
        path.unlink()  # as newer ones replaced it

    if kill_at is not None:
        original, left = os.replace, [kill_at]

        def replace(*names):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            original(*names)

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr("runs.best.os.replace", replace)
            put_best_checkpoint_of_run_back(config)
        assert content_of(config.checkpoint_path).items() >= of_step(1).items()

    assert put_best_checkpoint_of_run_back(config) == 1
    assert content_of(config.checkpoint_path) == of_step(1)
    kept = {}
    for folder in config.checkpoint_path.glob("collapsed*"):
        kept |= content_of(folder)
    assert kept == of_step(2) | of_step(3)
    assert (config.checkpoint_path / "notes.txt").read_text() == "mine"
    assert list_steps_in_checkpoint_list(config.checkpoint_path) == [1, 1]
    assert [path.name for path in list_checkpoints(config.best_path)] == ["step-1"]

    steps = [json.loads(line)["step"] for line in locate_metrics(config).read_text().splitlines()]
    assert steps == [1]
    copy = locate_metrics(config).with_name("metrics.1.jsonl")
    assert len(copy.read_text().splitlines()) == 3


def test_a_checkpoint_that_the_user_put_back_is_not_the_runs_after_it_went_back(config):
    write_metrics(config, 2)
    folder = config.checkpoint_path
    write_checkpoint_list(folder, [folder / "step-2", folder / "step-3"])  # step 1 was put back
    keep_best_checkpoint(config, 2, {2})
    assert put_best_checkpoint_of_run_back(config) == 2
    assert list_steps_in_checkpoint_list(folder) == [2, 2]
    assert content_of(folder) == of_step(1) | of_step(2)


def test_a_best_of_steps_that_the_run_went_back_from_is_not_gone_back_to(config):
    keep_best_checkpoint(config, 3, {3})
    write_metrics(config)
    assert put_best_checkpoint_of_run_back(config) == 0
    assert content_of(config.checkpoint_path) == of_step(1) | of_step(2) | of_step(3)


@pytest.mark.parametrize(
    ("metric", "best"), [("frechet", 300), ("kid", 200), ("swd", None), ("coverage", 100)]
)
def test_the_best_entry_has_the_lowest_score_of_the_wanted_name(metric, best):
    entries = [
        {"step": 100, "frechet": 9.0, "coverage": 0.5},
        {"step": 200, "frechet": 8.0, "kid": -0.1},
        {"step": 300, "frechet": 7.0, "kid": 0.2},
        {"step": 400, "frechet": None, "kid": float("nan"), "coverage": 0.0},
    ]
    found = find_best_scored_entry(entries, metric)
    assert (found and found["step"]) == best
