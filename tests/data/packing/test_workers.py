import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import data.packing.pack
from data.packing.decode import Geometry
from data.packing.pack import load_or_make_pack
from data.packing.workers import Worker, decode_images
from data.sources.folder import open_image_folder

GEOMETRY = Geometry(16, 16, (20, 18))


def test_a_worker_gives_what_this_process_gives_even_when_it_dies(jpegs):
    items = [(path.name, path) for path in sorted(jpegs.iterdir())[:8]]
    items += [
        ("array", np.zeros((30, 20), np.uint8)),
        ("error", ValueError("no such entry")),
        ("bytes", b"text"),
    ]
    expected = decode_images(items, GEOMETRY, 3)
    worker = Worker()
    assert worker.decode(items, GEOMETRY, 3) == expected
    worker.process.kill()
    assert worker.decode(items, GEOMETRY, 3) == expected
    assert worker.process is None
    worker.stop()


def test_a_worker_ends_with_its_parent_and_leaves_ctrl_c_to_it():
    worker = Worker()
    worker.decode([], GEOMETRY, 3)
    worker.process.send_signal(signal.SIGINT)
    assert worker.decode([], GEOMETRY, 3) == (b"", [])
    worker.process.stdin.close()
    assert worker.process.wait(timeout=30) == 0
    worker.stop()


def test_where_no_process_can_be_started_threads_do_the_work(jpegs, tmp_path, monkeypatch):
    monkeypatch.setattr(data.packing.pack, "WORKERS_FROM", 0)
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    source, settings = open_image_folder(jpegs), {"label": "test", "settings": {}}
    pack = load_or_make_pack(source, [tmp_path], geometry=GEOMETRY, c_dim=3, **settings)
    assert len(pack.images) == 144


@pytest.mark.slow
def test_a_script_without_a_main_guard_packs(jpegs, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from config.settings import Config\n"
        "from data.load import load_dataset\n"
        "from data.packing import pack\n"
        "pack.WORKERS_FROM = 0\n"
        f"config = Config(dataset={str(jpegs)!r}, data_dir={str(tmp_path)!r}, c_dim=3)\n"
        "print(len(load_dataset(config).images))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(data.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b"144\n"
