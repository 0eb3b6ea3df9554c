"""Runs with --minutes on a clock that the test moves: they end in time; plans rarely change."""

import itertools
import math

import numpy as np
import pytest

from config.settings import MAX_COUNT
from runs.progress import Progress
from training.minutes import RunLength, Scoring, estimate_total_steps, is_speed_steady


def run_by_clock(
    config, seconds_per_step, *, calls_of=1, evaluation=0.0, every=200, total=MAX_COUNT
):
    """(steps, seconds, plans) of a run whose step k takes seconds_per_step(k), after the first.

    evaluation: its seconds; there is one each `every` steps and one at the end.
    """
    length, step, seconds, plans = RunLength(config, total, calls_of), 1, 0.0, []
    scored = 0.0
    while True:
        scoring = Scoring(scored, 0.05 * bool(evaluation), evaluation * bool(scored))
        planned = length.plan_total_steps(step, seconds, scoring)
        plans += [] if planned == length.total else [planned]
        length.total = planned
        if step >= planned:
            return step, seconds + evaluation, plans
        if step % every == 0:
            seconds, scored = seconds + evaluation, scored + evaluation
        size = 1 if step == 1 else calls_of
        seconds += sum(seconds_per_step(k) for k in range(step, step + size))
        step += size


def test_at_a_steady_speed_one_plan_is_enough(tiny):
    """50 steps of 1/16 second are measured; 2% of the rest are for pictures."""
    step, seconds, plans = run_by_clock(tiny(minutes=20), lambda _: 1 / 16)
    assert plans == [51 + math.ceil(0.98 * (1200 - 50 / 16) * 16)] == [step]
    assert 0.95 * 1200 < seconds <= 1200


def test_slow_steps_are_measured_for_five_seconds(tiny):
    _, _, plans = run_by_clock(tiny(minutes=20), lambda _: 1.0)
    assert plans == [6 + math.ceil(0.98 * (1200 - 5))]


@pytest.mark.parametrize("minutes", [1, 20, 600])
def test_it_ends_in_time_although_the_speed_changes(tiny, minutes):
    budget, clock = 60 * minutes, minutes / 13  # seconds a step: 780 steps
    for factor, at in itertools.product((0.25, 0.5, 0.9, 1.1, 4), (0.1, 0.5, 0.9)):
        change = at * budget / clock
        _, seconds, plans = run_by_clock(
            tiny(minutes=minutes),
            lambda k, factor=factor, change=change: clock * (factor if k > change else 1),
        )
        assert 0.95 * budget <= seconds <= budget + clock * max(factor, 1), (factor, at)
        assert len(plans) <= 4


def test_scores_count_and_do_not_shake_the_plan(tiny):
    for minutes in (1, 20):
        _, seconds, plans = run_by_clock(
            tiny(minutes=minutes), lambda _: 0.1, evaluation=2.0, every=400
        )
        assert 0.95 * 60 * minutes <= seconds <= 60 * minutes + 0.1
        assert len(plans) <= 3


def test_a_noisy_speed_is_measured_for_longer(tiny):
    """Every tenth step takes 30 times as long, up to 20 seconds of measuring."""
    _, seconds, _ = run_by_clock(tiny(minutes=20), lambda k: 3.0 if k % 10 == 0 else 0.1)
    assert 0.95 * 1200 <= seconds <= 1203
    steady, noisy = [(k, 0.1 * k) for k in range(6)], [(k, 0.1 * k**2) for k in range(6)]
    assert is_speed_steady(steady)
    assert not is_speed_steady(noisy)
    assert not is_speed_steady(steady[:2])


def test_several_steps_a_call_end_with_a_call(tiny):
    _, seconds, plans = run_by_clock(tiny(minutes=1), lambda _: 0.004, calls_of=20)
    assert plans[-1] % 20 == 0
    assert 57 <= seconds <= 60.1


def test_when_the_time_is_up_the_run_ends_there(tiny):
    length = RunLength(tiny(minutes=1), 5000, 1)
    assert length.plan_total_steps(600, 50.0, Scoring(closing=9.0)) == 5000
    assert length.plan_total_steps(601, 51.0, Scoring(closing=9.0)) == 601
    assert RunLength(tiny(minutes=1), 600, 1).plan_total_steps(601, 61.0, Scoring()) == 600


def test_a_run_of_steps_is_left_alone(tiny):
    step, _, plans = run_by_clock(tiny(steps=30), lambda _: 1e9, total=30)
    assert (step, plans) == (30, [])
    assert RunLength(tiny(), 30, 1).list_steps_from(4) == range(4, 30)
    assert RunLength(tiny(minutes=1), 30, 1).list_steps_from(4)[:40] == range(4, 44)


@pytest.mark.parametrize(
    ("settings", "step", "seconds", "total"),
    [
        ({"steps": 40}, 30, 9.0, 40),
        ({"minutes": 1.0}, 0, 0.0, MAX_COUNT),
        ({"minutes": 1.0, "planned_steps": 40}, 30, 9.0, 40),
        ({"minutes": 1.0}, 30, 20.0, 90),  # at the same speed as so far
        ({"minutes": 1.0}, 30, 60.0, 30),  # the time is up
        ({"minutes": 1.0, "planned_steps": 40}, 30, 60.0, 30),
    ],
)
def test_what_is_known_of_a_run_before_it_goes_on(tiny, settings, step, seconds, total):
    assert estimate_total_steps(tiny(**settings), 100, Progress(step, 8 * step), seconds) == total


def test_random_speeds(tiny):
    """A speed that drifts by a tenth a minute, up and down by a factor of up to three."""
    rng = np.random.default_rng(0)
    for _ in range(3):
        wander = np.exp(np.cumsum(rng.normal(0, 0.1, 40)))
        pace = 0.2 * np.clip(wander / wander[0], 1 / 3, 3)
        _, seconds, plans = run_by_clock(
            tiny(minutes=20), lambda k, pace=pace: pace[min(k // 300, 39)]
        )
        assert 0.95 * 1200 <= seconds <= 1200.6
        assert len(plans) <= 12
