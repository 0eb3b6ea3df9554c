"""Draws curves over training steps as a picture, with Pillow alone."""

import functools
import itertools
import math
import unicodedata
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SMOOTH = 4  # lines are drawn this much larger, then averaged
LEFT, RIGHT = 54, 140  # pixels beside the curves: for the ticks, and for the names of the curves
ABOVE, BELOW = 40, 28  # for the title, and for the steps
TITLE, TEXT = 18, 15  # heights of the fonts, in pixels
LINE_HEIGHT = 18  # of the names
DOTTED_POINTS = 50  # curves of up to this many points show a dot for each
SHOWN_PERCENT = 1, 99  # percentiles of jumping values that the axis covers

Colour = tuple[int, int, int]

PAPER = (255, 255, 255)
INK = (38, 50, 66)
FAINT = (98, 110, 127)
GRID = (229, 233, 239)
AXIS = (150, 160, 174)
# From the palette of Okabe and Ito for colour-blind readers.
BLUE, VERMILION, GREEN = (0, 114, 178), (213, 94, 0), (0, 138, 101)


class Curve(NamedTuple):
    """values (n,) at steps (n,), ascending; NaN leaves a gap. jumps: drawn faintly, with a mean."""

    name: str
    colour: Colour
    steps: np.ndarray
    values: np.ndarray
    jumps: bool = False


class Chart(NamedTuple):
    """Curves over one axis, with dashed lines at the values of `rules`, by name."""

    title: str
    note: str  # after the title
    curves: list[Curve]
    rules: dict[str, float]
    is_logarithmic: bool = False
    ends: tuple[float, ...] = ()  # values that the axis must include
    marked_step: float | None = None  # gets a vertical dotted line
    mark: tuple[float, str] | None = None  # the value to ring at marked_step, and its label
    unit: str = ""  # follows each number of the axis


class Axis(NamedTuple):
    """The range that is shown (logarithms if is_logarithmic), and ticks at round numbers in it."""

    low: float
    high: float
    ticks: list[float]
    is_logarithmic: bool = False

    def locate_value(self, value: np.ndarray | float) -> np.ndarray | float:
        """From 0 at `low` to 1 at `high`; values outside are clipped."""
        place = np.log10(value) if self.is_logarithmic else value
        return np.clip((place - self.low) / (self.high - self.low), 0, 1)


def draw_chart(
    chart: Chart, size: tuple[int, int], last_step: int, axis: Axis | None = None
) -> Image.Image:
    """A picture of `size` (width, height) whose steps go from 0 to `last_step`.

    axis: the vertical one; by default one that fits the curves.
    """
    axis = axis or choose_axis_for_chart(chart)
    across = choose_linear_axis(0, last_step, exact=True)
    panel = _Panel(size, across, axis)

    for tick in axis.ticks:
        panel.draw_line([(0, tick), (last_step, tick)], GRID, 1)
    if chart.marked_step is not None:
        panel.draw_line_of_dashes([(chart.marked_step, end) for end in panel.ends], AXIS, dash=2)
    panel.draw_line([(0, panel.ends[0]), (last_step, panel.ends[0])], AXIS, 1)
    for value in chart.rules.values():
        panel.draw_line_of_dashes([(0, value), (last_step, value)], FAINT, dash=6)
    _draw_curves(panel, chart.curves)
    if chart.mark:
        panel.draw_ring(chart.marked_step, chart.mark[0], INK)

    picture = panel.image.reduce(SMOOTH)
    _write_title_and_ticks(picture, panel, chart)
    _write_names_beside_curves(picture, panel, chart)
    if chart.mark:
        _write_words_at_mark(picture, panel, chart)
    return picture


class _Panel:
    """A chart's lines, drawn large; places are (step, value)."""

    def __init__(self, size: tuple[int, int], across: Axis, axis: Axis):
        self.across, self.axis = across, axis
        self.width, self.height = size[0] - LEFT - RIGHT, size[1] - ABOVE - BELOW  # of the curves
        self.image = Image.new("RGB", (size[0] * SMOOTH, size[1] * SMOOTH), PAPER)
        self.pen = ImageDraw.Draw(self.image)
        low, high = axis.low, axis.high
        self.ends = (10**low, 10**high) if axis.is_logarithmic else (low, high)

    def locate_point(self, step: float, value: float) -> tuple[float, float]:
        """Pixels from the left and from the top of the picture."""
        x = LEFT + self.width * float(self.across.locate_value(step))
        return x, ABOVE + self.height * (1 - float(self.axis.locate_value(value)))

    def draw_line(self, places: list[tuple], colour: Colour, width: float) -> None:
        points = [self._locate_large(*place) for place in places]
        self.pen.line(points, colour, round(width * SMOOTH), joint="curve")

    def draw_line_of_dashes(self, places: list[tuple], colour: Colour, *, dash: int) -> None:
        """A straight line of dashes and gaps of `dash` pixels."""
        start, end = (np.array(self._locate_large(*place)) for place in places)
        count = max(1, round(np.hypot(*(end - start)) / dash / SMOOTH))
        for number in range(0, count, 2):
            ends = start + (end - start) * np.array([[number], [number + 1]]) / count
            self.pen.line([tuple(point) for point in ends], colour, SMOOTH)

    def draw_dot(self, step: float, value: float, colour: Colour, radius: float) -> None:
        self.pen.ellipse(self._enclose_circle(step, value, radius), fill=colour)

    def draw_ring(self, step: float, value: float, colour: Colour) -> None:
        self.pen.ellipse(self._enclose_circle(step, value, 7), outline=colour, width=2 * SMOOTH)

    def _enclose_circle(self, step: float, value: float, radius: float) -> tuple[float, ...]:
        x, y = self.locate_point(step, value)
        return tuple(part * SMOOTH for part in (x - radius, y - radius, x + radius, y + radius))

    def _locate_large(self, step: float, value: float) -> tuple[float, float]:
        x, y = self.locate_point(step, value)
        return x * SMOOTH, y * SMOOTH


def _draw_curves(panel: _Panel, curves: list[Curve]) -> None:
    """First the jumping values, faintly; then all lines, on top."""
    for curve in curves:
        if curve.jumps:
            pale = tuple(round(255 - 0.3 * (255 - part)) for part in curve.colour)
            _draw_values(panel, curve.steps, curve.values, pale, 1)

    for curve in curves:
        _draw_values(panel, curve.steps, find_line_of_curve(curve), curve.colour, 2)
        if curve.jumps or len(curve.values) > DOTTED_POINTS:
            continue
        for step, value in zip(curve.steps, curve.values, strict=True):
            if np.isfinite(value):
                panel.draw_dot(step, value, curve.colour, 3)


def _draw_values(
    panel: _Panel, steps: np.ndarray, values: np.ndarray, colour: Colour, width: float
) -> None:
    """A line through each stretch without NaN; a single value is a dot."""
    known = np.isfinite(values)
    points = zip(known, steps, values, strict=True)
    for is_known, stretch in itertools.groupby(points, lambda point: point[0]):
        places = [place[1:] for place in stretch] if is_known else []
        if len(places) == 1:
            panel.draw_dot(*places[0], colour, width)
        elif places:
            panel.draw_line(places, colour, width)


def find_line_of_curve(curve: Curve) -> np.ndarray:
    """The values that its line goes through, (n,)."""
    return smooth_jumping_values(curve.values) if curve.jumps else curve.values


def smooth_jumping_values(values: np.ndarray) -> np.ndarray:
    """Weighted means of values (n,), over a tenth of them around each; NaN stays NaN, uncounted."""
    window = np.hanning(2 * (len(values) // 20) + 3)[1:-1]
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0), window, "same")
    weight = np.convolve(known, window, "same")
    return np.divide(total, weight, out=np.full(len(values), np.nan), where=known)


def choose_axis_for_chart(*charts: Chart) -> Axis:
    """An axis that fits the curves of all `charts` and shows their dashed lines."""
    wanted = []
    for chart in charts:
        wanted += [*chart.ends, *chart.rules.values()]
        for curve in chart.curves:
            known = curve.values[np.isfinite(curve.values)]
            if len(known):
                wanted += [*(np.percentile(known, SHOWN_PERCENT) if curve.jumps else known)]
    choose = choose_logarithmic_axis if charts[0].is_logarithmic else choose_linear_axis
    return choose(min(wanted, default=1), max(wanted, default=1))


def choose_linear_axis(low: float, high: float, *, exact: bool = False) -> Axis:
    """An axis between round numbers, with three to seven ticks; `exact`: from low to high."""
    if not high > low:
        high = low + (abs(low) or 1)
    size = 10.0 ** math.floor(math.log10((high - low) / 4))
    step = next(step for step in (size, 2 * size, 5 * size, 10 * size) if (high - low) / step <= 6)
    first, last = math.floor(low / step), math.ceil(high / step)
    if exact:
        first, last = math.ceil(low / step), math.floor(high / step)
    ticks = [number * step for number in range(first, last + 1)]
    return Axis(low, high, ticks) if exact else Axis(ticks[0], ticks[-1], ticks)


def choose_logarithmic_axis(low: float, high: float) -> Axis:
    """An axis a little beyond positive `low` and `high`, with ticks at powers of ten, or finer."""
    start, end = math.log10(low), math.log10(high)
    room = max(0.08 * (end - start), 0.12)
    start, end = start - room, end + room
    powers = range(math.floor(start), math.ceil(end) + 1)
    sparse = powers[:: max(1, len(powers) // 5)]

    ticks = []
    for parts, chosen in (((1,), sparse), ((1, 3), powers), ((1, 2, 5), powers)):
        round_numbers = [part * 10.0**power for power in chosen for part in parts]
        finer = [number for number in round_numbers if start <= math.log10(number) <= end]
        ticks = finer if len(finer) <= 6 or not ticks else ticks
    return Axis(start, end, ticks, is_logarithmic=True)


def format_tick(value: float) -> str:
    """0.5, 1,500, 20k, 1.5M, 1e+09."""
    if abs(value) >= 1e9:
        return f"{value:.0e}"
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= max(size, 1e4):
            return f"{value / size:.3g}{letter}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _write_title_and_ticks(picture: Image.Image, panel: _Panel, chart: Chart) -> None:
    write_words(picture, (0, 12), chart.title, TITLE)
    beside = measure_words(chart.title, TITLE) + 12
    write_words(picture, (beside, 13), chart.note, TEXT, FAINT)

    for tick in panel.axis.ticks:
        x, y = panel.locate_point(0, tick)
        write_words(picture, (x - 8, y), format_tick(tick) + chart.unit, TEXT, FAINT, align=1)
    for tick in panel.across.ticks:
        x, y = panel.locate_point(tick, panel.ends[0])
        words = format_tick(tick) if tick else "step 0"
        write_words(picture, (x, y + 15), words, TEXT, FAINT, align=0.5)


def _write_names_beside_curves(picture: Image.Image, panel: _Panel, chart: Chart) -> None:
    """Names each curve at the height where it ends, and each dashed line."""
    names = []
    for curve in chart.curves:
        values = find_line_of_curve(curve)
        known = values[np.isfinite(values)]
        if curve.name and len(known):
            names.append((panel.locate_point(0, known[-1])[1], curve.name, curve.colour))
    for name, value in chart.rules.items():
        names.append((panel.locate_point(0, value)[1], name, FAINT))

    names.sort()
    heights = spread_heights([name[0] for name in names], ABOVE, ABOVE + panel.height)
    for height, (_, name, colour) in zip(heights, names, strict=True):
        write_words(picture, (LEFT + panel.width + 14, height), name, TEXT, colour)


def spread_heights(heights: list[float], low: float, high: float) -> list[float]:
    """Moves ascending heights so that neighbours are LINE_HEIGHT apart, from `low` to `high`."""
    spread = []
    for height in heights:
        spread.append(max(height, spread[-1] + LINE_HEIGHT if spread else low))
    for place in reversed(range(len(spread))):
        below = spread[place + 1] - LINE_HEIGHT if place + 1 < len(spread) else high
        spread[place] = min(spread[place], below)
    return spread


def _write_words_at_mark(picture: Image.Image, panel: _Panel, chart: Chart) -> None:
    """Below the ring, or above it if there is no space below; within the curves' width."""
    value, words = chart.mark
    x, y = panel.locate_point(chart.marked_step, value)
    half = measure_words(words, TEXT) / 2
    x = min(max(x, LEFT + half + 4), LEFT + panel.width - half - 4)
    height = y + 20 if y + 32 < ABOVE + panel.height else y - 20
    write_words(picture, (x, height), words, TEXT, INK, align=0.5)


def write_words(
    picture: Image.Image,
    place: tuple[float, float],
    words: str,
    size: int,
    colour: Colour = INK,
    *,
    align: float = 0,
) -> None:
    """Writes one line, vertically centred on `place`. align: 0 starts it there, 1 ends it there."""
    mask = _draw_words_as_mask(words, size)
    corner = (place[0] - align * mask.width, place[1] - mask.height / 2)
    picture.paste(colour, (round(corner[0]), round(corner[1])), mask)


def measure_words(words: str, size: int) -> int:
    """The width of a line in pixels."""
    return _draw_words_as_mask(words, size).width


@functools.lru_cache(1000)
def _draw_words_as_mask(words: str, size: int) -> Image.Image:
    """A line of text in mode L, with its digits centred vertically.

    It is drawn large and averaged: drawn small, letters would snap to whole pixels, unevenly.
    """
    font, is_scalable = _load_font_of_charts(size * SMOOTH)
    letters = unicodedata.normalize("NFKD", words)
    words = "".join(c for c in letters if not unicodedata.combining(c))  # the font has no accents
    if not is_scalable:
        words = words.encode("latin-1", "replace").decode("latin-1")  # all that this font has
    _, top, _, bottom = font.getbbox("0")
    height = 4 * (bottom - top)
    large = Image.new("L", (math.ceil(font.getlength(words)) + 1, height))
    ImageDraw.Draw(large).text((0, round(height / 2 - (top + bottom) / 2)), words, 255, font)
    return large.reduce(SMOOTH) if is_scalable else large


@functools.cache
def _load_font_of_charts(size: int) -> tuple:
    """(Pillow's own font, True), or (a font of 11 pixels, False) if Pillow has no FreeType."""
    try:
        return ImageFont.load_default(size), True
    except ImportError:
        return ImageFont.load_default(), False
