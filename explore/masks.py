"""Masks for completion: which pixels are hidden."""

import os

import numpy as np
from PIL import Image

from data.packing.decode import Geometry, check_image_pixel_count, open_image
from explore.given_images import GivenImage, read_image_file
from system.files import expand_home
from system.text import explain_unknown_name

CENTER, LEFT, RANDOM = "center", "left", "random"  # words for --mask
HIDDEN_SHARE = 0.8  # of "random": Yeh et al. 2016 hide 80 %; Amos's code 20 %
LEVELS_WHITE = 128  # of a byte, and above


def make_mask(name: str, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(H, W) bool, True where hidden, for one of the words.

    center: the middle half of each side, so a quarter of the pixels. left: the left half. random:
    HIDDEN_SHARE of the pixels, each as likely as the others.
    """
    hidden = np.zeros((height, width), bool)
    if name == CENTER:
        top, left = height // 4, width // 4
        hidden[top : height - top, left : width - left] = True
    elif name == LEFT:
        hidden[:, : width // 2] = True
    else:
        chosen = rng.permutation(height * width)[: round(HIDDEN_SHARE * height * width)]
        hidden.reshape(-1)[chosen] = True
    return hidden


def read_mask(name: str, image: GivenImage, geometry: Geometry) -> np.ndarray:
    """(H, W) bool, True where hidden: where the image file `name` is white.

    It has the size of the networks' images, or that of the file of `image`; then it is cropped as
    that is, and resized to the nearest pixel. Raises ValueError for a mask of another size, an
    unreadable one, one that hides nothing or everything, and another word.
    """
    _check_is_no_unknown_word(name)
    levels = read_image_file(name, "mask", _read_gray_levels)
    shape = geometry.height, geometry.width
    if levels.shape == image.size:
        size, box = (geometry.width, geometry.height), geometry.find_crop_box(*image.size)
        levels = np.asarray(Image.fromarray(levels).resize(size, Image.Resampling.NEAREST, box=box))
    elif levels.shape != shape:
        raise ValueError(
            f"--mask must be the same size as the networks' images, {_spell(shape)}, or as "
            f"{image.name}, {_spell(image.size)}. Received: {_spell(levels.shape)}. Resize it."
        )
    hidden = levels >= LEVELS_WHITE
    if hidden.all() or not hidden.any():
        found = "everything" if hidden.all() else "nothing"
        raise ValueError(
            f"--mask must be white where {image.name} is to be hidden, and black elsewhere. "
            f"Received: {name}, which hides {found}. Change its colours."
        )
    return hidden


def _check_is_no_unknown_word(name: str) -> None:
    """Raises ValueError for what is neither a file nor spelled like one."""
    path = expand_home(name)
    if not (path.suffix or len(path.parts) > 1 or os.path.lexists(path)):
        rule = f"--mask must be {CENTER}, {LEFT}, {RANDOM} or an image file."
        known = [CENTER, LEFT, RANDOM]
        raise ValueError(explain_unknown_name(rule, name, known, f"Try --mask {CENTER}."))


def _read_gray_levels(path) -> np.ndarray:
    """(H, W) uint8."""
    with open_image(path) as opened:
        check_image_pixel_count(opened)
        return np.asarray(opened.convert("L"))


def _spell(shape: tuple[int, int]) -> str:
    return f"{shape[1]} wide x {shape[0]} high"
