"""The two lines that a terminal shows while a run trains. They fit in 80 columns."""

import os
import sys

from absl import logging
from tqdm import tqdm

from config.settings import MAX_COUNT, Config

COLUMNS, ROWS = 80, 24  # if the terminal does not report its size


class TrainingBar:
    """A bar with the step, the epoch, the speed and the time left; below it, the last losses.

    It hides while a line of the log is written. Without a terminal, nothing is shown.
    """

    def __init__(self, config: Config, steps: range, images: int, origin: int = 0):
        """As in `training.logs.Logs`."""
        self.config, self.images, self.origin = config, images, origin
        lines = {"leave": True, "disable": None, **_choose_bar_size()}  # None: only in a terminal
        self.bar = tqdm(
            total=steps.stop,
            initial=steps.start,
            bar_format="{percentage:3.0f}%|{bar}| {desc}",
            desc=self._describe_progress(steps.start, steps.stop, rate=None),
            mininterval=0.2,
            **lines,
        )
        self.losses = tqdm(bar_format="{desc}", position=1, **lines)
        self.is_first_call = True

    @property
    def is_shown(self) -> bool:
        return not self.bar.disable

    def __enter__(self) -> "TrainingBar":
        logging.get_absl_handler().addFilter(self._hide_before_log_record)
        return self

    def __exit__(self, *_):
        logging.get_absl_handler().removeFilter(self._hide_before_log_record)
        self.bar.close()
        self.losses.close()

    def advance_training_bar(self, steps: int) -> None:
        if not self.is_shown:
            return
        rate = self.bar.format_dict["rate"]
        text = self._describe_progress(self.bar.n + steps, self.bar.total, rate)
        self.bar.set_description_str(text, refresh=False)
        if self.is_first_call:
            self._skip_compiling_call(steps)
        else:
            self.bar.update(steps)

    def set_total_steps(self, total: int) -> None:
        self.bar.total = total

    def show_losses(self, text: str) -> None:
        width = self.losses.format_dict["ncols"] or COLUMNS
        self.losses.set_description_str(text[:width])

    def _skip_compiling_call(self, steps: int) -> None:
        """Advances without a speed: the first call of a process compiles."""
        self.is_first_call = False
        self.bar.n += steps
        self.bar.initial = self.bar.last_print_n = self.bar.n
        self.bar.refresh()
        self.bar.unpause()

    def _describe_progress(self, step: int, total: int, rate: float | None) -> str:
        """rate: steps per second, if known."""
        epoch = (self.origin + step * self.config.images_per_step) / self.images
        text = f"step {format_step_of_total(step, total, '/')}  epoch {epoch:.2f}"
        if not rate:
            return text
        speed, time_left = rate * self.config.images_per_step, (total - step) / rate
        left = f"  {format_training_time_left(time_left)} left" * is_total_known(total)
        return f"{text}  {speed:,.0f} img/s{left}"

    def _hide_before_log_record(self, _) -> bool:
        """A log filter that keeps every record."""
        if self.is_shown:
            self.losses.clear()
            self.bar.clear()
        return True


def _choose_bar_size() -> dict:
    """tqdm's arguments: the terminal's size, unless it says 0x0, as some web terminals do."""
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):  # not a terminal: no bar
        return {}
    return {"dynamic_ncols": True} if all(size) else {"ncols": COLUMNS, "nrows": ROWS}


def is_total_known(total: int) -> bool:
    """With --minutes, the total is not known before the speed is."""
    return total < MAX_COUNT


def format_step_of_total(step: int, total: int, of: str) -> str:
    """`1,200/5,000`, or `1,200` without a total; of: the separator."""
    return f"{step:,}" + f"{of}{total:,}" * is_total_known(total)


def format_training_time_left(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
