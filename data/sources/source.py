"""What every kind of dataset gives the pack: a name, a fingerprint, a length and its images."""

import dataclasses
import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"}

# Without O_NONBLOCK, opening a pipe waits for its writer. O_BINARY exists on Windows only.
READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclasses.dataclass(frozen=True)
class Source:
    """A readable dataset.

    place: where it is, for messages.
    fingerprint: changes whenever the images do.
    count: how many images `items` yields.
    items: yields (name, image). An image is a file's Path, encoded bytes, a uint8 array (H, W) or
        (H, W, C), or the exception that says why it cannot be read; decode.py takes all four.
    root: the folder or the file, if there is one.
    path: the folder or the file that --dataset names, if it names one.
    names: yields the names of the images in the order of `items`; None if they are their numbers.
    left_out: lists the files beside the images that are hidden or have no image extension.
    labels: if the dataset has classes, returns their names and the class of every image (count,).
    attributes: if it has attributes, takes the names of some, in any case, and returns their names
        and a float32 array (count, names) of 0 and 1.

    `labels` and `attributes` number the images from 0; the images' names are then these numbers.
    """

    place: str
    fingerprint: str
    count: int
    items: Callable[[], Iterable[tuple]]
    root: Path | None = None
    labels: Callable[[], tuple[list[str], np.ndarray]] | None = None
    attributes: Callable[[tuple[str, ...]], tuple[tuple[str, ...], np.ndarray]] | None = None
    path: Path | None = None
    names: Callable[[], Iterable[str]] | None = None
    left_out: Callable[[], tuple[str, ...]] = tuple


def open_regular_dataset_file(path: Path) -> BinaryIO:
    """Opens a file, unbuffered. Raises OSError for a pipe or a device, without waiting for it."""
    return open(open_regular_dataset_descriptor(path), "rb", buffering=0)


def open_regular_dataset_descriptor(path: Path) -> int:
    """Like `open_regular_dataset_file`, but returns a descriptor: faster for thousands of files."""
    descriptor = os.open(path, READ_FLAGS)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor

    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a file", str(path))


def fingerprint_dataset_file(path: Path) -> str:
    """Size and modification time, which change when a file is replaced or written to."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"
