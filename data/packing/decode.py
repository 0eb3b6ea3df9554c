"""Decodes an image of any format to uint8 pixels of a given size. Nothing else crops or resizes."""

import contextlib
import dataclasses
import functools
import io
import os
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from data import limits
from data.sources.source import open_regular_dataset_descriptor

# Pillow warns about many things in odd files. What matters is whether they can be read.
warnings.filterwarnings("ignore", module="PIL")

ANIMATED_FORMATS = ("GIF", "PNG", "WEBP")  # a phone's MPO has several pictures, but no animation
BACKGROUND = (255, 255, 255)  # what transparent pixels show, unless --c_dim=4 keeps alpha
GRAY_MODES = {"1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's, by the number of channels

# The formats that Pillow decodes itself. EPS would start Ghostscript; nobody stores photos in the
# others. TGA files have no signature, so TGA comes last.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000"),
    *("PPM", "DIB", "ICO", "QOI", "SGI", "PCX", "TGA"),
)
BYTES_PER_PIXEL = 12  # an RGBA image, its background and their composite
BYTES_PER_JPEG_PIXEL = 8  # RGB in four bytes, and a copy: rotated, or as L
JPEG_START = b"\xff\xd8"
JPEG_SCAN = b"\xff\xda"  # what each scan begins with


@dataclasses.dataclass(frozen=True)
class Geometry:
    """How an image becomes `height` x `width`: cropped around its centre, then resized.

    crop: (height, width) in pixels, shrunk in proportion where the image is smaller. None: the
    largest centred rectangle of the output's shape.
    squash: no crop; the whole image is resized, whatever its shape.
    """

    height: int
    width: int
    crop: tuple[int, int] | None = None
    squash: bool = False

    def find_crop_box(self, height: int, width: int) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) of the part of a height x width image that is kept."""
        if self.squash:
            return 0, 0, width, height

        crop_height, crop_width = self.crop or (self.height, self.width)
        scale = min(height / crop_height, width / crop_width)
        if self.crop:
            scale = min(scale, 1.0)
        kept_height = max(1, min(height, round(crop_height * scale)))
        kept_width = max(1, min(width, round(crop_width * scale)))

        top, left = round((height - kept_height) / 2), round((width - kept_width) / 2)
        return left, top, left + kept_width, top + kept_height

    def __str__(self) -> str:
        size = _describe_image_size(self.height, self.width, square=f"{self.height}x{self.width}")
        if self.squash:
            return f"squashed to {size}"
        if self.crop is None:
            return f"largest centre crop -> {size}"
        return f"centre crop {_describe_image_size(*self.crop, square=str(self.crop[0]))} -> {size}"


def _describe_image_size(height: int, width: int, *, square: str) -> str:
    """`square` for a square; otherwise a text that says which side is which."""
    return square if height == width else f"{width} wide x {height} high"


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A decoded image.

    pixels: (H, W, C) uint8. size: (height, width) of the upright original, in pixels.
    gray: whether the original was. transparent: whether any of its pixels was. animated: whether it
    has more frames than this, its first.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    gray: bool
    transparent: bool
    animated: bool


def decode_image(image, geometry: Geometry, channels: int) -> Decoded:
    """image (as `open_image` takes it) -> pixels (H, W, channels) uint8; channels: 1, 3 or 4.

    Gray is the ITU-R 601 luma. 16-bit images are scaled to 8 bits. EXIF rotation is applied. An
    animation gives its first frame. Resizing is bilinear with antialiasing, as in the original's
    scipy.misc.imresize.

    Raises ValueError, before decoding, for an image beyond the limits. For a damaged file, it
    raises what Pillow raises, which may be nearly anything.
    """
    with open_image(image) as opened:
        check_image_pixel_count(opened)
        needed = estimate_decoding_bytes(opened)
        if needed < limits.MAX_UNGATED_BYTES:
            return _decode_opened_image(opened, geometry, channels)
        with DECODING_MEMORY.reserve_decoding_memory(needed):
            return _decode_opened_image(opened, geometry, channels)


def _decode_opened_image(opened: Image.Image, geometry: Geometry, channels: int) -> Decoded:
    animated = opened.format in ANIMATED_FORMATS and getattr(opened, "is_animated", False)
    upright = _rotate_image_upright(opened)
    gray = upright.mode in GRAY_MODES or _has_gray_palette(upright)

    upright = _reduce_image_to_eight_bits(upright)
    # Each step drops the image before it: keeping a large one would take another 340 MB.
    if upright.has_transparency_data and upright.mode != "RGBA":
        upright = upright.convert("RGBA")
    transparent = _has_transparent_pixel(upright)
    if transparent and channels != 4:
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, BACKGROUND), upright)
    if upright.mode != MODES[channels]:  # converting to the same mode would copy it
        upright = upright.convert(MODES[channels])

    width, height = upright.size
    box = geometry.find_crop_box(height, width)
    resized = upright.resize((geometry.width, geometry.height), Image.Resampling.BILINEAR, box=box)
    pixels = np.asarray(resized, np.uint8).reshape(geometry.height, geometry.width, channels)
    return Decoded(pixels, (height, width), gray, transparent, animated)


def _rotate_image_upright(image: Image.Image) -> Image.Image:
    """The image with its EXIF rotation applied; a JPEG that needs none is not copied."""
    if image.format == "JPEG":
        ImageOps.exif_transpose(image, in_place=True)
        return image

    # Images of some rarer formats lose their palette when they are loaded twice.
    copy = ImageOps.exif_transpose(image)
    image.close()  # frees its pixels
    return copy


def _has_gray_palette(image: Image.Image) -> bool:
    if image.mode != "P":
        return False

    colours = np.array(image.getpalette("RGB")).reshape(-1, 3)  # (colours, RGB)
    return bool((colours == colours[:, :1]).all())


def _has_transparent_pixel(image: Image.Image) -> bool:
    """False for an opaque image, even if it has an alpha channel."""
    return image.mode == "RGBA" and image.getchannel("A").getextrema()[0] < 255


def _reduce_image_to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales a gray image of more than 8 bits, which Pillow's own conversion would clip.

    16 bits are scaled by their range. 32 bits and floats, whose range is not known, are scaled by
    the smallest of 1 (floats only), 255 and 65535 that holds their largest value.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image

    levels = np.asarray(image)  # (H, W)
    if image.mode.startswith("I;16"):
        return Image.fromarray(_scale_gray_levels(levels, 1 / 257))

    top = levels.max(initial=0)
    scale = 255 if image.mode == "F" and top <= 1 else 1 / 257 if top > 255 else 1
    return Image.fromarray(_scale_gray_levels(levels, scale))


def _scale_gray_levels(levels: np.ndarray, scale: float) -> np.ndarray:
    """levels (H, W) -> pixels (H, W) uint8: levels * scale, clipped and rounded in float64."""
    pixels = np.empty(levels.shape, np.uint8)
    rows = max(1, limits.MAX_FLOAT64_PIXELS // max(1, levels.shape[1]))
    with np.errstate(invalid="ignore"):  # a float may be NaN
        for start in range(0, len(levels), rows):
            strip = levels[start : start + rows].astype(np.float64)
            pixels[start : start + rows] = np.clip(strip * scale, 0, 255).round()
    return pixels


@functools.cache
def list_image_formats() -> tuple[str, ...]:
    """The FORMATS that this build of Pillow supports."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def open_image(image) -> Image.Image:
    """Opens an image without decoding it.

    image: a Path, encoded bytes, a uint8 array (H, W) or (H, W, C), or an exception, which is
    raised. Raises ValueError for a file beyond the limits, and what Pillow raises for damaged ones.
    """
    if isinstance(image, Exception):
        raise image
    if isinstance(image, np.ndarray):
        single = image.ndim == 3 and image.shape[-1] == 1
        return Image.fromarray(image.squeeze(-1) if single else image)  # (H, W, 1) -> (H, W)
    return _open_encoded_image(image)


def _open_encoded_image(image: Path | bytes) -> Image.Image:
    """`open_image` for a file or for encoded bytes, within the limits."""
    if isinstance(image, bytes):
        check_encoded_image_bytes(len(image))

    content = image if isinstance(image, bytes) else _read_or_open_image_file(image)
    _check_jpeg_scans(content)
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    try:
        return Image.open(file, formats=list_image_formats())
    except Image.DecompressionBombError as error:  # beyond twice Pillow's own limit
        millions = limits.MAX_PIXELS // 10**6
        raise ValueError(f"more than {millions} million pixels") from error


def _read_or_open_image_file(path: Path) -> bytes | io.BufferedReader:
    """The bytes of a file; for a large file, the open file.

    Small files are read at once: each of Pillow's many small reads would hand the GIL to another
    thread. Pillow never gets the path: it would map the file into memory, and truncating a mapped
    file while it is decoded kills the process.
    """
    descriptor = open_regular_dataset_descriptor(path)
    try:
        size = os.fstat(descriptor).st_size
        check_encoded_image_bytes(size)
        if size > limits.MAX_BYTES_READ_AT_ONCE:
            return open(os.dup(descriptor), "rb")  # closed with the image
        return os.read(descriptor, size)
    finally:
        os.close(descriptor)


def check_encoded_image_bytes(size: int) -> None:
    """Raises ValueError for an encoded image of more than MAX_ENCODED_BYTES."""
    if size > limits.MAX_ENCODED_BYTES:
        most = limits.MAX_ENCODED_BYTES // limits.MB
        raise ValueError(f"{size // limits.MB:,} MB, more than {most}")


def _check_jpeg_scans(content: bytes | io.BufferedReader) -> None:
    """Raises ValueError for a JPEG with so many scans that decoding would take forever."""
    if isinstance(content, bytes):
        scans = content.count(JPEG_SCAN) if content.startswith(JPEG_START) else 0
    else:
        pieces = iter(lambda: content.read(2**20), b"")
        scans = sum(piece.count(JPEG_SCAN) for piece in pieces)
        content.seek(0)
        scans *= content.peek(len(JPEG_START)).startswith(JPEG_START)

    if scans > limits.MAX_JPEG_SCANS:
        raise ValueError(f"a JPEG of {scans:,} scans, more than {limits.MAX_JPEG_SCANS}")


def check_image_pixel_count(image: Image.Image) -> None:
    """Raises ValueError when an image's header gives it more than MAX_PIXELS."""
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


class TooLargeForWorkerError(Exception):
    """The image must be decoded in the main process."""


class MemoryGate:
    """Lets images be decoded in parallel as long as together they fit into `total` bytes.

    An image that takes more than that is decoded alone.
    """

    def __init__(self, total: int):
        self.total = self.free = total
        self.most = None  # bytes for one image; more raises TooLargeForWorkerError; None: no limit
        self.changed = threading.Condition()

    @contextlib.contextmanager
    def reserve_decoding_memory(self, needed: int):
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
