"""The MNIST family's IDX files, plain or gzipped (http://yann.lecun.com/exdb/mnist/), and scikit-learn's digits."""

import gzip
import io
import itertools
import math
import os
import zlib
from pathlib import Path

import numpy as np

from data.sources.source import Source, open_regular, printable, stat_line

MAGIC_IMAGES = b"\0\0\x08\x03"  # unsigned bytes, three dimensions
MAGIC_LABELS = b"\0\0\x08\x01"  # one dimension
MAX_BYTES = (
    3 * 2**29
)  # 1.5 GB, as the file is in memory; EMNIST, the largest of the family, has 0.6 GB
MAX_IMAGES = 5_000_000  # whose names are in memory; EMNIST has 0.8 million
CLASSES = 10  # of MNIST and its kin; more if there are more


def find_idx(folder: Path) -> list[Path]:
    """The image files of an IDX set, train before test, a plain file before its .gz."""
    if not folder.is_dir():
        return []
    found = {}
    for path in sorted(folder.glob("*images?idx3-ubyte*")):
        plain = path.name.removesuffix(".gz").replace(".idx3", "-idx3")
        if plain.endswith("images-idx3-ubyte"):
            found.setdefault(plain, path)
    return [
        found[name] for name in sorted(found, key=lambda name: (not name.startswith("train"), name))
    ]


def idx_source(paths: list[Path], *, limit: int | None = None) -> Source:
    """All images of the files, one after the other, as the original joined MNIST's train and test sets."""
    arrays = [read_idx(path) for path in paths]
    found = sum(map(len, arrays))
    fingerprint = " ".join(f"{path.name} {stat_line(path)}" for path in paths)
    label_paths = [_label_path(path) for path in paths]
    labels = None
    if all(label_paths):

        def labels():
            classes = np.concatenate([read_idx(path, MAGIC_LABELS) for path in label_paths])
            _check_same_length(classes, found, label_paths[0])
            return [str(k) for k in range(max(CLASSES, int(classes.max()) + 1))], classes

    place = f"IDX files in {printable(str(paths[0].parent))}"
    return _array_source(
        place, fingerprint, arrays, count=min(found, limit or found), labels=labels
    )


def _label_path(images: Path) -> Path | None:
    """The labels beside an image file, packed or not as they may be."""
    plain = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    return next(
        (path for name in (plain, f"{plain}.gz") if (path := images.with_name(name)).is_file()),
        None,
    )


def _check_same_length(classes: np.ndarray, images: int, path: Path) -> None:
    if len(classes) != images:
        raise ValueError(
            f"{path.parent} must have a label for every image. Received: {len(classes)} labels for {images} images. "
            "Fetch both again."
        )


def read_idx(path: Path, magic: bytes = MAGIC_IMAGES) -> np.ndarray:
    """Images (N, H, W) uint8, or with MAGIC_LABELS labels (N,). Raises ValueError when the file is not whole."""
    try:
        with open_regular(path) as file:
            size = None if path.suffix == ".gz" else os.fstat(file.fileno()).st_size
            with gzip.open(file) if size is None else io.BufferedReader(file) as stream:
                return _read_stream(path, stream, magic, size)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path} cannot be read: {reason}. Fetch it again.") from error


def _read_stream(path: Path, stream, magic: bytes, size: int | None) -> np.ndarray:
    """`read_idx` of an open file of `size` bytes, or None where that is not known; reads what its header says."""
    kind = "images" if magic == MAGIC_IMAGES else "labels"
    start = 4 + 4 * magic[3]
    header = stream.read(start)
    shape = np.frombuffer(header[4:], ">u4").tolist() if len(header) == start else []
    expected = start + math.prod(shape)
    if header[:4] != magic or not shape or 0 in shape or size not in (None, expected):
        received = f"{f'{size} bytes, ' if size is not None else ''}header {header.hex()}"
    elif expected > MAX_BYTES or shape[0] > MAX_IMAGES:
        received = f"a header of {shape[0]:,} {kind}, {expected:,} bytes; at most are {MAX_IMAGES:,} and {MAX_BYTES:,}"
    else:
        content = stream.read(expected - start + 1)
        if len(content) == expected - start:
            return np.frombuffer(content, np.uint8).reshape(shape)
        received = f"{len(content) + start} bytes or more, header {header.hex()}"
    raise ValueError(
        f"{path} must be an IDX file of {kind} with as many bytes as its header says. Received: {received}. "
        "Fetch it again."
    )


def digits_source(*, limit: int | None = None) -> Source:
    """1,797 real handwritten digits, 8x8, embedded in scikit-learn: the data of the first run."""
    import sklearn.datasets  # late: takes a second, and only this set needs it

    digits = sklearn.datasets.load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8), from 0 to 16
    labels = [str(k) for k in range(10)], digits.target
    place, fingerprint = "scikit-learn's digits", f"scikit-learn {sklearn.__version__}"
    count = min(len(images), limit or len(images))
    return _array_source(place, fingerprint, [images], count=count, labels=lambda: labels)


def _array_source(
    place: str, fingerprint: str, arrays: list[np.ndarray], *, count: int, labels
) -> Source:
    def items():
        images = itertools.islice(itertools.chain.from_iterable(arrays), count)
        return ((str(k), image) for k, image in enumerate(images))

    return Source(place, fingerprint, count, items, labels=labels)
