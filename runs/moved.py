"""What happens to a run whose folder, or a folder in it, is moved or removed while it trains."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from absl import logging

from config.stored import derive_out_settings_of_folder, write_config
from runs.checkpoint_files import (
    CHECKPOINT_LIST,
    list_checkpoints_to_continue,
    parse_checkpoint_step,
)
from runs.checkpoints import Checkpoints
from runs.claims import claim_folder
from runs.commands import spell_command_for_run
from system.locks import find_locked_folder, locked_folder_is_in_place

GONE = "%s was gone and was made again."


def check_run_is_in_place(checkpoints: Checkpoints, step: int, *, saves: bool) -> None:
    """Raises ValueError if the run, which this thread has locked, has been moved or removed.

    It would go on in a second folder of the old name. A run that was moved has its checkpoints, and
    will do the steps after the last one again, with their logs and pictures; without one, it will
    start over. If it was removed, or nobody knows where it is, and if `saves`, the state after
    `step` steps is first saved in its old place.

    If only the folder of its checkpoints was removed, and if `saves`, makes it again, with a line.
    """
    config = checkpoints.config
    if locked_folder_is_in_place(config.run_dir):
        if saves and not config.checkpoint_path.is_dir():
            claim_folder(config, config.checkpoint_path)
            logging.info(GONE, config.checkpoint_path)
        return

    place, way_on = find_locked_folder(config.run_dir), "To continue"
    if place:
        config = dataclasses.replace(config, **derive_out_settings_of_folder(place))
        told = f"was moved to {place} while it trained, and training stopped at step {step:,}."
        if kept := list_checkpoints_to_continue(config):
            told += f" The last checkpoint is of step {parse_checkpoint_step(kept[-1]):,}."
        else:
            told, way_on = f"{told} It has no checkpoint yet.", "To start over"
    else:
        told = "was moved or removed while it trained, and training stopped."
        if saves:
            config.run_dir.mkdir(parents=True, exist_ok=True)
            write_config(config)
            checkpoints.save(step)
            told += f" Step {step:,} was saved in the old place."
    raise ValueError(
        f"{checkpoints.config.run_dir} {told} {way_on}: {spell_command_for_run(config, '--train')}"
    )


@contextlib.contextmanager
def run_kept_in_place(checkpoints: Checkpoints, step: int) -> Iterator[None]:
    """Raises ValueError if the run is not in its place, before a block that saves it, or after.

    Of a run that was moved meanwhile, nothing stays in the old place.
    """
    check_run_is_in_place(checkpoints, step, saves=True)
    try:
        yield
    except OSError:
        _withdraw_checkpoint_if_moved(checkpoints, step)
        check_run_is_in_place(checkpoints, step, saves=False)
        raise
    _withdraw_checkpoint_if_moved(checkpoints, step)
    check_run_is_in_place(checkpoints, step, saves=True)


def _withdraw_checkpoint_if_moved(checkpoints: Checkpoints, step: int) -> None:
    """Removes a checkpoint that made the folder of a run again, just after the run was moved."""
    run_dir, folder = checkpoints.config.run_dir, checkpoints.folder
    is_moved = not locked_folder_is_in_place(run_dir) and find_locked_folder(run_dir)
    if not is_moved or run_dir not in folder.parents:
        return
    checkpoints.remove_failed_checkpoint(step)
    with contextlib.suppress(OSError):  # only where nothing else is in them
        (folder / CHECKPOINT_LIST).unlink(missing_ok=True)
        while folder != run_dir.parent:
            folder.rmdir()
            folder = folder.parent


def remake_folder_in_run(run_dir: Path, folder: Path) -> bool:
    """Makes a folder of a run again, with a line, if it was removed; returns whether it did.

    A folder elsewhere stays away, since its disk may be gone. So does one in a run that is not in
    its place: `check_run_is_in_place` deals with that. May raise OSError.
    """
    place, run = folder.resolve(), run_dir.resolve()
    if folder.exists() or run not in place.parents or not run.is_dir():
        return False

    inside = [path for path in (place, *place.parents) if run in path.parents]
    for path in reversed(inside):
        path.mkdir(exist_ok=True)  # without its parents: the run may be moved at any moment
    logging.info(GONE, folder)
    return True
