"""A run whose checkpoints are not where its settings say: moved, or on a disk that is gone."""

import contextlib
import os
import shlex
from pathlib import Path

from config.settings import Config
from runs.checkpoint_files import list_checkpoints, parse_checkpoint_step
from runs.claim_file import CLAIM_FILE, Claim, read_folder_claim


def check_checkpoints_are_not_away(stored: Config, place: Path) -> None:
    """Raises ValueError if a run's checkpoints are elsewhere: it would seem to have none.

    stored: the run's settings. place: the folder where they should be now; if they are there, all
    is well, wherever they were before.
    """
    if list_checkpoints(place) or not are_checkpoints_away(stored):
        return

    run, before = stored.run_dir, stored.checkpoint_path
    if found := _find_checkpoints_in_run(stored):
        raise ValueError(
            f"The checkpoints of {run} are in {found}, not in {place}. "
            f"Add --checkpoint_dir={shlex.quote(found.name)}; to start over, move them out of the "
            "run, or give another --out_name."
        )
    if before.resolve().is_relative_to(run.resolve()):
        return  # deleted, not on another disk: the run starts over
    told = "which does not have them" if before.is_dir() else "which is not there"
    told += "" if place == before else f"; {place} has none"
    raise ValueError(
        f"{run} keeps its checkpoints in {before}, {told}. Reconnect the disk, or give "
        "--checkpoint_dir=NEWPLACE if they were moved; to start over, give another --out_name."
    )


def are_checkpoints_away(stored: Config) -> bool:
    """Whether the folder that a run's settings name is gone, or another: an empty mount point.

    The run's own has a run.json, unless the run is older than those.
    """
    folder = stored.checkpoint_path
    if list_checkpoints(folder):
        return False
    return not folder.is_dir() or (bool(stored.run_id) and not os.path.lexists(folder / CLAIM_FILE))


def is_claimed_by_another_run(folder: Path, stored: Config) -> bool:
    """Whether the run.json in a folder has the id of another run than the `stored` one."""
    claim = _read_folder_claim_if_ours(folder)
    return claim is not None and claim.run_id not in ("", stored.run_id)


def _find_checkpoints_in_run(stored: Config) -> Path | None:
    """The folder in a run with its latest checkpoints, to judge by the id in a run.json there."""
    found = {
        parse_checkpoint_step(checkpoints[-1]): folder
        for folder in sorted(stored.run_dir.glob("*/"))
        if is_claimed_by_run(folder, stored) and (checkpoints := list_checkpoints(folder))
    }
    return found[max(found)] if found else None


def is_claimed_by_run(folder: Path, stored: Config) -> bool:
    claim = _read_folder_claim_if_ours(folder)
    return claim is not None and claim.run_id == stored.run_id != ""


def _read_folder_claim_if_ours(folder: Path) -> Claim | None:
    """What a folder's run.json says; None without one, or if it is another program's."""
    with contextlib.suppress(ValueError):
        return read_folder_claim(folder)
    return None
