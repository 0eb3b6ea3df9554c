"""The files that --image names, decoded, cropped and resized as the run's dataset is."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from config.settings import Config
from data.load import choose_crop_and_resize
from data.packing.decode import decode_image
from data.packing.workers import explain_unreadable_image
from explore.captions import MIN_SIDE, enlarge
from system.files import expand_home
from system.text import shorten_for_error
from utils import arrange_image_grid

MAX_IMAGES = 64  # half an hour's work
COLUMNS = 8  # images beside one another in a picture


class GivenImage(NamedTuple):
    """name: of the file. pixels: (H, W, C) uint8, as the networks take it. size: (height, width) of
    the upright original, in pixels.
    """

    name: str
    pixels: np.ndarray
    size: tuple[int, int]


def read_given_images(text: str, config: Config) -> list[GivenImage]:
    """The images in the value of --image, which are paths with commas between them.

    They become gray, RGB or RGBA, whichever the run has. Raises ValueError for a file that is
    missing or unreadable, for a folder, and for more than MAX_IMAGES.
    """
    is_one_file = os.path.isfile(text)  # noqa: PTH113  (Path's own raises for a long text)
    names = [text] if is_one_file else [part.strip() for part in text.split(",")]
    if len(names) > MAX_IMAGES:
        raise ValueError(
            f"--image must be at most {MAX_IMAGES} files. Received: {len(names):,}. Give fewer."
        )
    return [read_given_image(name, config) for name in names]


def read_given_image(name: str, config: Config) -> GivenImage:
    """One file of --image; raises ValueError if it cannot be read."""
    geometry, channels = choose_crop_and_resize(config), config.network_config().image_shape[-1]
    decoded = read_image_file(name, "image", lambda path: decode_image(path, geometry, channels))
    return GivenImage(Path(name).name, decoded.pixels, decoded.size)


def read_image_file(name: str, flag: str, read: Callable):
    """read(path); raises ValueError, which names the flag and the file, if it fails."""
    try:
        return read(expand_home(name))
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        raise ValueError(
            f"--{flag} must be a readable image file. Received: "
            f"{shorten_for_error(name) or 'nothing'}: {explain_unreadable_image(error)}. "
            f"Check the path{'; commas separate several images' if flag == 'image' else ''}."
        ) from error


def arrange_rows_of_images(rows: list[np.ndarray]) -> np.ndarray:
    """One picture of `rows`, each (N, H, W, C) uint8: what belongs together is one above the other.

    If there are more than COLUMNS images, all the rows follow again for the next ones. Small images
    are enlarged. Unused places are black.
    """
    count = len(rows[0])
    columns = min(count, COLUMNS)
    padding = [(0, -count % columns), (0, 0), (0, 0), (0, 0)]
    tiles = np.stack([np.pad(row, padding) for row in rows])  # (rows, n, H, W, C)
    bands = [tiles[:, first : first + columns] for first in range(0, count, columns)]
    ordered = np.stack(bands)  # (bands, rows, columns, H, W, C)
    # -> (bands * rows * columns, H, W, C)
    return arrange_image_grid(enlarge(ordered.reshape(-1, *tiles.shape[2:]), MIN_SIDE), columns)
