"""An image's file before it is decoded: which formats, how large, and how many at a time."""

import contextlib
import functools
import io
import os
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from data.sources.source import MAX_ENCODED_BYTES, regular_descriptor

warnings.filterwarnings(
    "ignore", module="PIL"
)  # what matters about an image is whether it can be read

# Those that Pillow decodes itself: for EPS it would run Ghostscript, and a photo is in none of the others. A format
# whose files have no signature comes last.
FORMATS = (
    *(
        "JPEG",
        "PNG",
        "WEBP",
        "GIF",
        "BMP",
        "TIFF",
        "AVIF",
        "JPEG2000",
        "PPM",
        "DIB",
        "ICO",
        "QOI",
        "SGI",
        "PCX",
        "TGA",
    ),
)
MAX_PIXELS = (
    89_478_485  # Pillow's own MAX_IMAGE_PIXELS, 256 MB in RGB, where it begins to warn of bombs
)
MAX_SCANS = 500  # of a JPEG, each of which takes time for the whole image; libjpeg-turbo's own fuzzers stop there
READ_AT_ONCE = 16 * 2**20  # bytes of a file; a larger one is read as it is decoded
GATED_BYTES = 8 * 2**20  # an image that takes less may be decoded at any time
DECODING_BYTES = 2**30  # for all images that are decoded at a time, unless a single one takes more
WORKER_BYTES = (
    64 * 2**20
)  # for an image in a process of its own: MAX_WORKERS of them take DECODING_BYTES
BYTES_A_PIXEL = 12  # an RGBA image, its background and their composite
BYTES_A_JPEG_PIXEL = 8  # RGB in four bytes, and the same upright or as L
JPEG = b"\xff\xd8"  # what every JPEG file begins with
SCAN = b"\xff\xda"  # how each of its scans begins


class TooLargeHereError(Exception):
    """The image is to be decoded in the main process."""


class Gate:
    """Lets so many images be decoded at a time as fit into `total` bytes; one that takes more goes alone."""

    def __init__(self, total: int):
        self.total = self.free = total
        self.most = None  # bytes for a single image; one that takes more raises TooLargeHereError
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def take(self, needed: int):
        if self.most is not None and needed > self.most:
            raise TooLargeHereError
        needed = min(needed, self.total)
        with self.changed:
            self.changed.wait_for(lambda: needed <= self.free)
            self.free -= needed
        try:
            yield
        finally:
            with self.changed:
                self.free += needed
                self.changed.notify_all()


GATE = Gate(DECODING_BYTES)


@functools.cache
def formats() -> tuple[str, ...]:
    """FORMATS as far as this Pillow has them."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_image(image) -> Image.Image:
    """image (a Path, encoded bytes, or a uint8 array) as one of Pillow's that is not decoded yet."""
    if isinstance(image, Exception):
        raise image
    if isinstance(image, np.ndarray):
        return Image.fromarray(
            image.squeeze(-1) if image.ndim == 3 and image.shape[-1] == 1 else image
        )
    if isinstance(image, bytes):
        check_bytes(len(image))
    content = image if isinstance(image, bytes) else _read(image)
    _check_scans(content)
    try:
        return Image.open(
            io.BytesIO(content) if isinstance(content, bytes) else content, formats=formats()
        )
    except Image.DecompressionBombError as error:  # over twice Pillow's limit
        raise ValueError(f"more than {MAX_PIXELS // 10**6} million pixels") from error


def _read(path: Path) -> bytes | io.BufferedReader:
    """A file's bytes, read at once, as each of Pillow's small reads hands Python's lock to another thread; or a large
    file, open.

    Never the path: Pillow would map it into memory, where a file that is cut meanwhile ends the process.
    """
    descriptor = regular_descriptor(path)
    try:
        size = os.fstat(descriptor).st_size
        check_bytes(size)
        if size > READ_AT_ONCE:
            return open(os.dup(descriptor), "rb")  # closed with the image
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def check_bytes(size: int) -> None:
    """Raises ValueError when an encoded image has more than MAX_ENCODED_BYTES."""
    if size > MAX_ENCODED_BYTES:
        raise ValueError(f"{size // 2**20:,} MB, more than {MAX_ENCODED_BYTES // 2**20}")


def _check_scans(content: bytes | io.BufferedReader) -> None:
    """Raises ValueError for a JPEG that would take forever."""
    if isinstance(content, bytes):
        scans = content.count(SCAN) if content.startswith(JPEG) else 0
    else:
        scans = sum(piece.count(SCAN) for piece in iter(lambda: content.read(2**20), b""))
        content.seek(0)
        scans *= content.peek(len(JPEG)).startswith(JPEG)
    if scans > MAX_SCANS:
        raise ValueError(f"a JPEG of {scans:,} scans, more than {MAX_SCANS}")


def check_pixels(image: Image.Image) -> None:
    """Raises ValueError when an image, by its header, has more than MAX_PIXELS."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width}x{height} pixels, more than {MAX_PIXELS // 10**6} million")


def decoding_bytes(image: Image.Image) -> int:
    """An upper estimate of what decoding takes."""
    width, height = image.size
    plain = image.format == "JPEG" and not image.info.get(
        "progressive"
    )  # whose coefficients are all in memory
    return width * height * (BYTES_A_JPEG_PIXEL if plain else BYTES_A_PIXEL)
