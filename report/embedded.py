"""Pictures inside the report: which of them, at what size, and how many bytes they may take."""

import base64
import contextlib
import io
import math
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from config.settings import Config
from evaluate.report import SIZE_ERRORS, find_best_entry_of_run
from explore.experiments import EXPERIMENTS
from runs.history import list_grids_of_run

FRAMES = 10  # grids at most
PRINTED_FRAMES = 4  # of them on paper
GRID_WIDTH = 560  # pixels of the page at most, for one of the two grids side by side
WIDEST, TALLEST = 1120, 2240  # pixels of an embedded grid: sharp on screens of twice the density
FEWEST_COLUMNS = 4  # of a grid that is cut
QUALITIES = (92, 84, 72, 55)  # of WebP, tried in this order
SMALLEST_SIDE = 64  # pixels: nothing is made smaller than this
# Shares of all the room for pictures.
SHARE_OF_LAST, SHARE_OF_REALS, SHARE_OF_OTHERS = 0.30, 0.20, 0.15
PICTURES_OF_EXPERIMENT = 3
WIDTH_OF_EXPERIMENT = 720  # pixels
NEAREST = "memorisation.png"  # of --evaluate, in evaluate/


class Picture(NamedTuple):
    """uri: the picture as a data: address. width: on the page, in pixels. size: bytes it takes.

    is_exact: whether its pixels are those of the file.
    """

    uri: str
    width: int
    height: int
    size: int
    is_exact: bool


class Frame(NamedTuple):
    step: int
    picture: Picture
    is_printed: bool


class Pictures(NamedTuple):
    """All pictures of a report. experiments: (name, file's name, picture)."""

    frames: list[Frame]
    reals: Picture | None
    nearest: Picture | None
    experiments: list[tuple[str, str, Picture]]


def collect_pictures(config: Config, entries: list[dict], room: int) -> Pictures:
    """Reads the pictures that the run has and makes them take at most `room` bytes.

    The last grid and the reals stay as they are if they can; earlier grids share what is left.
    """
    nearest = encode_file(
        config.run_dir / "evaluate" / NEAREST, room * SHARE_OF_OTHERS / 2, WIDTH_OF_EXPERIMENT
    )
    found = list_pictures_of_experiments(config)
    share = room * SHARE_OF_OTHERS / (1 + len(found))
    shown = [(*names, encode_file(path, share, WIDTH_OF_EXPERIMENT)) for *names, path in found]
    experiments = [one for one in shown if one[-1]]

    reals = encode_grid(config, config.sample_path / "reals.png", room * SHARE_OF_REALS)
    steps = choose_steps_of_frames(config, entries)
    grids = list_grids_of_run(config)
    last = encode_grid(config, grids[steps[-1]], room * SHARE_OF_LAST) if steps else None

    taken = sum(one.size for one in (nearest, reals, last, *(e[-1] for e in experiments)) if one)
    share = (room - taken) / max(len(steps) - 1, 1)
    pictures = [encode_grid(config, grids[step], share) for step in steps[:-1]] + [last]
    kept = [(step, one) for step, one in zip(steps, pictures[: len(steps)], strict=True) if one]
    printed = choose_evenly(len(kept), PRINTED_FRAMES)
    frames = [Frame(step, one, number in printed) for number, (step, one) in enumerate(kept)]
    return Pictures(frames, reals, nearest, experiments)


def choose_steps_of_frames(config: Config, entries: list[dict]) -> list[int]:
    """Steps of at most FRAMES grids, ascending: more of the early ones, when images change most.

    The first, the last and the one of the best score are among them. Grids after the last entry
    are left out: they are from before the run went back.
    """
    last_step = max((entry["step"] for entry in entries), default=math.inf)
    steps = [step for step in list_grids_of_run(config) if step <= last_step]
    if len(steps) <= FRAMES:
        return steps
    places = [(number / FRAMES) ** 2 * steps[-1] for number in range(1, FRAMES + 1)]
    chosen = [min(steps, key=lambda step: abs(step - place)) for place in places]
    chosen[0] = steps[0]
    if best := find_best_entry_of_run(config, entries):
        nearest = min(steps, key=lambda step: abs(step - best["step"]))
        inner = range(1, FRAMES - 1)
        chosen[min(inner, key=lambda number: abs(chosen[number] - nearest))] = nearest
    return sorted({*chosen})


def choose_evenly(count: int, most: int) -> set[int]:
    """At most `most` of the numbers from 0 to count - 1, with both ends."""
    if count <= most:
        return {*range(count)}
    return {round(number * (count - 1) / (most - 1)) for number in range(most)}


def list_pictures_of_experiments(config: Config) -> list[tuple[str, str, Path]]:
    """(experiment, file's name, path) of the pictures in explore/, in the order of the list."""
    found = []
    for name in EXPERIMENTS:
        paths = sorted((config.run_dir / "explore" / name).glob("*.png"))
        found += [(name, path.name, path) for path in paths[:PICTURES_OF_EXPERIMENT]]
    return found


def encode_grid(config: Config, path: Path, room: float) -> Picture | None:
    """A grid of samples, cut to fewer of its images if it is very large; None if it is no image."""
    with contextlib.suppress(*SIZE_ERRORS):
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as file:
            size = choose_size_of_grid(config, file.size)
            width = choose_width(*size)
            if size == file.size:
                return encode_picture(file, room, content=content, width=width)
            return encode_picture(file.crop((0, 0, *size)), room, width=width)
    return None


def choose_size_of_grid(config: Config, size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of the part of a grid to show: as many whole images as fit.

    A network with labels has one in each row, so all rows are shown.
    """
    columns = max(min(size[0], WIDEST) // config.width, FEWEST_COLUMNS)
    width = min(size[0], columns * config.width)
    if config.y_dim:
        return width, size[1]
    rows = max(min(size[1], WIDEST) // config.height, FEWEST_COLUMNS)
    return width, min(size[1], rows * config.height)


def choose_width(width: int, height: int) -> int:
    """How wide a grid is on the page: a whole multiple of its pixels, so that they stay sharp."""
    times = min(GRID_WIDTH // width, 2 * GRID_WIDTH // height)
    return width * times if times else min(width, GRID_WIDTH)


def encode_file(path: Path, room: float, widest: int) -> Picture | None:
    """A picture that is no grid; None if it is missing or no image."""
    with contextlib.suppress(*SIZE_ERRORS):
        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as file:
            return encode_picture(file, room, content=content, width=min(file.width, widest))
    return None


def encode_picture(
    picture: Image.Image, room: float, *, width: int, content: bytes = b""
) -> Picture:
    """A picture in at most `room` bytes where that is possible at all.

    width: on the page. content: the file that it comes from, which stays as it is if it fits and is
    a PNG.
    """
    height = round(picture.height * width / picture.width)
    picture.load()  # raises an error for a file that is cut short
    if content and picture.format == "PNG" and len(content) <= room:
        return Picture(_make_data_uri(content, "png"), width, height, len(content), True)

    has_alpha = "A" in picture.getbands() or "transparency" in picture.info
    smaller = picture.convert("RGBA" if has_alpha else "RGB")
    smaller.thumbnail((WIDEST, TALLEST))
    while True:
        for quality in QUALITIES:
            content = _encode_as_webp(smaller, quality)
            if len(content) <= room:
                break
        if len(content) <= room or min(smaller.size) < 2 * SMALLEST_SIDE:
            return Picture(_make_data_uri(content, "webp"), width, height, len(content), False)
        smaller = smaller.reduce(2)


def _encode_as_webp(picture: Image.Image, quality: int) -> bytes:
    content = io.BytesIO()
    picture.save(content, "WEBP", quality=quality, method=2)
    return content.getvalue()


def _make_data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
