"""report.png of unusual runs: without scores, with NaN, with few entries or very many, of all
sizes.
"""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from config.settings import Config
from config.stored import write_config
from evaluate import report
from evaluate.charts import GREEN, VERMILION
from evaluate.report import (
    GRID_SIDE,
    TALLEST_GRID,
    TILE_GAP,
    WIDTH,
    choose_grids_of_run,
    choose_images_for_report,
    describe_last_scores,
    describe_training_in_report,
    draw_grid_of_run,
    draw_report_of_run,
    find_best_entry,
    find_best_entry_of_run,
    plan_charts_of_run,
    write_report_of_run,
)
from runs.changes import record_changed_settings
from runs.claims import claim_folder
from runs.history import METRICS, locate_metrics
from utils import arrange_image_grid, encode_png

SCORED = {"frechet": 14.0, "frechet_floor": 2.0, "vendi": 1.1, "verdict": "healthy"}


def make_entry(step: int, **changes) -> dict:
    values = dict.fromkeys(METRICS, 0.5)
    return {"step": step, "epoch": step / 10, **values, "seconds": 1.0 * step} | changes


def write_entries(config: Config, entries: list[dict]) -> None:
    path = locate_metrics(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def write_grids(config: Config, steps, columns=4, rows=4) -> np.ndarray:
    """Noise; the images of the last grid."""
    config.sample_path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    shape = (columns * rows, config.height, config.width, config.c_dim)
    for name in ("reals", *(f"train_{step:08d}" for step in steps)):
        images = rng.integers(0, 256, shape, np.uint8)
        grid = arrange_image_grid(images, columns)
        (config.sample_path / f"{name}.png").write_bytes(encode_png(grid))
    return images


def list_titles(entries: list[dict]) -> list[str]:
    return [chart.title for chart in plan_charts_of_run(entries)]


def test_a_run_is_drawn_whole_and_again(tiny, messages):
    config = tiny()
    entries = [make_entry(10), make_entry(20, **SCORED)]
    write_entries(config, entries)
    write_grids(config, [20])
    path = write_report_of_run(config, needs_scores=True)
    assert path == config.run_dir / "evaluate" / "report.png"
    first = path.read_bytes()
    with Image.open(path) as picture:
        assert picture.width == WIDTH
        assert GREEN in {colour for _, colour in picture.getcolors(2**24)}  # the verdict's

    assert write_report_of_run(config).read_bytes() == first  # the same bytes
    write_entries(config, [*entries, make_entry(30)])
    assert write_report_of_run(config).read_bytes() != first
    assert messages == []  # our own file is replaced silently

    path.write_bytes(b"the user's")
    write_report_of_run(config)
    assert path.with_name("report.1.png").read_bytes() == b"the user's"
    assert "was moved aside to report.1.png" in messages[0]


def test_a_report_with_pictures_stays_where_they_are_away(tiny, tmp_path, messages):
    config = tiny(run_id="1", sample_dir=str(tmp_path / "drawn"))
    config.run_dir.mkdir(parents=True)
    write_config(config.resolve())
    write_entries(config, [make_entry(20, **SCORED)])
    write_grids(config, [20])
    claim_folder(config, config.sample_path)
    config.checkpoint_path.mkdir()
    (config.checkpoint_path / "step-1.index").touch()
    path = write_report_of_run(config)
    before = path.read_bytes()
    config.sample_path.rename(tmp_path / "moved")
    for _ in range(2):
        assert write_report_of_run(config).read_bytes() != before
    assert path.with_name("report.1.png").read_bytes() == before
    assert [text for text in messages if "was moved aside" in text] == [
        f"{path} was moved aside to report.1.png: it has more in it, such as those pictures."
    ]


def test_a_run_without_scores_is_drawn_where_that_is_asked_for(tiny):
    config = tiny()
    assert write_report_of_run(config) is None  # nothing is there
    assert not config.run_dir.exists()
    write_entries(config, [make_entry(10)])
    assert write_report_of_run(config, needs_scores=True) is None
    assert write_report_of_run(config).is_file()
    assert list_titles([make_entry(10)]) == ["Losses", "What the discriminator says"]


def test_what_cannot_be_written_is_a_line(tiny, messages):
    config = tiny()
    write_entries(config, [make_entry(10, **SCORED)])
    (config.run_dir / "evaluate").write_bytes(b"")  # no folder
    assert write_report_of_run(config, needs_scores=True) is None
    [line] = messages
    assert line.startswith(f"{config.run_dir / 'evaluate' / 'report.png'} cannot be written: ")


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "high", True, [1], 1e308])
def test_odd_numbers_leave_gaps(tiny, value):
    odd = make_entry(20, **dict.fromkeys((*METRICS, *SCORED, "epoch", "seconds"), value))
    entries = [make_entry(10, **SCORED), odd]
    assert find_best_entry(entries) == entries[0]
    losses = plan_charts_of_run(entries)[2].curves
    for curve in losses:
        np.testing.assert_array_equal(curve.values, [0.5, np.nan])
    assert plan_charts_of_run([odd]) == []
    assert describe_training_in_report(tiny(), [odd]).endswith("20 steps of 8 images")
    draw_report_of_run(tiny(), [odd])


def test_the_best_is_marked_and_the_last_verdict_said():
    falling = "collapsing, 90% of the diversity lost since step 20"
    entries = [
        make_entry(10, **SCORED | {"frechet": 99.0}),
        make_entry(20, **SCORED),
        make_entry(30, **SCORED | {"frechet": 1400.0, "vendi": 0.1, "verdict": falling}),
        make_entry(40),
    ]
    charts = plan_charts_of_run(entries)
    assert charts[0].mark == (14.0, "best: 14.0 at step 20")
    assert {chart.marked_step for chart in charts} == {20}
    assert charts[0].rules == {"floor: real images": 2.0}
    np.testing.assert_allclose(charts[1].curves[0].values, [110, 110, 10])
    numbers = "at step 30: Frechet distance 1,400, 700 times its floor, diversity 10%"
    assert describe_last_scores(entries) == (falling, numbers)
    older = {"frechet": 99.0, "vendi": 0.5}  # before floors and verdicts existed
    words = "Frechet distance 99.0, diversity 50%"
    assert describe_last_scores([make_entry(10, **older)]) == ("", words)
    assert describe_last_scores([make_entry(10)]) == ("", "")


def test_the_best_is_that_of_the_score_that_decides():
    entries = [
        make_entry(10, **SCORED | {"frechet": 20.0, "coverage": 0.52}),
        make_entry(20, **SCORED | {"coverage": 0.4}),
    ]
    [distance, *_] = plan_charts_of_run(entries, "coverage")
    assert (distance.mark, distance.marked_step) == ((20.0, "best coverage: 0.52 at step 10"), 10)
    _, numbers = describe_last_scores(entries, "coverage")
    assert numbers.endswith("7 times its floor, coverage 0.4, diversity 110%")


def test_scores_of_other_images_do_not_count_for_the_best(tiny):
    config = tiny(dataset_fingerprint="before")
    config.run_dir.mkdir(parents=True)
    write_config(config)
    record_changed_settings(dataclasses.replace(config, dataset_fingerprint="now"), 10)
    write_grids(config, [10, 20, 30])
    scores = (14.0, 99.0, 70.0, 80.0)
    steps = (10, 20, 30, 40)
    entries = [
        make_entry(step, **SCORED | {"frechet": score})
        for step, score in zip(steps, scores, strict=True)
    ]
    notes = [grid.note for grid in choose_grids_of_run(config, entries)]
    assert notes == ["the goal", "first", "in between", "best, last"]
    assert find_best_entry_of_run(config, entries) == entries[2]
    assert find_best_entry_of_run(config, entries[:1]) is None
    charts = plan_charts_of_run(entries, since=10)
    assert charts[0].mark == (70.0, "best: 70.0 at step 30")
    charts = plan_charts_of_run(entries[:1], since=10)  # scored, but only on other images
    assert [chart.title for chart in charts][:2] == ["Frechet distance to the dataset", "Diversity"]
    assert {(chart.mark, chart.marked_step) for chart in charts} == {(None, None)}
    draw_report_of_run(config, entries[:1])


def test_bad_news_are_in_another_colour(tiny):
    entries = [make_entry(10, **SCORED | {"verdict": "getting worse"})]
    picture = draw_report_of_run(tiny(), entries).crop((0, 100, 200, 150))
    colours = {colour for _, colour in picture.getcolors(2**16)}
    assert VERMILION in colours and GREEN not in colours


def test_no_verdict_is_neither_good_news_nor_bad(tiny):
    entries = [make_entry(10, **SCORED | {"verdict": "no verdict on so few images"})]
    picture = draw_report_of_run(tiny(), entries).crop((0, 100, 200, 150))
    colours = {colour for _, colour in picture.getcolors(2**16)}
    assert not {VERMILION, GREEN} & colours


def test_it_says_what_was_trained(tiny):
    config = tiny(dataset="/my/cats.zip", output_width=24, c_dim=4, batch_size=8)
    said = describe_training_in_report(config, [make_entry(2000, seconds=130.0)])
    assert said.split("   ·   ") == [
        *("dataset cats", "24x16 colour with transparency", "2,000 steps of 8 images"),
        *("each image shown 200 times", "trained for 2 minutes"),
    ]
    assert describe_training_in_report(config, []).endswith("transparency")


def test_the_first_the_best_and_the_last_grid_are_shown(tiny):
    config = tiny()
    write_grids(config, [5, 10, 15, 20, 40])
    entries = [make_entry(14, **SCORED), make_entry(20)]  # 40 is of a longer run
    titles = [(grid.title, grid.note) for grid in choose_grids_of_run(config, entries)]
    reals = ("the dataset", "the goal")
    best = ("step 15", "near the best")
    assert titles == [reals, ("step 5", "first"), best, ("step 20", "last")]

    entries = [make_entry(40, **SCORED)]
    titles = [(grid.title, grid.note) for grid in choose_grids_of_run(config, entries)]
    between = ("step 20", "in between")
    assert titles == [reals, ("step 5", "first"), between, ("step 40", "best, last")]
    assert choose_grids_of_run(tiny(out_name="other"), entries) == []


@pytest.mark.parametrize(
    ("settings", "columns", "rows"),
    [
        ({"output_height": 8, "c_dim": 4}, 8, 8),
        ({"output_height": 32, "c_dim": 1}, 8, 8),
        ({"output_height": 64}, 8, 8),
        ({"output_height": 512}, 4, 4),
        ({"output_height": 48, "output_width": 96}, 8, 8),
        ({"output_height": 96, "output_width": 16}, 8, 8),
        ({"output_height": 28, "labels": "own", "label_names": tuple("0123456789")}, 8, 10),
        ({"output_height": 16}, 1, 1),
    ],
)
def test_grids_of_all_sizes_fit(tiny, settings, columns, rows):
    config = tiny(**settings)
    (across, down), (width, height) = choose_images_for_report(config, columns, rows)
    used = across * (width + TILE_GAP) - TILE_GAP, down * (height + TILE_GAP) - TILE_GAP
    assert used[0] <= GRID_SIDE and used[1] <= TALLEST_GRID
    assert max(used[0] / GRID_SIDE, used[1] / TALLEST_GRID) > 0.6
    assert across <= columns and down == (rows if config.y_dim else min(rows, across))
    if width > config.width:  # every pixel as large as the others
        assert width % config.width == height % config.height == 0
    assert width / height == pytest.approx(config.width / config.height, rel=0.1)


def test_small_images_are_enlarged_exactly(tiny):
    config = tiny(output_height=8)
    images = write_grids(config, [5], columns=8, rows=8)
    pixels = np.asarray(draw_grid_of_run(config, config.sample_path / "train_00000005.png"))
    _, (side, _) = choose_images_for_report(config, 8, 8)
    times = side // 8
    for row, column in ((0, 0), (2, 3)):
        top, left = row * (side + TILE_GAP), column * (side + TILE_GAP)
        shown = pixels[top : top + side, left : left + side]
        image = images[row * 8 + column]
        np.testing.assert_array_equal(shown, image.repeat(times, 0).repeat(times, 1))


def test_transparent_pixels_are_white_and_gray_ones_gray(tiny):
    clear, gray = tiny(c_dim=4, out_name="clear"), tiny(c_dim=1, out_name="gray")
    for config, value in ((clear, (9, 9, 9, 0)), (gray, (70,))):
        config.sample_path.mkdir(parents=True)
        images = np.full((16, 16, 16, config.c_dim), value, np.uint8)
        path = config.sample_path / "reals.png"
        path.write_bytes(encode_png(arrange_image_grid(images)))
        pixels = np.asarray(draw_grid_of_run(config, path))
        assert tuple(pixels[3, 3]) == ((255,) * 3 if config is clear else (70,) * 3)


def test_a_grid_that_is_no_image_is_left_out(tiny):
    config = tiny()
    write_grids(config, [5, 10])
    (config.sample_path / "train_00000005.png").write_bytes(b"\x89PNG no image")
    assert draw_grid_of_run(config, config.sample_path / "train_00000005.png") is None
    entries = [make_entry(10, **SCORED)]
    draw_report_of_run(config, entries)


def test_of_a_long_run_few_lines_are_drawn(tiny, monkeypatch):
    monkeypatch.setattr(report, "LINES", 100)
    drawn, draw = [], report.draw_report_of_run
    monkeypatch.setattr(report, "draw_report_of_run", lambda c, e: drawn.append(e) or draw(c, e))
    entries = [make_entry(step) for step in range(1, 3001)]
    entries[1234] |= SCORED
    write_entries(tiny(), entries)
    assert write_report_of_run(tiny(), needs_scores=True)
    assert 50 < len(drawn[0]) <= 102
    assert entries[1234] in drawn[0] and drawn[0][-1] == entries[-1]
