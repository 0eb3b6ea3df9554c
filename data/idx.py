"""The MNIST family's IDX files, plain or gzipped (http://yann.lecun.com/exdb/mnist/), and scikit-learn's digits."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from data.source import Source, stat_line

MAGIC_IMAGES = b"\0\0\x08\x03"  # unsigned bytes, three dimensions
MAGIC_LABELS = b"\0\0\x08\x01"  # one dimension
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
    return [found[name] for name in sorted(found, key=lambda name: (not name.startswith("train"), name))]


def idx_source(paths: list[Path], *, limit: int | None = None) -> Source:
    """All images of the files, one after the other, as the original joined MNIST's train and test sets."""
    arrays = [read_idx(path) for path in paths]
    images = [image for array in arrays for image in array][:limit]
    fingerprint = " ".join(f"{path.name} {stat_line(path)}" for path in paths)
    label_paths = [_label_path(path) for path in paths]
    labels = None
    if all(label_paths):

        def labels():
            classes = np.concatenate([read_idx(path, MAGIC_LABELS) for path in label_paths])
            _check_same_length(classes, sum(map(len, arrays)), label_paths[0])
            return [str(k) for k in range(max(CLASSES, int(classes.max()) + 1))], classes

    return _array_source(f"IDX files in {paths[0].parent}", fingerprint, images, labels)


def _label_path(images: Path) -> Path | None:
    """The labels beside an image file, packed or not as they may be."""
    plain = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    return next((path for name in (plain, f"{plain}.gz") if (path := images.with_name(name)).is_file()), None)


def _check_same_length(classes: np.ndarray, images: int, path: Path) -> None:
    if len(classes) != images:
        raise ValueError(
            f"{path.parent} must have a label for every image. Received: {len(classes)} labels for {images} images. "
            "Fetch both again."
        )


def read_idx(path: Path, magic: bytes = MAGIC_IMAGES) -> np.ndarray:
    """Images (N, H, W) uint8, or with MAGIC_LABELS labels (N,). Raises ValueError when the file is not whole."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}. Fetch it again.") from error
    start = 4 + 4 * magic[3]
    shape = np.frombuffer(content[4:start], ">u4").tolist()
    if content[:4] != magic or len(content) != start + math.prod(shape) or 0 in shape:
        kind = "images" if magic == MAGIC_IMAGES else "labels"
        raise ValueError(
            f"{path} must be an IDX file of {kind} with as many bytes as its header says. "
            f"Received: {len(content)} bytes, header {content[:16].hex()}. Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def digits_source(*, limit: int | None = None) -> Source:
    """1,797 real handwritten digits, 8x8, embedded in scikit-learn: the data of the first run."""
    import sklearn.datasets  # late: takes a second, and only this set needs it

    digits = sklearn.datasets.load_digits()
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8), from 0 to 16
    labels = [str(k) for k in range(10)], digits.target
    place, fingerprint = "scikit-learn's digits", f"scikit-learn {sklearn.__version__}"
    return _array_source(place, fingerprint, list(images[:limit]), lambda: labels)


def _array_source(place: str, fingerprint: str, images: list[np.ndarray], labels) -> Source:
    def items():
        return ((str(k), image) for k, image in enumerate(images))

    return Source(place, fingerprint, len(images), items, labels=labels)
