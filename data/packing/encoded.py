"""An image's file before it is decoded: its format, its size, and the memory that it may take."""

import contextlib
import functools
import io
import os
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from data import limits
from data.sources.source import open_regular_descriptor

# Pillow warns of much about odd files. What matters is whether they can be read.
warnings.filterwarnings("ignore", module="PIL")

# What Pillow decodes itself. For EPS it would run Ghostscript, and photos come in none of the other
# formats. TGA files have no signature, so TGA comes last.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"),
    *("PPM", "DIB", "ICO", "QOI", "SGI", "PCX", "TGA"),
)
BYTES_PER_PIXEL = 12  # an RGBA image, its background and their composite
BYTES_PER_JPEG_PIXEL = 8  # RGB in four bytes, and a copy, upright or as L
JPEG_START = b"\xff\xd8"
JPEG_SCAN = b"\xff\xda"  # what each scan begins with


class TooLargeForWorkerError(Exception):
    """The image must be decoded in the main process."""


class MemoryGate:
    """Lets images be decoded at the same time as long as they fit into `total` bytes together.

    An image that takes more than that is decoded alone.
    """

    def __init__(self, total: int):
        self.total = self.free = total
        self.most = None  # bytes for one image; more raises TooLargeForWorkerError; None: no bound
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def reserve(self, needed: int):
        """Waits until `needed` bytes are free, and holds them for the block."""
        if self.most is not None and needed > self.most:
            raise TooLargeForWorkerError

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


DECODING_MEMORY = MemoryGate(limits.MAX_DECODING_BYTES)


@functools.cache
def list_supported_formats() -> tuple[str, ...]:
    """Those of FORMATS that this Pillow was built with."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_image(image) -> Image.Image:
    """Opens an image without decoding it.

    image: a Path, encoded bytes, a uint8 array (H, W) or (H, W, C), or an exception, which is
    raised. Raises ValueError for a file beyond the limits, and what Pillow raises on damaged ones.
    """
    if isinstance(image, Exception):
        raise image
    if isinstance(image, np.ndarray):
        single = image.ndim == 3 and image.shape[-1] == 1
        return Image.fromarray(image.squeeze(-1) if single else image)  # (H, W, 1) -> (H, W)
    if isinstance(image, bytes):
        check_encoded_size(len(image))

    content = image if isinstance(image, bytes) else _read_or_open_file(image)
    _check_jpeg_scans(content)
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    try:
        return Image.open(file, formats=list_supported_formats())
    except Image.DecompressionBombError as error:  # beyond twice Pillow's own limit
        millions = limits.MAX_PIXELS // 10**6
        raise ValueError(f"more than {millions} million pixels") from error


def _read_or_open_file(path: Path) -> bytes | io.BufferedReader:
    """The bytes of a file, or a large file, open.

    Small files are read at once: each of Pillow's many small reads would hand the GIL to another
    thread. Pillow never gets the path: it would map the file into memory, and a mapped file that is
    cut while it is decoded kills the process.
    """
    descriptor = open_regular_descriptor(path)
    try:
        size = os.fstat(descriptor).st_size
        check_encoded_size(size)
        if size > limits.MAX_BYTES_READ_AT_ONCE:
            return open(os.dup(descriptor), "rb")  # closed with the image
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def check_encoded_size(size: int) -> None:
    """Raises ValueError for an encoded image of more than MAX_ENCODED_BYTES."""
    if size > limits.MAX_ENCODED_BYTES:
        most = limits.MAX_ENCODED_BYTES // limits.MB
        raise ValueError(f"{size // limits.MB:,} MB, more than {most}")


def _check_jpeg_scans(content: bytes | io.BufferedReader) -> None:
    """Raises ValueError for a JPEG of so many scans that decoding would take forever."""
    if isinstance(content, bytes):
        scans = content.count(JPEG_SCAN) if content.startswith(JPEG_START) else 0
    else:
        pieces = iter(lambda: content.read(2**20), b"")
        scans = sum(piece.count(JPEG_SCAN) for piece in pieces)
        content.seek(0)
        scans *= content.peek(len(JPEG_START)).startswith(JPEG_START)

    if scans > limits.MAX_JPEG_SCANS:
        raise ValueError(f"a JPEG of {scans:,} scans, more than {limits.MAX_JPEG_SCANS}")


def check_pixel_count(image: Image.Image) -> None:
    """Raises ValueError when an image, by its header, has more than MAX_PIXELS."""
    width, height = image.size
    if width * height > limits.MAX_PIXELS:
        millions = limits.MAX_PIXELS // 10**6
        raise ValueError(f"{width}x{height} pixels, more than {millions} million")


def estimate_decoding_bytes(image: Image.Image) -> int:
    """An upper bound on the memory that decoding takes."""
    width, height = image.size
    progressive = image.info.get("progressive")  # all its coefficients are in memory
    plain_jpeg = image.format == "JPEG" and not progressive
    return width * height * (BYTES_PER_JPEG_PIXEL if plain_jpeg else BYTES_PER_PIXEL)
