"""Boxes around something in samples: read from a file, and as positions of feature maps."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from explore.captions import make_rgb
from explore.choices import MAX_SAMPLE_NUMBER
from system.text import shorten_for_error

MAX_BYTES = 1_000_000  # of a file; a person draws a few dozen boxes
COLOUR = (255, 0, 0)  # of a box in a picture


class Box(NamedTuple):
    """A box in pixels of a sample; right and bottom are the first column and row outside."""

    sample: int
    left: int
    top: int
    right: int
    bottom: int


def read_boxes(path: Path, height: int, width: int) -> list[Box]:
    """The boxes of a text file with a line `sample left top right bottom` for each.

    height, width: of an image, in pixels. Empty lines and those that start with # are skipped.
    Raises ValueError, which names the line, for anything else.
    """
    boxes, size = [], path.stat().st_size
    if size > MAX_BYTES:
        _refuse(path, f"a file of {size:,} bytes, and at most {MAX_BYTES:,} are allowed")
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                boxes.append(_read_box(line, path, number, height, width))

    if not boxes:
        _refuse(path, "a file without boxes")
    return boxes


def _read_box(line: str, path: Path, number: int, height: int, width: int) -> Box:
    fields = line.split()
    received = f"line {number}: {shorten_for_error(line.strip())}"
    if len(fields) != 5 or not all(f.isdecimal() and len(f) < 10 for f in fields):
        _refuse(path, received)

    box = Box(*map(int, fields))
    if box.sample > MAX_SAMPLE_NUMBER:
        _refuse(path, f"{received}. The number of a sample is at most {MAX_SAMPLE_NUMBER:,}")
    if not (box.left < box.right <= width and box.top < box.bottom <= height):
        _refuse(path, f"{received}. Images are {width} wide and {height} high")
    return box


def _refuse(path: Path, received: str) -> None:
    raise ValueError(
        f"--forget must be a file with lines such as 17 20 22 44 34: the number of a sample, then "
        f"left, top, right and bottom of a box in pixels. Received: {path}, {received}. "
        "--explore contact_sheet shows the numbers."
    )


def mark_positions_in_box(box: Box, maps: tuple[int, int], image: tuple[int, int]) -> np.ndarray:
    """Which positions of feature maps are in a box: bool (h, w).

    maps: (h, w). image: (H, W). Position i of h stands for the pixels from i * H / h on; it is in
    the box if the centre of these is. A box too small to hold any has the one nearest to its own.
    """
    rows = _mark_centres(box.top, box.bottom, maps[0], image[0])
    columns = _mark_centres(box.left, box.right, maps[1], image[1])
    return rows[:, None] & columns


def _mark_centres(start: int, end: int, count: int, side: int) -> np.ndarray:
    centres = (np.arange(count) + 0.5) * side / count
    inside = (start <= centres) & (centres < end)
    if not inside.any():
        inside[np.abs(centres - (start + end) / 2).argmin()] = True
    return inside


def draw_boxes(image: np.ndarray, boxes: list[Box]) -> np.ndarray:
    """A copy (H, W, 3) of an image (H, W, C) with outlines just inside the boxes' edges."""
    canvas = Image.fromarray(make_rgb(image))
    for box in boxes:
        edges = (box.left, box.top, box.right - 1, box.bottom - 1)
        ImageDraw.Draw(canvas).rectangle(edges, outline=COLOUR)
    return np.asarray(canvas)
