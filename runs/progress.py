"""How far a training is: in steps, and in images, which a change of the batch size leaves alone."""

from typing import NamedTuple

from config.settings import Config
from config.stored import read_config

STEP_SIZE_SETTINGS = ("batch_size", "d_updates", "g_updates", "alternate")  # images in a step


class Progress(NamedTuple):
    """Steps done, and the images that they showed to the discriminator."""

    step: int = 0
    images_shown: int = 0

    def count_images_shown(self, step: int, images_per_step: int) -> int:
        """The images shown after `step` steps, when those from here on have `images_per_step`.

        For steps before this one, as many as if they had had `images_per_step`, too: that may be
        less than nothing.
        """
        return self.images_shown + (step - self.step) * images_per_step


def read_settings_on_disk(config: Config) -> Config:
    """The run's settings before today's flags; without any that can be read, `config`."""
    path = config.run_dir / "config.json"
    try:
        return read_config(path) if path.is_file() else config
    except ValueError:
        return config


def derive_older_images_per_step(config: Config) -> int:
    """The images in a step of the run's checkpoints that do not count them."""
    stored = read_settings_on_disk(config)
    return stored.older_images_per_step or stored.images_per_step


def describe_changes_of_step_size(config: Config, stored: Config) -> str:
    """`--batch_size is 16 now and was 8`; empty when steps have as many images as in `stored`."""
    if config.images_per_step == stored.images_per_step:
        return ""
    values = {name: (getattr(config, name), getattr(stored, name)) for name in STEP_SIZE_SETTINGS}
    return ", ".join(
        f"--{name} is {now} now and was {before}"
        for name, (now, before) in values.items()
        if now != before
    )
