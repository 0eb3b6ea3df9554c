"""One image of any format to uint8 pixels of the size asked for. Nothing else crops or resizes."""

import dataclasses

import numpy as np
from PIL import Image, ImageOps

from data import limits
from data.packing.encoded import (
    DECODING_MEMORY,
    check_pixel_count,
    estimate_decoding_bytes,
    open_image,
)

BACKGROUND = (255, 255, 255)  # what transparent pixels show, unless --c_dim=4 keeps alpha
GRAY_MODES = {"1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's, by the number of channels


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

    def crop_box(self, height: int, width: int) -> tuple[int, int, int, int]:
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
        size = _describe_size(self.height, self.width, square=f"{self.height}x{self.width}")
        if self.squash:
            return f"squashed to {size}"
        if self.crop is None:
            return f"largest centre crop -> {size}"
        return f"centre crop {_describe_size(*self.crop, square=str(self.crop[0]))} -> {size}"


def _describe_size(height: int, width: int, *, square: str) -> str:
    """`square` for a square; otherwise a text that cannot be read the wrong way round."""
    return square if height == width else f"{width} wide x {height} high"


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A decoded image.

    pixels: (H, W, C) uint8. size: (height, width) of the upright original, in pixels.
    gray, transparent: whether the original was.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    gray: bool
    transparent: bool


def decode_image(image, geometry: Geometry, channels: int) -> Decoded:
    """image (as `open_image` takes it) -> pixels (H, W, channels) uint8; channels: 1, 3 or 4.

    Gray is the ITU-R 601 luma. 16-bit images are scaled to 8 bits. EXIF rotation is applied. An
    animation gives its first frame. Resizing is bilinear with antialiasing, as in the original's
    scipy.misc.imresize.

    Raises ValueError for an image beyond the limits, before it is decoded, and on damaged files
    whatever Pillow raises, which is nearly anything.
    """
    with open_image(image) as opened:
        check_pixel_count(opened)
        needed = estimate_decoding_bytes(opened)
        if needed < limits.MAX_UNGATED_BYTES:
            return _decode_opened(opened, geometry, channels)
        with DECODING_MEMORY.reserve(needed):
            return _decode_opened(opened, geometry, channels)


def _decode_opened(opened: Image.Image, geometry: Geometry, channels: int) -> Decoded:
    upright = _rotate_upright(opened)
    gray = upright.mode in GRAY_MODES or _has_gray_palette(upright)
    transparent = upright.has_transparency_data

    upright = _reduce_to_eight_bits(upright)
    # Each step drops the image before it: two names for large ones would take another 340 MB.
    if transparent and channels != 4:
        if upright.mode != "RGBA":
            upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, BACKGROUND), upright)
    if upright.mode != MODES[channels]:  # to convert to the same mode would copy
        upright = upright.convert(MODES[channels])

    width, height = upright.size
    box = geometry.crop_box(height, width)
    resized = upright.resize((geometry.width, geometry.height), Image.Resampling.BILINEAR, box=box)
    pixels = np.asarray(resized, np.uint8).reshape(geometry.height, geometry.width, channels)
    return Decoded(pixels, (height, width), gray, transparent)


def _rotate_upright(image: Image.Image) -> Image.Image:
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


def _reduce_to_eight_bits(image: Image.Image) -> Image.Image:
    """Scales a gray image of more than 8 bits, which Pillow's own conversion would clip.

    16 bits are scaled by their range. 32 bits and floats, whose range is not known, are scaled by
    the smallest of 1 (floats only), 255 and 65535 that holds their largest value.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image

    levels = np.asarray(image)  # (H, W)
    if image.mode.startswith("I;16"):
        scale = 1 / 257
    else:
        top = levels.max(initial=0)
        scale = 255 if image.mode == "F" and top <= 1 else 1 / 257 if top > 255 else 1

    pixels = np.empty(levels.shape, np.uint8)
    rows = max(1, limits.MAX_FLOAT64_PIXELS // max(1, levels.shape[1]))
    with np.errstate(invalid="ignore"):  # a float may be NaN
        for start in range(0, len(levels), rows):
            strip = levels[start : start + rows].astype(np.float64)
            pixels[start : start + rows] = np.clip(strip * scale, 0, 255).round()
    return Image.fromarray(pixels)
