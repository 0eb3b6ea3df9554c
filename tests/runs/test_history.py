"""What an earlier training left, and when it is put aside."""

import json

import pytest
from program import tree

from config.stored import write_config
from runs.claims import claim_run_folders
from runs.history import list_training_grids, put_earlier_training_aside


@pytest.fixture
def stopped(tiny):
    """A factory of runs that were killed after 20 steps, before their first checkpoint."""

    def make(**changes):
        config = tiny(**({"ckpt_freq": 20} | changes)).resolve()
        for folder in (config.run_dir / "logs", config.sample_path):
            folder.mkdir(parents=True, exist_ok=True)
        (config.run_dir / "logs" / "metrics.jsonl").write_text('{"step": 20}\n{"step"')
        for name in ("reals.png", "train_00000020.png", "mine.png"):
            (config.sample_path / name).write_text(name)
        claim_run_folders(config)
        write_config(config)
        return config

    return make


ASIDE = {
    "config.1.json",
    "logs.1/metrics.jsonl",
    "samples.1/mine.png",
    "samples.1/reals.png",
    "samples.1/train_00000020.png",
}


def test_where_nothing_shows_a_checkpoint_all_stays(stopped, messages):
    config = stopped()
    before = tree(config.run_dir)
    put_earlier_training_aside(config)
    assert tree(config.run_dir) == before
    assert list(list_training_grids(config)) == [20]
    assert messages == []


def test_a_folder_without_any_training_stays(tiny):
    config = tiny().resolve()
    put_earlier_training_aside(config)
    (config.sample_path / "seed_0").mkdir(parents=True)
    put_earlier_training_aside(config)
    assert (config.sample_path / "seed_0").is_dir()


def remove_checkpoint_folder(config):
    (config.checkpoint_path / "run.json").unlink()
    config.checkpoint_path.rmdir()


def leave_tensorflows_list(config):
    (config.checkpoint_path / "checkpoint").write_text("model_checkpoint_path")


def log_more_steps_than_a_kill_loses(config):
    with open(config.run_dir / "logs" / "metrics.jsonl", "a") as file:
        file.write('\n{"step": 21}\n')


def draw_more_steps_than_a_kill_loses(config):
    (config.sample_path / "train_00000021.png").touch()


def change_a_setting(config):
    path = config.run_dir / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"batch_size": 9}))


def bring_another_config(config):
    (config.run_dir / "config.json").write_text('{"a user\'s": "own"}')


@pytest.mark.parametrize(
    "change",
    [
        remove_checkpoint_folder,
        leave_tensorflows_list,
        log_more_steps_than_a_kill_loses,
        draw_more_steps_than_a_kill_loses,
        change_a_setting,
        bring_another_config,
    ],
)
def test_what_shows_an_earlier_training_puts_it_aside(stopped, change, messages):
    config = stopped()
    change(config)
    before = tree(config.run_dir)
    put_earlier_training_aside(config)
    after = tree(config.run_dir)
    assert {*after} >= ASIDE
    assert sorted(after.values()) == sorted(before.values())
    text = "has no checkpoint and starts anew; what was there was put aside: "
    assert messages == [f"{config.run_dir} {text}samples.1, logs.1, config.1.json."]
    put_earlier_training_aside(config)
    assert tree(config.run_dir) == after and len(messages) == 1


def test_a_second_time_other_names_are_taken(stopped):
    config = stopped()
    (config.run_dir / "samples.1").mkdir()
    remove_checkpoint_folder(config)
    put_earlier_training_aside(config)
    assert (config.run_dir / "samples.2" / "mine.png").is_file()


@pytest.mark.parametrize("place", ["elsewhere", "."])
def test_in_a_folder_that_is_not_the_runs_only_its_pictures_move(stopped, tmp_path, place):
    """--sample_dir may be any folder: renaming that would surprise other programs."""
    folder = str(tmp_path / place) if place != "." else place
    config = stopped(sample_dir=folder)
    remove_checkpoint_folder(config)
    put_earlier_training_aside(config)
    assert (config.sample_path / "mine.png").is_file()
    names = sorted(path.name for path in (config.sample_path / "training.1").iterdir())
    assert names == ["reals.png", "train_00000020.png"]
    assert (config.run_dir / "logs.1").is_dir()
