"""logs/changes.json: the settings of a run that changed while it was trained, and at which steps.

config.json has only the last ones, which alone do not give the run again.
"""

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

from absl import logging

from config.settings import LENGTHS, MAX_COUNT, PLACES, SETTINGS, Config
from config.stored import read_json_settings
from runs.progress import read_run_settings_before_flags
from system.files import put_aside, write_atomic

FINGERPRINTS = ("dataset_fingerprint", "labels_fingerprint")
# Flags that change no result, or whose change is seen in the fingerprints.
NOT_RECORDED = {
    *(*PLACES, "out_name", "dataset", "c_dim", "G_img_sum", "steps_per_call", "data_on_device"),
    *(*LENGTHS, "sample_freq", "ckpt_freq", "eval_freq", "eval_metric", "max_to_keep", "weights"),
}


class Change(NamedTuple):
    """A setting, and its values up to `step` and from there on."""

    step: int
    name: str
    before: str | float | None
    now: str | float | None


def record_changed_settings(config: Config, start: int) -> None:
    """Adds what `config`, with which training goes on at step `start`, changes in the run.

    Call it before config.json is written: the file still has the settings until now. A run that
    went back changes there what it had changed later. If the file cannot be written, only warns.
    """
    known = read_changed_settings(config.run_dir)
    stored = read_run_settings_before_flags(config)
    earlier = [change._replace(step=min(change.step, start)) for change in known]
    changes = _merge_changes([*earlier, *_list_changes(config, stored, start)])
    if changes == known:
        return

    path = locate_changed_settings(config.run_dir)
    _put_damaged_file_aside(path, len(known))
    content = json.dumps([change._asdict() for change in changes], indent=1) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content.encode())
    except OSError as error:
        logging.warning("%s was not written: %s.", path, error.strerror or error)


def read_changed_settings(run_dir: Path) -> list[Change]:
    """The changes in order; none where the file is missing or damaged, as in older runs."""
    with contextlib.suppress(ValueError, OSError):
        entries = read_json_settings(locate_changed_settings(run_dir))
        if isinstance(entries, list):
            return [Change(**entry) for entry in entries if _is_change(entry)]
    return []


def find_last_step_of_other_images(run_dir: Path) -> int:
    """The step up to which the run last had other images than now; 0 if it always had these.

    Scores up to there were measured against others. Images that came back count as others.
    """
    changes = read_changed_settings(run_dir)
    return max((c.step for c in changes if c.name == "dataset_fingerprint"), default=0)


def _put_damaged_file_aside(path: Path, known: int) -> None:
    """Moves the file aside if it holds anything but `known` changes: it may be the user's."""
    if not path.exists():
        return
    with contextlib.suppress(ValueError, OSError):
        entries = read_json_settings(path)
        if isinstance(entries, list) and len(entries) == known:
            return
    with contextlib.suppress(OSError):  # then writing it tells the reason
        aside = put_aside(path)
        logging.warning("%s is not a list of changes; it was moved aside to %s.", path, aside.name)


def locate_changed_settings(run_dir: Path) -> Path:
    return run_dir / "logs" / "changes.json"


def _list_changes(config: Config, stored: Config, step: int) -> list[Change]:
    """What differs between the settings until `step`, which are `stored`, and those from then on.

    A change of length counts only where something falls over the whole run. What the program chose
    for "auto" is no change.
    """
    skipped, scheduled = NOT_RECORDED, (config.lr_decay, config.penalty_decay)
    if scheduled != (Config.lr_decay, Config.penalty_decay):
        skipped = skipped - {*LENGTHS}
    if config.crop_sides == stored.crop_sides:  # by the dataset's name before, now by themselves
        skipped = skipped | {"input_height", "input_width"}
    names = [name for name, setting in SETTINGS.items() if setting.flag or name == "replicas"]
    names = [name for name in names if name not in skipped and getattr(stored, name) != "auto"]
    names += [name for name in FINGERPRINTS if getattr(stored, name)]  # "" in older runs
    names = [name for name in names if getattr(stored, name) != getattr(config, name)]
    if {*FINGERPRINTS} <= {*names}:  # other images have other labels
        names.remove("labels_fingerprint")
    return [Change(step, name, getattr(stored, name), getattr(config, name)) for name in names]


def _merge_changes(changes: list[Change]) -> list[Change]:
    """At most one change of a setting at a step; none at step 0, or back to what it was."""
    merged = {}
    for change in changes:
        first = merged.get((change.step, change.name), change)
        merged[change.step, change.name] = change._replace(before=first.before)
    return [change for change in merged.values() if change.step and change.before != change.now]


def _is_change(entry) -> bool:
    """Whether it is an entry that this program may have written."""
    if not isinstance(entry, dict) or entry.keys() != {*Change._fields}:
        return False
    step, values = entry["step"], (entry["before"], entry["now"])
    is_step = type(step) is int and 0 < step <= MAX_COUNT
    is_known = isinstance(entry["name"], str) and entry["name"] in SETTINGS
    return is_step and is_known and all(isinstance(v, str | int | float | None) for v in values)
