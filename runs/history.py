"""What training left in a run's folder, and where it goes when a run starts over or goes back.

Without a checkpoint, no run can continue from it. It is still the user's: none of it is deleted.
"""

import contextlib
import json
import math
import os
import time
from pathlib import Path
from typing import NamedTuple

from absl import logging

from config.settings import NETWORK_SETTINGS, SETTINGS, Config
from config.stored import read_config
from runs.checkpoint_files import (
    CHECKPOINT_LIST,
    list_checkpoints_to_continue,
    list_steps_in_checkpoint_list,
    parse_checkpoint_step,
)
from runs.claim_file import CLAIM_FILE
from runs.commands import spell_flag
from runs.progress import list_epoch_sizes, read_run_settings_before_flags
from system.files import find_free_name, keep_copy_aside, put_aside, write_atomic
from system.text import join_names_for_error
from system.written import RECORD_NAME, read_record_of_folder

PICTURES = ("reals.png", "train_" + "[0-9]" * 8 + ".png", "training.gif")  # that training draws
DRAWN_FOLDERS = ("seed_*", "visualize_*")  # beside them, drawn from a checkpoint
METRICS = ("d_loss", "g_loss", "d_loss_real", "d_loss_fake", "d_real", "d_fake")
SLOPES = ("r1", "r2")  # where that penalty is on
SCORES = (  # in the lines of steps that were evaluated, before the verdict in words
    *("frechet", "frechet_floor", "coverage", "kid", "swd", "vendi", "nearest_ratio"),
    *("held_out_ratio", "pair_accuracy", "real_logit", "held_out_logit", "fake_logit"),
    *("real_gradient", "fake_gradient", "eval_seconds"),
)
METRICS_KEYS = {
    *("step", "epoch", "images_per_second", *METRICS, *SLOPES),
    *("seconds", *SCORES, "verdict"),
}
SCORED = b'"frechet": '  # in such a line
EPOCH_ERROR = 1e-4  # epochs in metrics.jsonl are rounded to four digits
METRICS_START = b'{"step": '  # of each line
REPORT_FILE = "report.html"  # of --report
ORIGIN_FILE = "imported_from.txt"  # where the weights of an imported run come from


class EarlierTraining(NamedTuple):
    """What is left of earlier training whose checkpoints are gone; empty lists if there was none.

    places: the run's own files and folders. pictures: those in a folder that others may use too.
    """

    places: list[Path]
    pictures: list[Path]


def find_remains_of_earlier_training(config: Config) -> EarlierTraining:
    """What has to be moved aside before a run without a checkpoint starts over.

    If training was killed before its first checkpoint, what it left stays: the same settings give
    the same pictures again (see `was_stopped_before_first_checkpoint`).
    """
    if list_checkpoints_to_continue(config) or _was_killed_before_first_checkpoint(config):
        return EarlierTraining([], [])

    own = [config.run_dir / name for name in ("logs", "config.json", ORIGIN_FILE, REPORT_FILE)]
    own = [path for path in own if path.exists()]
    samples = config.sample_path
    if not _lies_in_run(config, samples):
        return EarlierTraining(
            [*_list_results_of_earlier_training(config), *own],
            _list_pictures_of_earlier_training(samples),
        )
    if _holds_anything(samples):
        own = [samples, *own]
    # Two settings may name the same folder: each folder counts once.
    return EarlierTraining([*dict.fromkeys([*_list_results_of_earlier_training(config), *own])], [])


def was_stopped_before_first_checkpoint(config: Config) -> bool:
    """Whether a start with the same settings did steps, but never had a checkpoint.

    Training then does these steps again, and moves nothing aside.
    """
    has_checkpoint = bool(list_checkpoints_to_continue(config))
    is_same_start = not has_checkpoint and _was_killed_before_first_checkpoint(config)
    return is_same_start and bool(_list_steps_done(config))


def put_earlier_training_aside(config: Config) -> None:
    """Gives free names to what `find_remains_of_earlier_training` finds, and says so.

    Also says so if steps of an earlier start will be done again instead.
    """
    if was_stopped_before_first_checkpoint(config):
        text = "%s was stopped before its first checkpoint: its steps are done again from step 0."
        logging.info(text, config.run_dir)
        return

    earlier = find_remains_of_earlier_training(config)
    changed = _describe_changed_settings_of_new_start(config)
    moved = [put_aside(path) for path in earlier.places]
    if earlier.pictures:
        moved.append(_put_earlier_pictures_aside(config, earlier.pictures))

    if moved:
        shown = (_shorten_path_in_run(config, path) for path in moved)
        logging.info(
            "%s has no checkpoint and starts over; what was there was moved aside to %s.%s",
            *(config.run_dir, ", ".join(shown), changed),
        )


def _describe_changed_settings_of_new_start(config: Config) -> str:
    """What differs from the run that was there: " It had --stem_width=32 (now 512)."; else ""."""
    stored = read_run_settings_before_flags(config)
    names = [name for name in NETWORK_SETTINGS if getattr(stored, name) != getattr(config, name)]
    flags = [
        f"{spell_flag(name, getattr(stored, name))} (now {getattr(config, name)})" for name in names
    ]
    return f" It had {join_names_for_error(flags)}." if flags else ""


def _shorten_path_in_run(config: Config, path: Path) -> str:
    """A path in the run's folder, relative to it; any other path as it is."""
    in_run = path.is_relative_to(config.run_dir)
    return str(path.relative_to(config.run_dir) if in_run else path)


def describe_earlier_training(config: Config) -> str:
    """What `put_earlier_training_aside` would move aside, in words; empty if nothing."""
    earlier = find_remains_of_earlier_training(config)
    names = [_shorten_path_in_run(config, path) for path in earlier.places]
    if earlier.pictures:
        names.append(f"the pictures in {config.sample_path}")
    return ", ".join(names)


def list_grids_of_run(config: Config) -> dict[int, Path]:
    """The grids of samples that training drew, by their steps, in order."""
    paths = sorted(config.sample_path.glob(PICTURES[1]))
    return {int(path.stem.removeprefix("train_")): path for path in paths}


def locate_metrics(config: Config) -> Path:
    return config.run_dir / "logs" / "metrics.jsonl"


def read_metrics(path: Path) -> list[dict]:
    """The entries of metrics.jsonl that have a step, without lines that a kill cut short."""
    if not path.exists():
        return []
    entries = map(_parse_metrics_line_of_run, path.read_bytes().splitlines())
    return [entry for entry in entries if entry is not None]


def read_thinned_metrics_of_run(path: Path, most: int) -> list[dict]:
    """Like `read_metrics`: all entries with scores, the last, and `most` others, evenly spaced.

    Only these entries are kept in memory, however long the file is.
    """
    if not path.exists():
        return []
    thinned, chosen, last, spacing = {}, {}, {}, 1
    with open(path, "rb") as file:
        for number, line in enumerate(file):
            if SCORED in line:
                chosen[number] = line
            elif number % spacing == 0:
                thinned[number] = line
            if line.endswith(b"\n"):  # whole
                last = {number: line}
            if len(thinned) > most:
                spacing *= 2
                thinned = {place: line for place, line in thinned.items() if place % spacing == 0}

    kept = thinned | chosen | last
    entries = (_parse_metrics_line_of_run(kept[place]) for place in sorted(kept))
    return [entry for entry in entries if entry is not None]


def read_number_of_entry(entry: dict, key: str) -> float:
    """NaN if it is missing or not a finite number: other programs may write lines, too."""
    value = entry.get(key)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e300 else math.nan


def plan_total_steps(config: Config, entries: list[dict]) -> int | None:
    """The steps of the whole run; None if nobody knows yet."""
    if config.minutes:
        return config.planned_steps
    if config.steps:
        return config.steps
    sizes = list_epoch_sizes(config)
    epoch = read_number_of_entry(entries[-1], "epoch") if entries else math.nan
    if not sizes or not math.isfinite(epoch):
        return None
    step, images = entries[-1]["step"], sizes[-1][1]
    if epoch >= config.epoch - EPOCH_ERROR:
        return step
    return config.total_steps(images, step=step, images_shown=round(epoch * images))


def find_last_step_of_run(config: Config, entries: list[dict]) -> int:
    """The last step in metrics.jsonl; without `entries`, that of the checkpoint to continue, or 0.

    entries: of metrics.jsonl, in order.
    """
    if entries:
        return entries[-1]["step"]
    return max(map(parse_checkpoint_step, list_checkpoints_to_continue(config)[-1:]), default=0)


def format_time_of_last_training(config: Config) -> str:
    """When the run last logged a step, in local time; without a log, when it saved its checkpoint.

    "never" without either. The checkpoint of an import, at step 0, does not count.
    """
    path = locate_metrics(config)
    saved = [prefix.with_suffix(".index") for prefix in list_checkpoints_to_continue(config)[-1:]]
    trained = [place for place in saved if parse_checkpoint_step(place)]
    place = next((place for place in (path, *trained) if place.exists()), None)
    if not place:
        return "never"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(place.stat().st_mtime))


def read_seconds_of_training(path: Path, step: int) -> float:
    """The seconds that the steps up to `step` took in all processes; 0.0 if no line has them."""
    told = (entry.get("seconds") for entry in reversed(read_metrics(path)) if entry["step"] <= step)
    return next((seconds for seconds in told if isinstance(seconds, float)), 0.0)


def keep_run_metrics_of_lost_checkpoints(config: Config, start: int) -> None:
    """If checkpoints after step `start` are gone, says so and keeps a copy of metrics.jsonl.

    Call it before config.json gets today's settings.
    """
    last = _find_last_step_of_lost_checkpoints(config, start)
    if not last:
        return

    path, copy = locate_metrics(config), None
    if any(entry["step"] > start for entry in read_metrics(path)):
        copy = cut_metrics_of_run_after_step(path, start, keeps_copy=True)
    kept = f" {os.path.relpath(copy, config.run_dir)} keeps the later lines." if copy else ""
    logging.info(
        "%s was at step %s and resumes from step %s: later checkpoints are gone or damaged.%s",
        *(config.run_dir, f"{last:,}", f"{start:,}", kept),
    )


def cut_metrics_of_run_after_step(
    path: Path, step: int, *, keeps_copy: bool = False
) -> Path | None:
    """Drops the lines of metrics.jsonl after `step`, which will be written again.

    First keeps a copy of the whole file if `keeps_copy`, or if it would drop lines that this
    program did not write. Returns the copy, if any.
    """
    if not path.exists():
        return None
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    kept = [line for line in lines if _is_metrics_line_until(step, line)]
    others = [line for line in {*lines} - {*kept} if not _is_metrics_line_of_run(line)]

    copy = keep_copy_aside(path) if keeps_copy or others else None
    if others and not keeps_copy:
        logging.info("%s keeps lines of %s that this program did not write.", copy, path.name)
    short = b"".join(line.rstrip(b"\r\n") + b"\n" for line in kept)
    if short != content:
        write_atomic(path, short)
    return copy


def _find_last_step_of_lost_checkpoints(config: Config, start: int) -> int:
    """The step that a run had reached before checkpoints after `start` were lost; 0 if none were.

    A kill alone costs no more than the steps until the next checkpoint. Grids count only if there
    are no metrics, because grids stay when the run goes back.
    """
    entries = read_metrics(locate_metrics(config))
    steps = [entry["step"] for entry in entries if entry.keys() <= METRICS_KEYS]
    done = max(steps or list_grids_of_run(config), default=0)
    if not start and not done:  # it starts over, and the log says so
        return 0
    saved = max(list_steps_in_checkpoint_list(config.checkpoint_path), default=0)

    before = read_run_settings_before_flags(config)
    next_save = start - start % before.ckpt_freq + before.ckpt_freq
    if before.mixed_precision == "float16":  # a step that overflowed is not saved
        next_save += before.ckpt_freq
    return max(saved, done) if saved > start or done > next_save else 0


def _parse_metrics_line_of_run(line: bytes) -> dict | None:
    """A line of metrics.jsonl; None unless it is an entry with a step."""
    with contextlib.suppress(ValueError, RecursionError):
        entry = json.loads(line.decode("utf-8", errors="replace"))
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            return entry
    return None


def _is_metrics_line_until(step: int, line: bytes) -> bool:
    entry = _parse_metrics_line_of_run(line)
    return entry is not None and entry["step"] <= step


def _is_metrics_line_of_run(line: bytes) -> bool:
    """Whether it is empty, an entry of the program's, or the start of one that a kill cut short."""
    if entry := _parse_metrics_line_of_run(line):
        return entry.keys() <= METRICS_KEYS
    start = METRICS_START[: len(line)]
    return not line.strip() or (line.startswith(start) and not line.endswith(b"\n"))


def _was_killed_before_first_checkpoint(config: Config) -> bool:
    """Whether nothing shows that this run, with these settings, ever had a checkpoint.

    Also True if the run was never trained.
    """
    if _run_has_exports_or_drawings(config):
        return False
    steps = _list_steps_done(config)
    path = config.run_dir / "config.json"
    if not steps and _was_begun_without_checkpoint(config, path):
        return True  # whatever its settings: it left nothing that was made with them
    if path.exists() or steps:
        is_same = path.exists() and _has_equal_settings(path, config)
        return is_same and not _had_checkpoint(config, steps)
    return True


def _list_steps_done(config: Config) -> list[int]:
    """The steps that metrics.jsonl and the grids show."""
    entries = read_metrics(locate_metrics(config))
    return [*list_grids_of_run(config), *(entry["step"] for entry in entries)]


def _had_checkpoint(config: Config, steps: list[int]) -> bool:
    """Whether a run that did these steps has had a checkpoint, as far as its folders show."""
    if not steps:
        return False
    return not _has_untouched_checkpoint_folder(config) or max(steps) > config.ckpt_freq


def _has_untouched_checkpoint_folder(config: Config) -> bool:
    """Whether training claimed the folder of its checkpoints, but never wrote one there."""
    folder = config.checkpoint_path
    return (folder / CLAIM_FILE).exists() and not (folder / CHECKPOINT_LIST).exists()


def _was_begun_without_checkpoint(config: Config, path: Path) -> bool:
    """Whether the run with the config.json at `path` was begun and never had a checkpoint."""
    with contextlib.suppress(ValueError):  # a file of the user's
        return (
            path.is_file()
            and read_config(path).checkpoint_dir == config.checkpoint_dir
            and _has_untouched_checkpoint_folder(config)
        )
    return False


def _has_equal_settings(path: Path, config: Config) -> bool:
    """Whether config.json has the same flags, except for where the run is, and the same images.

    Without fingerprints, as in a dry run before packing, the images are taken to be the same.
    """
    try:
        stored = read_config(path)
    except ValueError:
        return False
    names = [name for name, setting in SETTINGS.items() if setting.flag]
    names = [name for name in names if name not in ("out_dir", "out_name")]
    fingerprints = ("dataset_fingerprint", "labels_fingerprint")
    names += [name for name in fingerprints if getattr(config, name)]
    return all(getattr(stored, name) == getattr(config, name) for name in names)


def _run_has_exports_or_drawings(config: Config) -> bool:
    """Whether the run holds what only a checkpoint can make: an export or drawings."""
    folders = [path for pattern in DRAWN_FOLDERS for path in config.sample_path.glob(pattern)]
    return bool(_list_results_of_earlier_training(config)) or any(
        map(read_record_of_folder, folders)
    )


def _list_results_of_earlier_training(config: Config) -> list[Path]:
    """The run's folders with results from its checkpoints, without the empty ones."""
    names = ("export", "evaluate", "explore", config.best_path.name)
    folders = [config.run_dir / name for name in names]
    return [path for path in folders if _lies_in_run(config, path) and _holds_anything(path)]


def _holds_anything(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _list_pictures_of_earlier_training(folder: Path) -> list[Path]:
    """The pictures of training and what was drawn later, with their records."""
    pictures = [path for pattern in PICTURES for path in folder.glob(pattern)]
    drawn = [path for pattern in DRAWN_FOLDERS for path in folder.glob(pattern)]
    entries = pictures + [path for path in drawn if read_record_of_folder(path)]
    record = folder / RECORD_NAME
    return [*entries, record] if pictures and record.is_file() else entries


def _put_earlier_pictures_aside(config: Config, pictures: list[Path]) -> Path:
    aside = find_free_name(config.sample_path / "training")
    aside.mkdir()
    for path in pictures:
        os.replace(path, aside / path.name)
    return aside


def _lies_in_run(config: Config, folder: Path) -> bool:
    """Whether a folder is the run's own, and not one that holds the run or its checkpoints."""
    run_dir, checkpoints = config.run_dir.resolve(), config.checkpoint_path.resolve()
    folder = folder.resolve()
    return run_dir in folder.parents and folder not in (checkpoints, *checkpoints.parents)
