"""A folder of images, nested as it may be, or a zip of them read without unpacking."""

import fnmatch
import hashlib
import os
import zipfile
from pathlib import Path, PurePosixPath

from absl import logging

from data.source import IMAGE_SUFFIXES, Source, printable, stat_line


def folder_source(folder: Path, *, pattern: str = "", limit: int | None = None) -> Source | None:
    """The images in and below `folder` in the order of their names, or None when there are none."""
    names = sorted(_walk(folder, pattern))[:limit]
    if not names:
        return None
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name} {_stat(folder / name)}\n".encode("utf-8", "surrogateescape"))

    def items():
        return ((name, folder / name) for name in names)

    return Source(f"folder {folder}", digest.hexdigest(), len(names), items, root=folder)


def zip_source(path: Path, *, pattern: str = "", limit: int | None = None) -> Source:
    """The images in a zip, in the order of their names. Raises ValueError when it is no zip or holds none."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir() and _wanted(info.filename, pattern)]
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} must be a zip of images. {_describe_start(path)} Fetch it again: {error}.") from error
    infos = sorted(infos, key=lambda info: info.filename)[:limit]
    if not infos:
        wanted = f"files like {pattern}" if pattern else "images"
        raise ValueError(f"{path} must hold {wanted}. Received: a zip without any. See --input_fname_pattern.")

    def items():
        with zipfile.ZipFile(path) as archive:
            for info in infos:
                yield info.filename, _read(archive, info)

    return Source(f"zip {path}", stat_line(path), len(infos), items, root=path)


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes | Exception:
    try:
        return archive.read(info)
    except Exception as error:  # encrypted, damaged, unknown method: each raises its own; the other images are fine
        return error


def _walk(folder: Path, pattern: str):
    """Relative names of the images below `folder`; links are followed, a folder that contains itself only once."""
    seen = set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=_warn):
        identity = os.path.realpath(parent)
        if identity in seen:
            folders.clear()
            continue
        seen.add(identity)
        if "config.json" in files and "checkpoints" in folders:  # a run of ours: its pictures are no data
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        relative = os.path.relpath(parent, folder)
        for file in files:
            name = file if relative == "." else os.path.join(relative, file)
            if _wanted(name, pattern):
                yield name


def _warn(error: OSError) -> None:
    logging.warning("%s cannot be read and is left out: %s.", printable(error.filename), error.strerror)


def _wanted(name: str, pattern: str) -> bool:
    path = PurePosixPath(name)
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
    with open(path, "rb") as file:
        start = file.read(512)
    if b"<html" in start.lower() or b"<!doctype" in start.lower():
        return "Received: a web page, such as Google Drive's quota page."
    return f"Received: a file that begins with {start[:16]!r}."
