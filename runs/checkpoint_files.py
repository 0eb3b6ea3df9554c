"""The files of a run's checkpoints: which there are, and which one a command means.

Without TensorFlow: these are names of files.
"""

import contextlib
import itertools
import os
import re
from pathlib import Path

from absl import logging

from config.settings import Config
from system.files import append_to_file_or_undo, find_free_name, write_atomic
from system.text import explain_unknown_name, join_names_for_error

# What TensorFlow calls the files of a checkpoint, and the temporary folder in which it writes them.
# Everything else beside them is the user's.
FILE_NAME = re.compile(r"step-\d+\.(index|data-\d{5}-of-\d{5})")
TEMPORARY_NAME = re.compile(r"step-\d+_temp")
CHECKPOINT_LIST = "checkpoint"  # TensorFlow's own list of checkpoints, written when one is whole
COMING = "# {} is being written\n"  # a comment in it, so that after a kill the owner is known


def choose_checkpoints(config: Config, wanted: str) -> list[Path]:
    """The prefixes of the checkpoints that --checkpoint means, the first choice last.

    wanted: "last", "best" or a step. Raises ValueError when the run has no such checkpoint.
    """
    wanted = wanted.strip().lower()
    last, best = list_checkpoints(config.checkpoint_path), list_checkpoints(config.best_path)
    if wanted == "last":
        return list_checkpoints_to_continue(config)
    found = best if wanted == "best" else [p for p in (*best, *last) if p.name == f"step-{wanted}"]
    if found:
        return found[-1:]

    known = list_choices_of_checkpoint(config, [*best, *last])
    rule = f"--checkpoint must be one that {config.run_dir} has: {', '.join(known)}."
    step = wanted.removeprefix("step-")  # as the files are called
    advice = f"Did you mean {step}?" if step in known else ""
    alike = [] if wanted.isdecimal() else known  # a step that is spelled alike may be far away
    raise ValueError(explain_unknown_name(rule, wanted, alike, advice))


def list_choices_of_checkpoint(config: Config, paths: list[Path]) -> list[str]:
    """What --checkpoint may be where a run has only these: last, best, 80, 100."""
    best = ["best"] if any(path.parent == config.best_path for path in paths) else []
    steps = sorted({parse_checkpoint_step(path) for path in paths})
    return ["last", *best, *map(str, steps)]


def list_checkpoints_to_continue(config: Config) -> list[Path]:
    """The prefixes of the run's checkpoints, the first choice last; best/ is the last resort."""
    return [*list_checkpoints(config.best_path), *list_checkpoints(config.checkpoint_path)]


def list_checkpoints(folder: Path) -> list[Path]:
    """The prefixes of the checkpoints that have an index, in the order of their steps."""
    indices = [path for path in folder.glob("step-*.index") if parse_checkpoint_step(path) >= 0]
    return sorted((path.with_suffix("") for path in indices), key=parse_checkpoint_step)


def list_steps_in_checkpoint_list(folder: Path) -> list[int]:
    """The steps in TensorFlow's list of checkpoints, all of which were whole at some time.

    Empty if there is no readable list.
    """
    try:
        text = (folder / CHECKPOINT_LIST).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return []
    return [int(step) for step in re.findall(r'"step-(\d{1,18})"', text)]


def list_steps_saved_by_run(folder: Path) -> set[int]:
    """The steps of the checkpoints that the run itself counts: those that it may remove.

    They are those in the list, and one that a kill kept out of it. Empty without a readable list.
    """
    steps = {*list_steps_in_checkpoint_list(folder)}
    if steps:
        text = (folder / CHECKPOINT_LIST).read_text(encoding="utf-8")
        pattern = COMING.format(r"step-(\d{1,18})")
        steps |= {int(step) for step in re.findall(pattern, text)}
    return steps


@contextlib.contextmanager
def announce_checkpoint_in_list(prefix: Path):
    """Within the block a checkpoint is written; TensorFlow's list, if there is one, says so.

    After an OSError the list is as it was. Otherwise `write_checkpoint_list` must follow.
    """
    path = prefix.parent / CHECKPOINT_LIST
    if not path.is_file():
        yield
        return

    size = path.stat().st_size
    append_to_file_or_undo(path, COMING.format(prefix.name).encode())
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError):  # the disk may be gone
            os.truncate(path, size)
        raise


def write_checkpoint_list(folder: Path, paths: list[Path]) -> None:
    """Writes the list that TensorFlow's own tools read. This program goes by the files."""
    lines = [f'model_checkpoint_path: "{paths[-1].name}"\n']
    lines += [f'all_model_checkpoint_paths: "{path.name}"\n' for path in paths]
    write_atomic(folder / CHECKPOINT_LIST, "".join(lines).encode())


def parse_checkpoint_step(path: Path) -> int:
    """The step in the name of a checkpoint's file; -1 for other files."""
    match = re.match(r"step-(\d+)(\.|$)", path.name)
    return int(match[1]) if match else -1


def list_checkpoint_files(prefix: Path) -> list[Path]:
    """TensorFlow's files of a checkpoint. The user's files may have names that begin the same."""
    paths = prefix.parent.glob(f"{prefix.name}.*")
    return [path for path in paths if FILE_NAME.fullmatch(path.name)]


def put_unreadable_checkpoints_aside(prefixes: list[Path]) -> None:
    """Moves the files of checkpoints of one folder into a folder beside them, and says so.

    Each index comes last: until then the checkpoint still counts as one that cannot be read, so
    that after a kill the next training moves what is left of it. May raise OSError.
    """
    files = {prefix.name: sorted(list_checkpoint_files(prefix)) for prefix in prefixes}
    files = {name: paths for name, paths in files.items() if paths}
    if not files:
        return

    aside = find_free_name(prefixes[0].parent / "unreadable")
    aside.mkdir()
    for path in itertools.chain(*files.values()):
        os.replace(path, aside / path.name)
    names = join_names_for_error(list(files))
    logging.info("checkpoints that could not be read were moved aside to %s: %s.", aside, names)
