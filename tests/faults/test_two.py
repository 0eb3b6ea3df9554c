"""Two concurrent processes: the second on a run is refused; two on a dataset make one pack."""

import concurrent.futures
import os
import socket
import threading
import time

import numpy as np
import pytest
from program import is_one_line, run, run_here, start, tree, wait_for

from data.packing.decode import Geometry
from data.packing.pack import load_or_make_pack
from data.sources.source import Source


def flags(tmp_path, *others):
    return (
        "--dataset=faces",
        f"--data_dir={tmp_path / 'data'}",
        f"--out_dir={tmp_path / 'out'}",
        "--out_name=run",
        *others,
    )


def test_a_second_process_is_refused_with_pid_and_host(held, tmp_path, image_folder, capsys):
    image_folder(10)
    assert run_here(*flags(tmp_path, "--train")) == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    assert f"in use by process {held.pid} on {socket.gethostname()}. Wait for it or stop it" in said
    assert not (tmp_path / "data" / ".packs").exists()  # before anything was done


@pytest.mark.parametrize("name", ["run", "x" * 300])  # the second is too long for a folder
def test_a_run_that_never_began_leaves_no_folder(name, tmp_path, capsys):
    flags = ["--dataset=/nowhere/at/all", f"--out_dir={tmp_path / 'out'}", f"--out_name={name}"]
    assert run_here(*flags, "--train") == 1
    assert is_one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


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
