"""Pictures: exact where there is room, never more than there is, and none that is no image."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from report.embedded import (
    FRAMES,
    GRID_WIDTH,
    WIDEST,
    choose_evenly,
    choose_size_of_grid,
    choose_steps_of_frames,
    choose_width,
    collect_pictures,
    encode_grid,
)
from utils import encode_png


def write_noise(path, height=64, width=64, channels=3) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)
    path.write_bytes(encode_png(pixels))
    return path.read_bytes()


def decode(picture) -> tuple[bytes, Image.Image]:
    content = base64.b64decode(picture.uri.partition(",")[2])
    return content, Image.open(io.BytesIO(content))


def write_grids(config, steps) -> None:
    for step in steps:
        write_noise(config.sample_path / f"train_{step:08d}.png")


def test_a_picture_with_room_is_the_file_itself(tiny):
    path = tiny().sample_path / "reals.png"
    content = write_noise(path)
    picture = encode_grid(tiny(), path, len(content))
    assert picture.is_exact and decode(picture)[0] == content
    assert (picture.width, picture.height) == (GRID_WIDTH // 64 * 64,) * 2


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_picture_without_room_is_compressed_into_it(tiny, channels):
    path = tiny().sample_path / "reals.png"
    room = len(write_noise(path, 128, 128, channels)) // 4
    picture = encode_grid(tiny(), path, room)
    content, image = decode(picture)
    assert len(content) == picture.size <= room and not picture.is_exact
    assert (image.mode == "RGBA") == (channels == 4)


@pytest.mark.parametrize("content", [b"", b"\x89PNG no image", None])
def test_what_is_no_image_is_left_out(tiny, content):
    path = tiny().sample_path / "reals.png"
    whole = write_noise(path)
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert encode_grid(tiny(), path, 10**6) is None
    assert encode_grid(tiny(), path.with_name("none.png"), 10**6) is None


def test_early_grids_are_the_denser_ones(tiny):
    config = tiny()
    for step in range(100, 10_001, 100):
        path = config.sample_path / f"train_{step:08d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    entries = [{"step": 7300, "frechet": 2.0}, {"step": 9000, "frechet": 3.0}]
    steps = choose_steps_of_frames(config, entries)
    assert len(steps) == FRAMES
    assert steps[0] == 100 and steps[-1] == 9000  # later grids are of before it went back
    assert 7300 in steps  # the best
    assert np.median(steps) < 3000


def test_of_few_grids_all_are_shown(tiny):
    write_grids(tiny(), [1, 5, 9])
    assert choose_steps_of_frames(tiny(), []) == [1, 5, 9]
    assert choose_steps_of_frames(tiny(out_name="other"), []) == []


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 10, 11])
def test_the_printed_ones_are_spread_from_the_first_to_the_last(count):
    chosen = choose_evenly(count, 4)
    assert len(chosen) == min(count, 4) and chosen <= {*range(count)}
    assert not count or {0, count - 1} <= chosen


def test_very_large_grids_are_cut_to_whole_images(tiny):
    large = tiny(output_height=256, output_width=512)
    assert choose_size_of_grid(large, (4096, 2048)) == (2048, 1024)
    plain, labelled = tiny(), tiny(labels="own", label_names=tuple(map(str, range(100))))
    assert choose_size_of_grid(plain, (128, 128)) == (128, 128)
    assert choose_size_of_grid(plain, (1600, 1600)) == (WIDEST, WIDEST)
    assert choose_size_of_grid(labelled, (128, 1600)) == (128, 1600)


@pytest.mark.parametrize(("size", "width"), [((512, 512), 512), ((224, 280), 448), ((1, 900), 1)])
def test_pixels_are_shown_at_whole_multiples(size, width):
    assert choose_width(*size) == width
    assert choose_width(2000, 100) == GRID_WIDTH


def test_everything_together_fits(tiny):
    config = tiny()
    write_grids(config, range(1, 15))
    write_noise(config.sample_path / "reals.png")
    write_noise(config.run_dir / "evaluate" / "memorisation.png", 200, 100)
    for name in ("walk", "walk.1", "mine"):
        write_noise(config.run_dir / "explore" / name / "<b>.png", 100, 300)
    (config.run_dir / "explore" / "filters").mkdir()
    found = collect_pictures(config, [], 100_000)
    assert [name[:2] for name in found.experiments] == [("walk", "<b>.png")]
    assert found.frames[-1].picture.is_exact and found.reals and found.nearest
    assert sum(frame.is_printed for frame in found.frames) == 4
    pictures = [frame.picture for frame in found.frames] + [found.reals, found.nearest]
    assert sum(one.size for one in (*pictures, found.experiments[0][2])) <= 100_000
