import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time

from common import ROOT

from config.stored import write_config
from runs.history import locate_metrics
from runs.listing import format_runs


def make_run(config, steps, *, day=1):
    """A run with checkpoints and a log of these steps, the last on this day of November 2026."""
    for folder in (config.checkpoint_path, config.run_dir / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    for step in steps:
        (config.checkpoint_path / f"step-{step}.index").touch()
    write_config(config.resolve())
    if steps:
        lines = [json.dumps({"step": step, "epoch": step / 8}) + "\n" for step in steps]
        locate_metrics(config).write_text("".join(lines))
        when = time.mktime((2026, 11, day, 12, 30, 0, 0, 0, -1))
        os.utime(locate_metrics(config), (when, when))
    return config


def test_each_run_has_a_line_and_the_last_trained_comes_last(tiny):
    faces = make_run(tiny(dataset="/my/faces", out_name="faces"), [600, 1200], day=3)
    make_run(tiny(dataset="mnist", out_name="mine", output_width=24, steps=90), [40], day=2)
    make_run(tiny(dataset="mnist", out_name="begun"), [])
    (faces.run_dir.parent / "holiday").mkdir()
    said = format_runs(faces.run_dir.parent).splitlines()
    assert said == [
        "run    dataset  size   steps  epochs  last trained",
        "mine   mnist    24x16     40       5  2026-11-02 12:30  stopped before 90",
        "faces  faces    16x16  1,200     150  2026-11-03 12:30",
        "begun  mnist    16x16      0       0  never             no checkpoint",
    ]


def test_the_folder_of_a_run_lists_that_run(tiny):
    config = make_run(tiny(out_name="mine"), [40])
    assert format_runs(config.run_dir) == format_runs(config.run_dir.parent)


def test_a_run_that_has_epochs_left_says_so(tiny):
    config = make_run(tiny(out_name="run", epoch=25, epoch_sizes=(0, 64)), [40])  # 8 in an epoch
    [_, line] = format_runs(config.run_dir.parent).splitlines()
    assert line.endswith("  stopped before 200")


def test_a_run_ended_by_force_says_where_it_resumes(tiny):
    config = make_run(tiny(out_name="run", steps=600), [200, 297])
    for file in config.checkpoint_path.glob("step-297*"):
        file.unlink()
    [_, line] = format_runs(config.run_dir.parent).splitlines()
    assert line.split()[3] == "297" and line.endswith("  resumes at step 200")


def test_a_run_that_lost_its_log_has_the_steps_of_its_checkpoint(tiny):
    """How many images its steps had, only TensorFlow could read."""
    config = make_run(tiny(out_name="run", steps=600), [5, 202])
    shutil.rmtree(config.run_dir / "logs")
    index = config.checkpoint_path / "step-202.index"
    when = time.mktime((2026, 11, 4, 9, 5, 0, 0, 0, -1))
    os.utime(index, (when, when))
    [_, line] = format_runs(config.run_dir.parent).splitlines()
    assert line.endswith("16x16    202       ?  2026-11-04 09:05  stopped before 600")


def test_an_import_was_never_trained(tiny):
    config = make_run(tiny(out_name="run"), [])
    (config.checkpoint_path / "step-0.index").touch()
    [_, line] = format_runs(config.run_dir.parent).splitlines()
    assert line.split()[-3:] == ["0", "0", "never"]


def test_a_run_in_use_says_by_whom(tiny, held):
    config = make_run(tiny(out_name="run"), [5])
    [_, line] = format_runs(config.run_dir.parent).splitlines()
    assert f"in use by process {held.pid} on " in line


def test_a_damaged_run_does_not_hide_the_others(tiny):
    config = make_run(tiny(out_name="whole"), [5])
    damaged = make_run(dataclasses.replace(config, out_name="odd\nname"), [5])
    (damaged.run_dir / "config.json").write_text("{")
    lines = format_runs(config.run_dir.parent).splitlines()
    assert [line.split()[0] for line in lines] == ["run", "whole", "odd\\nname:"]
    assert lines[2].endswith("its config.json or its checkpoints are gone or damaged")


def test_without_runs_it_says_so(tmp_path):
    assert format_runs(tmp_path / "nowhere") == f"There are no runs in {tmp_path / 'nowhere'}."


def test_runs_in_a_folder_that_is_no_run_are_told(tiny, tmp_path):
    """Where a run lands that is renamed to a folder that is there already."""
    run = make_run(tiny(out_name="dogs"), [5])
    make_run(tiny(out_name="mine"), [5])
    hounds = run.run_dir.with_name("two hounds")
    hounds.mkdir()
    moved = run.run_dir.rename(hounds / "dogs")
    told = f"{hounds} holds another run: {moved}. To continue that: --out_dir='{moved}'."
    assert format_runs(hounds.parent).splitlines()[2:] == [told]
    shutil.rmtree(hounds.with_name("mine"))
    assert format_runs(hounds.parent) == f"There are no runs in {hounds.parent}. {told}"
    assert len(format_runs(hounds).splitlines()) == 2

    shutil.copytree(moved, hounds / "cats")
    assert format_runs(hounds.parent).endswith(
        f"{hounds} holds 2 runs: cats, dogs. To list them: --runs --out_dir='{hounds}'."
    )


def test_a_backup_inside_a_run_is_not_told(tiny):
    run = make_run(tiny(out_name="run"), [5])
    make_run(tiny(out_dir=str(run.run_dir), out_name="backup"), [5])
    assert len(format_runs(run.run_dir.parent).splitlines()) == 2


def test_the_command_lists_them_without_tensorflow(tiny):
    config = make_run(tiny(out_name="run"), [5])
    program = "import sys, main; main.main(sys.argv); sys.exit('tensorflow' in sys.modules)"
    command = [sys.executable, "-c", program, "--runs", f"--out_dir={config.out_dir}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[1].startswith("run  digits   16x16      5")
