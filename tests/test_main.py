"""The command line as a user meets it, with its exit codes: in real processes, and in this one
where TensorFlow, whose import takes seconds, is already loaded.
"""

import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys

import imageio.v3 as iio
import numpy as np
import pytest
from common import ROOT
from program import TINY_FLAGS, run_here, signal_after, state

import main
from config.flags import EXPLORE_CHOICES, NOT_CARRIED_OVER
from config.settings import Config
from runs.commands import find_typed_program


def command(*arguments, cwd=None, **options):
    """Runs main.py; returns (exit code, stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *map(str, arguments)],
        cwd=cwd or ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def call(capsys):
    """Runs main.py's main in this process; returns (exit code, stdout, stderr).

    What it logs is in caplog.
    """

    def run(*arguments):
        code = run_here(*arguments, tiny=())
        return (code, *capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--train", "True"], "error: --train takes no value: write --train."),
        (["--datset", "x"], "error: There is no flag --datset. Did you mean --dataset?"),
        (["--sample"], "error: --sample needs a number. Try --sample=64."),
        (
            ["--output_height", "5"],
            "error: --output_height must be at least 8. Received: 5. Try --output_height=16.",
        ),
        (["--epoch", "x"], "error: --epoch must be a whole number. Received: x. Try --epoch=25."),
        (
            ["--train=maybe"],
            "error: --train must be on or off. Received: maybe. Try --train or --notrain.",
        ),
        (
            ["--c_dim", "2"],
            "error: --c_dim must be one of auto, 1, 3, 4. Received: 2. Try --c_dim=auto.",
        ),
        (
            ["--out_dir", "README.md"],
            f"error: README.md/digits-64x64 must be a folder. Received: a file, {ROOT}/README.md. "
            "Move it away, or give another --out_name or --out_dir.",
        ),
        (
            ["--epoch", "2", "--steps", "3"],
            "error: --epoch and --steps cannot be combined. Received: 2 and 3. Drop one of them.",
        ),
        (["--sample", "0"], "error: --sample must be at least 1. Received: 0. Try --sample=64."),
        (
            ["--nocrop", "--input_height", "108"],
            "error: --nocrop squashes the whole image, so --input_height and --input_width have "
            "nothing to crop. "
            "Received: 108. Use --crop, or leave out the crop's size.",
        ),
        (["--config", "nosuch.json"], "error: There is no file nosuch.json."),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_1(arguments, line):
    train = [] if "--sample" in arguments else ["--train"]
    code, out, err = command(*train, *arguments)
    assert (code, out, err) == (1, "", line + "\n")


def test_unknown_datasets_and_runs_are_one_line(tmp_path):
    (tmp_path / "data" / "cats").mkdir(parents=True)
    code, _, err = command("--dataset", "nosuch", "--train", cwd=tmp_path)
    assert code == 1
    assert err == (
        "error: --dataset must be digits, celebA, mnist, stacked_mnist, lsun, tfds:NAME, hf:NAME, "
        "or a folder, zip, tar, npy, npz or parquet, in --data_dir or elsewhere. "
        "Received: nosuch. In data: cats.\n"
    )
    code, _, err = command("--sample", "4", cwd=tmp_path)
    assert code == 1
    assert err == (
        f"error: There is no folder {tmp_path / 'out'}. Give --out_dir, the folder of your runs, "
        "or train a run first, with --train.\n"
    )


@pytest.mark.parametrize("imported", ["pathlib", "config.flags"])
def test_ctrl_c_while_it_starts_is_one_line(imported):
    script = (
        "import builtins, sys; load = builtins.__import__\n"
        "def interrupt(name, *rest):\n"
        f"    if name == '{imported}': raise KeyboardInterrupt\n"
        "    return load(name, *rest)\n"
        "builtins.__import__ = interrupt; import main"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted.\n")


def test_ctrl_c_before_the_next_step_says_that_nothing_is_lost(tiny, messages):
    config = tiny()
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt) as raised, main.note_that_nothing_is_lost(config):
            raise KeyboardInterrupt
        assert main.report_interruption(raised.value) == 130
        config.checkpoint_path.mkdir(parents=True, exist_ok=True)
        (config.checkpoint_path / "step-1.index").touch()
    early = "interrupted before the first step: there is nothing to keep."
    later = "interrupted: the run is at step 1, and the same command resumes there."
    assert messages == [early, later]
    assert main.report_interruption(KeyboardInterrupt()) == 130  # without --train
    assert messages[2:] == ["interrupted."]


def test_no_action_says_which_there_are():
    code, _, err = command()
    assert code == 1
    assert "--train" in err
    assert "--sample" in err


def test_help_names_every_flag_in_groups_without_tensorflow():
    script = (
        "import sys, main; code = main.main(['main.py', '--help']); "
        "sys.exit(code or 'tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "80"},
    )
    wide = [line for line in done.stdout.splitlines() if len(line) > 80]
    assert all(" " not in line.strip() for line in wide)  # lists without spaces
    groups = [line for line in done.stdout.splitlines() if line.endswith(":") and " " not in line]
    assert groups == ["actions:", "data:", "model:", "training:", "run:", "details:"]
    flags = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  --")}
    settings = {field.name for field in dataclasses.fields(Config)} - {*NOT_CARRIED_OVER}
    others = {
        *main.ACTIONS,
        *EXPLORE_CHOICES,
        "checkpoint",
        "evaluate_samples",
        "export_dtype",
        "features",
        "fid_stats",
        "inception",
        "open",
        "visualize_option",
        "preset",
        "config",
    }
    assert flags == {f"--{name}" for name in settings | others}
    assert all(len(line) < 140 for line in done.stdout.splitlines())


def test_config_file_then_command_line(call, tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps({"stem_width": 64, "steps": 9, "z_dim": 20}))
    code, out, err = call(
        "--config", path, "--dry_run", "--z_dim", "30", "--epoch", "1", "--out_dir", tmp_path
    )
    assert code == 0, err
    settings = json.loads(out[: out.index("}\n") + 1])
    assert (settings["stem_width"], settings["z_dim"], settings["steps"]) == (64, 30, None)

    path.write_text(json.dumps({"stemwidth": 64}))
    code, _, err = call("--config", path, "--train")
    assert code == 1
    assert "Did you mean stem_width?" in err
    assert err.count("\n") == 1


def test_dry_run_tells_and_writes_nothing(call, tmp_path):
    code, out, err = call("--dry_run", "--data_dir", tmp_path, "--out_dir", tmp_path / "out")
    assert (code, err) == (0, "")
    facts = ["64x64x1", "4x4x512", "conv4", "logits", "702 steps", "GB while training"]
    assert all(fact in out for fact in [*facts, "1,797: largest centre crop -> 64x64"])
    assert os.listdir(tmp_path) == []


@pytest.mark.slow
def test_train_sample_and_export_in_one_line_then_again(call, caplog, tmp_path):
    small = ["--output_height", 16, "--stem_width", 32, "--z_dim", 8, "--batch_size", 16]
    places = ["--out_dir", tmp_path / "out", "--data_dir", tmp_path / "data"]
    code, out, err = command("--train", "--sample", 3, "--export", "--steps", 4, *small, *places)
    run = tmp_path / "out" / "digits-16x16"
    assert code == 0, err
    assert [line.rpartition(" ")[2] for line in out.splitlines()[-3:-1]] == [
        str(run / "samples" / "seed_0"),
        str(run / "export" / "saved_model"),
    ]
    assert out.splitlines()[-1].startswith('to load it: tf.saved_model.load("')
    assert f"the grids are in {run / 'samples'}, and their animation is training.gif" in out
    assert not any(line in err for line in out.splitlines())
    assert len(list((run / "samples" / "seed_0").glob("0*.png"))) == 3
    assert (run / "export" / "saved_model" / "saved_model.pb").is_file()
    lines = err.splitlines()
    assert any(line.startswith("found 1,797 images, 8x8 -> ") for line in lines)
    assert any(line.startswith("watch it with: tensorboard --logdir ") for line in lines)
    assert any(line.startswith("step 4 of 4 ") for line in lines)
    assert not any(
        "oneDNN" in line or "Sharding" in line or "Writing fingerprint" in line for line in lines
    )

    code, out, err = command("--export", "onnx,litert", *places)
    assert code == 0, err
    assert [line.rpartition("/")[2] for line in out.splitlines()[::2]] == [
        *("generator.onnx", "generator.tflite")
    ]
    assert {line.split()[1:4] == ["was", "read", "back"] for line in err.splitlines()} == {
        *(True, False)  # model_card.json is replaced
    }
    assert not any("XNNPACK" in line for line in err.splitlines())

    # The same flags resume it, sampling needs no data or sizes, and networks keep their shape.
    code, _, err = call("--train", "--steps", 6, *small, *places)
    assert code == 0, err
    assert "resuming at step 4, until step 6" in caplog.text
    code, out, err = call(
        "--sample", 2, "--seed", 7, "--out_dir", tmp_path / "out", "--data_dir", "/nonexistent"
    )
    assert code == 0, err
    assert out.startswith("2 images of step 6")
    code, _, err = call("--train", "--steps", 6, *small, *places, "--kernel_size", 4)
    assert code == 1
    assert err == (
        f"error: --kernel_size is fixed once a run has started: {run} has 5. Received: 4. "
        "Drop --kernel_size, or start another run with --out_name=NAME.\n"
    )


@pytest.mark.slow
def test_a_run_goes_on_with_another_batch_size(call, caplog, tmp_path):
    """10 epochs of 60 images are 75 steps of 8; the next 10, 38 of 16: 4 images too many."""
    small = [*TINY_FLAGS, "--blocks=1", "--g_updates=1", "--train_size=60"]
    places = ["--out_dir", tmp_path / "out", "--data_dir", tmp_path / "data"]
    for flags in (["--epoch=10"], ["--epoch=20", "--batch_size=16"]):
        code, _, err = call("--train", *small, *places, *flags)
        assert code == 0, err
    assert "--batch_size is 16 now and was 8: " in caplog.text
    assert "resuming at step 75, until step 113" in caplog.text
    assert "step 113 of 113  epoch 20.13" in caplog.text


@pytest.mark.slow
def test_kill_9_and_the_same_command_end_like_an_undisturbed_run(call, caplog, tmp_path):
    """Killed just before its second checkpoint is recorded; faults/test_kills.py has 37 more
    moments.
    """

    def flags(name):
        places = [f"--out_dir={tmp_path}", f"--data_dir={tmp_path / 'data'}", f"--out_name={name}"]
        return [*TINY_FLAGS, *places, "--train", "--steps=30", "--ckpt_freq=10"]

    assert call(*flags("straight"))[0] == 0
    moment = ["os.rename", "checkpoints/checkpoint", "2", "0"]
    killed = [sys.executable, ROOT / "tests/faults/killed.py", *moment, *flags("killed")]
    assert subprocess.run(killed, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "samples" / "train_00000030.png").exists()

    code, _, err = call(*flags("killed"))
    assert code == 0, err
    assert "resuming at step" in caplog.text
    assert state(tmp_path / "straight") == state(tmp_path / "killed")
    last = "samples/train_00000030.png"
    pictures = [(tmp_path / name / last).read_bytes() for name in ("straight", "killed")]
    assert pictures[0] == pictures[1]


@pytest.mark.slow
def test_a_signal_stands_for_the_later_actions_too(call, caplog, tmp_path, monkeypatch):
    signal_after(monkeypatch, 5)
    places = [f"--out_dir={tmp_path}", f"--data_dir={tmp_path / 'data'}"]
    code, out, err = call(
        *("--train", "--sample=3", "--export", "--steps=100", "--sample_freq=2"),
        *(*TINY_FLAGS, *places),
    )
    assert code == 0, err
    assert "stopped and saved at step 5" in caplog.text
    assert caplog.messages[-1] == (
        "training was stopped, so nothing was done for --sample, --export."
    )
    assert not list(tmp_path.glob("*/samples/seed_*"))
    run = tmp_path / "digits-16x16"
    program = shlex.join(find_typed_program())
    command = f"{program} --out_dir={tmp_path} --out_name=digits-16x16"
    assert out.splitlines()[1:] == [
        f"the grids are in {run / 'samples'}, and their animation is training.gif",
        f"to draw images: {command} --sample=64",
        f"to export the networks: {command} --export",
    ]
    assert len(iio.imread(run / "samples" / "training.gif")) == 3  # of the steps 2, 4 and 5


@pytest.mark.slow
def test_two_datasets_of_one_name_are_two_runs(call, tmp_path):
    for parent in ("cats", "dogs"):
        (tmp_path / parent / "train").mkdir(parents=True)
        for number in range(3):
            iio.imwrite(
                tmp_path / parent / "train" / f"{number}.png",
                np.full((16, 16), 99 * number + (parent == "dogs"), np.uint8),
            )
    flags = ["--train", "--steps=1", *TINY_FLAGS, "--out_dir", tmp_path / "out"]
    assert call("--dataset", tmp_path / "cats" / "train", *flags)[0] == 0
    code, _, err = call("--dataset", tmp_path / "dogs" / "train", *flags)
    assert code == 1
    assert "was trained on" in err
    assert "--out_name=NAME" in err
    code, _, err = call("--dataset", tmp_path / "cats" / "train", *flags, "--seed", 3)
    assert code == 1
    assert "--seed is fixed once a run has started" in err


def test_a_label_that_the_data_lack_stops_before_the_training(call, tmp_path):
    where = ["--out_dir", tmp_path / "out", "--data_dir", tmp_path / "data"]
    code, _, err = call("--labels", "digits", "--train", "--sample", 3, "--label", "ten", *where)
    assert code == 1
    assert err.splitlines()[-1].startswith("error: --label must be one or more of 0, 1, 2")
    assert not (tmp_path / "out" / "digits-64x64").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--explore", "conv_arithmetic", "--dry_run"],
            "--dry_run writes nothing, so it cannot be combined with --explore",
        ),
        (["--label", "3", "--export"], "--label needs --sample, --visualize or --explore"),
        (["--train", "--export", "tflite"], "--export must be some of saved_model, onnx, litert"),
    ],
)
def test_actions_that_do_not_go_together(arguments, message):
    code, out, err = command(*arguments)
    assert (code, out) == (1, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_a_page_is_opened_in_the_users_browser(tmp_path):
    browser, opened, page = tmp_path / "browser", tmp_path / "opened", tmp_path / "a page.html"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    code = "import main, pathlib, sys; main.open_in_browser(pathlib.Path(sys.argv[1]))"
    subprocess.run(
        [sys.executable, "-c", code, page],
        cwd=ROOT,
        env=os.environ | {"BROWSER": str(browser)},
        check=True,
    )
    assert opened.read_text() == f"{page.as_uri()}\n"


def test_only_a_page_can_be_opened(call):
    code, _, said = call("--out_name=x", "--export=onnx", "--open")
    assert code == 1
    assert said == (
        "error: --open opens what --export=page or --report writes. Received: --export=onnx. "
        "Write --export=onnx,page, add --report, or drop --open.\n"
    )
    code, _, said = call("--out_name=x", "--export=onnx, saved_model", "--open")
    assert "Write --export='onnx, saved_model,page', add" in said
