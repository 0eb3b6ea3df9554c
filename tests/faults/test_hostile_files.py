"""Hostile and damaged tars, arrays and parquet files: each gives a reason, or one line."""

import gzip
import io
import os
import struct
import tarfile
import time
import zipfile

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from data import limits
from data.packing.pack import _group_into_decoding_tasks
from data.sources.containers import open_containers
from data.sources.numpy_files import open_array_archive, open_array_file
from data.sources.parquet import open_parquet_files
from data.sources.tars import open_image_tars
from tests.faults.hostile import megabytes, needs_proc, pack_of, png, reasons, zip_with


def tar_with(path, entries, mode="w"):
    """entries: (name, content), or a TarInfo for entries without content."""
    with tarfile.open(path, mode) as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                archive.addfile(info, io.BytesIO(entry[1]))
    return path


def resized(header: bytes, size: bytes) -> bytes:
    """A tar's header with another size (12 bytes) and a matching checksum."""
    header = header[:124] + size + header[136:148] + b" " * 8 + header[156:512]
    return header[:148] + f"{sum(header):06o}\0 ".encode() + header[156:]


def one_file_header(kind=tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo("a.png")
    info.type = kind
    return info.tobuf(tarfile.USTAR_FORMAT)


def received(path) -> str:
    """The part of the one line that says why `path` is refused."""
    with pytest.raises(ValueError, match="must") as error:
        pack_of(open_containers([path]), path.parent / "packs")
    text = str(error.value)
    assert path.name in text and "\n" not in text and text.isprintable()
    return text.split("Received: ")[1]


def test_what_a_tar_names_is_never_followed_or_written(tmp_path):
    others = []
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        info = tarfile.TarInfo(f"other{kind.decode()}.png")
        info.type, info.linkname = kind, "/etc/passwd"
        others.append(info)

    names = ["/absolute.png", "c:\\drive.png", "new\nline.png", "x" * 60_000 + ".png"]
    (tmp_path / "inner").mkdir()
    files = [(name, png()) for name in (*names, "../../up.png")]
    path = tar_with(tmp_path / "inner" / "odd.tar", [*others, *files])
    pack = pack_of(open_image_tars([path]), tmp_path / "packs")
    assert pack.manifest["files"] == names
    assert pack.manifest["skipped"] == {}
    assert not [entry for entry in tmp_path.rglob("*") if entry.suffix == ".png"]


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.95])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_cut_tar_is_one_line(tmp_path, share, mode):
    path = tmp_path / ("a.tgz" if mode == "w:gz" else "a.tar")
    tar_with(path, [(f"{k}.png", png(k + 5)) for k in range(50)], mode)
    content = path.read_bytes()
    content = content if mode == "w:gz" else content.rstrip(b"\0")
    path.write_bytes(content[: int(len(content) * share)])
    assert received(path)


def test_a_web_page_called_tar_is_named(tmp_path):
    for name in ("a.tar", "a.tar.gz"):
        (tmp_path / name).write_text("<!DOCTYPE html><html>Quota exceeded</html>" + " " * 2000)
        assert received(tmp_path / name).startswith("a web page")


@pytest.mark.parametrize(
    "size", [b"77777777777\0", b"\x80" + b"\xff" * 11, b"-1\0\0\0\0\0\0\0\0\0\0"]
)
def test_sizes_in_tars_are_no_more_than_what_is_there(tmp_path, size):
    content = resized(one_file_header(), size) + png().ljust(512, b"\0") + bytes(1024)
    (tmp_path / "a.tar").write_bytes(content)
    (tmp_path / "a.tgz").write_bytes(gzip.compress(content))
    assert received(tmp_path / "a.tar").startswith(("a truncated file", "a damaged header"))
    assert received(tmp_path / "a.tgz").startswith(("a bomb: more than 1,024 MB", "a damaged"))


@pytest.mark.parametrize("kind", [b"L", b"x"])
def test_names_in_tars_are_of_limited_length(tmp_path, kind):
    path = tmp_path / "a.tar"
    with open(path, "wb") as file:
        file.write(resized(one_file_header(kind), b"20000000000\0"))
        file.truncate(2**32)  # sparse: takes no room
    assert received(path).startswith("a name of 2,147,483,648 bytes, more than 1,048,576")


@pytest.mark.parametrize("records", [b"0 path=a\n", b"9999 path=a\n", b"-5 path=a\n", b"\xff" * 99])
def test_pax_records_that_lie_are_a_damaged_header(tmp_path, records):
    header = resized(one_file_header(b"x"), f"{len(records):011o}\0".encode())
    content = header + records.ljust(512, b"\0") + one_file_header() + bytes(1024)
    (tmp_path / "a.tar").write_bytes(content)
    assert received(tmp_path / "a.tar").startswith("a damaged header")


def test_names_upon_names_and_sparse_files(tmp_path):
    """tarfile recurses for each of these headers."""
    name = resized(one_file_header(b"L"), b"00000000005\0") + b"b.png".ljust(512, b"\0")
    path = tmp_path / "a.tar"
    image = png()
    header = resized(one_file_header(), f"{len(image):011o}\0".encode())
    path.write_bytes(name * 5000 + header + image.ljust(512, b"\0") + bytes(1024))
    assert reasons(open_image_tars([path])) == {"b.png": None}
    path.write_bytes(one_file_header(b"S") + bytes(1024))
    assert received(path).startswith("one with sparse files")


def test_tar_bombs_are_given_up(tmp_path, monkeypatch):
    path = tar_with(tmp_path / "a.tgz", [("a.png", png()), ("zeros.png", bytes(2**25))], "w:gz")
    assert path.stat().st_size < 2**16
    monkeypatch.setattr(limits, "MAX_BYTES_INFLATED_UNCHECKED", 2**20)
    assert received(path).startswith("a bomb: more than ")
    monkeypatch.setattr(limits, "MAX_BYTES_INFLATED_UNCHECKED", 2**26)
    monkeypatch.setattr(limits, "MAX_ENCODED_BYTES", 2**24)
    assert reasons(open_image_tars([path])) == {"a.png": None, "zeros.png": "32 MB, more than 16"}


@pytest.mark.parametrize("kind", ["tar", "npy", "npz", "parquet"])
def test_more_images_than_can_be_named_are_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(limits, "MAX_NUMBERED_IMAGES", 3)
    path = tmp_path / f"a.{kind}"
    if kind == "tar":
        tar_with(path, [(f"{k}.png", png()) for k in range(4)])
    elif kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.table({"image": [png()] * 4}), path)
    else:
        (np.save if kind == "npy" else np.savez)(path, np.zeros((4, 8, 8), np.uint8))
    assert received(path)


@pytest.mark.parametrize("name", ["a.tar", "a.tgz", "a.npy", "a.npz", "a.parquet"])
def test_pipes_and_what_is_replaced_meanwhile(tmp_path, name):
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a file"):
        open_containers([path])

    path.unlink()
    if "t" in name.split(".")[1][0]:
        tar_with(path, [(f"{k}.png", png()) for k in range(3)], "w:gz" if "gz" in name else "w")
    elif name == "a.parquet":
        pyarrow.parquet.write_table(pyarrow.table({"image": [png()] * 3}), path)
    else:
        (np.save if name == "a.npy" else np.savez)(path, np.zeros((3, 8, 8), np.uint8))
    source = open_containers([path])
    path.write_bytes(b"something else" * 100)
    with pytest.raises(ValueError, match=f"{name} must (be|hold)"):
        pack_of(source, tmp_path / "packs")


class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_pickles_in_arrays_are_never_loaded(tmp_path):
    objects = np.array([[[Harm(tmp_path / "harm")]]], object)
    np.save(tmp_path / "a.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=np.zeros((1, 8, 8), np.uint8), y=objects)
    assert received(tmp_path / "a.npy").startswith("Python objects, which are never loaded")
    with pytest.raises(ValueError, match="must have a class, a number or a word"):
        open_array_archive(tmp_path / "a.npz").labels()
    np.savez(tmp_path / "a.npz", x=objects)
    assert "Python objects, which are never loaded" in received(tmp_path / "a.npz")
    assert not (tmp_path / "harm").exists()


def npy(header: str, body=b"", *, length=None, version=1) -> bytes:
    form = "<H" if version == 1 else "<I"
    length = len(header) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(form, length) + header.encode() + body


def described(shape) -> str:
    return f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        b"<!DOCTYPE html>",
        npy(described("(2, 8, 8)"), bytes(127)),
        npy(described("(2, 8, 8)"), bytes(129)),
        npy(described("(4000000, 65536, 65536)"), bytes(100)),
        npy(described("(2, -8, -8)"), bytes(128)),
        npy(described("(2.0, 8, 8)"), bytes(128)),
        npy(described(f"({'9' * 4000}, 8, 8)"), bytes(128)),
        npy("(" * 5000),
        npy("__import__('os').getpid()"),
        npy("{'descr': [('a', '|u1')] , 'fortran_order': False, 'shape': (2, 8, 8)}", bytes(128)),
        npy(described("(2, 8, 8)"), length=2**32 - 1, version=2),
        npy(described("(2, 8, 8)"), version=3),
    ],
)
def test_arrays_are_what_their_header_says(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    assert received(tmp_path / "a.npy")
    zip_with(tmp_path / "a.npz", {"x.npy": content})
    assert received(tmp_path / "a.npz")


def test_a_header_of_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "a.npy"
    with open(path, "wb") as file:
        file.write(npy("", length=2**32 - 1, version=2))
        file.truncate(2**33)  # sparse: takes no room
    start = time.monotonic()
    assert received(path)
    assert time.monotonic() - start < 1


def test_npz_bombs_and_methods_that_numpy_does_not_write(tmp_path, monkeypatch):
    content = npy(described("(1000, 64, 64)"), bytes(1000 * 64 * 64))
    path = zip_with(tmp_path / "a.npz", {"x.npy": content})
    assert open_array_archive(path).count == 1000
    monkeypatch.setattr(limits, "MAX_BYTES_INFLATED_UNCHECKED", 2**20)
    assert received(path).startswith("a zip bomb")
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        zip_with(path, {"x.npy": content}, method)
        assert received(path).startswith("an array that np.savez did not write")


def test_an_array_that_ends_before_its_header_says_is_one_line(tmp_path):
    path = zip_with(tmp_path / "a.npz", {"x.npy": npy(described("(9, 8, 8)"), bytes(576))})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") - 40] ^= 255  # in the deflated data
    path.write_bytes(content)
    assert received(path)

    np.save(tmp_path / "a.npy", np.zeros((9, 8, 8), np.uint8))
    source = open_array_file(tmp_path / "a.npy")
    os.truncate(tmp_path / "a.npy", 400)
    with pytest.raises(ValueError, match="a truncated file"):
        pack_of(source, tmp_path / "packs")


def test_large_images_in_an_array_are_few_at_a_time(tmp_path, monkeypatch):
    """64 of them in flight could take gigabytes."""
    np.save(tmp_path / "a.npy", np.zeros((40, 64, 64), np.uint8))
    monkeypatch.setattr(limits, "MAX_ENCODED_BYTES_IN_FLIGHT", 10 * 64 * 64)
    items = open_array_file(tmp_path / "a.npy").items()
    assert max(len(task) for task, _ in _group_into_decoding_tasks(items, 16)) <= 4


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.99])
def test_a_cut_parquet_file_is_one_line(tmp_path, share):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"image": [png(k + 5) for k in range(50)]}), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert received(path)


@pytest.mark.slow
@needs_proc
def test_one_large_image_in_every_row_is_read_row_by_row(tmp_path):
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"image": [bytes(2**24)] * 24})
    pyarrow.parquet.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 2**16
    script = """
from data.sources.parquet import open_parquet_files
before = peak()
total = sum(len(content) for _, content in open_parquet_files([Path(sys.argv[1])]).items())
print(peak() - before, total)
"""
    used, total = megabytes(script, path)
    assert int(total) == 24 * 2**24
    assert used < 200  # of 400


@pytest.mark.parametrize("use_dictionary", [True, False])
def test_a_page_that_inflates_to_much_is_a_bomb(tmp_path, monkeypatch, use_dictionary):
    """58 kB that hold 1.9 GB of zeros took 11 GB, because pyarrow inflates a page as a whole."""
    monkeypatch.setattr(limits, "MAX_PAGE_BYTES_UNCHECKED", 2**20)
    path, options = tmp_path / "a.parquet", {"use_dictionary": use_dictionary}
    for column in ("image", "label"):
        columns = {"image": [png()] * 3, "label": ["a"] * 3}
        columns[column] = [("\0" if column == "label" else b"\0") * 2**22] * 3
        pyarrow.parquet.write_table(pyarrow.table(columns), path, compression="zstd", **options)
        assert path.stat().st_size < 2**14
        source = open_parquet_files([path])
        with pytest.raises(ValueError, match=r"a\.parquet must hold .*Received: a bomb: "):
            list(source.items()) if column == "image" else source.labels()


@pytest.mark.parametrize(
    ("compression", "true", "false", "reason"),
    [
        # I64s of the footer: of 64 rows, 8,191.
        ("none", b"\x16\x80\x01", b"\x16\xfe\x7f", "Received: 8,127 fewer"),
        # The I32 in a page header that gives the page's inflated size.
        ("snappy", b"\x15\x8e\xb2\x01", b"\x15\xfe\xff\x7f", "Page didn't decompress to expected"),
        # The length of a value, stored before it.
        (
            "none",
            struct.pack("<I", 174),
            struct.pack("<I", 2**31 - 1),
            "Invalid or truncated PLAIN",
        ),
    ],
    ids=["rows", "page", "value"],
)
def test_a_parquet_file_that_lies_about_its_sizes_is_one_line(
    tmp_path, compression, true, false, reason
):
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"image": [bytes([number]) * 174 for number in range(64)]})
    options = {"use_dictionary": False, "write_statistics": False, "compression": compression}
    pyarrow.parquet.write_table(table, path, **options)
    content = path.read_bytes()
    assert true in content
    path.write_bytes(content.replace(true, false))
    with pytest.raises(ValueError, match=reason):
        list(open_parquet_files([path]).items())


def test_what_stands_beside_a_parquets_columns_may_be_anything(tmp_path):
    path = tmp_path / "a.parquet"
    table = pyarrow.table({"image": [png()], "label": [0]})
    for note in (
        b"[" * 100_000,
        b"\xff",
        b"{}",
        b'{"info": {"features": {"label": {"names": 3}}}}',
    ):
        noted = table.replace_schema_metadata({b"huggingface": note})
        pyarrow.parquet.write_table(noted, path)
        assert open_parquet_files([path]).labels()[0] == ["0"]
