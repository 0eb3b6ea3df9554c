"""How far training has got, in steps and in images; a new batch size does not affect the latter."""

import dataclasses
from fractions import Fraction
from typing import NamedTuple

from config.settings import Config
from config.stored import read_config_as_written

# Images per step.
STEP_SIZE_SETTINGS = ("batch_size", "replicas", "d_updates", "g_updates", "alternate")


class Progress(NamedTuple):
    """The steps done, and the images that they showed to the discriminator."""

    step: int = 0
    images_shown: int = 0

    def count_images_shown(self, step: int, images_per_step: int) -> int:
        """The images shown after `step` steps, if each step from here on has `images_per_step`.

        For an earlier step it counts backwards, and the result may be below 0.
        """
        return self.images_shown + (step - self.step) * images_per_step


def record_epoch_size(config: Config, progress: Progress, images: int) -> Config:
    """The settings of a run that resumes at `progress` with `images` in an epoch.

    Call it before config.json is written: the file still has the sizes of earlier epochs.
    """
    before = list_epoch_sizes(read_run_settings_before_flags(config))
    sizes = [(start, size) for start, size in before if start < progress.images_shown]
    if not sizes:
        sizes = [(0, images)]
    elif sizes[-1][1] != images:
        sizes.append((progress.images_shown, images))
    return dataclasses.replace(config, epoch_sizes=tuple(n for pair in sizes for n in pair))


def list_epoch_sizes(config: Config) -> list[tuple[int, int]]:
    """(images shown, images in an epoch from there on), in order; [] for runs older than this."""
    numbers = config.epoch_sizes or ()
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def restate_progress_for_epoch_size(config: Config, progress: Progress, images: int) -> Progress:
    """`progress` as it would be with the same number of epochs, all of `images` images.

    So the epochs so far still count if images were added or removed. If none were, it is `progress`
    itself.
    """
    epochs, shown = Fraction(0), progress.images_shown
    sizes = list_epoch_sizes(config) or [(0, images)]
    ends = [start for start, _ in sizes[1:]] + [shown]
    for (start, size), end in zip(sizes, ends, strict=True):
        epochs += Fraction(max(min(end, shown) - start, 0), size)
    return progress._replace(images_shown=round(epochs * images))


def read_run_settings_before_flags(config: Config) -> Config:
    """The run's settings as stored, without today's flags; `config` if none can be read."""
    path = config.run_dir / "config.json"
    try:
        return read_config_as_written(path) if path.is_file() else config
    except ValueError:
        return config


def keep_planned_steps(config: Config) -> Config:
    """The settings with the planned steps that the run already has, if --minutes is unchanged."""
    stored = read_run_settings_before_flags(config)
    is_of_run = stored is not config and stored.minutes == config.minutes
    planned = stored.planned_steps if is_of_run else None
    return dataclasses.replace(config, planned_steps=planned)


def derive_older_images_per_step(config: Config) -> int:
    """Images per step, for those of the run's checkpoints that do not count images."""
    stored = read_run_settings_before_flags(config)
    return stored.older_images_per_step or stored.images_per_step


def describe_changes_of_step_size(config: Config, stored: Config) -> str:
    """For example "--batch_size is 16 now and was 8"; empty if images per step are unchanged.

    replicas, which is no flag, is "the number of devices".
    """
    if config.images_per_step == stored.images_per_step:
        return ""
    values = {name: (getattr(config, name), getattr(stored, name)) for name in STEP_SIZE_SETTINGS}
    words = {"replicas": "the number of devices"}
    return ", ".join(
        f"{words.get(name, f'--{name}')} is {now} now and was {before}"
        for name, (now, before) in values.items()
        if now != before
    )
