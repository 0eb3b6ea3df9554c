"""Pictures of experiments: images with captions above, in grids."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from utils import arrange_image_grid

MIN_SIDE = 64  # pixels: smaller images are enlarged, so that they can be told apart
CAPTION_HEIGHT = 12  # pixels of the line above an image
SYMBOL_WIDTH, SYMBOL_HEIGHT = 32, 24  # pixels between pictures that stand side by side


def arrange_captioned_grid(images: np.ndarray, captions: list[str], columns: int) -> np.ndarray:
    """A grid of images (N, H, W, C) uint8, each with its caption above it: (h, w, 3)."""
    tiles = [draw_caption_above(*pair) for pair in zip(images, captions, strict=True)]
    return arrange_image_grid(np.stack(tiles), columns)


def draw_caption_above(image: np.ndarray, caption: str) -> np.ndarray:
    """An image (H, W, C), enlarged if it is small, with a line of text above: (h, w, 3)."""
    image = enlarge(make_rgb(image), MIN_SIDE)
    return np.concatenate([draw_text_line(caption, image.shape[1]), image])


def draw_text_line(text: str, width: int) -> np.ndarray:
    """Black on white, cut off at `width` pixels: (CAPTION_HEIGHT, width, 3)."""
    canvas = Image.new("RGB", (width, CAPTION_HEIGHT), "white")
    ImageDraw.Draw(canvas).text((2, 0), text, "black")
    return np.asarray(canvas)


def put_heading_above(picture: np.ndarray, heading: str) -> np.ndarray:
    """A picture (H, W, 3) below a line of text: (h, W, 3)."""
    return np.concatenate([draw_text_line(heading, picture.shape[1]), picture])


def join_side_by_side(
    pictures: list[np.ndarray], symbols: list[str] | None = None, *, gap: int = SYMBOL_WIDTH
) -> np.ndarray:
    """Pictures (H, W, 3) of any sizes in a row, on white, with the symbols between: (h, w, 3).

    gap: pixels between two pictures.
    """
    symbols = symbols or [""] * (len(pictures) - 1)
    height = max(picture.shape[0] for picture in pictures)
    width = sum(picture.shape[1] for picture in pictures) + gap * len(symbols)
    canvas = Image.new("RGB", (width, height), "white")
    drawing, font, left = ImageDraw.Draw(canvas), ImageFont.load_default(SYMBOL_HEIGHT), 0
    for picture, symbol in zip(pictures, [*symbols, ""], strict=True):
        canvas.paste(Image.fromarray(picture), (left, 0))
        left += picture.shape[1] + gap
        middle = left - gap // 2, height // 2
        drawing.text(middle, symbol, "black", font=font, anchor="mm")
    return np.asarray(canvas)


def enlarge(images: np.ndarray, side: int) -> np.ndarray:
    """Images (..., H, W, C) with each pixel repeated until the shorter side has `side` pixels."""
    scale = max(1, -(-side // min(images.shape[-3:-1])))
    return images.repeat(scale, -3).repeat(scale, -2)


def make_rgb(images: np.ndarray) -> np.ndarray:
    """uint8 (..., C) with C = 1, 3 or 4 -> (..., 3); transparency is put on white."""
    if images.shape[-1] == 1:
        return images.repeat(3, -1)
    if images.shape[-1] == 3:
        return images
    alpha = images[..., 3:] / 255.0
    return np.round(images[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
