"""What can go wrong while training keeps running."""

import math

import pytest

from training.diagnosis import WINNING_STEPS, Verdict, WinningDiscriminator, judge_evaluations


def said_at(steps, config, messages, start=0):
    """The steps at which it warned, of (step, mean D(G(z))) pairs."""
    winning, found = WinningDiscriminator(config, start), []
    for step, d_fake in steps:
        before = len(messages)
        winning.warn_if_winning(step, d_fake)
        found += [step] * (len(messages) - before)
    return found


def test_a_discriminator_that_wins_is_said_once(tiny, messages):
    """500 steps after the last fake that fooled it, at step 500; never again after that."""
    steps = [(step, 0.5 if step in (100, 500) else 1e-4) for step in range(100, 2001, 100)]
    assert said_at(steps, tiny(g_updates=2), messages) == [1000]
    assert "--g_updates=3" in messages[0]


def test_a_continued_run_counts_from_its_start(tiny, messages):
    steps = [(step, 0.0) for step in range(5020, 6000, 20)]
    assert said_at(steps, tiny(), messages, start=5000) == [5000 + WINNING_STEPS]


def test_a_loss_that_is_no_number_is_not_a_win(tiny, messages):
    assert said_at([(step, math.nan) for step in range(0, 3000, 100)], tiny(), messages) == []


def evaluations(*scores):
    """Entries of (frechet, vendi), 100 steps apart."""
    return [
        {"step": 100 * number, "frechet": frechet, "vendi": vendi}
        for number, (frechet, vendi) in enumerate(scores, start=1)
    ]


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ([(90, 0.9)], "too early for a verdict"),
        ([(90, 0.9), (80, 0.2)], "little diversity yet"),
        ([(90, 0.9), (60, 0.4)], "healthy"),  # the first images are noise, and so diverse
        ([(60, 0.5), (65, 0.4), (61, 0.5), (70, 0.4), (66, 0.5)], "healthy"),
        ([(60, 0.5), (75, 0.34)], "collapsing, 32% of the diversity lost since step 100"),
        ([(60, 0.5), (71, 0.3)], "healthy"),  # not worse by a fifth
        ([(60, 0.5), (75, 0.5), (80, 0.5), (73, 0.5)], "getting worse"),
        ([(60, 0.5), (75, 0.5), (70, 0.5), (73, 0.5)], "healthy"),
        ([(60, 0.5), *[(65, 0.5)] * 5], "no better for 5 evaluations"),
        ([(60, 0.5), *[(65, 0.5)] * 5, (59, 0.5)], "healthy"),
    ],
)
def test_the_verdict_on_a_run(scores, verdict):
    found, warning = judge_evaluations(evaluations(*scores))
    assert found == verdict
    assert bool(warning) == verdict.startswith(("collapsing", "getting worse", "no better"))


def test_what_goes_wrong_is_warned_of_once_per_occurrence(tiny, messages):
    scores = [(60, 0.5), (75, 0.2), (80, 0.2), (61, 0.5), (75, 0.2)]
    history, judge = evaluations(*scores), Verdict(tiny())
    for count in range(1, 6):
        judge.announce_evaluation(history[:count], floor=2.0)

    warnings = [text for text in messages if "is collapsing" in text]
    assert len(warnings) == 2
    assert "step 100 is in best/" in warnings[0]
    assert messages[0] == (
        "step 100: Frechet distance 60.0, 30 times its floor (the best so far), diversity 50%: "
        "too early for a verdict."
    )
    assert messages[1] == (
        "step 200: Frechet distance 75.0, 38 times its floor (best: 60.0 at step 100), diversity "
        "20%: collapsing, 60% of the diversity lost since step 100."
    )
