"""`--minutes`: how many steps a run takes, planned from its speed.

Seconds are those of `training.logs`: of all processes of the run, without the first call of each,
which compiles. The time for scores, pictures and checkpoints counts.
"""

import itertools
import math
import statistics
from typing import NamedTuple

from config.settings import MAX_COUNT, Config
from runs.progress import Progress
from training.schedule import LOG_EVERY_STEPS

# The first measurement takes FIRST_STEPS or FIRST_SECONDS; if the steps' times vary, it takes up to
# LONGEST_SECONDS. In a short run, the shares of its minutes replace the seconds.
FIRST_STEPS, FIRST_SECONDS, LONGEST_SECONDS = 50, 5.0, 20.0
FIRST_SHARE, LONGEST_SHARE = 0.1, 0.2
STEADY = 0.05  # standard error of a step's seconds, relative to their mean
# Later measurements take at least NEXT_SECONDS, or NEXT_SHARE of the minutes if that is longer.
NEXT_SECONDS, NEXT_SHARE = 15.0, 0.1
PICTURES_SHARE = 0.02  # of the time, for pictures and checkpoints: the first measurement has none
# A plan is kept if it should end this close to the end of the minutes, as a share of them. The
# second value applies once the planned steps are done.
TOLERANCE, LAST_TOLERANCE = 0.05, 0.03


def estimate_total_steps(config: Config, images: int, progress: Progress, seconds: float) -> int:
    """How many steps a run takes in all, as far as is known before it continues.

    images: how many an epoch has; seconds: how long the run has trained. With --minutes, this is
    the planned number, else as many steps as fit at the speed so far; MAX_COUNT for a new run.
    """
    total = config.total_steps(images, **progress._asdict())
    if config.minutes is None:
        return total
    left = 60 * config.minutes - seconds
    if left <= 0:
        return progress.step
    if total < MAX_COUNT or not seconds:
        return total
    return progress.step + math.ceil(progress.step * left / seconds)


class Scoring(NamedTuple):
    """The time that evaluations take.

    seconds: so far, in this process; share: of the time to come; closing: seconds of the last one.
    """

    seconds: float = 0.0
    share: float = 0.0
    closing: float = 0.0


class RunLength:
    """How many steps a run takes in all; with --minutes, plans that number.

    total: the steps, MAX_COUNT until the speed is known. config: includes the plan.
    """

    def __init__(self, config: Config, total: int, steps_per_call: int):
        self.config, self.total, self.steps_per_call = config, total, steps_per_call
        self.seconds_per_step = math.nan  # when the plan was made
        self.grain = 1 if steps_per_call == 1 else LOG_EVERY_STEPS  # calls end at its multiples
        self.marks: list[tuple[int, float]] = []  # (steps, seconds) since the measurement began

    @property
    def is_known(self) -> bool:
        return self.total < MAX_COUNT

    def list_steps_from(self, start: int) -> range:
        """The steps that may be taken, counted from 0: a plan may become longer."""
        return range(start, MAX_COUNT if self.config.minutes else self.total)

    def plan_total_steps(self, step: int, seconds: float, scoring: Scoring) -> int:
        """The total, after `step` steps and `seconds`: `step` if the time is up.

        Without --minutes, it never changes.
        """
        if self.config.minutes is None:
            return self.total
        budget = 60 * self.config.minutes
        left = budget - seconds - scoring.closing
        if left <= 0:
            return min(step, self.total)
        if not self._measure_speed(step, seconds - scoring.seconds, budget):
            return self.total

        usable = left * (1 - scoring.share - (0 if self.is_known else PICTURES_SHARE))
        expected = (self.total - step) * self.seconds_per_step
        tolerance = LAST_TOLERANCE if step >= self.total else TOLERANCE
        if self.is_known and abs(expected - usable) <= tolerance * budget:
            return self.total
        planned = step + usable / self.seconds_per_step
        return self.grain * math.ceil(planned / self.grain)

    def _measure_speed(self, step: int, seconds: float, budget: float) -> bool:
        """Whether a measurement of `seconds_per_step` ends here; if so, the next one starts.

        seconds: without evaluations; budget: the seconds of --minutes.
        """
        self.marks.append((step, seconds))
        first_step, first_seconds = self.marks[0]
        steps, taken = step - first_step, seconds - first_seconds
        if self.is_known:
            del self.marks[1:]
            # Measures again at the end of the plan, which may come too early.
            is_enough = step >= self.total or taken >= max(NEXT_SECONDS, NEXT_SHARE * budget)
        else:
            is_enough = self._is_first_measurement_enough(steps, taken, budget)
        if not is_enough or not steps or not taken:
            return False

        self.marks, self.seconds_per_step = [(step, seconds)], taken / steps
        return True

    def _is_first_measurement_enough(self, steps: int, taken: float, budget: float) -> bool:
        first = min(FIRST_SECONDS, FIRST_SHARE * budget)
        longest = min(LONGEST_SECONDS, LONGEST_SHARE * budget)
        if taken < first and steps < FIRST_STEPS:
            return False
        return taken >= longest or is_speed_steady(self.marks)


def is_speed_steady(marks: list[tuple[int, float]]) -> bool:
    """Whether the mean seconds per step are known well; marks: (steps, seconds), in order."""
    pairs = itertools.pairwise(marks)
    paces = [(then - now) / (later - step) for (step, now), (later, then) in pairs]
    if len(paces) < 2:
        return False
    error = statistics.stdev(paces) / math.sqrt(len(paces))
    return error <= STEADY * statistics.fmean(paces)
