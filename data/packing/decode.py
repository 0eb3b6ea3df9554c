"""One image, whatever its format, to uint8 pixels of the size asked for. The only place that crops and resizes."""

import dataclasses

import numpy as np
from PIL import Image, ImageOps

from data.packing.encoded import GATE, GATED_BYTES, check_pixels, decoding_bytes, open_image

BACKGROUND = (255, 255, 255)  # what transparent pixels show unless --c_dim=4
STRIP = 2**20  # pixels whose levels are float64 at a time
GRAY_MODES = {"1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}


@dataclasses.dataclass(frozen=True)
class Geometry:
    """How an image becomes `height` x `width`: a centre crop first, or squashed whole.

    crop: (height, width) in pixels, shrunk in proportion for images that are smaller; None = the largest centred
    rectangle of the output's shape.
    """

    height: int
    width: int
    crop: tuple[int, int] | None = None
    squash: bool = False

    def box(self, height: int, width: int) -> tuple[int, int, int, int]:
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
        square = self.height == self.width
        out = f"{self.height}x{self.width}" if square else f"{self.width} wide x {self.height} high"
        if self.squash:
            return f"squashed to {out}"
        if self.crop is None:
            return f"largest centre crop -> {out}"
        height, width = self.crop
        return (
            f"centre crop {height if height == width else f'{width} wide x {height} high'} -> {out}"
        )


@dataclasses.dataclass(frozen=True)
class Decoded:
    """pixels (H, W, C) uint8; size: (height, width) of the upright original; gray, transparent: what it held."""

    pixels: np.ndarray
    size: tuple[int, int]
    gray: bool
    transparent: bool


def decode(image, geometry: Geometry, channels: int) -> Decoded:
    """image (a Path, encoded bytes, or a uint8 array) -> pixels with 1, 3 or 4 channels.

    Gray is made by the ITU-R 601 luma; 16-bit images are scaled to 8 bits; EXIF rotation is applied; an animation
    gives its first frame. Resizing is bilinear with antialiasing, as the original's scipy.misc.imresize. Raises
    whatever Pillow raises on damaged files, which is nearly anything; ValueError for more than MAX_PIXELS or
    MAX_ENCODED_BYTES, before they are decoded.
    """
    with open_image(image) as opened:
        check_pixels(opened)
        needed = decoding_bytes(opened)
        if needed < GATED_BYTES:
            return _decoded(opened, geometry, channels)
        with GATE.take(needed):
            return _decoded(opened, geometry, channels)


def _decoded(opened: Image.Image, geometry: Geometry, channels: int) -> Decoded:
    upright = _upright(opened)
    gray = upright.mode in GRAY_MODES or _gray_palette(upright)
    transparent = upright.has_transparency_data
    upright = _eight_bits(upright)
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
    if transparent and channels != 4:
        if upright.mode != "RGBA":
            upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, BACKGROUND), upright)
    if upright.mode != mode:  # or it would be a copy
        upright = upright.convert(mode)
    width, height = upright.size
    box = geometry.box(height, width)
    resized = upright.resize((geometry.width, geometry.height), Image.Resampling.BILINEAR, box=box)
    pixels = np.asarray(resized, np.uint8).reshape(geometry.height, geometry.width, channels)
    return Decoded(pixels, (height, width), gray, transparent)


def _upright(image: Image.Image) -> Image.Image:
    """The image with its EXIF rotation applied; a JPEG that needs none is not copied."""
    if (
        image.format != "JPEG"
    ):  # rarer plugins' images lose their palette when they are loaded twice
        copy = ImageOps.exif_transpose(image)
        image.close()  # frees its pixels
        return copy
    ImageOps.exif_transpose(image, in_place=True)
    return image


def _gray_palette(image: Image.Image) -> bool:
    if image.mode != "P":
        return False
    colours = np.array(image.getpalette("RGB")).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gray images of more bits to 8 bits, where Pillow's own conversion would clip.

    16 bits by their range; 32 bits and floats, whose range is not known, by their largest value: 1, 255 or 65535.
    """
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    levels = np.asarray(image)
    if image.mode.startswith("I;16"):
        scale = 1 / 257
    else:
        top = levels.max(initial=0)
        scale = 255 if image.mode == "F" and top <= 1 else 1 / 257 if top > 255 else 1
    pixels = np.empty(levels.shape, np.uint8)
    rows = max(1, STRIP // max(1, levels.shape[1]))
    with np.errstate(invalid="ignore"):  # a float may be no number
        for start in range(0, len(levels), rows):
            strip = levels[start : start + rows].astype(np.float64)
            pixels[start : start + rows] = np.clip(strip * scale, 0, 255).round()
    return Image.fromarray(pixels)
