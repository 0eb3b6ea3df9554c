"""A folder of images, nested as it may be, or a zip of them read without unpacking."""

import contextlib
import fnmatch
import hashlib
import io
import os
import zipfile
from pathlib import Path, PurePosixPath

from absl import logging

from data.packing.encoded import check_bytes
from data.sources.source import IMAGE_SUFFIXES, Source, open_regular, printable, stat_line

MAX_DEPTH = 100  # folders in folders; os.walk calls itself
MAX_DIRECTORY_BYTES = (
    128 * 2**20
)  # of a zip's list of files, 2.8 million at most; ImageNet's 1.3 million take 110 MB
BOMB_BYTES, BOMB_RATIO = (
    16 * 2**20,
    100,
)  # more bytes than this, out of a hundredth; a JPEG inflates 1.1 times
PIECE = 4096  # bytes of LZMA read at a time, as zipfile sets no limit to what they inflate to: 30 MB at most


def folder_source(folder: Path, *, pattern: str = "", limit: int | None = None) -> Source | None:
    """The images in and below `folder` in the order of their names, or None when there are none."""
    names = sorted(name for name in walk(folder) if _wanted(name, pattern))[:limit]
    if not names:
        return None
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name} {_stat(folder / name)}\n".encode("utf-8", "surrogateescape"))

    def items():
        return ((name, folder / name) for name in names)

    return Source(
        f"folder {printable(str(folder))}", digest.hexdigest(), len(names), items, root=folder
    )


def zip_source(path: Path, *, pattern: str = "", limit: int | None = None) -> Source:
    """The images in a zip, in the order of their names. Raises ValueError when it is no zip or holds none."""
    with _archive(path) as archive:
        infos = [info for info in archive.infolist() if _wanted(info.filename, pattern)]
    infos = sorted(infos, key=lambda info: info.filename)[:limit]
    if not infos:
        wanted = f"files like {pattern}" if pattern else "images"
        raise ValueError(
            f"{path} must hold {wanted}. Received: a zip without any. See --input_fname_pattern."
        )

    def items():
        with _archive(path) as archive:
            for info in infos:
                yield info.filename, _read(archive, info)

    return Source(f"zip {printable(str(path))}", stat_line(path), len(infos), items, root=path)


class _Limited(io.BufferedReader):
    """A zip's file; no list of files is read that is larger than memory."""

    opened = False

    def read(self, size=-1):
        if size > MAX_DIRECTORY_BYTES and not self.opened:
            raise zipfile.BadZipFile(
                f"its list of files has more than {MAX_DIRECTORY_BYTES // 2**20} MB"
            )
        return super().read(size)


@contextlib.contextmanager
def _archive(path: Path):
    """The zip to read from. Raises ValueError when it is none."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_Limited(open_regular(path)))
        try:
            archive = stack.enter_context(zipfile.ZipFile(file))
        except Exception as error:  # zipfile raises a dozen kinds on damaged files
            received = _describe_start(path)
            raise ValueError(
                f"{path} must be a zip of images. {received} Fetch it again: {error}."
            ) from error
        file.opened = True
        yield archive


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | Exception:
    """The encoded image; never more bytes than its header says."""
    try:
        _check_entry(info)
        limited = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        step = info.file_size + 1 if limited else PIECE
        with archive.open(info) as file:
            return b"".join(iter(lambda: file.read(step), b""))
    except (
        Exception
    ) as error:  # damaged, unknown method: each raises its own; the other images are fine
        return ValueError(str(error) or type(error).__name__)  # which another process can be told


def _check_entry(info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 1:
        raise ValueError("encrypted")
    if (
        info.compress_type == zipfile.ZIP_BZIP2
    ):  # which zipfile does not limit, and a few bytes may come to gigabytes
        raise ValueError("compressed by bzip2; deflate it, or store it")
    check_bytes(info.file_size)
    if info.file_size > max(BOMB_BYTES, BOMB_RATIO * info.compress_size):
        raise ValueError(
            f"a zip bomb: {info.compress_size:,} bytes that say they inflate to {info.file_size:,}"
        )


def walk(folder: Path):
    """Relative names of the files below `folder`; links are followed, a folder that contains itself only once."""
    seen = set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_warn):
        identity = os.path.realpath(parent)
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        if (
            "config.json" in files and "checkpoints" in folders
        ):  # a run of ours: its pictures are no data
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        relative = os.path.relpath(parent, folder)
        if relative.count(os.sep) >= MAX_DEPTH and folders:
            logging.warning(
                "%s is %s folders deep: those in it are left out.", printable(relative), MAX_DEPTH
            )
            folders.clear()
        yield from (file if relative == "." else os.path.join(relative, file) for file in files)


def _warn(error: OSError) -> None:
    logging.warning(
        "%s cannot be read and is left out: %s.", printable(error.filename), error.strerror
    )


def _wanted(name: str, pattern: str) -> bool:
    path = PurePosixPath(name)
    if name.endswith("/"):  # a zip's folder; ZipInfo.is_dir fails for an empty name
        return False
    if any(part.startswith((".", "__MACOSX")) for part in path.parts):
        return False
    if not pattern:
        return path.suffix.lower() in IMAGE_SUFFIXES
    subject = name if "/" in pattern else path.name
    return fnmatch.fnmatch(subject.lower(), pattern.lower())


def _stat(path: Path) -> str:
    try:
        return stat_line(path)
    except OSError:  # a dangling link: unreadable when its turn comes
        return "missing"


def _describe_start(path: Path) -> str:
    with open_regular(path) as file:
        start = file.read(512)
    if b"<html" in start.lower() or b"<!doctype" in start.lower():
        return "Received: a web page, such as Google Drive's quota page."
    return f"Received: a file that begins with {start[:16]!r}."
