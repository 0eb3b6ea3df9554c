"""Draws docs/healthy.png: a healthy run beside one that collapsed, from their folders.

python -m docs.draw_runs HEALTHY COLLAPSED [PATH]
"""

import sys
from pathlib import Path

from PIL import Image

from config.settings import Config
from config.stored import read_config
from evaluate.charts import (
    FAINT,
    GREEN,
    PAPER,
    VERMILION,
    choose_axis_for_chart,
    draw_chart,
    measure_words,
    write_words,
)
from evaluate.report import (
    GRID_SIDE,
    LINES,
    describe_last_scores,
    draw_grid_of_run,
    plan_charts_of_run,
)
from runs.history import list_grids_of_run, locate_metrics, read_thinned_metrics_of_run

PICTURE = Path(__file__).parent / "healthy.png"
WIDTH, MARGIN = 1440, 30  # pixels, like all lengths here
GAP = 40  # between the two runs
COLUMN = (WIDTH - 2 * MARGIN - GAP) // 2
HEADER, CHART_HEIGHT, CHART_GAP = 84, 232, 22
CHARTS = 3  # the distance, diversity, the losses
TITLE, TEXT = 24, 17  # heights of the fonts


def draw_two_runs(runs: list[Config]) -> Image.Image:
    """Both with the same axes, so that they can be compared."""
    histories = [read_thinned_metrics_of_run(locate_metrics(run), LINES) for run in runs]
    charts = [plan_charts_of_run(history)[:CHARTS] for history in histories]
    axes = [choose_axis_for_chart(*both) for both in zip(*charts, strict=True)]
    last_step = max(history[-1]["step"] for history in histories)

    grids_top = HEADER + CHARTS * (CHART_HEIGHT + CHART_GAP)
    page = Image.new("RGB", (WIDTH, grids_top + 40 + GRID_SIDE + MARGIN), PAPER)
    for number, (run, history) in enumerate(zip(runs, histories, strict=True)):
        x = MARGIN + number * (COLUMN + GAP)
        write_verdict_of_run(page, (x, 44), history, (GREEN, VERMILION)[number])
        for row, (chart, axis) in enumerate(zip(charts[number], axes, strict=True)):
            picture = draw_chart(chart, (COLUMN, CHART_HEIGHT), last_step, axis)
            page.paste(picture, (x, HEADER + row * (CHART_HEIGHT + CHART_GAP)))
        paste_two_grids(page, (x, grids_top), run, charts[1][0].marked_step)
    return page


def write_verdict_of_run(page: Image.Image, place: tuple, history: list[dict], colour) -> None:
    write_words(page, place, f"Verdict: {describe_last_scores(history)[0]}", TITLE, colour)


def paste_two_grids(page: Image.Image, corner: tuple, run: Config, step: int) -> None:
    """The grid of `step`, and the run's last one."""
    paths = list_grids_of_run(run)
    for number, shown in enumerate((step, max(paths))):
        x, y = corner[0] + number * (COLUMN - GRID_SIDE), corner[1]
        write_words(page, (x, y + 14), f"step {shown:,}", TEXT)
        if number:
            beside = x + measure_words(f"step {shown:,}", TEXT) + 10
            write_words(page, (beside, y + 14), "the same random numbers", TEXT, FAINT)
        page.paste(draw_grid_of_run(run, paths[shown]), (x, y + 36))


def main(arguments: list[str]) -> None:
    runs = [read_config(Path(folder) / "config.json") for folder in arguments[:2]]
    path = Path(arguments[2]) if arguments[2:] else PICTURE
    draw_two_runs(runs).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
