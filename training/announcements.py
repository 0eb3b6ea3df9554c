"""What a training says before its first step."""

import shlex

from absl import logging

from config.settings import Config
from runs.progress import Progress, describe_changes_of_step_size, read_settings_on_disk
from system import devices
from system.memory import measure_available_memory


def announce_training(
    config: Config, *, start: int, total: int, precision: str, jit: bool, step_bytes: float
) -> None:
    """Says what begins or goes on and where, warns of too little memory and of an unused GPU.

    start, total: steps done and to do; step_bytes: what a step needs.
    """
    beginning = f"going on at step {start:,}" if start else "starting"
    place = f"{devices.find_device_type()} in {precision}{' with XLA' if jit else ''}"
    logging.info("%s: %s, until step %s, on %s.", *(config.run_dir, beginning, f"{total:,}", place))

    _warn_of_unused_gpu()
    _warn_of_too_little_memory(config, step_bytes)
    logs = shlex.quote(str(config.run_dir / "logs"))
    logging.info("watch it with: tensorboard --logdir %s", logs)


def announce_change_of_step_size(config: Config, progress: Progress, images: int) -> None:
    """Says that steps have more or fewer images than config.json, still the old one, tells.

    images: how many an epoch has.
    """
    changes = describe_changes_of_step_size(config, read_settings_on_disk(config))
    if changes and progress.step:
        logging.info(
            "%s: the images go on in their order, at epoch %.2f.",
            *(changes, progress.images_shown / images),
        )


def _warn_of_unused_gpu() -> None:
    if devices.nvidia_gpu_is_unused():
        logging.warning(
            "TensorFlow cannot use the NVIDIA GPU here: pip install 'tensorflow[and-cuda]==2.21.*'"
        )


def _warn_of_too_little_memory(config: Config, step_bytes: float) -> None:
    """Only on a CPU, where the system ends a program that takes too much."""
    free = measure_available_memory()
    if devices.find_device_type() == "CPU" and free is not None and step_bytes > free:
        logging.warning(
            "A step needs about %.1f GB of memory, and %.1f GB are free. If the system ends the "
            "program, lower --batch_size=%s or --stem_width=%s.",
            *(step_bytes / 1e9, free / 1e9, config.batch_size, config.stem_width),
        )
