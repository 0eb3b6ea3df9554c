"""What training has left in a run's folder, and where it goes when a run starts anew.

Without a checkpoint nothing can go on from what is there. It is still the user's: nothing of it is
deleted.
"""

import contextlib
import json
import os
from pathlib import Path

from absl import logging

from config.settings import SETTINGS, Config
from config.stored import read_config
from runs.checkpoints import CHECKPOINT_LIST, list_checkpoints
from runs.claims import CLAIM_FILE
from system.files import find_free_name, put_aside

PICTURES = ("reals.png", "train_" + "[0-9]" * 8 + ".png", "training.gif")  # that training draws


def put_earlier_training_aside(config: Config) -> None:
    """Puts aside samples, logs and config.json of an earlier training whose checkpoints are gone.

    What a training left that was killed before its first checkpoint stays: the same settings give
    the same pictures again.
    """
    if list_checkpoints(config.checkpoint_path) or _was_killed_before_first_checkpoint(config):
        return
    moved = _put_pictures_aside(config)
    for name in ("logs", "config.json"):
        if (config.run_dir / name).exists():
            moved.append(put_aside(config.run_dir / name))

    if moved:
        shown = (os.path.relpath(path, config.run_dir) for path in moved)
        logging.info(
            "%s has no checkpoint and starts anew; what was there was put aside: %s.",
            *(config.run_dir, ", ".join(shown)),
        )


def list_training_grids(config: Config) -> dict[int, Path]:
    """The grids of samples that training drew, by their steps, in order."""
    paths = sorted(config.sample_path.glob(PICTURES[1]))
    return {int(path.stem.removeprefix("train_")): path for path in paths}


def locate_metrics(config: Config) -> Path:
    return config.run_dir / "logs" / "metrics.jsonl"


def read_metrics(path: Path) -> list[dict]:
    """The entries of metrics.jsonl that have a step, without lines that a kill cut short."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            entries.append(json.loads(line))
    return [
        entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("step"), int)
    ]


def _was_killed_before_first_checkpoint(config: Config) -> bool:
    """Whether nothing shows that this run, with these settings, ever had a checkpoint.

    True also where no training has been.
    """
    entries = read_metrics(locate_metrics(config))
    steps = [*list_training_grids(config), *(entry["step"] for entry in entries)]
    path = config.run_dir / "config.json"
    if path.exists() or steps:
        is_same = path.exists() and _has_equal_settings(path, config)
        return is_same and not _had_checkpoint(config, steps)
    return True


def _had_checkpoint(config: Config, steps: list[int]) -> bool:
    """Whether a run that did these steps has had a checkpoint, as far as its folders show."""
    if not steps:
        return False
    folder = config.checkpoint_path
    is_untouched = (folder / CLAIM_FILE).exists() and not (folder / CHECKPOINT_LIST).exists()
    return not is_untouched or max(steps) > config.ckpt_freq


def _has_equal_settings(path: Path, config: Config) -> bool:
    """Whether config.json has the same flags, but for where the run lies."""
    try:
        stored = read_config(path)
    except ValueError:
        return False
    names = [name for name, setting in SETTINGS.items() if setting.flag]
    names = [name for name in names if name not in ("out_dir", "out_name")]
    return all(getattr(stored, name) == getattr(config, name) for name in names)


def _put_pictures_aside(config: Config) -> list[Path]:
    """Puts samples/ aside; in a folder outside of the run only the pictures that training drew."""
    folder = config.sample_path
    pictures = [path for pattern in PICTURES for path in folder.glob(pattern)]
    if not folder.is_dir() or not any(folder.iterdir()):
        return []
    if _lies_in_run(config, folder):
        return [put_aside(folder)]
    if not pictures:
        return []

    aside = find_free_name(folder / "training")
    aside.mkdir()
    for path in pictures:
        os.replace(path, aside / path.name)
    return [aside]


def _lies_in_run(config: Config, folder: Path) -> bool:
    """Whether a folder is the run's own, and not one that holds the run or its checkpoints."""
    run_dir, checkpoints = config.run_dir.resolve(), config.checkpoint_path.resolve()
    folder = folder.resolve()
    return run_dir in folder.parents and folder not in (checkpoints, *checkpoints.parents)
