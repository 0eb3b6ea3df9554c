"""A run's folder, from what a user typed; tests/runs/test_find.py finds real runs with it."""

from pathlib import Path

import pytest

from config.settings import Config
from config.stored import write_config
from runs.place import list_runs_inside, point_settings_to_run_folder


@pytest.fixture
def run(tmp_path):
    """The folder of a run before its first checkpoint."""
    config = Config(out_dir=str(tmp_path / "out"), out_name="mine").resolve()
    config.checkpoint_path.mkdir(parents=True)
    write_config(config)
    return config.run_dir


def test_what_leads_to_no_run_stays_as_it_is(run, tmp_path):
    for given in (
        {},
        {"out_dir": str(tmp_path)},
        {"out_dir": str(tmp_path / "nosuch"), "out_name": "mine"},
        {"out_name": "no/such"},
        {"out_dir": str(run.parent), "out_name": "mine"},
        {"out_dir": str(run.parent), "out_name": "other"},
        {"out_dir": "a" * 5000},
        {"out_dir": "~nobody-here"},
        {"out_name": "a\0/b"},
        {"out_dir": 5},
    ):
        assert point_settings_to_run_folder(given) == given


def test_runs_inside_are_those_of_a_folder_that_is_no_run(run):
    assert list_runs_inside(run.parent) == [run]
    assert list_runs_inside(run) == list_runs_inside(run.parent.parent) == []
    assert list_runs_inside(run / ("x" * 300)) == list_runs_inside(Path("a\0b")) == []
    (run.parent / "checkpoints").mkdir()  # a run that lost its config.json, with its backup
    assert list_runs_inside(run.parent) == []


def test_a_copied_config_json_is_no_run(run, tmp_path):
    (tmp_path / "config.json").write_bytes((run / "config.json").read_bytes())
    given = {"out_dir": str(tmp_path)}
    assert point_settings_to_run_folder(given) == given


def test_the_other_settings_stay(run):
    found = point_settings_to_run_folder({"out_dir": str(run), "epoch": 3})
    assert found == {"out_dir": str(run.parent), "out_name": "mine", "epoch": 3}


def test_a_path_from_here_comes_before_one_from_out_dir(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = point_settings_to_run_folder({"out_name": "out/mine", "out_dir": str(tmp_path)})
    assert Path(found["out_dir"], found["out_name"]) == Path("out/mine")
