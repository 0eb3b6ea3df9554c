"""What can go wrong while training keeps running."""

import math

from training.diagnosis import WINNING_STEPS, WinningDiscriminator


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
