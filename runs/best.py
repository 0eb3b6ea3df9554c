"""best/ keeps the checkpoint with the best score so far, however many newer ones follow."""

import math
import os
from pathlib import Path

from absl import logging

from config.settings import Config
from runs.changes import find_last_step_of_other_images
from runs.checkpoint_files import (
    FILE_NAME,
    announce_checkpoint_in_list,
    list_checkpoint_files,
    list_checkpoints,
    list_steps_saved_by_run,
    parse_checkpoint_step,
    write_checkpoint_list,
)
from runs.history import cut_metrics_of_run_after_step, locate_metrics, read_metrics
from system.files import find_free_name, link_or_copy, put_aside

HIGHER_IS_BETTER = ("coverage",)  # of the choices of --eval_metric


def find_best_scored_entry(entries: list[dict], metric: str) -> dict | None:
    """The entry of metrics.jsonl with the best score of this name; None if there is none.

    Of several with the same score, such as early ones that cover nothing, the one with the lowest
    Fréchet distance.
    """
    scored = [entry for entry in entries if _is_finite_number(entry.get(metric))]
    sign = -1 if metric in HIGHER_IS_BETTER else 1
    return min(scored, key=lambda e: (sign * e[metric], e.get("frechet") or math.inf), default=None)


def _is_finite_number(value) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def keep_best_checkpoint(config: Config, step: int, evaluated: set[int]) -> None:
    """Makes <run>/best/ hold the checkpoint of `step`, and no other.

    evaluated: the steps whose scores the run knows, of the images that it has now. If best/ holds
    another step, the run has gone back to before that step, has lost its metrics or got other
    images. Nobody knows which is better, so best/ is moved aside.

    Where links work, it takes no room until the original is removed. A kill in between leaves the
    old one, the new one or both; `list_checkpoints` then takes the newer. May raise OSError.
    """
    # The index comes last: data without an index are ignored.
    prefix = config.checkpoint_path / f"step-{step}"
    files = sorted(list_checkpoint_files(prefix))
    if not files:
        return

    kept = {parse_checkpoint_step(path) for path in list_checkpoints(config.best_path)}
    if unknown := kept - evaluated:
        _put_best_of_unknown_score_aside(config, max(unknown), step)
    _link_checkpoint_files(files, config.best_path)
    for path in sorted(config.best_path.glob("step-*.*"), reverse=True):
        # Also removes what a kill left of an earlier one: data without an index.
        if FILE_NAME.fullmatch(path.name) and parse_checkpoint_step(path) != step:
            path.unlink(missing_ok=True)


def _put_best_of_unknown_score_aside(config: Config, old: int, step: int) -> None:
    """old: the step that best/ holds; step: the one that takes its place."""
    if old > step:
        held = "the best checkpoint of later steps"
    elif old <= find_last_step_of_other_images(config.run_dir):
        held = f"step {old:,}, the best of other images"
    else:
        held = f"step {old:,}, whose score is no longer in logs/{locate_metrics(config).name}"
    aside = put_aside(config.best_path).name
    logging.info("%s held %s; it was moved aside to %s.", config.best_path, held, aside)


def put_best_checkpoint_of_run_back(config: Config) -> int:
    """Makes the checkpoint in best/ the run's newest one; returns its step, or 0 if there is none.

    Later checkpoints are moved aside, and a copy of metrics.jsonl keeps the later steps. A kill in
    between leaves a run that resumes from one of the checkpoints. May raise OSError.
    """
    best = _find_best_checkpoint_of_run(config)
    if not best:
        return 0

    step, folder = parse_checkpoint_step(best), config.checkpoint_path
    saved = {step, *list_steps_saved_by_run(folder)}
    with announce_checkpoint_in_list(folder / best.name):
        _link_checkpoint_files(sorted(list_checkpoint_files(best)), folder)
    _put_later_checkpoints_aside(folder, step)
    here = list_checkpoints(folder)
    write_checkpoint_list(folder, [path for path in here if parse_checkpoint_step(path) in saved])
    path = locate_metrics(config)
    if any(entry["step"] > step for entry in read_metrics(path)):
        copy = cut_metrics_of_run_after_step(path, step, keeps_copy=True)
        logging.info("%s keeps the metrics of the later steps.", copy)
    return step


def _put_later_checkpoints_aside(folder: Path, step: int) -> None:
    """Moves the checkpoint files after `step` into a folder beside them, if there are any."""
    files = [path for path in folder.glob("step-*.*") if FILE_NAME.fullmatch(path.name)]
    later = [path for path in files if parse_checkpoint_step(path) > step]
    if not later:
        return

    aside = find_free_name(folder / "collapsed")
    aside.mkdir()
    # Backwards: data without an index are ignored.
    for path in sorted(later, key=lambda path: (parse_checkpoint_step(path), path), reverse=True):
        os.replace(path, aside / path.name)
    logging.info("the checkpoints after step %s were moved aside to %s.", f"{step:,}", aside)


def _find_best_checkpoint_of_run(config: Config) -> Path | None:
    """The prefix of the checkpoint in best/, unless the run went back to before its step, or has
    other images since.
    """
    scored = {e["step"] for e in read_metrics(locate_metrics(config)) if "frechet" in e}
    found = list_checkpoints(config.best_path)
    step = parse_checkpoint_step(found[-1]) if found else 0
    is_of_run = step in scored and step > find_last_step_of_other_images(config.run_dir)
    return found[-1] if is_of_run else None


def _link_checkpoint_files(files: list[Path], folder: Path) -> None:
    """Links or copies the files into `folder`, in order, replacing files with the same names."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in files:
        copy = folder / path.name
        if not (copy.exists() and copy.samefile(path)):
            copy.unlink(missing_ok=True)  # of the same step, left by a kill
            link_or_copy(path, copy)
