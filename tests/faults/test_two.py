"""Two processes at once: the second on a run is refused; two on a dataset make one pack."""

import concurrent.futures
import os
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from common import ROOT
from program import is_one_line, run, run_here, start, tree, wait_for

from data.packing.decode import Geometry
from data.packing.pack import load_or_make_pack
from data.sources.source import Source
from system import files, locks
from system.files import replace_folder, write_atomic

HELD = """
import pathlib, sys, time
from system import files, locks
with locks.lock_run(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def flags(tmp_path, *others):
    return (
        "--dataset=faces",
        f"--data_dir={tmp_path / 'data'}",
        f"--out_dir={tmp_path / 'out'}",
        "--out_name=run",
        *others,
    )


@pytest.fixture
def held(tmp_path):
    """Another process that has the run's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, tmp_path / "out" / "run"], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_with_pid_and_host(held, tmp_path, image_folder, capsys):
    image_folder(10)
    assert run_here(*flags(tmp_path, "--train")) == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    assert f"in use by process {held.pid} on {socket.gethostname()}. Wait for it or stop it" in said
    assert not (tmp_path / "data" / ".packs").exists()  # before anything was done


def test_the_lock_of_a_killed_process_is_taken_over(held, tmp_path, caplog):
    held.kill()
    held.wait()
    run_dir = tmp_path / "out" / "run"
    assert (run_dir / "lock").read_text() == f"process {held.pid} on {socket.gethostname()}"
    (run_dir / "config.json").touch()
    with locks.lock_run(run_dir):
        assert (run_dir / "lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}"
    assert [path.name for path in run_dir.iterdir()] == ["config.json"]


def test_a_lock_from_another_host_is_taken_over_with_a_warning(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(locks.logging, "warning", lambda text, *values: said.append(text % values))
    (tmp_path / "lock").write_text("process 7 on elsewhere")
    with locks.lock_run(tmp_path):
        assert "process 7 on elsewhere did not end its work" in said[0]


@pytest.mark.parametrize(
    "holder, refused",
    [
        ("process 1 on HOST", True),
        ("process 1 on elsewhere", True),
        ("process 999999999 on HOST", False),
        ("process OURS on HOST", False),
        ("nonsense", False),
        ("", False),
    ],
)
def test_where_the_file_system_has_no_locks_the_name_counts(holder, refused, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "lock").write_text(
        holder.replace("HOST", socket.gethostname()).replace("OURS", str(os.getpid()))
    )
    if refused:
        with pytest.raises(ValueError, match="One process at a time"), locks.lock_run(folder):
            pass
    else:
        with (
            locks.lock_run(folder),
            pytest.raises(ValueError, match="in use by"),
            other_process(monkeypatch, folder),
        ):
            pass


def other_process(monkeypatch, folder):
    """The lock as another process would ask for it, while this one lives."""
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    return locks.lock_run(folder)


def test_a_run_that_never_began_leaves_no_folder(tmp_path, capsys):
    assert run_here("--dataset=/nowhere/at/all", f"--out_dir={tmp_path / 'out'}", "--train") == 1
    assert is_one_line(capsys.readouterr().err)
    assert not list((tmp_path / "out").glob("*"))


def test_temporaries_belong_to_their_process(tmp_path):
    with (
        files.create_temporary(tmp_path / "mine") as mine,
        files.create_temporary(tmp_path / "folder", folder=True) as folder,
    ):
        (tmp_path / "dead.12-abcdef.tmp").write_text("half")
        (tmp_path / "dead.13-abcdef.tmp").mkdir()
        files.remove_leftovers(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([mine, folder])
    assert not list(tmp_path.iterdir())


def test_what_was_put_aside_for_nothing_comes_back(tmp_path):
    (tmp_path / "saved_model.abcdef.aside.tmp").mkdir()
    (tmp_path / "saved_model.abcdef.aside.tmp" / "weights").write_text("precious")
    (tmp_path / "other").mkdir()
    (tmp_path / "other.abcdef.aside.tmp").mkdir()
    files.remove_leftovers(tmp_path)
    assert tree(tmp_path) == {"saved_model/weights": b"precious"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "saved_model"]


def slow_source(count, made):
    def items():
        made.append(1)
        for number in range(count):
            time.sleep(0.02)
            yield str(number), np.full((8, 8), number, np.uint8)

    return Source("a slow set", "fingerprint", count, items)


def test_one_packs_and_the_other_waits(tmp_path):
    made, barrier = [], threading.Barrier(3)

    def pack():
        barrier.wait()
        source = slow_source(40, made)
        return load_or_make_pack(
            source, [tmp_path], label="slow", geometry=Geometry(8, 8), c_dim="auto", settings={}
        )

    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        packs = [future.result() for future in [threads.submit(pack) for _ in range(3)]]
    assert len(made) == 1
    assert all((pack.images[:, 0, 0, 0] == np.arange(40)).all() for pack in packs)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npy"]


@pytest.mark.slow
def test_two_real_processes_on_one_dataset_and_then_on_one_run(tmp_path, image_folder):
    folder = image_folder(600)
    for name in ("a", "b", "c"):  # 2,400 files
        (folder / name).mkdir()
        for path in list(folder.glob("*.png")):
            os.link(path, folder / name / path.name)
    two = [
        start(*flags(tmp_path, "--train", "--steps=2", f"--out_name={name}"))
        for name in ("one", "two")
    ]
    for process in two:
        said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
    packs = sorted((tmp_path / "data" / ".packs").iterdir())
    assert [path.suffix for path in packs] == [".json", ".npy"]
    one, other = (tree(tmp_path / "out" / name / "samples") for name in ("one", "two"))
    assert one == other

    first = start(*flags(tmp_path, "--train", "--steps=1000000", "--ckpt_freq=10"))
    wait_for(first, "step 20 of")
    code, said = run(*flags(tmp_path, "--train", "--steps=1000000"))
    assert code == 1 and is_one_line(said) and f"in use by process {first.pid} on" in said
    assert run(*flags(tmp_path, "--sample=3"))[0] == 0  # drawing is allowed meanwhile
    assert first.poll() is None
    first.kill()
    first.communicate()
    assert run(*flags(tmp_path, "--train", "--steps=1"))[0] == 0
    assert not (tmp_path / "out" / "run" / "lock").exists()


def test_where_there_are_no_locks_temporaries_go_by_their_age(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    for name in ("old", "new"):
        (tmp_path / f"{name}.tmp").touch()
    os.utime(tmp_path / "old.tmp", (0, 0))
    files.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new.tmp"]
    with replace_folder(tmp_path / "made") as folder:
        (folder / "file").write_text("1")
    with replace_folder(tmp_path / "made") as folder:
        (folder / "file").write_text("2")
    write_atomic(tmp_path / "one", b"3")
    assert tree(tmp_path) == {"made/file": b"2", "new.tmp": b"", "one": b"3"}


def test_a_temporary_that_another_process_takes_for_a_leftover_is_made_again(tmp_path, monkeypatch):
    original, taken = locks._try_lock, []

    def try_lock(descriptor):
        if not taken:  # between its making and its lock
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        return original(descriptor)

    monkeypatch.setattr(locks, "_try_lock", try_lock)
    write_atomic(tmp_path / "one", b"content")
    assert tree(tmp_path) == {"one": b"content"}
