"""What training reports before its first step and after its last."""

import dataclasses
import math
import shlex
from collections.abc import Collection
from pathlib import Path

from absl import logging

from augmentation import describe_augmentation
from config.presets import PRESETS, apply_preset
from config.settings import DATA, FROM_ARRAY, LENGTHS, SETTINGS, Config
from config.stored import drop_lengths_in_vain
from data.split import Split
from runs.changes import find_last_step_of_other_images
from runs.checkpoint_files import list_checkpoints, parse_checkpoint_step
from runs.commands import find_typed_program, spell_command, spell_command_for_run, spell_flag
from runs.history import ORIGIN_FILE, list_grids_of_run
from runs.progress import (
    STEP_SIZE_SETTINGS,
    Progress,
    describe_changes_of_step_size,
    read_run_settings_before_flags,
)
from runs.read import read_all_runs
from system import devices
from system.console import print_result
from system.memory import measure_available_memory
from system.text import format_duration_in_words
from training.pictures import FILM
from training.progress_bar import is_total_known

SHAPES_FROM_STEP = 400  # benchmarks/results.md: when shapes appear
ADVISED_STEPS = 2000  # the faces in the README took 1,563
# To --preset modern, with DATA.
CARRIED_OVER = ("labels", "stem_width", "batch_size", "mixed_precision", *LENGTHS)
# Settings whose changes have a line of their own.
TOLD_ELSEWHERE = {*STEP_SIZE_SETTINGS, *LENGTHS, "dataset", "c_dim", "out_dir", "out_name"}


def announce_training(
    config: Config,
    *,
    start: int,
    total: int,
    seconds: float,
    precision: str,
    jit: bool,
    step_bytes: float,
) -> None:
    """Says what starts or resumes and where; warns of few steps, little memory or an unused GPU.

    start, total: steps done and steps in total; seconds: of training so far; step_bytes: memory
    that a step needs.
    """
    beginning = f"resuming at step {start:,}" if start else "starting"
    until = f"until step {total:,}"
    if not is_total_known(total):
        until = f"for {format_duration_in_words(60 * config.minutes)}"
    place = f"{devices.find_device_type()} in {precision}{' with XLA' if jit else ''}"
    logging.info("%s: %s, %s, on %s.", *(config.run_dir, beginning, until, place))

    if config.minutes and start:
        text = "%s counts all training of the run: %s before now."
        used = format_duration_in_words(seconds)
        logging.info(text, spell_flag("minutes", config.minutes), used)
    if not start:  # once, not each time the run resumes
        _warn_of_few_training_steps(config, total)
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


def _warn_of_few_training_steps(config: Config, total: int) -> None:
    if total < SHAPES_FROM_STEP:
        remedy = f"--steps={ADVISED_STEPS}"
        if config.minutes:
            remedy = f"--minutes={math.ceil(config.minutes * ADVISED_STEPS / total)}"
        logging.warning(
            "Only %s step%s: shapes appear at about step %s. Try %s.",
            *(total, "s" * (total > 1), SHAPES_FROM_STEP, remedy),
        )


def announce_planned_steps(
    config: Config, step: int, total: int, *, before: int, images_per_second: float, epochs: float
) -> None:
    """Says, after `step` steps, how many fit into --minutes; warns if they are few.

    before: the steps planned until now; epochs: how many `total` steps make.
    """
    minutes = spell_flag("minutes", config.minutes)
    if total == step:
        logging.info("%s: time is up, ending at step %s.", minutes, f"{step:,}")
        return
    plan = f"{total:,} steps at {images_per_second:,.0f} images/s, "
    plan += f"about {_format_epochs(epochs)} epochs"
    if is_total_known(before):
        logging.info("%s now gives %s (before: %s).", minutes, plan, f"{before:,}")
        return
    logging.info("%s gives %s.", minutes, plan)
    _warn_of_few_training_steps(config, total)


def announce_complete_training(config: Config, step: int, *, epochs: float, seconds: float) -> None:
    """Says how long a run has trained, which flag makes it train longer, and which have no effect.

    config.json has the settings until now, as nothing is trained: only the images may have moved.
    """
    longer = suggest_longer_length(config, step, epochs=epochs, seconds=seconds)
    text = "%s is complete: %s steps, %s epochs. To train longer, set %s."
    logging.info(text, config.run_dir, f"{step:,}", _format_epochs(epochs), longer)
    stored = read_run_settings_before_flags(config)
    if changes := _list_changed_settings(config, stored, TOLD_ELSEWHERE - {*STEP_SIZE_SETTINGS}):
        logging.info("nothing was trained, so this has no effect: %s.", ", ".join(changes))


def _format_epochs(epochs: float) -> str:
    """1.98, 12.5, 1,960."""
    return f"{epochs:,.0f}" if epochs >= 100 else f"{epochs:.3g}"


def suggest_longer_length(config: Config, step: int, *, epochs: float, seconds: float) -> str:
    """The flag that decides how long the run is, and what is too little: --epoch above 25.

    step, epochs, seconds: done so far.
    """
    if config.minutes:
        parts = 10 if seconds >= 60 else 100  # of a minute
        return f"--minutes above {max(config.minutes, math.ceil(seconds / 60 * parts) / parts):g}"
    if config.steps:
        return f"--steps above {step}"
    return f"--epoch above {max(config.epoch, int(epochs))}"


def announce_changed_settings(config: Config, stored: Config | None) -> None:
    """Names the settings that are not as the run had them; from now on it keeps the new ones.

    stored: the run's settings until now; None for a new run. The sizes of steps and the run's
    length have lines of their own.
    """
    if changes := _list_changed_settings(config, stored):
        logging.info("changed from now on: %s.", ", ".join(changes))


def _list_changed_settings(
    config: Config, stored: Config | None, told_elsewhere: Collection[str] = TOLD_ELSEWHERE
) -> list[str]:
    if stored is None:
        return []
    if config.crop_sides == stored.crop_sides:  # by the dataset's name before, now by themselves
        told_elsewhere = {*told_elsewhere, "input_height", "input_width"}
    forms = devices.choose_kernel_forms_for_device(stored.kernel_forms, config.mixed_precision)
    usual = dataclasses.replace(stored, kernel_forms=forms)  # of an imported run they are "auto"
    return [
        f"--{name}={getattr(config, name)} (before: {_describe_value(getattr(stored, name))})"
        for name, setting in SETTINGS.items()
        if setting.flag
        and name not in told_elsewhere
        and getattr(config, name) not in (getattr(stored, name), getattr(usual, name))
    ]


def _describe_value(value):
    return "none" if value == "" else value


def announce_change_of_step_size(config: Config, progress: Progress, images: int) -> None:
    """Says if steps now have more or fewer images than in config.json. Call it before the rewrite.

    images: how many an epoch has.
    """
    changes = describe_changes_of_step_size(config, read_run_settings_before_flags(config))
    if changes and progress.step:
        logging.info(
            "%s: the images continue in their order, at epoch %.2f.",
            *(changes, progress.images_shown / images),
        )


def _warn_training_leaves_gpu_unused() -> None:
    if reason := devices.explain_unused_gpu():
        logging.warning("%s", reason)


def _warn_of_too_little_memory(config: Config, step_bytes: float) -> None:
    """Only on a CPU, where the system kills a program that takes too much."""
    free = measure_available_memory()
    if devices.find_device_type() == "CPU" and free is not None and step_bytes > free:
        logging.warning(
            "A step needs about %.1f GB of memory, and %.1f GB are free. If the system kills the "
            "program, lower --batch_size (now %s) or --stem_width (now %s).",
            *(step_bytes / 1e9, free / 1e9, config.batch_size, config.stem_width),
        )


def announce_stop_of_training(step: int) -> None:
    logging.info("stopped and saved at step %s; the same command resumes there.", f"{step:,}")


def announce_end_of_training(
    config: Config,
    *,
    seconds: float,
    seconds_before: float,
    finished: bool,
    report: Path | None = None,
) -> None:
    """Says how long training took, where its pictures are and which commands to try next.

    seconds: of this process; seconds_before: of the run's earlier ones; finished: whether training
    is complete; report: the run's report.png, if it was scored.
    """
    in_all = (
        f", {format_duration_in_words(seconds + seconds_before)} in all" if seconds_before else ""
    )
    print_result(f"trained for {format_duration_in_words(seconds)}{in_all}")
    if list_grids_of_run(config):
        has_film = (config.sample_path / FILM).is_file()
        film = f", and their animation is {FILM}" if has_film else ""
        print_result(f"the grids are in {config.sample_path}{film}")
    if report:
        print_result(f"scores, losses and grids in one picture: {report}")
    if best := _find_best_checkpoint_to_announce(config):
        print_result(
            f"the best of the scored checkpoints is {best}: --checkpoint=best draws from it"
        )
    print_result(f"to draw images: {spell_command_for_run(config, '--sample=64')}")
    print_result(f"to export the networks: {spell_command_for_run(config, '--export')}")
    is_news = finished and not seconds_before  # once a run, not whenever it is continued
    if is_news and is_run_of_reference(config) and not _is_run_of_modern_beside(config):
        command = _suggest_modern_command(config)
        print_result(f"newer methods may draw better images in the same time: {command}")


def _find_best_checkpoint_to_announce(config: Config) -> str:
    """The name of the checkpoint in best/, such as step-600, unless it is the last one or of other
    images; else "".
    """
    best, last = (list_checkpoints(path) for path in (config.best_path, config.checkpoint_path))
    if not best or not last or best[-1].name == last[-1].name:
        return ""
    is_of_images = parse_checkpoint_step(best[-1]) > find_last_step_of_other_images(config.run_dir)
    return best[-1].name if is_of_images else ""


def is_run_of_reference(config: Config) -> bool:
    """Whether the run can be trained again from scratch and uses carpedm20's loss and norm.

    The presets of the paper and of pytorch/examples differ from it in padding and biases.
    """
    names = ("loss", "d_norm", "padding", "bias")
    is_imported = (config.run_dir / ORIGIN_FILE).exists()
    is_usual = all(getattr(config, name) == getattr(Config, name) for name in names)
    return is_usual and not is_imported and config.dataset != FROM_ARRAY


def _is_run_of_modern_beside(config: Config) -> bool:
    """Whether a run in out_dir has modern's loss: then its user knows the preset."""
    loss = PRESETS["modern"]["loss"]
    return any(run.loss == loss for run in read_all_runs(config.run_dir.parent).values())


def _suggest_modern_command(config: Config) -> str:
    """A command line that trains as long on the same images with `--preset modern`."""
    usual = Config(**apply_preset({"dataset": config.dataset})).resolve()
    names = [name for name, setting in SETTINGS.items() if setting.flag and setting.group == DATA]
    names = [name for name in (*names, *CARRIED_OVER) if name not in ("dataset", "output_width")]
    flags = {name: getattr(drop_lengths_in_vain(config), name) for name in names}
    flags = {name: value for name, value in flags.items() if value != getattr(usual, name)}
    if config.width != config.height:
        flags["output_width"] = config.width
    if flags.get("c_dim") == 3:  # as in most images; another value may be the user's choice
        del flags["c_dim"]

    run = {"dataset": config.dataset, "preset": "modern"} | flags
    run |= {"out_dir": config.out_dir, "out_name": f"{config.name}-modern"}
    return spell_command(run, "--train", find_typed_program())
