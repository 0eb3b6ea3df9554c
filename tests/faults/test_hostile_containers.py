"""Hostile and damaged zips, folders, IDX files and LMDBs: each gives a reason, or one line."""

import contextlib
import gzip
import io
import os
import struct
import subprocess
import time
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from data import limits
from data.load import load_dataset
from data.packing.decode import open_image
from data.sources.folder import open_image_folder, open_image_zip
from data.sources.idx import read_idx_file
from data.sources.lsun import open_lmdb
from data.sources.source import Source
from tests.faults.hostile import (
    megabytes,
    needs_proc,
    pack_of,
    patched,
    png,
    reason,
    reasons,
    zip_with,
)


def test_zip_bombs_are_refused_by_their_header(tmp_path):
    path = zip_with(tmp_path / "bomb.zip", {"zeros.png": bytes(20 * 2**20), "good.png": png()})
    found = reasons(open_image_zip(path))
    assert found["good.png"] is None
    assert found["zeros.png"].startswith("a zip bomb: 20,")
    patched(path, 24, "<I", 2**32 - 2)
    assert reasons(open_image_zip(path))["zeros.png"] == "4,095 MB, more than 256"


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_inflates_no_further_than_its_header_says(tmp_path, method):
    path = zip_with(tmp_path / "lies.zip", {"zeros.png": bytes(2**28)}, method)
    patched(path, 24, "<I", 1000)  # the size, which was 256 MB
    script = """
from data.sources.folder import open_image_zip
before = peak()
[(name, content)] = open_image_zip(Path(sys.argv[1])).items()
print(peak() - before, repr(content)[:80])
"""
    used, rest = megabytes(script, path)
    assert used < 100, rest


def test_names_in_zips_are_only_names(tmp_path):
    names = ["/absolute.png", "new\nline.png", "c:\\drive.png", "x" * 60_000 + ".png"]
    (tmp_path / "inner").mkdir()
    path = zip_with(tmp_path / "inner" / "odd.zip", dict.fromkeys([*names, "../../up.png"], png()))
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")

    found = reasons(open_image_zip(path))
    assert found.pop("link.png") == "not an image"
    assert set(found.values()) == {None}
    pack = pack_of(open_image_zip(path), tmp_path / "packs")
    assert sorted(pack.manifest["files"]) == sorted(names)
    assert sorted(entry.name for entry in tmp_path.rglob("*") if entry.suffix == ".png") == []


def test_an_entry_without_a_name_is_none_of_ours(tmp_path):  # ZipInfo.is_dir raised IndexError
    path = zip_with(tmp_path / "a.zip", {"z.png": png(), "a.png": png(), "folder.png/": b""})
    path.write_bytes(path.read_bytes().replace(b"z.png", b"\0.png"))  # a name ends at a zero
    assert reasons(open_image_zip(path)) == {"a.png": None}


def test_encrypted_overlapping_and_lying_entries_are_skipped(tmp_path):
    path = zip_with(tmp_path / "a.zip", {"a.png": png(), "b.png": png()})
    plain = path.read_bytes()
    patched(path, 8, "<H", 1)
    assert reasons(open_image_zip(path)) == {"a.png": "encrypted", "b.png": "encrypted"}
    path.write_bytes(plain)
    patched(path, 42, "<I", 0)  # both begin where the first one does
    found = reasons(open_image_zip(path))
    assert found["a.png"] is None
    assert found["b.png"]
    stored = zip_with(tmp_path / "b.zip", {"a.png": png(), "b.png": png()}, zipfile.ZIP_STORED)
    patched(patched(stored, 20, "<I", 2**27), 24, "<I", 2**27)  # longer than the file
    assert all(reasons(open_image_zip(stored)).values())
    path.write_bytes(plain)
    patched(path, 42, "<I", 2**32 - 1)  # zip64, without its numbers
    with contextlib.suppress(ValueError):  # newer versions of zipfile refuse all of it
        assert all(reasons(open_image_zip(path)).values())


def test_a_cut_zip_and_one_with_an_endless_list_are_one_line(tmp_path, monkeypatch):
    path = zip_with(tmp_path / "a.zip", {f"{k}.png": png() for k in range(50)})
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match="must be a zip of images"):
            open_image_zip(path)

    path.write_bytes(whole)
    assert open_image_zip(path).count == 50
    monkeypatch.setattr(limits, "MAX_ZIP_DIRECTORY_BYTES", 1000)
    with pytest.raises(ValueError, match="its list of files is larger than"):
        open_image_zip(path)


def test_a_pipe_called_zip_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(OSError, match="not a file"):
        open_image_zip(tmp_path / "a.zip")


def test_folders_too_deep_are_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # os.walk is recursive, and the whole path is longer than a path may be.
    for depth in range(1200):
        Path("d").mkdir()
        if depth < 3:
            Path("image.png").write_bytes(png())
        os.chdir("d")

    monkeypatch.chdir(tmp_path)
    assert open_image_folder(tmp_path).count == 3
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)


def test_files_that_change_while_they_are_packed(tmp_path):
    """Deleted, cut, replaced by a pipe: each is skipped, and the others are packed."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(100):
        (folder / f"{number:03d}.bmp").write_bytes(png(40, 40))

    plain = open_image_folder(folder)

    def items():
        for number, (name, path) in enumerate(plain.items()):
            if number == 50:
                path.unlink()
            elif number == 60:
                path.write_bytes(path.read_bytes()[:30])
            elif number == 70:
                path.unlink()
                os.mkfifo(path)
            yield name, path

    pack = pack_of(Source(plain.place, plain.fingerprint, plain.count, items), tmp_path / "packs")
    assert pack.manifest["count"] == 97
    assert sorted(pack.manifest["skipped"]) == ["050.bmp", "060.bmp", "070.bmp"]


def test_no_image_is_mapped_into_memory(tmp_path):
    """If it were mapped, cutting the file during decoding would end the process."""
    content = io.BytesIO()
    Image.new("RGB", (3000, 2000)).save(content, "BMP")
    (tmp_path / "large.bmp").write_bytes(content.getvalue())
    assert len(content.getvalue()) > limits.MAX_BYTES_READ_AT_ONCE
    with open_image(tmp_path / "large.bmp") as image:
        image.load()
        assert getattr(image, "map", None) is None

    assert reason(tmp_path / "large.bmp") is None


def test_a_zip_replaced_while_it_is_packed_is_one_line(tmp_path):
    path = zip_with(tmp_path / "a.zip", {"a.png": png()})
    source = open_image_zip(path)
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="must be a zip of images"):
        pack_of(source, tmp_path / "packs")


def idx(*shape, body=b"", magic=b"\0\0\x08\x03"):
    return magic + struct.pack(f">{len(shape)}I", *shape) + body


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx(2, 3, 4, body=bytes(25)), "Received: 41 bytes"),
        (idx(2, 3, 4, body=bytes(23)), "Received: 39 bytes"),
        (idx(2**32 - 1, 2**32 - 1, 2**32 - 1), "Received: 16 bytes"),
        (idx(0, 28, 28), "Received: 16 bytes"),
        (b"\0\0\x08", "Received: 3 bytes"),
    ],
)
def test_idx_files_are_as_long_as_their_header_says(tmp_path, content, message):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_idx_file(path)


def test_gzipped_idx_files_do_not_inflate_further_than_they_say(tmp_path, monkeypatch):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    squeeze = zlib.compressobj(9, wbits=31)
    bomb = (
        squeeze.compress(idx(2, 3, 4))
        + b"".join(squeeze.compress(bytes(2**24)) for _ in range(16))
        + squeeze.flush()
    )
    path.write_bytes(bomb)  # 256 MB in 256 KB
    start = time.monotonic()
    with pytest.raises(ValueError, match="Received: 41 bytes or more"):
        read_idx_file(path)

    assert time.monotonic() - start < 1
    for shape in ((60_000, 2**16, 2**16), (2**32 - 1, 1, 1), (6_000_000, 1, 1)):
        path.write_bytes(gzip.compress(idx(*shape)))
        with pytest.raises(
            ValueError, match=r"a header of .* images, .*; at most 5,000,000 and 1,610,612,736"
        ):
            read_idx_file(path)

    path.write_bytes(bomb[:-20])
    with pytest.raises(ValueError, match="must be an IDX file"):
        read_idx_file(path)


def test_a_pipe_called_idx_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "train-images-idx3-ubyte")
    with pytest.raises(ValueError, match="cannot be read: not a file"):
        read_idx_file(tmp_path / "train-images-idx3-ubyte")


@pytest.fixture
def lmdb_folder(tmp_path):
    import lmdb

    with (
        lmdb.open(str(tmp_path / "lmdb"), map_size=2**24) as environment,
        environment.begin(write=True) as transaction,
    ):
        for number in range(200):
            transaction.put(f"{number:03d}".encode(), png() + bytes(3000))

    return tmp_path / "lmdb"


def test_a_cut_lmdb_ends_its_reader_and_not_the_program(lmdb_folder, tmp_path):
    """Reading the missing pages raises SIGBUS."""
    whole = (lmdb_folder / "data.mdb").read_bytes()
    source = open_lmdb(lmdb_folder)
    assert pack_of(source, tmp_path / "packs").manifest["count"] == 200
    for share in (0.2, 0.5, 0.9):
        (lmdb_folder / "data.mdb").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(
            ValueError, match=r"must be an LMDB of images. Received: .* Fetch it again."
        ):
            pack_of(open_lmdb(lmdb_folder), tmp_path / "packs2")


def test_an_lmdb_gives_no_more_entries_than_it_says(lmdb_folder):
    path = lmdb_folder / "data.mdb"
    content = path.read_bytes()
    assert content.count(struct.pack("<Q", 200)) >= 1
    path.write_bytes(content.replace(struct.pack("<Q", 200), struct.pack("<Q", 7)))
    assert len(list(open_lmdb(lmdb_folder).items())) == 7


def test_an_lmdb_that_does_not_open_is_given_up(lmdb_folder, monkeypatch):
    monkeypatch.setattr(limits, "MAX_LMDB_WAIT_SECONDS", 1)
    (lmdb_folder / "data.mdb").unlink()
    os.mkfifo(lmdb_folder / "data.mdb")
    with pytest.raises(ValueError, match="Received: no answer in 1 seconds"):
        open_lmdb(lmdb_folder)


def test_an_image_in_an_lmdb_that_is_too_large_is_skipped(lmdb_folder, monkeypatch):
    monkeypatch.setattr(limits, "MAX_ENCODED_BYTES", 2000)
    images = [image for _, image in open_lmdb(lmdb_folder, limit=3).items()]
    assert all(isinstance(image, ValueError) for image in images)


def test_hidden_lmdbs_and_folders_called_so_are_none(tmp_path, tiny):
    """find_lmdb_folders(...)[0] used to raise IndexError."""
    for inner in (".hidden/data.mdb", "faces/data.mdb/x"):
        (tmp_path / "data" / "set" / inner).parent.mkdir(parents=True)
        (tmp_path / "data" / "set" / inner).touch()
    with pytest.raises(ValueError, match="must hold images"):
        load_dataset(tiny(dataset="set"))


@pytest.mark.parametrize(
    "place", ["pipe", "pipe.zip", "/dev/null", "/dev/zero", "loop", "file/below"]
)
def test_datasets_that_are_no_folder_are_one_line(tmp_path, tiny, place):
    (tmp_path / "data").mkdir()
    for name in ("pipe", "pipe.zip"):
        os.mkfifo(tmp_path / "data" / name)
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data" / "loop")
    (tmp_path / "data" / "file").touch()
    with pytest.raises(ValueError, match=r"must be|^There is no folder or zip file/below"):
        load_dataset(tiny(dataset=place))


def test_a_class_an_image_is_too_many(tmp_path, tiny, monkeypatch):
    monkeypatch.setattr(limits, "MAX_CLASSES", 20)
    path = zip_with(tmp_path / "classes.zip", {f"{k}/a.png": png() for k in range(30)})
    with pytest.raises(ValueError, match=r"at most 20 classes\. Received: 30"):
        load_dataset(tiny(dataset=str(path), labels="folder"))
