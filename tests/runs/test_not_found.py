"""The message for a command that matches no run, or several: it names only what was typed."""

import shlex

import pytest

from config.settings import Config
from config.stored import write_config
from runs.claims import claim_run_folders
from runs.commands import find_typed_program
from runs.not_found import RUNS_LISTED, explain_missing_run, list_runs_to_pick


@pytest.fixture
def explain(tmp_path):
    """The message for a user's input, with the runs cats (z_dim 100) and dogs (z_dim 50) there."""

    def say(given, names=("cats", "dogs")):
        out = {"out_dir": str(tmp_path)}
        sizes = {"cats": 100, "dogs": 50}
        runs = {
            name: Config(dataset=name, out_name=name, z_dim=sizes[name], **out).resolve()
            for name in names
        }
        line = explain_missing_run(Config(**out, **given), given, runs)
        assert "64x64" not in line  # the user did not type it
        return line.replace(str(tmp_path), "OUT")

    return say


def test_no_run_at_all(explain, tmp_path):
    assert explain({}, ()) == "There is no trained run in OUT. Add --train first."
    assert explain({"out_name": "x"}, ()) == "There is no trained run x in OUT. Add --train first."
    (tmp_path / "begun").mkdir()
    assert explain({"out_name": "begun"}) == "OUT/begun has no checkpoint. Add --train."
    given = {"out_dir": str(tmp_path / "nosuch")}
    assert explain_missing_run(Config(**given), given, {}) == (
        f"There is no folder {tmp_path}/nosuch. Give --out_dir, the folder of your runs, or train "
        "a run first, with --train."
    )


def test_a_run_without_its_config_has_checkpoints(explain, tmp_path):
    place = tmp_path / "begun" / "checkpoints"
    place.mkdir(parents=True)
    (place / "step-5.index").touch()
    line = explain({"out_name": "begun"})
    assert line.startswith("OUT/begun has checkpoints, but no config.json")


def test_a_run_in_the_folder_that_was_meant_is_told(explain, tmp_path):
    inside = begin_run(tmp_path / "mine").run_dir
    told = f"OUT/mine holds another run: {inside}. To continue that: --out_dir={inside}."
    line = explain({"out_name": "mine"}, ())
    assert line == told.replace(str(tmp_path), "OUT")
    (tmp_path / "mine" / "checkpoints").mkdir()  # then it is a run that lost its config.json
    assert explain({"out_name": "mine"}, ()) == "OUT/mine has no checkpoint. Add --train."


def test_a_run_whose_checkpoints_are_gone_would_start_over(explain, tmp_path):
    config = begin_run(tmp_path)
    assert explain({"out_name": "run"}, ()) == "OUT/run has no checkpoint. Add --train."
    metrics = config.run_dir / "logs" / "metrics.jsonl"
    metrics.touch()  # training would move nothing aside
    assert explain({"out_name": "run"}, ()) == "OUT/run has no checkpoint. Add --train."
    metrics.write_text('{"step": 201}\n')
    line = explain({"out_name": "run"}, ())
    assert line.startswith("OUT/run has logs, but no checkpoint is left. If you moved them, add ")
    (config.run_dir / "checkpoints").rename(tmp_path / "moved")
    assert explain({"out_name": "run"}, ()) == line


@pytest.mark.parametrize(
    ("dataset", "remedy"),
    [
        ("digits", "To do its steps again: PROGRAM --out_dir=OUT --out_name=run --train"),
        ("array", "Call train() with the same settings and images to do its steps again."),
    ],
)
def test_a_run_stopped_before_its_first_checkpoint_has_lost_none(
    explain, tmp_path, dataset, remedy
):
    """It used to advise a backup, and said that earlier files would be moved."""
    config = begin_run(tmp_path, dataset=dataset, steps=3000)
    (config.run_dir / "logs" / "metrics.jsonl").write_text('{"step": 60}\n')
    line = explain({"out_name": "run"}, ())
    remedy = remedy.replace("PROGRAM", shlex.join(find_typed_program()))
    assert line == f"OUT/run was stopped before its first checkpoint. {remedy}"


def begin_run(out_dir, **settings):
    """The settings of a run whose training claimed its folders, and did no step yet."""
    config = Config(out_dir=str(out_dir), out_name="run", **settings).resolve()
    (config.run_dir / "logs").mkdir(parents=True)
    claim_run_folders(config)
    write_config(config)
    return config


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, "The first one comes at step 200, or when training is stopped."),
        ({"ckpt_freq": 50, "steps": 100}, "The first one comes at step 50, or when"),
        ({"ckpt_freq": 5000, "steps": 1200}, "The first one comes at step 1,200, or when"),
        ({"steps": 100, "eval_freq": 30}, "The first one comes at step 30, or when"),
        ({"steps": 100, "eval_freq": 0}, "The first one comes at step 100, or when"),
        ({"epoch": 2, "batch_size": 4, "epoch_sizes": (0, 10)}, "The first one comes at step 5,"),
        ({"minutes": 1.0, "planned_steps": 70}, "The first one comes at step 70, or when"),
        ({"minutes": 1.0}, "The first one comes at step 200, or when"),
        (None, "Wait for its first one."),
    ],
)
def test_a_run_that_is_being_trained_has_no_checkpoint_yet(held, tmp_path, settings, expected):
    """The fixture holds out/run. settings: what the run stored; None: nothing yet."""
    given = {"out_dir": str(tmp_path / "out"), "out_name": "run"}
    if settings is not None:
        write_config(Config(**given, **settings).resolve())
    line = explain_missing_run(Config(**given), given, {})
    assert line.startswith(f"{tmp_path}/out/run has no checkpoint yet: process {held.pid} on ")
    assert f" is training it. {expected}" in line


def test_an_empty_name_was_not_typed(explain):
    assert explain({"out_name": ""}).startswith("2 runs in OUT fit: ")
    assert explain({"out_name": ""}, ()) == "There is no trained run in OUT. Add --train first."


def test_a_folder_within_a_run_names_the_run(trained):
    run = trained().run_dir
    given = {"out_dir": str(run / "samples")}
    line = f"There is no run in {run}/samples. Did you mean --out_dir={run}?"
    assert explain_missing_run(Config(**given), given, {}) == line


def test_the_former_name_of_a_renamed_run_leads_to_it(tiny):
    runs = {}
    for former, name in (("faces-16x16", "shapes"), ("faces-64x64", "faces-64x64")):
        before = tiny(out_name=former).resolve()
        runs[name] = tiny(out_name=name).resolve()
        runs[name].run_dir.mkdir(parents=True)
        (runs[name].run_dir / "config.json").write_text(before.to_json())
    given = {"out_dir": before.out_dir, "out_name": "faces-16x16"}
    line = explain_missing_run(Config(**given), given, runs)
    assert line.endswith("Received: faces-16x16. Did you mean --out_name=shapes?")


def test_a_name_that_no_run_has(explain):
    rule = "--out_name must be a trained run in OUT. "
    assert explain({"out_name": "cat"}) == (f"{rule}Received: cat. Did you mean --out_name=cats?")
    assert explain({"out_name": "x"}) == (
        f"{rule}Received: x. Runs there: cats, dogs; pick one with --out_name, or add --train."
    )


def test_a_name_with_spaces_is_suggested_for_the_shell(tiny):
    run = tiny(out_name="big faces").resolve()
    given = {"out_dir": run.out_dir, "out_name": "big face"}
    line = explain_missing_run(Config(**given), given, {run.name: run})
    assert line.endswith("Received: big face. Did you mean --out_name='big faces'?")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "2 runs in OUT fit: cats, dogs. Add --out_name=NAME."),
        ({"dataset": "cows"}, "No run in OUT has the dataset cows. Runs there: cats, dogs; pick"),
        ({"z_dim": 3}, "No run in OUT fits all flags. Runs there: cats, dogs; pick one"),
        (
            {"dataset": "cats", "z_dim": 3},
            "OUT/cats was trained with --z_dim=100. Received: 3. Drop --z_dim, or add --train "
            "for a new run.",
        ),
    ],
)
def test_runs_that_fit_or_do_not(explain, given, line):
    assert explain(given).startswith(line)


def test_long_lists_end():
    names = [f"run{number:02}" for number in range(RUNS_LISTED + 1)]
    assert list_runs_to_pick(names).startswith("Runs there: run00, ")
    assert "run09, ...; pick one" in list_runs_to_pick(names)
