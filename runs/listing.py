"""`--runs`: a table of the runs in out_dir, without TensorFlow, so that it appears at once."""

from pathlib import Path

from config.settings import Config, name_folder_after_dataset_setting
from config.stored import is_run_folder
from runs.away import are_checkpoints_away
from runs.checkpoint_files import list_checkpoints_to_continue, parse_checkpoint_step
from runs.claims import find_process_in_run_folders
from runs.history import (
    find_last_step_of_run,
    format_time_of_last_training,
    locate_metrics,
    plan_total_steps,
    read_metrics,
)
from runs.not_found import describe_runs_inside
from runs.place import list_runs_inside
from runs.read import read_run_settings
from system.text import escape_unprintable

HEADS = ("run", "dataset", "size", "steps", "epochs", "last trained", "")
NUMBERS = (3, 4)  # the columns that are aligned to the right


def format_runs(out_dir: Path) -> str:
    """A line for each run in `out_dir`, in the order of their last training."""
    inside = [out_dir, *sorted(out_dir.glob("*/"))]  # --out_dir may be a run itself
    folders = [path for path in inside if is_run_folder(path)]
    damaged = [
        path.parent.name
        for path in sorted(out_dir.glob("*/config.json"))
        if path.parent not in folders
    ]
    holders = [] if out_dir in folders else inside[1:]
    buried = [
        describe_runs_inside(path, runs) for path in holders if (runs := list_runs_inside(path))
    ]
    if not folders and not damaged:
        told = [f"There are no runs in {out_dir}.", *buried]
        return escape_unprintable(" ".join(told))

    rows = sorted(map(_describe_run, folders), key=lambda row: row[5])
    lines = _align_columns([HEADS, *rows]) if rows else []
    lines += [f"{name}: its config.json or its checkpoints are gone or damaged" for name in damaged]
    return "\n".join(map(escape_unprintable, lines + buried))


def _describe_run(folder: Path) -> tuple[str, ...]:
    """The cells of a run's line."""
    config = read_run_settings(folder)
    entries = read_metrics(locate_metrics(config))
    step = find_last_step_of_run(config, entries)
    # A checkpoint has its images only for TensorFlow, and steps may have had other sizes before.
    epochs = f"{entries[-1]['epoch']:.4g}" if entries else "?" if step else "0"
    return (
        config.name,
        name_folder_after_dataset_setting(config.dataset),
        f"{config.width}x{config.height}",
        f"{step:,}",
        epochs,
        format_time_of_last_training(config),
        _describe_state(config, entries, step),
    )


def _describe_state(config: Config, entries: list[dict], step: int) -> str:
    if holder := find_process_in_run_folders(config):
        return f"in use by {holder}"
    if are_checkpoints_away(config):
        return f"{config.checkpoint_path} is away"
    checkpoints = list_checkpoints_to_continue(config)
    if not checkpoints:
        return "no checkpoint"
    if (last := parse_checkpoint_step(checkpoints[-1])) < step:  # ended by force
        return f"resumes at step {last:,}"
    total = plan_total_steps(config, entries)
    return f"stopped before {total:,}" if total and step < total else ""


def _align_columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if number in NUMBERS else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
