"""What training reports before its first step and after its last."""

import shlex
from pathlib import Path

from absl import logging

from augmentation import describe_augmentation
from config.settings import Config
from data.split import Split
from runs.checkpoints import list_checkpoints
from runs.progress import Progress, describe_changes_of_step_size, read_run_settings_before_flags
from system import devices
from system.console import print_result
from system.memory import measure_available_memory
from system.text import format_duration_in_words
from training.pictures import FILM

SHAPES_FROM_STEP = 400  # benchmarks/results.md: when shapes appear
ADVISED_STEPS = 2000  # the faces in the README took 1,563


def announce_training(
    config: Config, *, start: int, total: int, precision: str, jit: bool, step_bytes: float
) -> None:
    """Says what starts or resumes and where, warns of few steps, little memory and an unused GPU.

    start, total: steps done and to do; step_bytes: what a step needs.
    """
    beginning = f"resuming at step {start:,}" if start else "starting"
    place = f"{devices.find_device_type()} in {precision}{' with XLA' if jit else ''}"
    logging.info("%s: %s, until step %s, on %s.", *(config.run_dir, beginning, f"{total:,}", place))

    if not start:  # once: a resumed run knows
        _warn_of_few_training_steps(total)
    _warn_training_leaves_gpu_unused()
    _warn_of_too_little_memory(config, step_bytes)
    logs = shlex.quote(str(config.run_dir / "logs"))
    logging.info("watch it with: tensorboard --logdir %s", logs)


def announce_held_out_images(split: Split) -> None:
    held_out, training = len(split.held_out), len(split.training)
    if held_out:
        text = "held out for --evaluate: %s of %s images."
        logging.info(text, f"{held_out:,}", f"{held_out + training:,}")


def announce_augmentation(config: Config, images: int) -> None:
    """images: how many are trained on."""
    if text := describe_augmentation(config, images):
        logging.info("%s.", text)


def _warn_of_few_training_steps(total: int) -> None:
    if total < SHAPES_FROM_STEP:
        logging.warning(
            "%s steps are few: shapes appear from about step %s on. Try --steps=%s.",
            *(total, SHAPES_FROM_STEP, ADVISED_STEPS),
        )


def announce_change_of_step_size(config: Config, progress: Progress, images: int) -> None:
    """Says that steps have more or fewer images than config.json, not yet rewritten, says.

    images: how many an epoch has.
    """
    changes = describe_changes_of_step_size(config, read_run_settings_before_flags(config))
    if changes and progress.step:
        logging.info(
            "%s: the images continue in their order, at epoch %.2f.",
            *(changes, progress.images_shown / images),
        )


def _warn_training_leaves_gpu_unused() -> None:
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
            "program, lower --batch_size (now %s) or --stem_width (now %s).",
            *(step_bytes / 1e9, free / 1e9, config.batch_size, config.stem_width),
        )


def announce_stop_of_training(step: int) -> None:
    logging.info("stopped and saved at step %s; the same command resumes there.", f"{step:,}")


def announce_end_of_training(
    config: Config, *, seconds: float, seconds_before: float, report: Path | None = None
) -> None:
    """Says how long it took and where its pictures are, with the commands that may come next.

    seconds: of this process; seconds_before: of the run's earlier ones; report: of the run, if it
    was scored.
    """
    in_all = (
        f", {format_duration_in_words(seconds + seconds_before)} in all" if seconds_before else ""
    )
    print_result(f"trained for {format_duration_in_words(seconds)}{in_all}")
    has_film = (config.sample_path / FILM).is_file()
    film = f", and their animation is {FILM}" if has_film else ""
    print_result(f"the grids are in {config.sample_path}{film}")
    if report:
        print_result(f"its scores, losses and grids in one picture: {report}")
    if best := _find_best_checkpoint_to_announce(config):
        print_result(
            f"the best of the scored checkpoints is {best}: --checkpoint=best draws from it"
        )
    print_result(f"to draw images: {_suggest_command_after_training(config, '--sample=64')}")
    print_result(f"to export the networks: {_suggest_command_after_training(config, '--export')}")


def _find_best_checkpoint_to_announce(config: Config) -> str:
    """The name of the checkpoint in best/, such as step-600, unless it is the last one; else ""."""
    best, last = (list_checkpoints(path) for path in (config.best_path, config.checkpoint_path))
    return best[-1].name if best and last and best[-1].name != last[-1].name else ""


def _suggest_command_after_training(config: Config, action: str) -> str:
    """A command line for the run, as a shell takes it."""
    run = (f"--out_dir={config.out_dir}", f"--out_name={config.name}")
    return shlex.join(["python", "main.py", *run, action])
