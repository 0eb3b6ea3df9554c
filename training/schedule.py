"""When the training loop logs, draws and saves, and how many steps it takes in between."""

from collections.abc import Iterator
from typing import NamedTuple

from config.settings import Config

LOG_EVERY_STEPS = 20  # besides the first and the last


class Due(NamedTuple):
    """What the loop has to do after a step."""

    log: bool
    draw: bool
    save: bool


def find_actions_due_after_step(config: Config, step: int, *, is_first: bool, is_last: bool) -> Due:
    """step: how many are done. is_first, is_last: of this process."""
    is_scored = bool(config.eval_freq) and step % config.eval_freq == 0
    return Due(
        log=is_first or is_last or step % LOG_EVERY_STEPS == 0,
        draw=is_last or step % config.sample_freq == 0,
        save=is_last or is_scored or step % config.ckpt_freq == 0,
    )


def plan_step_calls(config: Config, steps: range, at_most: int) -> Iterator[range]:
    """`steps`, counted from 0, in ranges of `at_most` that end wherever something is due."""
    every = [LOG_EVERY_STEPS, config.ckpt_freq, config.sample_freq]
    if config.eval_freq:
        every.append(config.eval_freq)
    return divide_steps_into_calls(steps, at_most, *every)


def divide_steps_into_calls(steps: range, at_most: int, *every: int) -> Iterator[range]:
    """`steps` in ranges of `at_most`, cut after the first and at multiples of each of `every`."""
    start = steps.start
    while start < steps.stop:
        ends = [start + at_most, steps.stop, *(start - start % n + n for n in every)]
        stop = start + 1 if start == steps.start else min(ends)
        yield range(start, stop)
        start = stop
