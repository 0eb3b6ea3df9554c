"""Charts as HTML: the curves are SVG that stretches, the words beside them are text of the page."""

import math
from typing import NamedTuple

import numpy as np

from config.settings import Config
from evaluate.charts import (
    VERMILION,
    Axis,
    Chart,
    Curve,
    choose_axis_for_chart,
    choose_linear_axis,
    find_line_of_curve,
    format_tick,
)
from evaluate.report import format_score, make_curve_of_entries, plan_charts_of_run
from report.words import escape_for_html, join_tags
from runs.changes import find_last_step_of_other_images
from runs.history import read_number_of_entry

POINTS = 400  # of a curve at most: there are no more pixels to show them
SIDE = 1000  # of the SVG's own square, which is stretched to the width of the page
DOTTED_POINTS = 60  # curves of up to this many points show a dot for each
SHOWN_AT_ONCE = 12  # verdicts in the list at most; of more, the last ones
SCORES_OF_MONITOR = {  # other scores that training may log, by what --eval_metric calls them
    "coverage": ("Coverage", "share of real images with a drawn one nearby; higher is better"),
    "kid": ("Kernel distance (KID)", "lower is better"),
    "swd": ("Sliced Wasserstein distance", "texture and colour; lower is better"),
}
FIGURE = """<figure class="chart" data-last="{last}"{values}>
<figcaption><b>{title}</b> <span>{note}</span>{legend}</figcaption>
<div class="plot">
<svg viewBox="0 0 {side} {side}" preserveAspectRatio="none" role="img" aria-label="{label}">
{drawing}</svg>
{ticks}</div>
</figure>"""


class Verdicts(NamedTuple):
    """Evaluations in a row with the same verdict. kind: "good", "bad" or "quiet"."""

    first: int
    last: int
    words: str
    kind: str


def plan_charts_for_html(config: Config, entries: list[dict]) -> list[Chart]:
    """The charts of report.png, and those that it has no room for."""
    since = find_last_step_of_other_images(config.run_dir)
    charts = plan_charts_of_run(entries, config.eval_metric, since=since)
    for name, (title, note) in SCORES_OF_MONITOR.items():
        curve = make_curve_of_entries(_keep_entries_with(entries, name), name, "this run", (0,) * 3)
        charts.append(Chart(title, note, [curve], {}))

    slopes = [make_curve_of_entries(entries, "r1", "on real images", (0,) * 3, jumps=True)]
    slopes.append(make_curve_of_entries(entries, "r2", "on drawn images", VERMILION, jumps=True))
    note = "the discriminator's mean squared gradient"
    charts.append(Chart("Gradient penalties", note, slopes, {}, ends=(0,)))

    speed = make_curve_of_entries(entries, "images_per_second", "images/s", (0,) * 3, jumps=True)
    charts.append(Chart("Speed", "real images per second", [speed], {}, ends=(0,)))
    return [chart for chart in charts if any(np.isfinite(c.values).any() for c in chart.curves)]


def _keep_entries_with(entries: list[dict], name: str) -> list[dict]:
    return [entry for entry in entries if math.isfinite(read_number_of_entry(entry, name))]


def draw_charts_as_html(charts: list[Chart], entries: list[dict], last_step: int) -> str:
    """All charts over the same steps; the first one shows the verdicts if it is of a score."""
    verdicts = {entry["step"]: read_verdict_of_entry(entry) for entry in entries}
    return "\n".join(draw_chart_as_html(chart, last_step, verdicts) for chart in charts)


def draw_chart_as_html(
    chart: Chart, last_step: int, verdicts: dict[int, tuple[str, str]] | None = None
) -> str:
    """A figure: SVG lines that stretch, with the words around them as text of the page.

    verdicts: step -> (words, kind), for the titles and the looks of the dots.
    """
    axis, across = (
        choose_axis_for_chart(chart),
        choose_linear_axis(0, max(last_step, 1), exact=True),
    )
    looks = verdicts or {}
    curves = [thin_curve(curve) for curve in chart.curves if np.isfinite(curve.values).any()]
    lines = [_draw_frame_of_chart(chart, axis, last_step)]
    for number, curve in enumerate(curves):
        lines += _draw_curve(curve, axis, last_step, _choose_look(number), looks)
    lines.append(f'<path class="playhead" d="M0 0V{SIDE}"/>')

    shown = ", ".join(curve.name for curve in curves)
    return FIGURE.format(
        last=last_step,
        values=_list_values_for_hovering(curves),
        title=escape_for_html(chart.title),
        note=escape_for_html(chart.note),
        legend=_write_legend(chart, curves, has_bad="bad" in {k for _, k in looks.values()}),
        side=SIDE,
        label=escape_for_html(f"{chart.title}: {shown}, steps 0 to {last_step:,}"),
        drawing=join_tags(lines),
        ticks=_write_ticks(chart, axis, across),
    )


def thin_curve(curve: Curve) -> Curve:
    """At most POINTS of its points, evenly spaced, with the first and the last."""
    if len(curve.steps) <= POINTS:
        return curve
    kept = np.linspace(0, len(curve.steps) - 1, POINTS).round().astype(int)
    return curve._replace(steps=curve.steps[kept], values=curve.values[kept])


def _choose_look(number: int) -> str:
    """The CSS class of a curve: the first has the accent colour, others that of the ink."""
    return "first" if number == 0 else "second"


def _draw_frame_of_chart(chart: Chart, axis: Axis, last_step: int) -> str:
    levels = [_locate_level(axis, tick) for tick in axis.ticks]
    tags = [f'<path class="grid" d="{"".join(f"M0 {y}H{SIDE}" for y in levels)}"/>']
    for value in chart.rules.values():
        tags.append(f'<path class="rule" d="M0 {_locate_level(axis, value)}H{SIDE}"/>')
    if chart.marked_step is not None:
        x = _locate_step(chart.marked_step, last_step)
        tags.append(f'<path class="best" d="M{x} 0V{SIDE}"/>')
    return join_tags(tags)


def _draw_curve(curve: Curve, axis: Axis, last_step: int, look: str, verdicts: dict) -> list[str]:
    """Its points faintly if they jump, then a line through each stretch without gaps, then dots."""
    tags = []
    if curve.jumps:
        tags += _draw_lines(curve.steps, curve.values, axis, last_step, f"raw {look}")
    values = find_line_of_curve(curve)
    tags += _draw_lines(curve.steps, values, axis, last_step, f"line {look}")
    if not curve.jumps:
        has_few = len(curve.steps) <= DOTTED_POINTS
        for step, value in zip(curve.steps, curve.values, strict=True):
            words, kind = verdicts.get(int(step), ("", "quiet"))
            if math.isfinite(value) and (has_few or kind == "bad"):
                tags.append(_draw_dot(step, value, axis, last_step, f"{look} {kind}", words))
    return tags


def _draw_lines(
    steps: np.ndarray, values: np.ndarray, axis: Axis, last_step: int, look: str
) -> list[str]:
    """A polyline for each stretch of finite values; a single one becomes a dot."""
    tags, stretch = [], []
    for step, value in [*zip(steps, values, strict=True), (0, math.nan)]:
        if math.isfinite(value):
            stretch.append(f"{_locate_step(step, last_step)},{_locate_level(axis, value)}")
            continue
        if len(stretch) > 1:
            tags.append(f'<polyline class="{look}" points="{" ".join(stretch)}"/>')
        elif stretch:
            tags.append(f'<path class="dot {look}" d="M{stretch[0]}h0"/>')
        stretch = []
    return tags


def _draw_dot(step: float, value: float, axis: Axis, last_step: int, look: str, words: str) -> str:
    """A line of no length, whose round ends stay round when the chart is stretched."""
    place = f"M{_locate_step(step, last_step)},{_locate_level(axis, value)}h0"
    title = f"step {step:,.0f}: {format_score(float(value))}" + (f", {words}" if words else "")
    return f'<path class="dot {look}" d="{place}"><title>{escape_for_html(title)}</title></path>'


def _locate_step(step: float, last_step: int) -> str:
    return f"{SIDE * min(max(step / max(last_step, 1), 0), 1):.4g}"


def _locate_level(axis: Axis, value: float) -> str:
    return f"{SIDE * (1 - float(axis.locate_value(value))):.4g}"


def _list_values_for_hovering(curves: list[Curve]) -> str:
    """Attributes of the figure: the steps and values of its curves, for the script."""
    parts = []
    for number, curve in enumerate(curves[:2]):
        steps = " ".join(f"{step:.0f}" for step in curve.steps)
        values = " ".join(f"{v:.4g}" if math.isfinite(v) else "" for v in curve.values)
        parts.append(f' data-steps{number}="{steps}" data-values{number}="{values}"')
    return "".join(parts)


def _write_legend(chart: Chart, curves: list[Curve], *, has_bad: bool) -> str:
    """The curves by name, each with its last value; the best score, and what large dots mean."""
    items = []
    for number, curve in enumerate(curves):
        known = curve.values[np.isfinite(curve.values)]
        value = f"{format_score(float(known[-1]))}{chart.unit}"
        swatch = f'<i class="{_choose_look(number)}"></i>'
        words = f"{swatch}{escape_for_html(curve.name)} <b>{value}</b>"
        items.append(f'<span class="key" data-unit="{chart.unit}">{words}</span>')
    if chart.mark:
        items.append(f'<span class="key mark">{escape_for_html(chart.mark[1])}</span>')
        if has_bad:
            items.append('<span class="key mark"><i class="bad"></i>a bad verdict</span>')
    return f'<span class="legend">{"".join(items)}</span>'


def _write_ticks(chart: Chart, axis: Axis, across: Axis) -> str:
    """The numbers of both axes, and the names of the dashed lines, placed in percent."""
    tags = []
    for tick in axis.ticks:
        top = float(_locate_level(axis, tick)) / SIDE * 100
        tags.append(
            f'<span class="y" style="top:{top:.2f}%">{format_tick(tick)}{chart.unit}</span>'
        )
    for tick in across.ticks:
        left = 100 * float(across.locate_value(tick))
        words = format_tick(tick) if tick else "step 0"
        tags.append(f'<span class="x" style="left:{left:.2f}%">{words}</span>')
    for name, value in chart.rules.items():
        top = float(_locate_level(axis, value)) / SIDE * 100
        tags.append(f'<span class="name" style="top:{top:.2f}%">{escape_for_html(name)}</span>')
    return join_tags(tags)


def read_verdict_of_entry(entry: dict) -> tuple[str, str]:
    """(words, kind) of an entry's verdict; ("", "quiet") without one."""
    words = entry.get("verdict")
    if not isinstance(words, str):
        return "", "quiet"
    if words.startswith("healthy"):
        return words, "good"
    is_quiet = words.startswith(("too early", "little diversity", "no verdict"))
    return words, "quiet" if is_quiet else "bad"


def list_verdicts_in_rows(entries: list[dict]) -> list[Verdicts]:
    """The verdicts in order; those in a row that begin alike count as one, in its last words."""
    rows: list[Verdicts] = []
    for entry in entries:
        words, kind = read_verdict_of_entry(entry)
        if not words:
            continue
        if rows and rows[-1].words.partition(",")[0] == words.partition(",")[0]:
            rows[-1] = rows[-1]._replace(last=entry["step"], words=words)
        else:
            rows.append(Verdicts(entry["step"], entry["step"], words, kind))
    return rows[-SHOWN_AT_ONCE:]
