"""What the report says in words and tables: the state of a run, its settings, versions, scores."""

import contextlib
import json
import math
from pathlib import Path
from typing import NamedTuple

from config.settings import PLACES, SETTINGS, Config, name_folder_after_dataset_setting
from config.stored import MADE_WITH, MAX_JSON, read_json_settings
from evaluate.metrics import HIGHER_IS_BETTER
from evaluate.report import CHANNELS, format_score
from evaluate.scores import SCORES_FILE
from report.command import is_path_of_user
from runs.changes import FINGERPRINTS, Change, read_changed_settings
from runs.checkpoint_files import list_checkpoints_to_continue
from runs.claims import find_process_in_run_folders
from runs.history import (
    find_last_step_of_run,
    format_time_of_last_training,
    locate_metrics,
    plan_total_steps,
    read_number_of_entry,
)
from system.text import format_duration_in_words, join_names_for_error, shorten_for_error

RUNNING, STOPPED, COMPLETE, EMPTY = "running", "stopped", "complete", "empty"
LABELS_NAMED = 8  # of a run with many
BATCH_SIZES = {"batch_size", "global_batch_size", "replicas"}
CHANGES_TOLD = 8  # the last steps at which settings changed
# Settings that say where things are on the machine that trained the run.
PRIVATE_SETTINGS = (*PLACES, "out_name", "run_id", "first_dataset", "dataset_place")
# What each score of --evaluate measures, by the beginning of its name, the longest first.
NOTES_OF_SCORES = {
    "checkerboard": "energy at half the sampling rate, against the dataset's",
    "coverage": "share of real images with a drawn one nearby",
    "density": "how densely real images surround drawn ones",
    "duplicates": "pairs of near-duplicates",
    "fid": "with the features of Inception",
    "frechet": "Frechet distance of features",
    "inception_score": "clear classes, and many of them",
    "kid": "kernel distance of features",
    "memorisation": "samples nearer to a training image than to a held-out one",
    "modes": "modes of the dataset that are drawn",
    "modes_confidence": "how sure the classifier is",
    "modes_frechet": "Frechet distance of the classifier's features",
    "modes_kl": "reverse KL of the modes' shares, in nats",
    "ms_ssim": "how alike pairs of images are",
    "nnc": "classes told by the nearest drawn image",
    "nnd": "distance from a real image to the nearest drawn one",
    "precision": "share of drawn images near real ones",
    "recall": "share of real images near drawn ones",
    "swd": "texture and colour: sliced Wasserstein distance",
    "vendi": "effective number of different images",
}


class State(NamedTuple):
    """What a run is doing. kind: RUNNING, STOPPED, COMPLETE or EMPTY. share: done, 0 to 1."""

    kind: str
    words: str
    share: float | None


class SettingRow(NamedTuple):
    """A setting, formatted; "" where it has no value. text: its help."""

    name: str
    value: str
    default: str
    text: str = ""


class ScoreRow(NamedTuple):
    """A line of the table; numbers are formatted, "" if there is none."""

    metric: str
    note: str
    value: str
    floor: str
    ratio: str
    spread: str
    better: str


def describe_state(config: Config, entries: list[dict]) -> State:
    """Whether it is training now, stopped or complete, and at which step."""
    step = find_last_step_of_run(config, entries)
    total = plan_total_steps(config, entries)
    is_complete = total is not None and 0 < total <= step
    share = min(step / total, 1.0) if total else None
    done = f"step {step:,}" + (f" of {total:,}" if total else "")

    if holder := find_process_in_run_folders(config):
        words = f"Training now, at {done}" if step else "Training has begun"
        return State(RUNNING, f"{words}; in use by {holder}", share)
    if not step:
        return State(EMPTY, "Not trained here yet: no step was logged", None)
    if is_complete:
        return State(COMPLETE, f"Complete: {step:,} steps", 1.0)
    if not list_checkpoints_to_continue(config):
        return State(STOPPED, f"Stopped at {done}; there is no checkpoint", share)
    return State(STOPPED, f"Stopped at {done}; the same command resumes it", share)


def list_facts(config: Config, entries: list[dict]) -> list[tuple[str, str]]:
    """(name, value) of what was trained, for the head of the page."""
    size = f"{config.width} x {config.height} {CHANNELS.get(config.c_dim, '')}".strip()
    facts = [("dataset", name_folder_after_dataset_setting(config.dataset)), ("images", size)]
    if config.epoch_sizes:
        facts[0] = (facts[0][0], f"{facts[0][1]}, {config.epoch_sizes[-1]:,} images")
    if config.label_names:
        facts.append(("labels", join_names_for_error([*config.label_names], LABELS_NAMED)))
    if entries:
        last = entries[-1]
        epoch, seconds = (read_number_of_entry(last, name) for name in ("epoch", "seconds"))
        size = f"{config.images_per_step} images"
        changes = {change.name for change in read_changed_settings(config.run_dir)}
        size = f"the last of {size} each" if changes & BATCH_SIZES else f"of {size} each"
        facts.append(("steps", f"{last['step']:,}, {size}"))
        facts += [("epochs", format_score(epoch))] if epoch > 0 else []
        facts += [("trained for", format_duration_in_words(seconds))] if seconds > 0 else []
    elif step := find_last_step_of_run(config, entries):
        path = locate_metrics(config)
        lost = "logs/ is gone" if not path.parent.exists() else f"logs/{path.name} has no steps"
        facts.append(("steps", f"{step:,} (from its checkpoint; {lost})"))
    if find_last_step_of_run(config, entries):
        facts.append(("last trained", format_time_of_last_training(config)))
    return facts


def list_settings(config: Config) -> tuple[list[SettingRow], list[SettingRow], list[SettingRow]]:
    """The settings that differ from the defaults, those that the program recorded, the others.

    Without those that only say where things are on the machine that trained the run.
    """
    # With the defaults that depend on the size and on the labels.
    shape = {"output_height": config.output_height, "output_width": config.width}
    usual = Config(**shape, labels=config.labels).resolve()
    changed, recorded, others = [], [], []
    for name, setting in SETTINGS.items():
        value, default = getattr(config, name), getattr(Config, name)
        if name in PRIVATE_SETTINGS:
            continue
        row = SettingRow(name, _format_setting(name, value), _format_setting(name, default))
        row = row._replace(text=setting.help)
        if not setting.flag:
            recorded += [row] * (value != default)
        elif value in (default, getattr(usual, name)):
            others.append(row)
        else:
            changed.append(row)
    return changed, recorded, others


def _format_setting(name: str, value) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    if name in ("dataset", "exclude") and isinstance(value, str) and is_path_of_user(value):
        return Path(value).name
    return {None: "", "": ""}.get(value, f"{value:g}" if isinstance(value, float) else str(value))


def describe_changed_settings(config: Config) -> str:
    """A sentence about the settings that changed while the run was trained; "" if none did.

    Such as: Settings changed on the way: at step 13 --batch_size=32 (before: 64).
    """
    steps = {}
    for change in read_changed_settings(config.run_dir):
        steps.setdefault(change.step, []).append(_describe_change(change))
    told = [f"at step {step:,} {', '.join(changes)}" for step, changes in steps.items()]
    if (more := len(told) - CHANGES_TOLD) > 0:
        told = [f"at {more:,} earlier step{'s' * (more > 1)}", *told[-CHANGES_TOLD:]]
    return f"Settings changed on the way: {'; '.join(told)}." if told else ""


def _describe_change(change: Change) -> str:
    if change.name in FINGERPRINTS:
        return "other images" if change.name == FINGERPRINTS[0] else "other labels"
    flag = f"--{change.name}" if SETTINGS[change.name].flag else change.name
    before, now = (
        shorten_for_error(_format_setting(change.name, value)) or "none"
        for value in (change.before, change.now)
    )
    return f"{flag}={now} (before: {before})"


def read_versions(config: Config) -> dict[str, str]:
    """The versions that config.json records, by name; {} if it has none."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        with open(config.run_dir / "config.json", encoding="utf-8-sig") as file:
            content = json.loads(file.read(MAX_JSON))
        made_with = content.get(MADE_WITH) if isinstance(content, dict) else None
        if isinstance(made_with, dict):
            return {name: value for name, value in made_with.items() if isinstance(value, str)}
    return {}


def read_scores(config: Config) -> tuple[list[ScoreRow], str]:
    """The newest score of each kind in scores.json, and a sentence about them; ([], "") if none."""
    path = config.run_dir / "evaluate" / SCORES_FILE
    if not path.is_file():
        return [], ""
    try:
        records = read_json_settings(path)
    except ValueError:
        return [], f"evaluate/{SCORES_FILE} cannot be read."
    newest = {}
    for record in records if isinstance(records, list) else []:
        if isinstance(record, dict) and isinstance(record.get("metric"), str):
            newest[record["metric"]] = record  # in the order of the first
    rows = [_make_score_row(metric, record) for metric, record in newest.items()]
    kept = [row for row in rows if row.value]
    if not kept:
        return [], f"evaluate/{SCORES_FILE} holds no scores."
    return kept, _describe_origin_of_scores([*newest.values()])


def _make_score_row(metric: str, record: dict) -> ScoreRow:
    names = ("value", "floor", "ratio", "spread")
    value, floor, ratio, spread = (
        f"{number:.4g}" if math.isfinite(number) else ""
        for number in (read_number_of_entry(record, name) for name in names)
    )
    starts = sorted(NOTES_OF_SCORES, key=len, reverse=True)
    note = next((NOTES_OF_SCORES[start] for start in starts if metric.startswith(start)), "")
    better = "higher" if metric in HIGHER_IS_BETTER else "lower"
    return ScoreRow(metric, note, value, floor, ratio, spread, better)


def _describe_origin_of_scores(records: list[dict]) -> str:
    """Such as: 953 drawn images against held-out images, at step 7,001."""
    described = []
    for record in records:
        n, step, split = (record.get(name) for name in ("n", "step", "split"))
        if isinstance(n, int) and isinstance(step, int):
            against = f" against {split.partition(',')[0]}" if isinstance(split, str) else ""
            described.append(f"{n:,} drawn images{against}, at step {step:,}")
    return "; ".join(dict.fromkeys(described)) + "." if described else ""
