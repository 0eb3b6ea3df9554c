"""Hostile and damaged images and folders: each is skipped with a reason, and memory is bounded."""

import io
import os
import re
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

import data.packing.workers
from data import limits
from data.load import load_dataset
from data.packing.decode import Geometry, MemoryGate, decode_image
from data.packing.workers import Worker, decode_images
from data.sources.folder import open_image_folder
from tests.faults.hostile import (
    GEOMETRY,
    ROOT,
    megabytes,
    needs_proc,
    png,
    png_header,
    reason,
    reasons,
)

DECODED = """
from data.packing.decode import Geometry
from data.packing.workers import decode_images
decode_images([("image", b"")], Geometry(64, 64), 3)  # which imports Pillow's formats
before = peak()
_, seen = decode_images([("image", Path(sys.argv[1]))], Geometry(64, 64), 3)
print(peak() - before, seen)
"""


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (10_000, 10_000, "10000x10000 pixels, more than 89 million"),
        (60_000, 60_000, "more than 89 million pixels"),  # Pillow's own check comes first
        (2**31 - 1, 2**31 - 1, "more than 89 million pixels"),
    ],
)
def test_pixels_are_counted_before_they_are_decoded(width, height, expected):
    assert reason(png_header(width, height)) == expected


def test_an_encoded_image_has_at_most_256_mb(tmp_path):
    path = tmp_path / "sparse.jpg"
    with open(path, "wb") as file:
        file.truncate(257 * 2**20)
    assert reason(path) == "257 MB, more than 256"


def test_a_jpeg_of_endless_scans_is_refused():
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, "JPEG")
    whole = content.getvalue()
    assert reason(whole) is None
    assert reason(whole[:-2] + b"\xff\xda\x00\x08" * 600) == "a JPEG of 601 scans, more than 500"


def test_only_regular_files_are_read(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's path has at most 100 characters
        listening.bind("socket.jpg")

    assert reasons(open_image_folder(tmp_path)) == {
        "dangling.jpg": "No such file or directory",
        "loop.jpg": "Too many levels of symbolic links",
        "pipe.jpg": "not a file",
        "socket.jpg": "No such device or address",
        "zero.jpg": "not a file",
    }
    assert reason(tmp_path / "folder.jpg") == "not a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_are_named(tmp_path):
    (tmp_path / "secret.png").write_bytes(png())
    (tmp_path / "secret.png").chmod(0)
    assert reasons(open_image_folder(tmp_path)) == {"secret.png": "Permission denied"}


def test_odd_names_are_told_in_one_line(tmp_path, tiny, capsys):
    folder = tmp_path / "data" / "odd"
    folder.mkdir(parents=True)
    odd = [
        "new\nline.png",
        "quote'\".png",
        "esc\x1b[2J.png",
        os.fsdecode(b"\xff\xfe.png"),
        "x" * 250 + ".png",
    ]
    for name in odd:
        (folder / name).write_bytes(png())

    (folder / "bad\n\x1b.png").touch()
    pack = load_dataset(tiny(dataset="odd"))
    assert sorted(pack.manifest["files"]) == sorted(odd)
    assert "\x1b" not in capsys.readouterr().err
    assert len(load_dataset(tiny(dataset="odd")).images) == 5  # read from its manifest


def test_postscript_called_jpg_runs_nothing(monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("ran Ghostscript"))
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    assert Image.open(io.BytesIO(page)).format == "EPS"  # as Pillow itself detects it
    assert reason(page) == "not an image"


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "options", "most"),
    [  # measured: 1024, 1024, 512, 685 and 684 MB
        ("RGBA", {"format": "PNG", "compress_level": 1}, 1200),
        ("LA", {"format": "PNG", "compress_level": 1}, 1200),
        ("I;16", {"format": "PNG", "compress_level": 1}, 700),
        ("RGB", {"format": "JPEG"}, 800),
        ("RGB", {"format": "JPEG", "progressive": True}, 1400),
    ],
)
def test_the_largest_image_takes_little_more_than_a_gigabyte(tmp_path, mode, options, most):
    path, exif = tmp_path / "image", Image.Exif()
    exif[0x0112] = 6
    Image.new(mode, (9459, 9459), 1).save(path, exif=exif, **options)
    used, seen = megabytes(DECODED, path)
    print(mode, options, used)
    assert "((9459, 9459)," in seen
    assert used < most


def test_a_gate_lets_in_what_fits_and_one_that_never_does_alone():
    gate, inside, most, lock = MemoryGate(10), [], [], threading.Lock()

    def decoded(needed):
        with gate.reserve_decoding_memory(needed):
            with lock:
                inside.append(needed)
                most.append(sum(inside))
            time.sleep(0.01)
            with lock:
                inside.remove(needed)

    threads = [
        threading.Thread(target=decoded, args=(needed,)) for needed in (4, 5, 6, 7, 40, 3, 3, 3) * 3
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(most) == 24
    assert all(held <= 10 or held == 40 for held in most)
    assert gate.free == 10


def test_a_worker_leaves_large_images_to_its_parent(tmp_path, monkeypatch):
    (tmp_path / "large.png").write_bytes(png(3000, 2000))  # 72 MB to decode
    (tmp_path / "small.png").write_bytes(png())
    items = [(path.name, path) for path in sorted(tmp_path.iterdir())]
    here, plain = [], decode_images
    record = lambda *arguments: here.append(arguments) or plain(*arguments)  # noqa: E731
    monkeypatch.setattr(data.packing.workers, "decode_images", record)
    worker = Worker()
    try:
        assert worker.decode(items, GEOMETRY, 3) == plain(items, GEOMETRY, 3)
        assert len(here) == 1
        worker.decode(items[1:], GEOMETRY, 3)
        assert len(here) == 1
        assert worker.process is not None
    finally:
        worker.stop()


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_many_bits_come_to_eight_as_all_at_once_would(monkeypatch, mode):
    monkeypatch.setattr(limits, "MAX_FLOAT64_PIXELS", 50)
    for top in (1, 200, 70_000):
        levels = np.random.default_rng(0).uniform(
            -0.1 * (mode == "F"), min(top, 65_535 if mode == "I;16" else top), (23, 17)
        )
        image = Image.fromarray(
            levels.astype({"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode])
        )
        whole = np.asarray(image).astype(np.float64)
        high = whole.max()
        scale = 1 / 257 if mode == "I;16" or high > 255 else 255 if mode == "F" and high <= 1 else 1
        expected = np.clip(whole * scale, 0, 255).round().astype(np.uint8)
        content = io.BytesIO()
        image.save(content, "TIFF")
        np.testing.assert_array_equal(
            decode_image(content.getvalue(), Geometry(23, 17), 1).pixels[..., 0], expected
        )


@pytest.mark.slow
def test_the_program_tells_a_hostile_folder_in_one_line(tmp_path):
    folder = tmp_path / "data" / "bad"
    folder.mkdir(parents=True)
    for name in ("a", "b\n\x1b[31m", "c", "d"):
        os.mkfifo(folder / f"{name}.jpg")

    before = sorted(tmp_path.rglob("*"))
    arguments = [sys.executable, ROOT / "main.py", "--dataset=bad", "--train"]
    done = subprocess.run(
        arguments, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "error: At most 10% of the images may be unreadable. Received: 4 of 4"
    )
    assert "\x1b" not in done.stderr
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "data" / ".packs"])


def test_nothing_unpickles_files():
    """Only our own processes exchange pickles; code in others' files never runs."""
    allowed = {"data/packing/workers.py"}
    packages = [*ROOT.glob("*/__init__.py"), *ROOT.glob("*/*/__init__.py")]
    folders = [ROOT, *(path.parent for path in packages)]
    assert {ROOT / name for name in ("data/packing", "foreign", "explore")} <= {*folders}
    ours = [path for folder in folders for path in folder.glob("*.py")]
    for path in ours:
        text = path.read_text()
        if str(path.relative_to(ROOT)) not in allowed:
            libraries = "(pickle|joblib|dill|shelve|marshal)"
            assert not re.search(rf"\b{libraries}\.|import {libraries}", text), path
        assert "allow_pickle=True" not in text
        for call in re.findall(r"torch\.load\([^)]*\)", text):
            assert "weights_only=True" in call
        assert not re.search(
            r"\b(eval|exec)\(|yaml\.load|enable_unsafe_deserialization|safe_mode=False", text
        ), path
