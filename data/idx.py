"""The MNIST family's IDX files, plain or gzipped (http://yann.lecun.com/exdb/mnist/), and scikit-learn's digits."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from data.source import Source, stat_line

MAGIC_IMAGES = b"\0\0\x08\x03"  # unsigned bytes, three dimensions


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
    arrays = [read_images(path) for path in paths]
    images = [image for array in arrays for image in array][:limit]
    fingerprint = " ".join(f"{path.name} {stat_line(path)}" for path in paths)
    return _array_source(f"IDX files in {paths[0].parent}", fingerprint, images)


def read_images(path: Path) -> np.ndarray:
    """(N, H, W) uint8. Raises ValueError when the file is not a whole IDX image file."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            content = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be read: {error}. Fetch it again.") from error
    shape = np.frombuffer(content[4:16], ">u4").tolist()
    if content[:4] != MAGIC_IMAGES or len(content) != 16 + math.prod(shape) or 0 in shape:
        raise ValueError(
            f"{path} must be an IDX file of images with as many bytes as its header says. "
            f"Received: {len(content)} bytes, header {content[:16].hex()}. Fetch it again."
        )
    return np.frombuffer(content, np.uint8, offset=16).reshape(shape)


def digits_source(*, limit: int | None = None) -> Source:
    """1,797 real handwritten digits, 8x8, embedded in scikit-learn: the data of the first run."""
    import sklearn.datasets  # late: takes a second, and only this set needs it

    levels = sklearn.datasets.load_digits().images  # (1797, 8, 8), 0 to 16
    images = np.round(levels * (255 / 16)).astype(np.uint8)
    return _array_source("scikit-learn's digits", f"scikit-learn {sklearn.__version__}", list(images[:limit]))


def _array_source(place: str, fingerprint: str, images: list[np.ndarray]) -> Source:
    return Source(place, fingerprint, len(images), lambda: ((str(k), image) for k, image in enumerate(images)))
