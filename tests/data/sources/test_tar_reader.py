"""Against Python's tarfile, which writes the tars and reads the same files from them."""

import gzip
import io
import tarfile

import pytest

from data.sources.tar_reader import TarStream, read_tar_entries

LONG = "folder/" + "long name/" * 30 + "größe.png"  # beyond what any header holds
FILES = {"a.png": b"a" * 511, LONG: b"b" * 512, "folder/" * 15 + "c.png": b"", "d": b"d" * 5000}
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def tar_of(files, form=tarfile.PAX_FORMAT, **fields):
    """A tar of `files` and of other entries that a tar may have."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=form) as archive:
        for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE):
            other = tarfile.TarInfo(f"other{kind.decode()}.png")
            other.type, other.linkname = kind, "/etc/passwd"
            archive.addfile(other)
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            for field, value in fields.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(body))
    return content.getvalue()


def read_all(tmp_path, content, *, gzipped=False):
    path = tmp_path / "file.tar"
    path.write_bytes(content)
    with open(path, "rb", buffering=0) as file:
        entries = read_tar_entries(TarStream(file, gzipped=gzipped))
        return {entry.name: entry.read() for entry in entries}


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("form", FORMATS)
def test_it_reads_what_tarfile_writes(tmp_path, form, gzipped):
    files = {name: body for name, body in FILES.items() if form != "ustar" or name != LONG}
    content = tar_of(files, FORMATS[form])
    content = gzip.compress(content) if gzipped else content
    assert read_all(tmp_path, content, gzipped=gzipped) == files


def test_contents_need_not_be_read(tmp_path):
    path = tmp_path / "file.tar"
    path.write_bytes(tar_of(FILES))
    with open(path, "rb", buffering=0) as file:
        names = [entry.name for entry in read_tar_entries(TarStream(file, gzipped=False))]
    assert names == list(FILES)


def test_odd_times_owners_and_large_numbers_are_passed_over(tmp_path):
    fields = {"mtime": 2**34 + 0.5, "uid": 2**30, "uname": "ü" * 40}
    for form in FORMATS.values():
        if form != tarfile.USTAR_FORMAT:
            assert read_all(tmp_path, tar_of({"a": b"1"}, form, **fields)) == {"a": b"1"}


def test_a_tar_that_ends_too_soon_is_never_taken_for_whole(tmp_path):
    """tarfile reads a tar without its end, or with a damaged header, as a shorter one."""
    content = tar_of({"a.png": b"a" * 100, "b.png": b"b" * 100}).rstrip(b"\0")
    for size in (0, 1, 511, 512, 1024, len(content) - 1, len(content)):
        with pytest.raises(ValueError, match=r"truncated|damaged header"):
            read_all(tmp_path, content[:size])

    damaged = bytearray(tar_of({"a.png": b"a" * 100, "b.png": b"b" * 100}))
    damaged[damaged.index(b"b.png")] ^= 1
    with pytest.raises(ValueError, match="damaged header"):
        read_all(tmp_path, bytes(damaged))
