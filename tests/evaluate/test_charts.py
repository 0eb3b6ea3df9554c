"""Curves as pictures: axes with round numbers, smoothing, and where the colours are."""

import math

import numpy as np
import pytest
from PIL import Image, ImageFont

from evaluate import charts
from evaluate.charts import (
    ABOVE,
    BELOW,
    BLUE,
    LEFT,
    LINE_HEIGHT,
    RIGHT,
    Chart,
    Curve,
    choose_axis_for_chart,
    choose_linear_axis,
    choose_logarithmic_axis,
    draw_chart,
    format_tick,
    measure_words,
    smooth_jumping_values,
    spread_heights,
    write_words,
)

SIZE = 480, 240


def make_chart(values, **changes) -> Chart:
    steps = 10.0 * np.arange(1, len(values) + 1)
    curve = Curve("", BLUE, steps, np.array(values, float))
    return Chart("Title", "", [curve], {})._replace(**changes)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 0.93), (-3.2, 17), (1e-4, 7e-4), (0, 1e12), (5, 5), (0, 0)]
)
def test_linear_ticks_are_round_evenly_spaced_and_few(low, high):
    axis = choose_linear_axis(low, high)
    assert axis.low <= low <= high <= axis.high
    assert 3 <= len(axis.ticks) <= 8
    gaps = np.diff(axis.ticks)
    np.testing.assert_allclose(gaps, gaps[0])
    assert f"{gaps[0]:.5e}"[:7] in ("1.00000", "2.00000", "5.00000")


@pytest.mark.parametrize(("low", "high"), [(1.6, 400), (9, 14), (5, 5), (1e-6, 1e30)])
def test_logarithmic_ticks_are_round_and_few(low, high):
    axis = choose_logarithmic_axis(low, high)
    assert axis.low < math.log10(low) <= math.log10(high) < axis.high
    assert 1 <= len(axis.ticks) <= 7
    assert all(
        f"{tick:.5e}"[:7] in ("1.00000", "2.00000", "3.00000", "5.00000") for tick in axis.ticks
    )
    assert axis.locate_value(10**axis.low) == pytest.approx(0)
    assert axis.locate_value(10**axis.high) == pytest.approx(1)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5"), (1500, "1,500"), (20_000, "20k"), (1.5e6, "1.5M"), (1e12, "1e+12")],
)
def test_ticks_are_short(value, text):
    assert format_tick(value) == text


def test_smoothing_is_a_weighted_mean_of_what_is_known():
    values = np.random.default_rng(0).exponential(size=100)
    values[[3, 50, 51]] = np.nan
    window = np.hanning(13)[1:-1]  # 5 on each side
    expected = values.copy()
    for place in range(100):
        near = [k for k in range(place - 5, place + 6) if 0 <= k < 100 and values[k] == values[k]]
        weights = [window[k - place + 5] for k in near]
        if values[place] == values[place]:
            expected[place] = np.average(values[near], weights=weights)
    np.testing.assert_allclose(smooth_jumping_values(values), expected)
    np.testing.assert_array_equal(smooth_jumping_values(np.array([2.0])), [2.0])


@pytest.mark.parametrize("heights", [[50], [50, 51, 52], [199, 199.5, 200], [40, 40, 190]])
def test_names_beside_curves_do_not_overlap(heights):
    spread = spread_heights(heights, 40, 200)
    assert len(spread) == len(heights)
    assert all(np.diff(spread) >= LINE_HEIGHT - 1e-9)
    assert 40 <= spread[0] <= spread[-1] <= 200


def test_a_curve_is_drawn_where_its_values_are():
    chart = make_chart([0, 1, 0.5], ends=(0, 1))
    pixels = np.asarray(draw_chart(chart, SIZE, 40)).astype(int)
    is_blue = np.abs(pixels - BLUE).sum(-1) < 40
    width, height = SIZE[0] - LEFT - RIGHT, SIZE[1] - ABOVE - BELOW
    for step, value in ((10, 0), (20, 1), (30, 0.5), (15, 0.5), (25, 0.75)):
        x, y = LEFT + width * step / 40, ABOVE + height * (1 - value)
        assert is_blue[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].any(), step
    assert not is_blue[:, : LEFT + width // 4 - 4].any()  # nothing before the first step
    assert not is_blue[:, LEFT + 3 * width // 4 + 4 :].any()


def test_gaps_are_left_open():
    chart = make_chart([0.5, 0.5, np.nan, np.nan, 0.5, 0.5], ends=(0, 1))
    pixels = np.asarray(draw_chart(chart, SIZE, 60)).astype(int)
    is_blue = (np.abs(pixels - BLUE).sum(-1) < 40).any(0)
    width = SIZE[0] - LEFT - RIGHT
    assert is_blue[LEFT + width * 15 // 60]
    assert not is_blue[LEFT + width * 25 // 60 : LEFT + width * 45 // 60].any()


def test_spikes_of_jumping_values_do_not_set_the_axis():
    values = np.ones(300)
    values[[7, 8]] = 1e6
    chart = make_chart(values, ends=(0, 1))
    jumping = chart._replace(curves=[chart.curves[0]._replace(jumps=True)])
    assert choose_axis_for_chart(jumping).high <= 2
    assert choose_axis_for_chart(chart).high == 1e6
    assert choose_axis_for_chart(jumping, chart).high == 1e6  # shared
    draw_chart(jumping, SIZE, 3000)


def test_letters_lose_their_accents_rather_than_become_boxes():
    assert charts._draw_words_as_mask("caf\u00e9", 15) == charts._draw_words_as_mask("cafe", 15)


def test_without_freetype_words_are_still_written(monkeypatch):
    small = ImageFont.load_default_imagefont()

    def load_as_without_freetype(size=None):
        if size is not None:
            raise ImportError("The _imagingft C module is not installed")
        return small

    monkeypatch.setattr(ImageFont, "load_default", load_as_without_freetype)
    caches = (charts._load_font_of_charts, charts._draw_words_as_mask)
    for cache in caches:
        cache.cache_clear()
    try:
        picture = Image.new("RGB", (200, 40), "white")
        write_words(picture, (100, 20), "run \u4eba 12", 15, align=0.5)
        assert np.asarray(picture).min() < 100
        assert measure_words("run", 15) < measure_words("longer", 15) < 60
        draw_chart(make_chart([1, 2]), SIZE, 20)
    finally:
        for cache in caches:
            cache.cache_clear()
