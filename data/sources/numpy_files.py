"""Images as one NumPy array: an .npy file, or an .npz that may also hold their classes.

The rows are read as a stream, one image after the other. Pickles are never loaded, and no file is
mapped into memory: if a mapped file were truncated, that would kill the process.
"""

import contextlib
import dataclasses
import functools
import io
import math
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from absl import logging

from data import limits
from data.sources.classes import number_classes
from data.sources.folder import open_zip_of_images
from data.sources.reading import explain_damaged_dataset
from data.sources.source import Source, fingerprint_dataset_file, open_regular_dataset_file
from system.text import escape_unprintable, join_names_for_error

ARRAY_SUFFIX = ".npy"
CHANNELS = (1, 3, 4)
HOW_TO_SAVE = "Save images as uint8, (N, H, W) or (N, H, W, C) with 1, 3 or 4 channels"
# Names in Keras's and MedMNIST's files, then other common ones, then what numpy.savez writes.
IMAGE_NAMES = ("x_train", "train_images", "images", "image", "imgs", "x", "X", "data", "arr_0")
LABEL_NAMES = ("y_train", "train_labels", "labels", "label", "y", "Y", "targets", "classes")


@dataclasses.dataclass(frozen=True)
class ArrayHeader:
    """What the header of an .npy says, and at which byte the array itself starts."""

    shape: tuple[int, ...]
    dtype: np.dtype
    by_columns: bool
    start: int

    @property
    def end(self) -> int:
        return self.start + math.prod(self.shape) * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype} of shape {self.shape}"


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """An array in a file: its header, and how to open a stream that begins with that header."""

    name: str
    header: ArrayHeader
    size: int  # bytes of header and array, as the file system or the zip says
    open_array_stream: Callable[[], AbstractContextManager]


def open_array_file(path: Path, *, limit: int | None = None) -> Source:
    """The images of an .npy. Raises ValueError when it holds no array of images."""

    @contextlib.contextmanager
    def open_array_stream():
        with io.BufferedReader(open_regular_dataset_file(path)) as stream:
            yield stream

    with explain_damaged_dataset(path, "an array"), open_array_stream() as stream:
        size = os.fstat(stream.fileno()).st_size
        array = StoredArray("", _read_array_header(stream), size, open_array_stream)

    if fault := explain_array_without_images(array):
        raise ValueError(f"{path} must hold images. Received: {fault}")
    return _make_source_of_stored_array(
        path, f"{escape_unprintable(str(path))}", array, None, limit
    )


def open_array_archive(path: Path, *, limit: int | None = None) -> Source:
    """The images of an .npz: the array with a usual name, or the first one that can be images.

    Raises ValueError when none can.
    """
    arrays = _list_npz_arrays(path)
    named = [arrays[name] for name in IMAGE_NAMES if name in arrays]
    images = next(
        (one for one in (*named, *arrays.values()) if not explain_array_without_images(one)), None
    )
    if images is None:
        # Not those with a number for each image, such as labels.
        likely = [one for one in arrays.values() if len(one.header.shape) > 1]
        listed = [
            f"{escape_unprintable(one.name)}: {explain_array_without_images(one)}"
            for one in likely or arrays.values()
        ]
        received = "; ".join(listed[:3]) or f"no array. {HOW_TO_SAVE}."
        raise ValueError(f"{path} must hold images. Received: {received}")

    _say_which_images_are_left_out(path, arrays, images)
    labels = _find_label_array(arrays, images)
    place = f"{escape_unprintable(images.name)} of {escape_unprintable(str(path))}"
    return _make_source_of_stored_array(path, place, images, labels, limit)


def _say_which_images_are_left_out(
    path: Path, arrays: dict[str, StoredArray], images: StoredArray
) -> None:
    """Logs which other images in the file are not read, such as those of a test split."""
    others = [
        f"{escape_unprintable(one.name)} ({one.header.shape[0]:,})"
        for one in arrays.values()
        if one is not images and not explain_array_without_images(one)
    ]
    if others:
        logging.info(
            "%s: reading %s, %s images; left out: %s.",
            *(escape_unprintable(str(path)), escape_unprintable(images.name)),
            *(f"{images.header.shape[0]:,}", join_names_for_error(others)),
        )


def _make_source_of_stored_array(
    path: Path, place: str, images: StoredArray, labels: StoredArray | None, limit: int | None
) -> Source:
    count = images.header.shape[0]
    count = min(count, limit or count)

    def read_array_classes():
        return number_classes(_read_label_array(path, labels, images)[:count], place)

    return Source(
        place,
        fingerprint_dataset_file(path),
        count,
        lambda: _read_array_images(path, images, count),
        labels=read_array_classes if labels else None,
    )


def _read_array_header(stream) -> ArrayHeader:
    """The header at the start of a stream. Raises nearly anything when there is none."""
    head = io.BytesIO(stream.read(limits.MAX_ARRAY_HEADER_BYTES))
    version = np.lib.format.read_magic(head)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format")

    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    shape, by_columns, dtype = read[version[0]](head)
    return ArrayHeader(tuple(map(int, shape)), dtype, by_columns, head.tell())


def explain_array_without_images(array: StoredArray) -> str:
    """Why an array cannot be images, as a sentence with what to do; empty when it can."""
    header = array.header
    if header.dtype.hasobject:
        return "Python objects, which are never loaded. " + HOW_TO_SAVE + "."
    if header.dtype != np.uint8:
        remedy = "(255 * x).astype('uint8') for x from 0 to 1"
        if header.dtype == np.uint16:
            remedy = "(x // 257).astype('uint8') for x from 0 to 65535"
        return f"{header}. {HOW_TO_SAVE}: {remedy}."
    if fault := _explain_shape_without_images(header.shape):
        return f"shape {header.shape}. {fault}"
    if header.by_columns:
        return "an array in Fortran order. Save np.ascontiguousarray(x)."
    if array.size != header.end:
        return f"{array.size:,} bytes; its header says {header.end:,}. Save it again."
    return ""


def _explain_shape_without_images(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return f"{HOW_TO_SAVE}: x.reshape(-1, H, W)."
    if len(shape) == 3 and shape[-1] in CHANNELS:
        return "That is one image. Save it as a PNG in a folder of images, or save x[None]."
    if len(shape) == 4 and shape[-1] not in CHANNELS and shape[1] in CHANNELS:
        return f"{HOW_TO_SAVE}: x.transpose(0, 2, 3, 1).copy()."
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[-1] not in CHANNELS):
        return f"{HOW_TO_SAVE}."
    if 0 in shape:
        return "It is empty."
    if shape[0] > limits.MAX_NUMBERED_IMAGES:
        return f"At most {limits.MAX_NUMBERED_IMAGES:,} images are read. Save fewer."
    if shape[1] * shape[2] > limits.MAX_PIXELS:
        return f"An image may have at most {limits.MAX_PIXELS:,} pixels. Save smaller ones."
    return ""


def _read_array_images(
    path: Path, array: StoredArray, count: int
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (number, image (H, W) or (H, W, C)) for the first `count` rows."""
    row = array.header.shape[1:]
    size = math.prod(row)
    with explain_damaged_dataset(path, "images"):
        with array.open_array_stream() as stream:
            if _read_array_header(stream) != array.header:
                raise ValueError("a different array than before")

        with array.open_array_stream() as stream:
            stream.read(array.header.start)
            for number in range(count):
                pixels = np.frombuffer(_read_array_bytes(stream, size), np.uint8)
                yield str(number), pixels.reshape(row)


def _read_array_bytes(stream, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise ValueError("a truncated file")
    return content


def _list_npz_arrays(path: Path) -> dict[str, StoredArray]:
    """Name -> array of an .npz. Raises ValueError when one of them is damaged."""
    arrays = {}
    with open_zip_of_images(path) as archive, explain_damaged_dataset(path, "arrays"):
        infos = [info for info in archive.infolist() if info.filename.endswith(ARRAY_SUFFIX)]
        for info in infos[: limits.MAX_ARRAYS_IN_NPZ]:
            _check_npz_inflation(info)
            with archive.open(info) as stream:
                header = _read_array_header(stream)

            name = info.filename.removesuffix(ARRAY_SUFFIX)
            open_array_stream = functools.partial(_open_npz_entry, path, info)
            arrays[name] = StoredArray(name, header, info.file_size, open_array_stream)
    return arrays


@contextlib.contextmanager
def _open_npz_entry(path: Path, info: zipfile.ZipInfo):
    with open_zip_of_images(path) as archive, archive.open(info) as stream:
        yield stream


def _check_npz_inflation(info: zipfile.ZipInfo) -> None:
    """Raises ValueError for an array that should not be inflated, going by its zip entry."""
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError("an array that np.savez did not write")

    inflated = limits.MAX_ENTRY_INFLATION * info.compress_size
    if info.file_size > max(limits.MAX_BYTES_INFLATED_UNCHECKED, inflated):
        raise ValueError("a zip bomb")


def _find_label_array(arrays: dict[str, StoredArray], images: StoredArray) -> StoredArray | None:
    """The classes that belong to `images`: under a name like theirs, else under a usual name."""
    likely = [images.name.replace("images", "labels"), images.name.replace("x_", "y_")]
    names = [name for name in (*likely, *LABEL_NAMES) if name in arrays and name != images.name]
    return arrays[names[0]] if names else None


def _read_label_array(path: Path, labels: StoredArray, images: StoredArray) -> np.ndarray:
    """The class (N,) of every image: whole numbers or words."""
    header, count = labels.header, images.header.shape[0]
    is_column = header.shape in ((count,), (count, 1))
    size = header.end - header.start
    if not is_column or header.dtype.kind not in "iuUS" or size > limits.MAX_LABEL_BYTES:
        raise ValueError(
            f"{path} must have a class, a number or a word, for each of the {count:,} images in "
            f"{images.name}. Received: {escape_unprintable(labels.name)}, {header}. "
            "Use --labels=none."
        )

    with explain_damaged_dataset(path, "labels"), labels.open_array_stream() as stream:
        stream.read(header.start)
        values = np.frombuffer(_read_array_bytes(stream, size), header.dtype).reshape(count)
        return values.astype("U") if header.dtype.kind == "S" else values
