"""What every kind of dataset offers the pack: a name, a fingerprint, a length and its images one by one."""

import dataclasses
import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

MAX_ENCODED_BYTES = 256 * 2**20  # of one image's file: six times a 61 MP camera's largest JPEG
IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"}

# Without O_NONBLOCK, opening a pipe waits for its writer; O_BINARY is Windows'.
READING = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclasses.dataclass(frozen=True)
class Source:
    """A readable dataset.

    place: where it is, for messages. fingerprint: changes whenever its images do. items: yields (name, image), the
    image as a file's Path, as encoded bytes, or as a uint8 array (H, W) or (H, W, C); decode.py reads all three.
    root: the folder or file, if there is one. labels: the names of its classes and every image's class (count,), if it
    comes with them; attributes: for their names, in any case, the names and a float32 (count, names) of 0 and 1,
    likewise. Both count images by the numbers that are their names.
    """

    place: str
    fingerprint: str
    count: int
    items: Callable[[], Iterable[tuple]]
    root: Path | None = None
    labels: Callable[[], tuple[list[str], np.ndarray]] | None = None
    attributes: Callable[[tuple[str, ...]], tuple[tuple[str, ...], np.ndarray]] | None = None


def printable(name: str) -> str:
    """A file name that can be printed: bytes that are not UTF-8 and control characters become escapes."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def open_regular(path: Path) -> BinaryIO:
    """A file to read from, unbuffered. Raises OSError also for pipes and devices, without waiting for their writers."""
    return open(regular_descriptor(path), "rb", buffering=0)


def regular_descriptor(path: Path) -> int:
    """The same as a descriptor, which is faster."""
    descriptor = os.open(path, READING)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a file", str(path))


def stat_line(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"
