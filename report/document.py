"""Puts a run's report together: one HTML file, with its style, script, curves and pictures."""

import base64
import hashlib
import shlex
import string
import time
from pathlib import Path

from config.settings import FROM_ARRAY, IMPORTED, MAX_COUNT, Config
from evaluate.report import describe_last_scores, find_best_entry_of_run
from explore.experiments import EXPERIMENTS
from report.command import suggest_command_that_repeats
from report.curves import draw_charts_as_html, list_verdicts_in_rows, plan_charts_for_html
from report.embedded import Frame, Picture, Pictures, collect_pictures
from report.facts import (
    COMPLETE,
    SettingRow,
    State,
    describe_changed_settings,
    describe_state,
    list_facts,
    list_settings,
    read_scores,
    read_versions,
)
from report.words import escape_for_html, join_tags
from runs.claims import keep_report_with_pictures_aside
from runs.history import REPORT_FILE, locate_metrics, read_thinned_metrics_of_run
from system.written import FileSeries

WEB = Path(__file__).parent / "web"
LINES = 400  # of metrics.jsonl at most, besides those with scores
LARGEST = 3_000_000  # bytes of the file
# Bytes of all pictures, tried in this order; a third more in the file, which holds them as text.
ROOMS = (1_950_000, 1_200_000, 500_000, 0)
FIGURE_SPACE, POINT_SPACE = "\u2007", "\u2008"  # as wide as a digit, and as a point
NO_COMMANDS = {
    FROM_ARRAY: "It was trained from Python, on an array, so no command repeats it.",
    IMPORTED: "Its weights were imported, so no command repeats its training.",
}
NO_COMMAND = "No command gives exactly these settings; use its config.json with --config."

LAST_SETTINGS = "The command gives the last ones, so it repeats the settings, not the run."


def write_html_report(config: Config) -> Path:
    """Writes <run>/report.html and returns its path. Only reads the rest; needs no lock.

    A file of that name that the program did not write is moved aside. So is a larger page where the
    run's pictures are away.
    """
    content = encode_report(config)
    keep_report_with_pictures_aside(config, config.run_dir / REPORT_FILE, len(content))
    series = FileSeries(config.run_dir, what="the report")
    series.write_file_of_series(REPORT_FILE, content)
    return config.run_dir / REPORT_FILE


def encode_report(config: Config) -> bytes:
    """The report, UTF-8, smaller than LARGEST: the more it holds, the smaller its pictures."""
    entries = read_thinned_metrics_of_run(locate_metrics(config), LINES)
    entries = [entry for entry in entries if 0 < entry["step"] <= MAX_COUNT]
    for room in ROOMS:
        content = make_report(config, entries, collect_pictures(config, entries, room)).encode()
        if len(content) < LARGEST:
            break
    return content


def make_report(config: Config, entries: list[dict], pictures: Pictures) -> str:
    """The page. It requests nothing: its policy forbids that, and scripts other than its own."""
    style, script = (_read_web_file(name) for name in ("report.css", "report.js"))
    state = describe_state(config, entries)
    values = {
        "name": escape_for_html(config.name),
        "style": style,
        "script": script,
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "state": write_state(state),
        "facts": write_facts(list_facts(config, entries)),
        "sections": join_tags(
            [
                write_grids(config, entries, pictures),
                write_curves(config, entries),
                write_scores(config),
                write_nearest(pictures.nearest),
                write_experiments(pictures),
                write_repetition(config),
                write_settings(config),
            ]
        ),
        "written": time.strftime("%Y-%m-%d %H:%M"),
    }
    return string.Template(_read_web_file("report.html")).substitute(values)


def _read_web_file(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def write_section(title: str, content: str, *, note: str = "", name: str = "") -> str:
    """A section of the page; "" without content. note: words under the title, as HTML."""
    if not content:
        return ""
    words = f'<p class="note">{note}</p>\n' if note else ""
    return f'<section id="{name}">\n<h2>{title}</h2>\n{words}{content}</section>'


def write_state(state: State) -> str:
    bar = ""
    if state.share is not None and state.kind != COMPLETE:
        bar = f'<span class="bar"><i style="width:{100 * state.share:.1f}%"></i></span>'
    return f'<p class="state {state.kind}"><i></i>{escape_for_html(state.words)}.{bar}</p>'


def write_facts(facts: list[tuple[str, str]]) -> str:
    return join_tags(
        [
            f"<div><dt>{escape_for_html(name)}</dt><dd>{escape_for_html(value)}</dd></div>"
            for name, value in facts
        ]
    )


def write_grids(config: Config, entries: list[dict], pictures: Pictures) -> str:
    """The grids on top of one another with a slider, and the reals beside them."""
    frames, reals = pictures.frames, pictures.reals
    if not frames and not reals:
        return ""
    alone = "" if frames and reals else " alone"
    parts = []
    if frames:
        width = frames[-1].picture.width
        shown = join_tags([_write_frame(config, entries, frame) for frame in frames])
        slider = _write_slider(frames) if len(frames) > 1 else ""
        parts.append(
            f'<div class="drawn" style="--wide:{width}">\n'
            f'<div class="frames">\n{shown}</div>\n{slider}</div>'
        )
    if reals:
        caption = "<b>the dataset</b> <span>what it learns from</span>"
        parts.append(f'<figure class="reals">{write_picture(reals, "Images of the dataset")}')
        parts[-1] += f"<figcaption>{caption}</figcaption></figure>"

    notes = ["Every grid is drawn from the same random numbers."] if len(frames) > 1 else []
    every = [frame.picture for frame in frames] + [reals] * bool(reals)
    if not all(picture.is_exact for picture in every):
        notes.append("To keep this file small, some are compressed; the originals are in samples/.")
    content = f'<div class="grids{alone}">\n{join_tags(parts)}</div>\n'
    return write_section("What it draws", content, note=" ".join(notes), name="grids")


def _write_frame(config: Config, entries: list[dict], frame: Frame) -> str:
    look = "frame printed" if frame.is_printed else "frame"
    words = _describe_frame(config, entries, frame.step)
    caption = f"<b>step {frame.step:,}</b> <span>{escape_for_html(words)}</span>"
    picture = write_picture(frame.picture, f"Images drawn at step {frame.step:,}")
    return (
        f'<figure class="{look}" data-step="{frame.step}">{picture}'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _describe_frame(config: Config, entries: list[dict], step: int) -> str:
    """The scores that were measured at that step, if any."""
    known = [entry for entry in entries if entry["step"] == step]
    verdict, numbers = describe_last_scores(known, config.eval_metric)
    words = [numbers.partition(": ")[2] or numbers, verdict]
    best = find_best_entry_of_run(config, entries)
    if best and best["step"] == step:
        words.append("the best score")
    return "; ".join(filter(None, words))


def _write_slider(frames: list[Frame]) -> str:
    last = len(frames) - 1
    return (
        f'<div class="scrub" hidden><button type="button" id="play" aria-label="Play">'
        f'<span></span></button><input type="range" id="slider" min="0" max="{last}" '
        f'value="{last}" aria-label="Step of the grid"></div>\n'
    )


def write_picture(picture: Picture, words: str) -> str:
    return (
        f'<img src="{picture.uri}" width="{picture.width}" height="{picture.height}" '
        f'alt="{escape_for_html(words)}">'
    )


def write_curves(config: Config, entries: list[dict]) -> str:
    charts = plan_charts_for_html(config, entries)
    if not charts:
        return ""
    last_step = max(entry["step"] for entry in entries)
    drawn = draw_charts_as_html(charts, entries, last_step)
    verdict, numbers = describe_last_scores(entries, config.eval_metric)
    note = "It was not scored while it trained, and losses do not say how good images are."
    if numbers:
        told = numbers[0].upper() + numbers[1:]
        note = escape_for_html(f"{told}: {verdict}." if verdict else f"{told}.")
    content = f'<div class="charts">\n{drawn}\n</div>\n{write_verdicts(entries)}'
    return write_section("How it trained", content, note=note, name="curves")


def write_verdicts(entries: list[dict]) -> str:
    """The verdicts of its evaluations in order, as a list; "" if there is none."""
    items = []
    for row in list_verdicts_in_rows(entries):
        steps = f"step {row.first:,}"
        if row.last != row.first:
            steps = f"steps {row.first:,} to {row.last:,}"
        words = f"<span>{steps}</span> {escape_for_html(row.words)}"
        items.append(f'<li class="{row.kind}">{words}</li>')
    if not items:
        return ""
    return f'<h3>Verdicts</h3>\n<ol class="verdicts">\n{join_tags(items)}</ol>\n'


def write_scores(config: Config) -> str:
    rows, note = read_scores(config)
    if not rows:
        words = f'<p class="note">{escape_for_html(note)}</p>\n' if note else ""
        return write_section("Scores", words, name="scores")
    columns = zip(*((row.value, row.floor, row.ratio, row.spread) for row in rows), strict=True)
    numbers = zip(*map(align_at_points, columns), strict=True)
    lines, last_told = [], ""
    for row, cells in zip(rows, numbers, strict=True):
        told = f"<small>{escape_for_html(row.note)}</small>" if row.note != last_told else ""
        last_told = row.note  # several scores of one kind need it only once
        metric = f"<th>{escape_for_html(row.metric)}{told}</th>"
        cells = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f'<tr>{metric}{cells}<td class="word">{row.better}</td></tr>')
    heads = ("score", "drawn", "reals", "ratio", "&plusmn;", "better")
    cells = "".join(f"<th>{head}</th>" for head in heads)
    table = (
        f'<div class="wide"><table class="scores">\n<thead><tr>{cells}</tr></thead>\n'
        f"<tbody>\n{join_tags(lines)}</tbody>\n</table></div>\n"
    )
    reals = "The column of the reals is what other real images score in the drawn ones' place."
    return write_section("Scores", table, note=escape_for_html(f"{note} {reals}"), name="scores")


def align_at_points(numbers: tuple[str, ...]) -> list[str]:
    """The numbers of a column, with spaces as wide as a digit after them, so that points align."""
    places = [len(number.partition(".")[2]) for number in numbers]
    return [
        number
        + (POINT_SPACE if "." not in number and max(places) else "")
        + FIGURE_SPACE * (max(places) - place)
        for number, place in zip(numbers, places, strict=True)
    ]


def write_nearest(picture: Picture | None) -> str:
    if not picture:
        return ""
    note = "The samples closest to a training image, beside the images nearest to them."
    figure = f'<figure class="wide">{write_picture(picture, note)}</figure>\n'
    return write_section("Nearest neighbours", figure, note=note, name="nearest")


def write_experiments(pictures: Pictures) -> str:
    figures = []
    for name, file_name, picture in pictures.experiments:
        text = EXPERIMENTS[name].text
        caption = (
            f"<b>{name}</b> <span>{escape_for_html(text)}; {escape_for_html(file_name)}</span>"
        )
        drawn = write_picture(picture, f"{name}: {text}")
        figures.append(f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>")
    content = f'<div class="experiments">\n{join_tags(figures)}</div>\n' if figures else ""
    note = "From explore/ in the run's folder, where they are at full size."
    return write_section("Experiments", content, note=note, name="experiments")


def write_repetition(config: Config) -> str:
    """The command, what changed on the way, and the versions of the program and its libraries."""
    command, versions = suggest_command_that_repeats(config), read_versions(config)
    commit = versions.get("git commit")
    lines = [f"git checkout {shlex.quote(commit)}"] if commit and command else []
    content = f'<p class="note">{NO_COMMANDS.get(config.dataset, NO_COMMAND)}</p>\n'
    if command:
        text = "\n".join(_write_words_of_command(line) for line in (*lines, command))
        content = (
            f'<div class="command"><pre id="command">{text}</pre>'
            f'<button type="button" id="copy" hidden>copy</button></div>\n'
        )
    if versions:
        content += f'<dl class="facts versions">\n{write_facts([*versions.items()])}</dl>\n'
    if note := describe_changed_settings(config):
        note += f" {LAST_SETTINGS}" if command else ""
    return write_section(
        "Repeat it", content, note=escape_for_html(note, limit=None), name="repeat"
    )


def _write_words_of_command(line: str) -> str:
    """Each word in a tag of its own, so that a line breaks between two of them."""
    words = (escape_for_html(word, limit=None) for word in line.split(" "))
    return " ".join(f"<span>{word}</span>" for word in words)


def write_settings(config: Config) -> str:
    """Three tables, folded away."""
    changed, recorded, others = list_settings(config)
    parts = [
        _write_folded_settings(f"{len(changed)} settings differ from the defaults", changed),
        _write_folded_settings(f"{len(recorded)} values were recorded by the program", recorded),
        _write_folded_settings(f"{len(others)} settings are as by default", others),
    ]
    return write_section("Settings", "".join(parts), name="settings")


def _write_folded_settings(title: str, rows: list[SettingRow]) -> str:
    lines = []
    for row in rows:
        is_told = row.default and row.default != row.value
        usual = f" <s>{escape_for_html(row.default)}</s>" if is_told else ""
        value = f"<td>{escape_for_html(row.value)}{usual}</td>"
        lines.append(f"<tr><th>{row.name}</th>{value}<td>{escape_for_html(row.text)}</td></tr>")
    body = f"<tbody>\n{join_tags(lines)}</tbody>"
    table = f'<div class="wide"><table class="settings">{body}</table></div>'
    return f"<details><summary>{title}</summary>\n{table}\n</details>\n" if rows else ""
