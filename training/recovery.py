"""What training does when a step goes wrong: NaN losses, no memory, a failure inside TensorFlow."""

import contextlib
import dataclasses
import math

import tensorflow as tf
from absl import logging

from config.settings import Config
from config.stored import write_config
from distribution import explain_lost_worker
from runs.best import put_best_checkpoint_of_run_back
from runs.checkpoints import DivergedError
from runs.history import SLOPES
from runs.progress import keep_planned_steps, read_run_settings_before_flags
from system.cluster import find_workers
from training.diagnosis import CollapsedError

MAX_HALVINGS = 3  # of the learning rate in a run: to an eighth
MIN_LOSS_SCALE = 1.0  # below it float16's scaler has nothing left to try

# How TensorFlow's parts say that memory ran out: oneDNN, CUDA, the runtime. Its own allocator
# raises ResourceExhaustedError.
NO_MEMORY = (
    "could not create a primitive",
    "out of memory",
    "OUT_OF_MEMORY",
    "Dst tensor is not initialized",
    "bad_alloc",
)
BOILERPLATE = ("Graph execution error", "Detected at node", "<stack traces", "[[{{")


def check_losses_finite(step: int, results: dict) -> bool:
    """Whether the losses are finite, as they must be for a checkpoint worth going back to.

    Raises DivergedError when they are not. A float16 step that overflowed was skipped: that is
    not an error as long as the loss scales can shrink.
    """
    names = [name for name in ("d_loss", "g_loss", *SLOPES) if name in results]
    losses = {name: float(results[name]) for name in names}
    scales = [float(value) for name, value in results.items() if name.endswith("_loss_scale")]
    can_shrink = min(scales, default=0) >= MIN_LOSS_SCALE
    for name, value in losses.items():
        if not math.isfinite(value) and not can_shrink:
            raise DivergedError(
                f"The losses must stay finite. Received: {name} = {value} at step {step:,}."
            )
    return all(map(math.isfinite, losses.values()))


def halve_learning_rate(config: Config, error: DivergedError) -> Config:
    """The settings to continue with from the last checkpoint, or after a CollapsedError from best/.

    Writes them to the run's folder, if that exists. Raises ValueError after MAX_HALVINGS.
    """
    if config.halvings >= MAX_HALVINGS:
        raise ValueError(f"{error} {_advise_after_learning_rate_halvings(config)}") from error

    step = put_best_checkpoint_of_run_back(config) if isinstance(error, CollapsedError) else 0
    sizes = read_run_settings_before_flags(config).epoch_sizes  # of the training until now
    config = dataclasses.replace(keep_planned_steps(config), epoch_sizes=sizes)
    config = dataclasses.replace(config, halvings=config.halvings + 1)
    logging.warning(
        "%s Going back to %s with half the learning rate: %g.",
        *(error, f"step {step:,}, the best," if step else "the last checkpoint"),
        config.current_learning_rate,
    )
    if config.run_dir.is_dir():
        write_config(config)
    return config


def _advise_after_learning_rate_halvings(config: Config) -> str:
    rate, d_rate = config.current_learning_rate, config.current_d_learning_rate
    also = f"--d_learning_rate={d_rate / 10:g} " if config.d_learning_rate else ""
    return (
        f"Halving the learning rate {config.halvings} times, to {rate:g}, did not "
        f"help. The checkpoints are intact: continue with --learning_rate={rate / 10:g} "
        f"{also}(the default is {Config.learning_rate:g}) or with --mixed_precision=float32."
    )


@contextlib.contextmanager
def translate_step_errors(config: Config, *, step_bytes: float, image_bytes: int):
    """Turns what TensorFlow raises in this block into a ValueError that says what to do."""
    try:
        yield
    except (tf.errors.OpError, MemoryError) as error:
        sizes = {"step_bytes": step_bytes, "image_bytes": image_bytes}
        raise ValueError(explain_failed_step(error, config, **sizes)) from error


def explain_failed_step(
    error: Exception, config: Config, *, step_bytes: float, image_bytes: int
) -> str:
    """What to tell the user when TensorFlow could not take a step.

    step_bytes: memory that a step needs; image_bytes: memory of the images on the device.
    """
    if lost := explain_lost_worker(error, find_workers(config.distribute)):
        return lost
    if is_out_of_memory(error):
        return _advise_to_save_step_memory(config, step_bytes, image_bytes)
    return (
        f"TensorFlow could not take a step: {_find_reason_of_failed_step(error)}. "
        "The checkpoints are intact; --verbosity=1 shows more."
    )


def _advise_to_save_step_memory(config: Config, step_bytes: float, image_bytes: int) -> str:
    saving = ""
    if config.data_on_device != "off":
        saving = f" --data_on_device=off saves {image_bytes / 1e9:.2f} GB."
    return (
        f"Out of memory: a training step needs about {step_bytes / 1e9:.1f} GB. "
        f"Lower --batch_size (now {config.batch_size}) or "
        f"--stem_width (now {config.stem_width}).{saving}"
    )


def _find_reason_of_failed_step(error: Exception) -> str:
    """The first line of the error that is not boilerplate."""
    lines = filter(None, map(str.strip, str(error).splitlines()))
    told = (line for line in lines if not line.startswith(BOILERPLATE))
    return next(told, type(error).__name__)[:200]


def is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return True
    return any(sign in str(error) for sign in NO_MEMORY)
