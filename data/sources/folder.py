"""Reads a folder of images, nested or not, or a zip of images, without unpacking it."""

import contextlib
import fnmatch
import functools
import hashlib
import io
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from absl import logging

from data import limits
from data.conversions import explain_files_without_images
from data.packing.decode import check_encoded_image_bytes
from data.sources.own_files import OwnFiles
from data.sources.source import (
    IMAGE_SUFFIXES,
    Source,
    fingerprint_dataset_file,
    open_regular_dataset_file,
)
from system.text import escape_unprintable
from system.written import RECORD_NAME, list_files_as_written

NOT_MISSED = {"Thumbs.db", "desktop.ini", "lock", "run.json", "config.json"}  # among the images


def open_image_folder(
    folder: Path, *, pattern: str = "", limit: int | None = None
) -> Source | None:
    """The images in and below `folder`, sorted by name; None when there are none."""
    files = sorted(walk_dataset_files(folder))
    names = [name for name in files if is_wanted_image(name, pattern)][:limit]
    if not names:
        return None

    def list_image_paths():
        return ((name, folder / name) for name in names)

    place = f"folder {escape_unprintable(str(folder))}"
    fingerprint = _fingerprint_image_folder(folder, names)
    how = {
        "root": folder,
        "names": lambda: names,
        "left_out": lambda: list_left_out(files, pattern),
    }
    return Source(place, fingerprint, len(names), list_image_paths, **how)


def _fingerprint_image_folder(folder: Path, names: list[str]) -> str:
    digest = hashlib.sha256()
    for name in names:
        line = f"{name} {_fingerprint_image_or_missing(folder / name)}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def open_image_zip(path: Path, *, pattern: str = "", limit: int | None = None) -> Source:
    """The images in a zip, sorted by name, without those that this program wrote.

    But if it wrote all of them, the user wants those. Raises ValueError when it is not a zip or has
    no image.
    """
    with open_zip_of_images(path) as archive:
        names = archive.namelist()
        found = [info for info in archive.infolist() if is_wanted_image(info.filename, pattern)]
        own = _find_own_files_in_zip(archive)
    kept = [info for info in found if info.filename not in own]
    infos = sorted(kept or found, key=lambda info: info.filename)[:limit]
    if not infos:
        raise ValueError(
            explain_files_without_images(path, names[: limits.MAX_FILES_DESCRIBED], pattern)
        )

    def read_zipped_images():
        with open_zip_of_images(path) as archive:
            for info in infos:
                yield info.filename, _read_zipped_image(archive, info)

    place = f"zip {escape_unprintable(str(path))}"
    how = {"root": path, "names": lambda: [info.filename for info in infos]}
    how |= {"left_out": lambda: list_left_out(sorted(n for n in names if n not in own), pattern)}
    fingerprint = fingerprint_dataset_file(path)
    fingerprint += announce_own_files_left_out(place, len(found) - len(kept or found))
    return Source(place, fingerprint, len(infos), read_zipped_images, **how)


def _find_own_files_in_zip(archive: zipfile.ZipFile) -> OwnFiles:
    own = OwnFiles()
    for info in archive.infolist():
        read = functools.partial(_read_zipped_image, archive, info)
        own.note_own_files(info.filename, info.file_size, read)
    for info in archive.infolist() if own.has_records else ():
        read = functools.partial(_read_zipped_image, archive, info)
        own.compare_with_records(info.filename, info.file_size, read)
    return own


def announce_own_files_left_out(place: str, count: int) -> str:
    """Logs how many images of an archive are left out, if any.

    Returns what to add to the archive's fingerprint, because older packs have these images.
    """
    if not count:
        return ""
    logging.info("%s: images left out, because this program wrote them: %s.", place, f"{count:,}")
    return f" without {count}"


def walk_dataset_files(folder: Path):
    """Yields the relative names of the files below `folder`.

    Links are followed, but a folder that contains itself is entered only once. Hidden folders, the
    __MACOSX folders of zips, this program's runs and the files it wrote are left out. But if the
    program wrote all images in `folder`, the user wants those.
    """
    seen, written = set(), set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_log_unreadable_folder):
        identity, relative = os.path.realpath(parent), os.path.relpath(parent, folder)
        is_run = "config.json" in files and "checkpoints" in folders
        ours = _list_dataset_files_we_wrote(Path(parent), files, is_top=relative == ".")
        if identity in seen or is_run or ours is None:
            folders.clear()
            continue

        seen.add(identity)
        written |= ours
        folders[:] = _choose_folders_to_walk(relative, folders)
        names = (file for file in files if os.path.join(parent, file) not in written)
        yield from (name if relative == "." else os.path.join(relative, name) for name in names)


def _list_dataset_files_we_wrote(
    folder: Path, files: list[str], *, is_top: bool
) -> set[str] | None:
    """The paths of the files that this program wrote into `folder`, which are not data.

    None: the record of them is damaged, so nothing there is data. is_top: whether the user named
    this folder; then, if the program wrote all of its images, they are data.
    """
    if RECORD_NAME not in files:
        return set()
    names = list_files_as_written(folder)
    if not is_top:
        return None if names is None else {os.path.join(folder, name) for name in names}

    images = {name for name in files if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES}
    mixed = bool(names and images - names)
    return {os.path.join(folder, name) for name in names} if mixed else set()


def _choose_folders_to_walk(parent: str, folders: list[str]) -> list[str]:
    """The folders in `parent` that are not hidden; none, with a warning, if it is too deep."""
    visible = [name for name in folders if not _is_hidden_name(name)]
    if parent.count(os.sep) < limits.MAX_FOLDER_DEPTH or not visible:
        return visible

    logging.warning(
        "%s is %s folders deep: its subfolders are left out.",
        escape_unprintable(parent),
        limits.MAX_FOLDER_DEPTH,
    )
    return []


def _log_unreadable_folder(error: OSError) -> None:
    name = escape_unprintable(error.filename)
    logging.warning("%s cannot be read and is left out: %s.", name, error.strerror)


def is_wanted_image(name: str, pattern: str) -> bool:
    """True for a file that matches `pattern`, or, without one, has an image's suffix."""
    path = PurePosixPath(name)
    if name.endswith("/"):  # a zip's folder; ZipInfo.is_dir fails for an empty name
        return False
    if any(map(_is_hidden_name, path.parts)):
        return False
    if not pattern:
        return path.suffix.lower() in IMAGE_SUFFIXES

    subject = name if "/" in pattern else path.name
    return fnmatch.fnmatch(subject.lower(), pattern.lower())


def list_left_out(names: Iterable[str], pattern: str) -> tuple[str, ...]:
    """The files that a user may miss among the images; with a pattern, none.

    Files of the system, such as .DS_Store and Thumbs.db, and those of runs are not among them.
    """
    if pattern:
        return ()
    paths = ((name, PurePosixPath(name)) for name in names if not name.endswith("/"))
    return tuple(
        name
        for name, path in paths
        if any(map(_is_hidden_name, path.parts)) == (path.suffix.lower() in IMAGE_SUFFIXES)
        and path.name not in NOT_MISSED
    )


def _is_hidden_name(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _fingerprint_image_or_missing(path: Path) -> str:
    try:
        return fingerprint_dataset_file(path)
    except OSError:  # a dangling link: skipped as unreadable when its turn comes
        return "missing"


class _LimitedReader(io.BufferedReader):
    """A file that stops zipfile from opening a zip whose list of files would fill the memory."""

    opened = False

    def read(self, size=-1):
        if size > limits.MAX_ZIP_DIRECTORY_BYTES and not self.opened:
            most = limits.MAX_ZIP_DIRECTORY_BYTES // limits.MB
            raise zipfile.BadZipFile(f"its list of files is larger than {most} MB")
        return super().read(size)


@contextlib.contextmanager
def open_zip_of_images(path: Path):
    """Yields a ZipFile to read from. Raises ValueError when `path` is not a zip."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_LimitedReader(open_regular_dataset_file(path)))
        try:
            archive = stack.enter_context(zipfile.ZipFile(file))
        except Exception as error:  # zipfile raises a dozen kinds on damaged files
            received = describe_file_that_is_no_zip(path)
            raise ValueError(
                f"{path} must be a zip of images ({error}). {received} Fetch it again."
            ) from error

        file.opened = True
        yield archive


def _read_zipped_image(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | Exception:
    """An encoded image, of no more bytes than its header says; or why there is none."""
    try:
        _check_zipped_image(info)
        limited = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        step = info.file_size + 1 if limited else limits.LZMA_PIECE_BYTES
        with archive.open(info) as file:
            return b"".join(iter(lambda: file.read(step), b""))

    except Exception as error:  # damage raises many kinds; only this entry is skipped
        return ValueError(str(error) or type(error).__name__)  # this kind can be pickled


def _check_zipped_image(info: zipfile.ZipInfo) -> None:
    """Raises ValueError for an entry that should not be inflated, going by its header."""
    if info.flag_bits & 1:
        raise ValueError("encrypted")
    if info.compress_type == zipfile.ZIP_BZIP2:  # zipfile inflates it without limit, to gigabytes
        raise ValueError("compressed with bzip2; use deflate, or store it")

    check_encoded_image_bytes(info.file_size)
    inflated = limits.MAX_ENTRY_INFLATION * info.compress_size
    if info.file_size > max(limits.MAX_ENTRY_BYTES_UNCHECKED, inflated):
        raise ValueError(
            f"a zip bomb: {info.compress_size:,} bytes that claim to hold {info.file_size:,}"
        )


def describe_file_that_is_no_zip(path: Path) -> str:
    """What a file that is not a zip begins with, as a sentence."""
    with open_regular_dataset_file(path) as file:
        start = file.read(512)

    if b"<html" in start.lower() or b"<!doctype" in start.lower():
        return "Received: a web page, such as Google Drive's quota page."
    return f"Received: a file that begins with {repr(start[:16])[1:]}."
