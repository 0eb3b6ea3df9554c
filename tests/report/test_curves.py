"""The curves go through their values, with the gaps, at whatever width the page has."""

import dataclasses
import re

import numpy as np
import pytest

from config.stored import write_config
from evaluate.charts import Chart, Curve
from report.curves import (
    POINTS,
    draw_chart_as_html,
    draw_charts_as_html,
    list_verdicts_in_rows,
    plan_charts_for_html,
    read_verdict_of_entry,
    thin_curve,
)
from runs.changes import record_changed_settings

COLOUR = (0, 0, 0)


def draw(values, steps=None, **changes) -> str:
    values = np.array(values, float)
    steps = np.array(range(len(values)) if steps is None else steps, float)
    curve = Curve("this <run>", COLOUR, steps, values)
    chart = Chart(**{"title": "T", "note": "n", "curves": [curve], "rules": {}} | changes)
    return draw_chart_as_html(chart, int(steps[-1]), {2: ("collapsing, <b>", "bad")})


def read_lines(drawn: str) -> list[np.ndarray]:
    found = re.findall(r'class="line first" points="([^"]*)"', drawn)
    return [np.array([point.split(",") for point in line.split()], float) for line in found]


def test_a_line_goes_through_its_values():
    [line] = read_lines(draw([0, 10, 5], [0, 50, 100]))
    np.testing.assert_allclose(line, [[0, 1000], [500, 0], [1000, 500]])


def test_a_line_over_decades_is_straight():
    [line] = read_lines(draw([1, 10, 100], is_logarithmic=True))
    assert line[0, 1] - line[1, 1] == pytest.approx(line[1, 1] - line[2, 1], rel=1e-2)


def test_nan_leaves_a_gap_and_a_value_alone_is_a_dot():
    drawn = draw([1, 2, np.nan, 3, np.nan, 1, 2])
    assert [len(line) for line in read_lines(drawn)] == [2, 2]
    assert drawn.count('class="dot line first"') == 1


def test_dots_say_step_value_and_verdict():
    drawn = draw([1, 2, 1234])
    assert "<title>step 1: 2.00</title>" in drawn
    assert "<title>step 2: 1,234, collapsing, &lt;b&gt;</title>" in drawn
    assert drawn.count('class="dot first bad"') == 1
    many = draw(np.ones(200))
    assert many.count("<title>") == 1  # only the bad verdict


def test_long_curves_are_thinned_with_both_ends():
    steps = np.arange(3001.0)
    curve = thin_curve(Curve("", COLOUR, steps, steps**2))
    assert len(curve.steps) == POINTS
    assert (curve.steps[0], curve.steps[-1]) == (0, 3000)
    np.testing.assert_array_equal(curve.values, curve.steps**2)
    assert thin_curve(curve) is curve


def test_a_run_of_one_step_is_drawn():
    assert "NaN" not in draw([3], [1]) and "inf" not in draw([3], [1])


def test_there_is_a_chart_for_each_kind_of_number(tiny):
    entry = {"step": 1, "d_loss": 1.0, "images_per_second": 9.0, "r1": 0.1, "coverage": "high"}
    titles = [chart.title for chart in plan_charts_for_html(tiny(), [entry])]
    assert titles == ["Losses", "Gradient penalties", "Speed"]


def test_the_best_is_marked_among_scores_of_the_images_of_now(tiny):
    config = tiny(dataset_fingerprint="before")
    config.run_dir.mkdir(parents=True)
    write_config(config)
    entries = [{"step": 1, "frechet": 9.0, "vendi": 1.0}, {"step": 2, "frechet": 50.0, "vendi": 1}]
    assert plan_charts_for_html(config, entries)[0].mark == (9.0, "best: 9.00 at step 1")
    record_changed_settings(dataclasses.replace(config, dataset_fingerprint="now"), 1)
    assert plan_charts_for_html(config, entries)[0].mark == (50.0, "best: 50.0 at step 2")
    charts = plan_charts_for_html(config, entries[:1])
    assert charts[0].mark is None
    assert "step 1: 9.00" in draw_charts_as_html(charts, entries[:1], 1)


def test_verdicts_in_a_row_are_one_line():
    words = ["too early for a verdict", "healthy", None, "healthy", "collapsing, 40% ...", 3]
    words += ["collapsing, 80% ...", "healthy"]
    entries = [{"step": 10 * n, "verdict": word} for n, word in enumerate(words)]
    assert list_verdicts_in_rows(entries) == [
        (0, 0, "too early for a verdict", "quiet"),
        (10, 30, "healthy", "good"),
        (40, 60, "collapsing, 80% ...", "bad"),
        (70, 70, "healthy", "good"),
    ]
    assert read_verdict_of_entry({}) == ("", "quiet")
