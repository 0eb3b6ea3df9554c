"""report.png: a run in one picture, for people who would rather look than read."""

import contextlib
import io
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging
from PIL import Image, ImageDraw

from config.settings import Config, name_folder_after_dataset_setting
from evaluate.charts import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    PAPER,
    VERMILION,
    Chart,
    Curve,
    draw_chart,
    measure_words,
    write_words,
)
from runs.best import find_best_scored_entry
from runs.changes import find_last_step_of_other_images
from runs.claims import keep_report_with_pictures_aside
from runs.history import (
    list_grids_of_run,
    locate_metrics,
    read_number_of_entry,
    read_thinned_metrics_of_run,
)
from system.console import explain_error
from system.text import escape_unprintable, format_duration_in_words
from system.written import FileSeries

REPORT = "report.png"
LINES = 1000  # of metrics.jsonl at most, besides those with scores
WIDTH, MARGIN = 1440, 36  # pixels, like all lengths here
HEADER = 172  # the height above the charts
CHART_GAP, CHART_HEIGHT = 28, 264
GRIDS, GRID_GAP = 4, 18  # side by side: the reals, the first, the best, the last
GRID_SIDE = (WIDTH - 2 * MARGIN - (GRIDS - 1) * GRID_GAP) // GRIDS
TALLEST_GRID = GRID_SIDE * 5 // 4
TILE_GAP = 2  # between the images of a grid
ABOVE_GRIDS = 76  # for what is written above them
FEWEST_COLUMNS = 4  # of a grid that is shown in part, so that its images are larger
NAME, VERDICT, TITLE, FACTS, TEXT = 32, 22, 18, 17, 15  # heights of the fonts

CHANNELS = {1: "gray", 3: "colour", 4: "colour with transparency"}
# Colours of verdicts by their beginning; any other verdict is bad news.
COLOURS_OF_VERDICTS = {
    "healthy": GREEN,
    "too early": FAINT,
    "little diversity": FAINT,
    "no verdict": FAINT,
}
NO_SCORES = (
    "This run was not scored, and losses do not say how good images are: look at the images."
)
SIZE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
)  # of files that are not images


class GridOfRun(NamedTuple):
    title: str
    note: str  # after the title
    path: Path


def write_report_of_run(config: Config, *, needs_scores: bool = False) -> Path | None:
    """Draws <run>/evaluate/report.png again and returns its path. Returns None if there is nothing
    to draw or, if `needs_scores`, no score from training.

    On failure it warns and returns None: a picture never stops training. A file of that name that
    the program did not write is moved aside, and so is one with pictures that are away now. Takes
    under a second; with a million lines in metrics.jsonl, 3 seconds, and no more memory than with a
    thousand.
    """
    folder = config.run_dir / "evaluate"
    try:
        entries = read_thinned_metrics_of_run(locate_metrics(config), LINES)
        has_any = entries or list_grids_of_run(config)
        if not (find_best_entry(entries) if needs_scores else has_any):
            return None
        content = io.BytesIO()
        draw_report_of_run(config, entries).save(content, "PNG")
        keep_report_with_pictures_aside(config, folder / REPORT, len(content.getvalue()))
        folder.mkdir(parents=True, exist_ok=True)
        FileSeries(folder, what="the report").write_file_of_series(REPORT, content.getvalue())
    except Exception as error:  # the run's folder may hold anything
        reason = getattr(error, "strerror", None) or explain_error(error).rstrip(".")
        text = "%s cannot be written: %s. --evaluate draws it again."
        logging.warning(text, folder / REPORT, reason)
        return None
    return folder / REPORT


def draw_report_of_run(config: Config, entries: list[dict]) -> Image.Image:
    """The picture; it depends only on the entries of metrics.jsonl, the settings with their changes
    and the grids.
    """
    since = find_last_step_of_other_images(config.run_dir)
    charts = plan_charts_of_run(entries, config.eval_metric, since=since)
    last_step = max((entry["step"] for entry in entries), default=0)
    grids = choose_grids_of_run(config, entries)
    drawn = [draw_grid_of_run(config, grid.path) for grid in grids]

    rows = math.ceil(len(charts) / 2)
    below_charts = HEADER + rows * (CHART_HEIGHT + CHART_GAP)
    tallest = max((picture.height for picture in drawn if picture), default=0)
    height = below_charts + (ABOVE_GRIDS + tallest if tallest else 0) + MARGIN
    page = Image.new("RGB", (WIDTH, height), PAPER)

    _write_header_of_report(page, config, entries)
    width = (WIDTH - 2 * MARGIN - CHART_GAP) // 2
    for number, chart in enumerate(charts):
        x = MARGIN + number % 2 * (width + CHART_GAP)
        y = HEADER + number // 2 * (CHART_HEIGHT + CHART_GAP)
        page.paste(draw_chart(chart, (width, CHART_HEIGHT), last_step), (x, y))
    if tallest:
        _paste_grids_with_titles(page, below_charts, grids, drawn)
    return page


def find_best_entry_of_run(config: Config, entries: list[dict]) -> dict | None:
    """The entry with the best --eval_metric; None without scores of the images it has now."""
    since = find_last_step_of_other_images(config.run_dir)
    return find_best_entry(entries, config.eval_metric, since=since)


def find_best_entry(entries: list[dict], metric: str = "frechet", *, since: int = 0) -> dict | None:
    """The entry of metrics.jsonl with the best score of this name; None without scores.

    since: scores up to this step were of other images and do not count.
    """
    scored = [entry for entry in entries if read_number_of_entry(entry, "frechet") > 0]
    return find_best_scored_entry([entry for entry in scored if entry["step"] > since], metric)


def plan_charts_of_run(
    entries: list[dict], metric: str = "frechet", *, since: int = 0
) -> list[Chart]:
    """The charts that entries of metrics.jsonl have numbers for; the best `metric` is marked.

    since: as in `find_best_entry`.
    """
    best = find_best_entry(entries, metric, since=since)
    marked = {"marked_step": best and best["step"]}
    charts = [*_plan_charts_of_scores(entries, best, metric)]

    d_loss = make_curve_of_entries(entries, "d_loss", "discriminator", BLUE, jumps=True)
    g_loss = make_curve_of_entries(entries, "g_loss", "generator", VERMILION, jumps=True)
    note = "they jump, and do not say how good images are"
    charts.append(Chart("Losses", note, [d_loss, g_loss], {}, ends=(0, 1), **marked))

    real = make_curve_of_entries(entries, "d_real", "real images", BLUE, jumps=True)
    fake = make_curve_of_entries(entries, "d_fake", "generated images", VERMILION, jumps=True)
    title, note = "What the discriminator says", "D(x) and D(G(z)): how real it finds images"
    rules = {"it cannot tell": 0.5}
    charts.append(Chart(title, note, [real, fake], rules, ends=(0, 1), **marked))
    return [c for c in charts if any(np.isfinite(curve.values).any() for curve in c.curves)]


def _plan_charts_of_scores(
    entries: list[dict], best: dict | None, metric: str
) -> tuple[Chart, Chart]:
    scored = [entry for entry in entries if read_number_of_entry(entry, "frechet") > 0]
    score = make_curve_of_entries(scored, "frechet", "this run", BLUE)
    floors = [
        floor for entry in scored if (floor := read_number_of_entry(entry, "frechet_floor")) > 0
    ]
    name = "best" if metric == "frechet" else f"best {metric}"
    mark = best and (
        best["frechet"],
        f"{name}: {format_score(best[metric])} at step {best['step']:,}",
    )
    distance = Chart(
        "Frechet distance to the dataset",
        "lower is better",
        [score],
        {"floor: real images": floors[-1]} if floors else {},
        is_logarithmic=True,
        marked_step=best and best["step"],
        mark=mark,
    )

    share = make_curve_of_entries(scored, "vendi", "this run", BLUE, scale=100)
    diversity = Chart(
        "Diversity",
        "Vendi score, in % of the dataset's",
        [share],
        {"the dataset": 100},
        ends=(0, 100),
        marked_step=best and best["step"],
        unit="%",
    )
    return distance, diversity


def make_curve_of_entries(
    entries: list[dict], key: str, name: str, colour: tuple, *, scale: float = 1, jumps=False
) -> Curve:
    """The numbers that entries have under `key`, times `scale`."""
    shown = [entry for entry in entries if key in entry]
    steps = np.array([entry["step"] for entry in shown], float)
    values = np.array([scale * read_number_of_entry(entry, key) for entry in shown], float)
    return Curve(name, colour, steps, values, jumps)


def format_score(value: float) -> str:
    """Three digits or more: 3,410, 13.0, 1.62, 0.0312."""
    if abs(value) < 1:
        return f"{value:.3g}"
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def _write_header_of_report(page: Image.Image, config: Config, entries: list[dict]) -> None:
    """The run's name, what was trained, and the last verdict."""
    name = _shorten_words_of_report(escape_unprintable(config.name), NAME, WIDTH - 2 * MARGIN)
    write_words(page, (MARGIN, 46), name, NAME)
    facts = _shorten_words_of_report(
        describe_training_in_report(config, entries), FACTS, WIDTH - 2 * MARGIN
    )
    write_words(page, (MARGIN, 84), facts, FACTS, FAINT)

    verdict, numbers = describe_last_scores(entries, config.eval_metric)
    starts = COLOURS_OF_VERDICTS.items()
    colour = next((c for start, c in starts if verdict.startswith(start)), VERMILION)
    x = MARGIN
    if verdict:
        _draw_round_mark(page, (MARGIN + 8, 128), colour)
        write_words(page, (MARGIN + 26, 127), f"Verdict: {verdict}", VERDICT, colour)
        x = MARGIN + 26 + measure_words(f"Verdict: {verdict}", VERDICT) + 18
    write_words(page, (x, 129), numbers or NO_SCORES, FACTS, INK)


def _draw_round_mark(page: Image.Image, middle: tuple[int, int], colour: tuple) -> None:
    """A smooth dot of 16 pixels."""
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).ellipse((0, 0, 63, 63), fill=255)
    page.paste(colour, (middle[0] - 8, middle[1] - 8), mask.reduce(4))


def _shorten_words_of_report(words: str, size: int, width: float) -> str:
    """The beginning that fits into `width` pixels, with "..." if something was cut."""
    short = words
    while short and measure_words(words if short == words else short + "...", size) > width:
        short = short[:-1]
    return short if short == words else short + "..."


def describe_training_in_report(config: Config, entries: list[dict]) -> str:
    """Such as: dataset digits, 32x32 gray, 1,500 steps of 64 images ..."""
    size = f"{config.width}x{config.height} {CHANNELS.get(config.c_dim, '')}".strip()
    facts = [
        f"dataset {escape_unprintable(name_folder_after_dataset_setting(config.dataset))}",
        size,
    ]
    if entries:
        facts.append(f"{entries[-1]['step']:,} steps of {config.images_per_step} images")
    epochs = [read_number_of_entry(entry, "epoch") for entry in entries[-1:]]
    facts += [f"each image shown {format_score(epoch)} times" for epoch in epochs if epoch > 0]
    seconds = [read_number_of_entry(entry, "seconds") for entry in entries[-1:]]
    facts += [f"trained for {format_duration_in_words(told)}" for told in seconds if told > 0]
    return "   ·   ".join(facts)


def describe_last_scores(entries: list[dict], metric: str = "frechet") -> tuple[str, str]:
    """The last verdict and its numbers; ("", "") without scores.

    metric: the one that decides which checkpoint is the best.
    """
    scored = [entry for entry in entries if read_number_of_entry(entry, "frechet") > 0]
    if not scored:
        return "", ""
    last = scored[-1]
    words = last.get("verdict")
    numbers = f"Frechet distance {format_score(last['frechet'])}"
    floor, diversity = (
        read_number_of_entry(last, "frechet_floor"),
        read_number_of_entry(last, "vendi"),
    )
    numbers += f", {last['frechet'] / floor:,.0f} times its floor" if floor > 0 else ""
    other = math.nan if metric == "frechet" else read_number_of_entry(last, metric)
    numbers += f", {metric} {format_score(other)}" if math.isfinite(other) else ""
    numbers += f", diversity {diversity:.0%}" if diversity >= 0 else ""
    verdict = escape_unprintable(words, limit=70) if isinstance(words, str) else ""
    return verdict, f"at step {last['step']:,}: {numbers}" if verdict else numbers


def choose_grids_of_run(config: Config, entries: list[dict]) -> list[GridOfRun]:
    """The reals, and the first, best and last grids; "best" is the nearest to the best score."""
    last_step = max((entry["step"] for entry in entries), default=math.inf)
    paths = {step: p for step, p in list_grids_of_run(config).items() if step <= last_step}
    best = find_best_entry_of_run(config, entries)
    titles = {}
    if paths:
        titles[min(paths)] = "first"
        if best:
            nearest = min(paths, key=lambda step: (abs(step - best["step"]), step))
            name = "best" if nearest == best["step"] else "near the best"
            titles[nearest] = f"{titles[nearest]}, {name}" if nearest in titles else name
        titles[max(paths)] = f"{titles[max(paths)]}, last" if max(paths) in titles else "last"
        if len(titles) < GRIDS - 1:
            middle = (min(paths) + max(paths)) / 2
            titles.setdefault(min(paths, key=lambda step: abs(step - middle)), "in between")

    reals = config.sample_path / "reals.png"
    grids = [GridOfRun("the dataset", "the goal", reals)] if reals.is_file() else []
    notes = [(step, f"step {step:,}") for step in sorted(titles)]
    return grids + [GridOfRun(note, titles[step], paths[step]) for step, note in notes]


def draw_grid_of_run(config: Config, path: Path) -> Image.Image | None:
    """A grid, or as many of its first images as fit at a large size; None if it is not an image."""
    with contextlib.suppress(*SIZE_ERRORS), Image.open(path) as file:
        columns, rows = file.width // config.width, file.height // config.height
        shown, tile = choose_images_for_report(config, max(columns, 1), max(rows, 1))
        part = file.crop((0, 0, shown[0] * config.width, shown[1] * config.height))
        return _set_images_apart(_put_report_tile_on_white(part), shown, tile)
    return None


def _set_images_apart(
    grid: Image.Image, shown: tuple[int, int], tile: tuple[int, int]
) -> Image.Image:
    """A grid of (columns, rows) `shown` with each image at the size `tile`, on white."""
    (columns, rows), (width, height) = shown, tile
    filters = Image.Resampling.NEAREST, Image.Resampling.BOX
    is_smaller = columns * width < grid.width
    large = grid.resize((columns * width, rows * height), filters[is_smaller])
    size = columns * (width + TILE_GAP) - TILE_GAP, rows * (height + TILE_GAP) - TILE_GAP
    apart = Image.new("RGB", size, PAPER)
    for row, column in np.ndindex(rows, columns):
        x, y = column * width, row * height
        image = large.crop((x, y, x + width, y + height))
        apart.paste(image, (x + column * TILE_GAP, y + row * TILE_GAP))
    return apart


def choose_images_for_report(config: Config, columns: int, rows: int) -> tuple[tuple, tuple]:
    """(columns, rows) of a grid to show, and the (width, height) to show each image at.

    Small images are enlarged by a whole number. A network with labels has one in each row, so all
    rows are shown.
    """
    found = []
    for across in range(columns, min(columns, FEWEST_COLUMNS) - 1, -1):
        down = rows if config.y_dim else min(rows, across)
        room = GRID_SIDE - (across - 1) * TILE_GAP, TALLEST_GRID - (down - 1) * TILE_GAP
        scale = min(room[0] / across / config.width, room[1] / down / config.height)
        scale = math.floor(scale) if scale >= 1 else scale
        tile = max(1, int(config.width * scale)), max(1, int(config.height * scale))
        found.append(((across, down), tile))
    return max(found, key=lambda choice: math.prod((*choice[0], *choice[1])))


def _put_report_tile_on_white(picture: Image.Image) -> Image.Image:
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, PAPER), picture).convert("RGB")


def _paste_grids_with_titles(
    page: Image.Image, top: int, grids: list[GridOfRun], drawn: list[Image.Image | None]
) -> None:
    write_words(
        page, (MARGIN, top + 16), "What it draws, always from the same random numbers", TITLE
    )
    x = MARGIN
    for grid, picture in zip(grids, drawn, strict=True):
        if picture is None:
            continue
        write_words(page, (x, top + 54), grid.title, FACTS)
        beside = x + measure_words(grid.title, FACTS) + 10
        write_words(page, (beside, top + 54), grid.note, TEXT, FAINT)
        page.paste(picture, (x, top + ABOVE_GRIDS))
        x += GRID_SIDE + GRID_GAP
