"""Draws the last grids of several runs beside one another, two in a row: docs/recipes.png.

python -m docs.draw_recipes PATH TITLE=RUN [TITLE=RUN ...]
"""

import math
import sys
from pathlib import Path

from PIL import Image

from config.stored import read_config
from evaluate.charts import FAINT, PAPER, measure_words, write_words
from evaluate.report import GRID_SIDE, draw_grid_of_run
from runs.history import list_grids_of_run

COLUMNS = 2
MARGIN, GAP = 24, 32  # pixels, as all lengths here
HEADER = 52  # above each grid
TITLE, TEXT = 22, 17  # heights of the fonts


def draw_recipes(runs: dict[str, Path]) -> Image.Image:
    """runs: title -> folder of a run that has at least one grid."""
    rows = math.ceil(len(runs) / COLUMNS)
    width = 2 * MARGIN + COLUMNS * GRID_SIDE + (COLUMNS - 1) * GAP
    page = Image.new("RGB", (width, MARGIN + rows * (HEADER + GRID_SIDE + MARGIN)), PAPER)
    for number, (title, folder) in enumerate(runs.items()):
        row, column = divmod(number, COLUMNS)
        x = MARGIN + column * (GRID_SIDE + GAP)
        y = MARGIN + row * (HEADER + GRID_SIDE + MARGIN)
        config = read_config(folder / "config.json")
        grids = list_grids_of_run(config)
        write_words(page, (x, y + 16), title, TITLE)
        beside = x + measure_words(title, TITLE) + 12
        write_words(page, (beside, y + 16), f"{max(grids):,} steps", TEXT, FAINT)
        page.paste(draw_grid_of_run(config, grids[max(grids)]), (x, y + HEADER))
    return page


def main(arguments: list[str]) -> None:
    path, *pairs = arguments
    runs = {title: Path(run) for title, run in (pair.split("=", 1) for pair in pairs)}
    draw_recipes(runs).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
