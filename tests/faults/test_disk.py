"""Disks that are full, read-only or gone: one line, nothing is lost, and the same command resumes
afterwards.
"""

import contextlib
import json
import os
import shutil
import subprocess

import numpy as np
import pytest
from disks import count_events, limit
from program import is_one_line, run, run_here, start, state, tree, wait_for

from config.stored import change_settings
from data.batches import open_image_row_reader
from runs.checkpoint_files import list_checkpoints
from runs.read import read_run
from tests.foreign.originals import write_newmu
from train import train
from training.logs import Logs
from training.steps import Steps

pytestmark = pytest.mark.slow  # most of its tests take three to nine seconds


@pytest.fixture
def small_disk(tmp_path):
    """A factory of real disks of a few megabytes, in memory."""
    mounted = []

    def mount(place, megabytes=16):
        place.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place]
        if (
            os.name != "posix"
            or os.geteuid()
            or subprocess.run(command, capture_output=True).returncode
        ):
            pytest.skip("mounting a disk takes root's rights")
        mounted.append(place)
        return place

    yield mount
    for place in mounted[::-1]:
        subprocess.run(["umount", "-l", place], capture_output=True)  # one test has done so already


@contextlib.contextmanager
def filled(disk, leave=0):
    """Within the block, the disk has at most `leave` bytes left."""
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(65536)) == 65536:
            pass
    os.truncate(ballast, ballast.stat().st_size - leave)
    try:
        yield
    finally:
        ballast.unlink()


@pytest.fixture
def command(tmp_path, image_folder, capsys):
    """Runs main.py's main with tiny networks on 60 images; (exit code, output)."""
    image_folder(60)

    def call(*flags):
        places = [
            f"--data_dir={tmp_path / 'data'}",
            f"--out_dir={tmp_path / 'out'}",
            "--out_name=run",
        ]
        code = run_here("--dataset=faces", *places, *flags)
        return code, capsys.readouterr().err

    return call


TRAIN = ("--train", "--steps=4", "--ckpt_freq=2", "--sample_freq=2")
ACTIONS = {
    "sample": ("--sample=70",),
    "export": ("--export",),
    "export files": ("--export=onnx,safetensors",),
    "freeze": ("--freeze",),
    "visualize": ("--visualize", "--visualize_option=0"),
    "train": ("--train", "--steps=6"),
}


@pytest.mark.parametrize(
    # Training with such a low limit has its own test, as its log would be limited too
    ("action", "disk"),
    [
        (action, disk)
        for action in ACTIONS
        for disk in ("a limit", "a full disk")
        if (action, disk) != ("train", "a limit")
    ],
)
def test_full_while_it_writes(action, disk, command, small_disk, tmp_path):
    out = tmp_path / "out"
    if disk == "a full disk":
        small_disk(out, 24)
    assert command(*TRAIN)[0] == 0
    if action != "train":
        assert command(*ACTIONS[action], "--seed=0")[0] == 0
    before = tree(out / "run")
    with filled(out) if disk == "a full disk" else limit(300):
        code, said = command(*ACTIONS[action])
    assert code == 1 and is_one_line(said), said
    assert ("No space left on device" if disk == "a full disk" else "File too large") in said
    assert f"{out / 'run'}" in said and "Make room there" in said
    after = tree(out / "run")
    assert {name: after[name] for name in before} == before
    assert not list(out.rglob("*.tmp"))
    assert command(*ACTIONS[action])[0] == 0


def test_full_while_a_checkpoint_is_saved(command, tmp_path):
    run_dir = tmp_path / "out" / "run"
    assert command(*TRAIN)[0] == 0
    before, size = (
        tree(run_dir / "checkpoints"),
        (run_dir / "checkpoints/step-4.data-00000-of-00001").stat().st_size,
    )
    with limit(size // 2):
        code, said = command("--train", "--steps=9", "--ckpt_freq=3", "--sample_freq=1000")
    assert code == 1 and is_one_line(said), said
    assert (
        f"{run_dir / 'checkpoints' / 'step-6'} cannot be used: File too large. Make room there"
        in said
    )
    assert tree(run_dir / "checkpoints") == before
    assert command("--train", "--steps=9")[0] == 0
    straight = f"--out_dir={tmp_path / 'straight'}"
    assert command(straight, "--train", "--steps=9")[0] == 0
    assert state(run_dir) == state(tmp_path / "straight" / "run")


def test_a_real_disk_fills_up_between_two_saves(command, small_disk, tmp_path):
    out, run_dir = small_disk(tmp_path / "out", 32), tmp_path / "out" / "run"
    assert command(*TRAIN)[0] == 0
    before = tree(run_dir / "checkpoints")
    with filled(out, leave=200_000):
        code, said = command("--train", "--steps=9", "--ckpt_freq=3", "--sample_freq=1000")
    assert code == 1 and is_one_line(said), said
    assert "checkpoints/step-6 cannot be used: No space left on device." in said
    assert tree(run_dir / "checkpoints") == before
    assert command("--train", "--steps=9")[0] == 0


def test_full_while_packing(command, tmp_path):
    with limit(20_000):
        code, said = command("--train", "--steps=1")
    assert code == 1 and is_one_line(said), said
    assert f"{tmp_path / 'data' / '.packs'}" in said and "File too large. Make room there" in said
    assert not list(tmp_path.rglob("*.tmp")) and not list((tmp_path / "data" / ".packs").iterdir())
    assert command("--train", "--steps=1")[0] == 0


def test_no_room_for_a_pack_is_said_before_it_is_made(command, small_disk, tmp_path):
    packs = small_disk(tmp_path / "data" / ".packs", 1)
    with filled(packs, leave=8192):
        code, said = command("--train", "--steps=1")
    assert code == 1 and is_one_line(said), said
    assert (
        "0.00 GB are needed for the decoded images, only 0.00 GB are free. Make room there" in said
    )
    assert command("--train", "--steps=1")[0] == 0


def test_full_while_importing(tmp_path, capsys):
    folder = tmp_path / "theirs"
    write_newmu(folder, np.random.default_rng(0))
    flags = (f"--import_weights={folder}", f"--out_dir={tmp_path / 'out'}", "--out_name=theirs")
    with limit(300):
        assert run_here(*flags, tiny=()) == 1
    said = capsys.readouterr().err
    assert is_one_line(said) and "File too large" in said
    assert read_run(tmp_path / "out" / "theirs") is None
    assert run_here(*flags, tiny=()) == 0


@pytest.fixture
def warned(monkeypatch):
    said = []
    for module in ("training.logs", "training.events", "training.pictures"):
        monkeypatch.setattr(
            f"{module}.logging.warning", lambda text, *values: said.append(text % values)
        )
    return said


def test_tensorboards_log_alone_only_warns(tiny, photos, warned):
    config = tiny(steps=60, sample_freq=1, ckpt_freq=60, out_name="run")
    images = photos(20, 16, 16)
    size = 1.5 * checkpoint_size(config, images)
    with limit(int(size)):
        assert train(config, images)
    assert len([text for text in warned if "TensorBoard's log in" in text]) == 1
    assert count_events(config.run_dir) > 10
    assert state(config.run_dir)
    assert len(list(config.sample_path.glob("train_*.png"))) == 60


def checkpoint_size(config, images) -> int:
    trial = train(change_settings(config, {"out_name": "trial", "steps": 1}), images)
    return sum(path.stat().st_size for path in trial.checkpoint_path.glob("step-1.data*"))


def test_a_full_disk_of_logs_only_warns_and_they_go_on_when_there_is_room(
    tiny, photos, warned, small_disk, monkeypatch
):
    config = tiny(steps=100, sample_freq=20, ckpt_freq=100, out_name="run")
    disk = small_disk(config.run_dir / "logs", 32)
    stack = contextlib.ExitStack()
    original, done = Logs.advance_progress_bar, []

    def advance(self, steps):
        original(self, steps)
        done.append(steps)
        if sum(done) == 30:
            stack.enter_context(filled(disk))
        if sum(done) == 70:
            stack.close()

    monkeypatch.setattr("training.logs.Logs.advance_progress_bar", advance)
    assert train(config, photos(20, 16, 16))
    assert [text for text in warned if "TensorBoard's log in" in text]
    steps = [
        json.loads(line)["step"]
        for line in (config.run_dir / "logs" / "metrics.jsonl").read_text().splitlines()
    ]
    # A line may fit into what is left of a page
    assert {1, 20, 80, 100} <= set(steps) <= {1, 20, 40, 60, 80, 100}
    # The hparams, the damaged file, and the one after it.
    assert len(list((config.run_dir / "logs").glob("events.out.tfevents.*"))) == 3
    assert count_events(config.run_dir) > 10
    assert [path.name for path in list_checkpoints(config.checkpoint_path)] == ["step-100"]


def test_a_full_disk_of_samples_only_warns(tiny, photos, warned, small_disk, tmp_path):
    disk = small_disk(tmp_path / "elsewhere", 1)
    config = tiny(steps=20, sample_freq=5, sample_dir=str(disk), out_name="run")
    with filled(disk):
        assert train(config, photos(20, 16, 16))
    assert (
        len([text for text in warned if "reals.png cannot be written: No space left" in text]) == 1
    )
    assert not [path for path in disk.iterdir() if path.name != "ballast"]
    assert [path.name for path in list_checkpoints(config.checkpoint_path)] == ["step-20"]


def test_a_film_that_cannot_be_written_only_warns(tiny, photos, warned, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "training.gif")

    monkeypatch.setattr("training.pictures.encode_grids_as_gif", full)
    config = train(tiny(steps=2), photos(20, 16, 16))
    assert "training.gif cannot be written: No space left on device. Training continues." in warned
    assert state(config.run_dir)


@pytest.mark.parametrize("place", ["a file", "below a file", "/proc/out", "a read-only disk"])
def test_places_that_cannot_be_written_are_one_line(place, command, small_disk, tmp_path):
    if place == "a read-only disk":
        disk = small_disk(tmp_path / "read-only", 1)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        out = disk / "out"
    else:
        (tmp_path / "file").write_text("not a folder")
        out = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "out"}.get(
            place, place
        )
    code, said = command("--train", "--steps=1", f"--out_dir={out}")
    assert code == 1 and is_one_line(said), said
    told = "must be writable", "must be a folder", "cannot be used"
    assert any(words in said for words in told)
    assert not (tmp_path / "data" / ".packs").exists()


def test_a_missing_out_dir_is_made(command, tmp_path):
    assert command("--train", "--steps=1", f"--out_dir={tmp_path / 'a' / 'b' / 'c'}")[0] == 0
    assert read_run(tmp_path / "a" / "b" / "c" / "run")


def test_a_missing_data_dir_is_one_line(command, tmp_path):
    code, said = command("--train", f"--data_dir={tmp_path / 'gone'}")
    assert code == 1 and is_one_line(said), said
    assert f"Looked in {tmp_path / 'gone'}: No such file or directory; give another" in said


def test_a_pack_that_shrinks_while_it_is_used_is_one_line(command, tmp_path, monkeypatch):
    """As when a disk is unplugged: pages are gone, and a mapped one would end the process."""
    original = Steps.run

    def run(self, calls):
        for done, results in enumerate(original(self, calls), 1):
            if done == 3:
                [pack] = (tmp_path / "data" / ".packs").glob("*.npy")
                os.truncate(pack, 4096)
            yield results

    with monkeypatch.context() as patch:
        patch.setattr(Steps, "run", run)
        code, said = command("--train", "--steps=50", "--ckpt_freq=2")
    assert code == 1 and is_one_line(said), said
    assert ".npy cannot be used: the file has become shorter." in said
    assert command("--train", "--steps=50")[0] == 0  # packed again
    straight = f"--out_dir={tmp_path / 'straight'}"
    assert command(straight, "--train", "--steps=50")[0] == 0
    assert state(tmp_path / "out" / "run") == state(tmp_path / "straight" / "run")


@pytest.mark.parametrize("moment", [0, 1])
def test_packs_that_are_deleted_while_it_trains_cost_nothing(
    command, tmp_path, monkeypatch, moment
):
    """Before the first step, and before the first scores."""
    original = Steps.run

    def run(self, calls):
        if moment == 0:
            shutil.rmtree(tmp_path / "data" / ".packs")
        for done, results in enumerate(original(self, calls), 1):
            if done == moment:
                shutil.rmtree(tmp_path / "data" / ".packs")
            yield results

    with monkeypatch.context() as patch:
        patch.setattr(Steps, "run", run)
        code, said = command("--train", "--steps=4", "--ckpt_freq=2", "--eval_freq=2")
    assert code == 0, said
    assert "cannot be" not in said and "has no scores" not in said
    assert command("--evaluate")[0] == 0  # packed again
    straight = f"--out_dir={tmp_path / 'straight'}"
    assert command(straight, "--train", "--steps=4", "--ckpt_freq=2", "--eval_freq=2")[0] == 0
    assert state(tmp_path / "out" / "run") == state(tmp_path / "straight" / "run")


def test_a_mount_that_vanishes_while_it_trains(image_folder, small_disk, tmp_path):
    disk = small_disk(tmp_path / "mount", 16)
    image_folder(60).rename(tmp_path / "faces")
    subprocess.run(["cp", "-r", tmp_path / "faces", disk / "faces"], check=True)
    flags = (
        "--dataset=faces",
        f"--data_dir={disk}",
        f"--out_dir={tmp_path / 'out'}",
        "--train",
        "--out_name=run",
    )
    process = start(*flags, "--steps=200000", "--ckpt_freq=20")
    wait_for(process, "step 40 of")
    # Open files stay usable, others are gone
    subprocess.run(["umount", "-l", disk], check=True)
    wait_for(process, "step ")
    process.terminate()
    assert (process.communicate(timeout=60), process.returncode)[1] == 0
    code, said = run(*flags, "--steps=200000")
    assert code == 1 and is_one_line(said), said
    assert "--dataset must be" in said and f" {disk}" in said
    assert run(*flags[2:3], "--out_name=run", "--sample=2")[0] == 0  # needs no data


def test_rows_are_read_as_the_map_has_them(tmp_path, photos):
    np.save(tmp_path / "pack.npy", photos(50))
    mapped = np.load(tmp_path / "pack.npy", mmap_mode="r")
    rows = np.random.default_rng(0).integers(0, 50, (3, 7))
    with open_image_row_reader(mapped) as take:
        np.testing.assert_array_equal(take(rows), mapped[rows])
        assert take(rows).shape == (3, 7, 24, 20, 3)
