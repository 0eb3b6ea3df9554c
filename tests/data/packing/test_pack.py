import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

import data.packing.pack
import data.packing.workers
from data.packing.decode import Geometry, decode
from data.packing.pack import CHUNK, load_pack
from data.sources.folder import folder_source
from data.sources.source import Source

GEOMETRY = Geometry(16, 16, (20, 18))
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def pack(source, folder):
    return load_pack(source, [folder], label="test", geometry=GEOMETRY, c_dim=3, settings={})


@pytest.fixture
def jpegs(tmp_path, photos):
    """A folder of 150 JPEGs, more than two chunks, of which six cannot be read: cut, empty or text."""
    folder = tmp_path / "jpegs"
    folder.mkdir()
    for number, pixels in enumerate(photos(150)):
        Image.fromarray(pixels).save(folder / f"{number:04d}.jpg")
    for number, content in zip((0, 5, 63, 64, 100, 149), (b"", b"text", None) * 2, strict=True):
        path = folder / f"{number:04d}.jpg"
        path.write_bytes(path.read_bytes()[:400] if content is None else content)
    return folder


@pytest.mark.parametrize(
    ("cores", "workers_from"), [(1, 1000), (3, 1000), (100, 1000), (1, 0), (3, 0)]
)
def test_a_pack_holds_what_decoding_one_by_one_gives(
    jpegs, tmp_path, monkeypatch, cores, workers_from
):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    monkeypatch.setattr(data.packing.pack, "WORKERS_FROM", workers_from)
    expected, names, skipped = [], [], []
    for path in sorted(jpegs.iterdir()):
        try:
            expected.append(decode(path, GEOMETRY, 3).pixels)
            names.append(path.name)
        except Exception:
            skipped.append(path.name)
    made = pack(folder_source(jpegs), tmp_path / "packs")
    np.testing.assert_array_equal(made.images, expected)
    assert made.manifest["files"] == names
    assert (
        list(made.manifest["skipped"])
        == skipped
        == [f"{k:04d}.jpg" for k in (0, 5, 63, 64, 100, 149)]
    )


@pytest.mark.parametrize("cores", [1, 3, 16, 100])
def test_no_more_than_a_chunk_is_read_ahead(tmp_path, monkeypatch, photos, cores):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    photo, given, ahead, update = photos(1)[0], [], [], []

    class Bar(data.packing.pack.tqdm):
        def update(self, n=1):
            ahead.append(len(given) - sum(update))
            update.append(n)

    def items():
        for number in range(5 * CHUNK):
            given.append(number)
            yield str(number), photo

    monkeypatch.setattr(data.packing.pack, "tqdm", Bar)
    pack(Source("test", "", 5 * CHUNK, items), tmp_path)
    assert sum(update) == 5 * CHUNK
    assert max(ahead) <= CHUNK


def test_an_interruption_leaves_what_waits_in_line(tmp_path, monkeypatch, photos):
    decoded = []

    def interrupted(image, *_):
        decoded.append(image)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(data.packing.workers, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pack(
            Source("test", "", 500, lambda: ((str(k), photos(1)[0]) for k in range(500))), tmp_path
        )
    assert len(decoded) < CHUNK
    assert not list(tmp_path.iterdir())


def test_a_worker_gives_what_this_process_gives_even_when_it_dies(jpegs):
    items = [(path.name, path) for path in sorted(jpegs.iterdir())[:8]]
    items += [
        ("array", np.zeros((30, 20), np.uint8)),
        ("error", ValueError("no such entry")),
        ("bytes", b"text"),
    ]
    expected = data.packing.workers.decode_all(items, GEOMETRY, 3)
    worker = data.packing.workers.Worker()
    assert worker(items, GEOMETRY, 3) == expected
    worker.process.kill()
    assert worker(items, GEOMETRY, 3) == expected
    assert worker.process is None
    worker.stop()


def test_a_worker_ends_with_its_parent_and_leaves_ctrl_c_to_it():
    worker = data.packing.workers.Worker()
    worker([], GEOMETRY, 3)
    worker.process.send_signal(signal.SIGINT)
    assert worker([], GEOMETRY, 3) == (b"", [])
    worker.process.stdin.close()
    assert worker.process.wait(timeout=30) == 0
    worker.stop()


def test_where_no_process_can_be_started_threads_do_the_work(jpegs, tmp_path, monkeypatch):
    monkeypatch.setattr(data.packing.pack, "WORKERS_FROM", 0)
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    assert len(pack(folder_source(jpegs), tmp_path / "packs").images) == 144


def test_a_script_without_a_main_guard_packs(jpegs, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from config.settings import Config\nfrom data.load import load\nfrom data.packing import pack\n"
        "pack.WORKERS_FROM = 0\n"
        f"print(len(load(Config(dataset={str(jpegs)!r}, data_dir={str(tmp_path)!r}, c_dim=3)).images))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(data.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, timeout=60, check=True
    )
    assert done.stdout == b"144\n"


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpegs_are_decoded_as_by_pillows_own_steps(tmp_path, photos, mode, orientation):
    path, exif = tmp_path / "image.jpg", Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photos(1)[0]).convert(mode).save(path, exif=exif)
    for channels, wanted in MODES.items():
        upright = ImageOps.exif_transpose(Image.open(path)).convert(wanted)
        box = GEOMETRY.box(upright.height, upright.width)
        expected = np.asarray(upright.resize((16, 16), Image.Resampling.BILINEAR, box)).reshape(
            16, 16, channels
        )
        for image in (path, path.read_bytes()):
            result = decode(image, GEOMETRY, channels)
            np.testing.assert_array_equal(result.pixels, expected)
            assert (result.size, result.gray) == ((upright.height, upright.width), mode == "L")


@pytest.mark.parametrize("cut", [0, 1, 2, 20, 400])
def test_a_cut_jpeg_in_a_folder_fails_as_pillow_says(tmp_path, photos, cut):
    path = tmp_path / "image.jpg"
    Image.fromarray(photos(1)[0]).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(OSError) as expected, Image.open(path) as image:
        image.load()
    with pytest.raises(type(expected.value)) as received:
        decode(path, GEOMETRY, 3)
    if (
        cut == 400
    ):  # "image file is truncated"; before that the message holds the path, or an object's address
        assert str(received.value) == str(expected.value)
