"""best/ holds one checkpoint, which is whole at any moment, and takes nothing of the user's."""

import errno

import pytest

from runs.best import keep_best_checkpoint


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

    for path in config.checkpoint_path.glob("step-2.*"):
        path.unlink()  # as newer ones push it out
    assert files(config) == of_step(2) | {"notes.txt": "mine"}
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
        "held the best checkpoint of later steps; it was put aside as best.1."
    )
