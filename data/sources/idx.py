"""IDX files, of MNIST and its relatives (yann.lecun.com/exdb/mnist), and scikit-learn's digits."""

import gzip
import io
import itertools
import math
import os
import zlib
from pathlib import Path

import numpy as np

from data import limits
from data.sources.source import Source, fingerprint_dataset_file, open_regular_dataset_file
from system.text import escape_unprintable

MAGIC_IMAGES = b"\0\0\x08\x03"  # unsigned bytes, three dimensions
MAGIC_LABELS = b"\0\0\x08\x01"  # unsigned bytes, one dimension
KINDS = {MAGIC_IMAGES: "images", MAGIC_LABELS: "labels"}
LEAST_CLASSES = 10  # as in MNIST; larger labels, as in EMNIST, raise it


def find_idx_files(folder: Path) -> list[Path]:
    """The image files of an IDX set, train before test; a plain file rather than its .gz."""
    if not folder.is_dir():
        return []

    found = {}
    for path in sorted(folder.glob("*images?idx3-ubyte*")):
        plain = path.name.removesuffix(".gz").replace(".idx3", "-idx3")
        if plain.endswith("images-idx3-ubyte"):
            found.setdefault(plain, path)

    return [found[name] for name in sorted(found, key=lambda n: (not n.startswith("train"), n))]


def open_idx_files(paths: list[Path], *, limit: int | None = None) -> Source:
    """The images of all `paths`, joined, as the original joins MNIST's train and test images."""
    arrays = [read_idx_file(path) for path in paths]
    fingerprint = " ".join(f"{path.name} {fingerprint_dataset_file(path)}" for path in paths)
    place = f"IDX files in {escape_unprintable(str(paths[0].parent))}"

    labels = _make_idx_label_reader(paths, sum(map(len, arrays)))
    return _open_image_arrays(place, fingerprint, arrays, limit=limit, labels=labels)


def _make_idx_label_reader(paths: list[Path], images: int):
    """`Source.labels` for all image files; None when one of them has no labels beside it."""
    label_paths = [_find_idx_label_file(path) for path in paths]
    if not all(label_paths):
        return None

    def read_idx_labels():
        classes = np.concatenate([read_idx_file(path, MAGIC_LABELS) for path in label_paths])
        _check_idx_label_count(classes, images, label_paths[0].parent)
        return [str(k) for k in range(max(LEAST_CLASSES, int(classes.max()) + 1))], classes

    return read_idx_labels


def open_digits(*, limit: int | None = None) -> Source:
    """The 1,797 handwritten digits, 8x8, of scikit-learn: what the first run trains on."""
    import sklearn.datasets  # imported late: takes a second, and only this set needs it

    digits = sklearn.datasets.load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8), 0 to 16 before
    labels = [str(k) for k in range(10)], digits.target
    place, fingerprint = "scikit-learn's digits", f"scikit-learn {sklearn.__version__}"
    return _open_image_arrays(place, fingerprint, [images], limit=limit, labels=lambda: labels)


def _open_image_arrays(
    place: str, fingerprint: str, arrays: list[np.ndarray], *, limit: int | None, labels
) -> Source:
    """The images of `arrays` (N, H, W), named by their numbers, up to `limit`."""
    count = sum(map(len, arrays))
    count = min(count, limit or count)

    def number_images():
        images = itertools.islice(itertools.chain.from_iterable(arrays), count)
        return ((str(number), image) for number, image in enumerate(images))

    return Source(place, fingerprint, count, number_images, labels=labels)


def _find_idx_label_file(images: Path) -> Path | None:
    """The label file beside an image file; either may be gzipped."""
    plain = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    paths = [images.with_name(plain), images.with_name(f"{plain}.gz")]
    return next((path for path in paths if path.is_file()), None)


def _check_idx_label_count(classes: np.ndarray, images: int, folder: Path) -> None:
    if len(classes) != images:
        raise ValueError(
            f"{folder} must have a label for every image. "
            f"Received: {len(classes)} labels for {images} images. Fetch both again."
        )


def read_idx_file(path: Path, magic: bytes = MAGIC_IMAGES) -> np.ndarray:
    """Images (N, H, W) uint8, or with MAGIC_LABELS labels (N,) uint8.

    Raises ValueError when the file cannot be read or does not hold what its header says.
    """
    try:
        with open_regular_dataset_file(path) as file:
            if path.suffix == ".gz":
                with gzip.open(file) as stream:
                    return _read_idx_stream(path, stream, magic, size=None)

            size = os.fstat(file.fileno()).st_size
            with io.BufferedReader(file) as stream:
                return _read_idx_stream(path, stream, magic, size=size)

    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"{path} cannot be read: {reason}. Fetch it again.") from error


def _read_idx_stream(path: Path, stream, magic: bytes, *, size: int | None) -> np.ndarray:
    """`read_idx_file` for an open file of `size` bytes; None: not known before it is read.

    Reads no more than the header says, and one byte to see whether there is more.
    """
    start = 4 + 4 * magic[3]  # bytes of the header: the magic number, then each dimension
    header = stream.read(start)
    shape = np.frombuffer(header[4:], ">u4").tolist() if len(header) == start else []
    received = _describe_wrong_idx_header(header, shape, magic, size)
    if not received:
        content = stream.read(math.prod(shape) + 1)
        if len(content) == math.prod(shape):
            return np.frombuffer(content, np.uint8).reshape(shape)  # (N, H, W) or (N,)
        received = f"{len(content) + start} bytes or more, header {header.hex()}"

    raise ValueError(
        f"{path} must be an IDX file of {KINDS[magic]} with as many bytes as its header says. "
        f"Received: {received}. Fetch it again."
    )


def _describe_wrong_idx_header(
    header: bytes, shape: list[int], magic: bytes, size: int | None
) -> str:
    """What is wrong with a header of this `shape`, [] for a short one; empty when nothing is."""
    expected = len(header) + math.prod(shape)
    if header[:4] != magic or not shape or 0 in shape or size not in (None, expected):
        return f"{f'{size} bytes, ' if size is not None else ''}header {header.hex()}"
    if expected > limits.MAX_IDX_BYTES or shape[0] > limits.MAX_IDX_IMAGES:
        return (
            f"a header of {shape[0]:,} {KINDS[magic]}, {expected:,} bytes; "
            f"at most {limits.MAX_IDX_IMAGES:,} and {limits.MAX_IDX_BYTES:,} are allowed"
        )
    return ""
