"""Who owns a folder: every run has an id, and its folders elsewhere say which run they belong to.

A folder that a run writes to holds a run.json, which `runs.claim_file` reads.
"""

import contextlib
import dataclasses
import json
import os
import shlex
from pathlib import Path

from absl import logging

from config.settings import Config
from config.stored import is_run_folder
from runs.away import check_checkpoints_are_not_away, is_claimed_by_another_run
from runs.checkpoint_files import (
    list_checkpoints,
    list_checkpoints_to_continue,
    parse_checkpoint_step,
)
from runs.claim_file import CLAIM_FILE, Claim, read_folder_claim
from runs.read import read_all_runs, read_run_settings
from system.errors import pass_over_full_disk
from system.files import put_aside, write_atomic
from system.locks import find_lock_holder, lock_folder

ID_BYTES = 8  # random, so that no two runs get the same id


def give_run_an_id(config: Config) -> Config:
    """The settings with the run's id: the one that it has on disk, else a new one.

    The id in `config` does not count: the settings may come from a run with another name.
    """
    run_id = _find_run_id_on_disk(config) or os.urandom(ID_BYTES).hex()
    return dataclasses.replace(config, run_id=run_id)


@contextlib.contextmanager
def lock_run_folders(config: Config):
    """Within the block only this process may train the run, or write to its folders elsewhere.

    See `system.locks.lock_folder`. Raises ValueError, too, where `check_run_owns_its_folders` does:
    with the run locked, but before its folders elsewhere, as it would not help to wait for those.
    """
    with lock_folder(config.run_dir):
        check_run_owns_its_folders(config)
        with lock_folder(config.run_dir, *_list_run_folders_outside_run(config).values()):
            yield


def find_process_in_run_folders(config: Config) -> str:
    """Who trains the run or writes to its folders now, "process 12 on host"; "" if nobody does."""
    folders = config.run_dir, *_list_run_folders_outside_run(config).values()
    return next(filter(None, map(find_lock_holder, folders)), "")


def describe_pictures_away(config: Config) -> str:
    """That a folder elsewhere, into which this run has drawn, is gone: perhaps it was moved. Or "".

    Not of a run without a checkpoint, which has drawn nothing that matters.
    """
    folder = config.sample_path
    is_left = any(path.name != "lock" for path in folder.glob("*"))
    is_elsewhere = "sample_dir" in _list_run_folders_outside_run(config, "sample_dir")
    if is_left or not is_elsewhere or not list_checkpoints_to_continue(config):
        return ""
    if not _run_has_named_folder(config, "sample_dir", folder):
        return ""
    return (
        f"{folder}, where {config.run_dir} put its pictures, is gone or empty; new ones are put "
        "there. If you have moved it, add --sample_dir=NEWPLACE to each command until the next "
        "training, which stores it."
    )


def keep_report_with_pictures_aside(config: Config, path: Path, size: int) -> None:
    """Warns if the run's pictures are away; a report at `path` that may show them is moved aside.

    size: of the report that replaces it, in bytes.
    """
    if away := describe_pictures_away(config):
        logging.warning("%s", away)
        if path.is_file() and path.stat().st_size > size:
            text = "%s was moved aside to %s: it has more in it, such as those pictures."
            logging.info(text, path, put_aside(path).name)


def check_run_owns_its_folders(config: Config, *settings: str) -> None:
    """Raises ValueError when one of the run's folders belongs to another run, or when the run's
    checkpoints are in another folder.

    settings: "checkpoint_dir" and "sample_dir", or one of them; both by default.
    """
    _check_folders_are_not_dataset(config)
    if not settings or "checkpoint_dir" in settings:
        _check_checkpoints_are_in_folder(config)
        _check_no_other_run_keeps_checkpoints_here(config)
    for setting, folder in _list_run_folders_outside_run(config, *settings).items():
        claim = _read_folder_claim_or_complain(setting, folder)
        if claim and not _claim_names_this_run(config, folder, claim):
            raise ValueError(_describe_folder_of_other_run(config, setting, folder, claim))
        if not claim and not _run_has_named_folder(config, setting, folder):
            _check_unclaimed_folder_is_free(setting, folder)


def check_checkpoints_are_of_run(config: Config) -> None:
    """Raises ValueError when --checkpoint_dir leads away from the run's checkpoints, or to another
    run's. For drawing: a copy may use those of its original.
    """
    _check_checkpoints_are_in_folder(config)
    folder, stored = config.checkpoint_path, None
    with contextlib.suppress(ValueError):  # damaged
        stored = read_run_settings(config.run_dir)
    if stored and stored.run_id and is_claimed_by_another_run(folder, stored):
        claim = read_folder_claim(folder)
        raise ValueError(_describe_folder_of_other_run(config, "checkpoint_dir", folder, claim))


def claim_run_folders(config: Config) -> None:
    """Creates the checkpoint folder, and writes run.json there and into the folders elsewhere.

    Call it after `check_run_owns_its_folders` has passed.
    """
    folders = [config.checkpoint_path, *_list_run_folders_outside_run(config).values()]
    for folder in dict.fromkeys(folders):
        claim_folder(config, folder)


def claim_folder_of_samples(config: Config) -> None:
    """Claims sample_dir, for drawing without training. Raises ValueError if it is another run's.

    If the run was moved, its checkpoints elsewhere are claimed again, too: a copy of the run in its
    earlier place does not take them over.
    """
    check_run_owns_its_folders(config, "sample_dir")
    for setting, folder in _list_run_folders_outside_run(config).items():
        if setting == "sample_dir":
            claim_folder(config, folder)
            continue
        with contextlib.suppress(OSError, ValueError):  # not writable; or a copy's, too
            check_run_owns_its_folders(config, setting)
            claim_folder(config, folder)


def claim_folder(config: Config, folder: Path) -> None:
    """Makes the folder, with a run.json, unless it has one that names this run already."""
    claim = {"run_id": config.run_id, "run": str(config.run_dir.resolve())}
    content = (json.dumps(claim, indent=2) + "\n").encode()
    folder.mkdir(parents=True, exist_ok=True)

    path = folder / CLAIM_FILE
    if path.is_file() and path.read_bytes() == content:
        return
    if not path.exists():
        _warn_of_folder_among_images(config, folder)
        if folder == config.sample_path and (text := describe_pictures_away(config)):
            logging.warning("%s", text)
    elif not folder.resolve().is_relative_to(config.run_dir.resolve()):
        _announce_new_place_of_claiming_run(config, folder)
    with contextlib.nullcontext() if folder == config.checkpoint_path else pass_over_full_disk():
        write_atomic(path, content)


def _announce_new_place_of_claiming_run(config: Config, folder: Path) -> None:
    """Says that a folder elsewhere goes on with `config`, if its run.json names another place."""
    claim = read_folder_claim(folder)
    if not _are_same_folder(claim.run, config.run_dir):
        text = "%s belonged to %s before: %s uses it from now on."
        logging.info(text, folder, claim.run, config.run_dir)


def _check_folders_are_not_dataset(config: Config) -> None:
    """Raises ValueError when the run would write into the folder of its images.

    Its own pictures would be among the images when it is started again.
    """
    if not config.dataset_place:
        return
    folders = {
        "--out_name": config.run_dir,
        "--checkpoint_dir": config.checkpoint_path,
        "--sample_dir": config.sample_path,
    }
    for flag, folder in folders.items():
        if _are_same_folder(folder, Path(config.dataset_place)):
            raise ValueError(
                f"{flag} must not lead to the folder of the images. Received: {folder}. "
                f"Give another {flag}."
            )


def _check_checkpoints_are_in_folder(config: Config) -> None:
    """Raises ValueError when --checkpoint_dir leads away from the run's checkpoints."""
    stored = None
    with contextlib.suppress(ValueError):
        stored = read_run_settings(config.run_dir)
    if stored is None:
        return
    check_checkpoints_are_not_away(stored, config.checkpoint_path)
    if _are_same_folder(stored.checkpoint_path, config.checkpoint_path):
        return
    if stored.run_id and is_claimed_by_another_run(stored.checkpoint_path, stored):
        return  # they were replaced by another run's: these are gone
    checkpoints = list_checkpoints(stored.checkpoint_path)
    if checkpoints and not list_checkpoints(config.checkpoint_path):
        step = parse_checkpoint_step(checkpoints[-1])
        place = shlex.quote(stored.checkpoint_dir)
        raise ValueError(
            f"--checkpoint_dir must have the run's checkpoints. Received: "
            f"{config.checkpoint_path}; those of {config.run_dir}, up to step {step:,}, are in "
            f"{stored.checkpoint_path}. Use --checkpoint_dir={place}, or move that folder there."
        )


def _check_no_other_run_keeps_checkpoints_here(config: Config) -> None:
    """Raises ValueError when another run's --checkpoint_dir leads into this run's own folder."""
    folder = config.checkpoint_path
    if not folder.resolve().is_relative_to(config.run_dir.resolve()):
        return
    claim = _read_folder_claim_or_complain("checkpoint_dir", folder)
    if not claim or claim.run_id in ("", config.run_id):
        return
    owner = None
    with contextlib.suppress(ValueError):
        owner = read_run_settings(claim.run)
    if owner is None or owner.run_id != claim.run_id:
        return
    # If the owner has its checkpoints elsewhere, these are a copy.
    is_here = _are_same_folder(owner.checkpoint_path, folder)
    if is_here or not list_checkpoints(owner.checkpoint_path):
        raise ValueError(
            f"{folder} has the checkpoints of another run, {claim.run}. Give another --out_name; "
            f"or, if they are this run's, remove {folder / CLAIM_FILE}."
        )


def _list_run_folders_outside_run(config: Config, *settings: str) -> dict[str, Path]:
    """Setting -> folder, for folders outside the run's own, which other runs may use too."""
    places = {"checkpoint_dir": config.checkpoint_path, "sample_dir": config.sample_path}
    run_dir = config.run_dir.resolve()
    return {
        setting: places[setting]
        for setting in settings or places
        if not places[setting].resolve().is_relative_to(run_dir)
    }


def _find_run_id_on_disk(config: Config) -> str:
    """The id of the run that began in this folder; "" if none did.

    If its config.json is gone (users may delete it), the run.json beside the checkpoints has it. If
    the whole folder is gone, this is another run.
    """
    with contextlib.suppress(ValueError):
        stored = read_run_settings(config.run_dir)
        if stored and stored.run_id:
            return stored.run_id

    with contextlib.suppress(ValueError):
        claim = read_folder_claim(config.checkpoint_path)
        if claim and _are_same_folder(claim.run, config.run_dir):
            is_left = any(path.name != "lock" for path in config.run_dir.glob("*"))
            return claim.run_id if is_left else ""
    return ""


def _find_renamed_run(config: Config, claim: Claim) -> Config | None:
    """The run beside this one that a claim names, if it has another name now."""
    runs = read_all_runs(config.run_dir.parent).values()
    renamed = (run for run in runs if run.run_dir.name != config.run_dir.name)
    return next((run for run in renamed if run.run_id == claim.run_id), None)


def _read_folder_claim_or_complain(setting: str, folder: Path) -> Claim | None:
    try:
        return read_folder_claim(folder)
    except ValueError as error:
        raise ValueError(
            f"{error} Give another --{setting}, or remove that file if the folder is this run's."
        ) from error


def _claim_names_this_run(config: Config, folder: Path, claim: Claim) -> bool:
    """Whether the claim in `folder` is this run's. The run may have moved since it was written."""
    if _are_same_folder(claim.run, config.run_dir):
        return claim.run_id in ("", config.run_id)
    return claim.run_id == config.run_id != "" and not _find_copy_of_run(config, folder, claim)


def _find_copy_of_run(config: Config, folder: Path, claim: Claim) -> Path | None:
    """Another run with this run's id that writes to `folder`: one of them is a copy.

    It is the run that a claim names, or, if that was renamed, beside it or beside this one.
    """
    places = dict.fromkeys([claim.run.parent, config.run_dir.resolve().parent])
    beside = (path.parent for place in places for path in sorted(place.glob("*/config.json")))
    for run_dir in (claim.run, *beside):
        with contextlib.suppress(ValueError):  # damaged
            other = read_run_settings(run_dir)
            if other is None or other.run_id != config.run_id:
                continue
            if _uses_folder(other, folder) and not _are_same_folder(run_dir, config.run_dir):
                return run_dir
    return None


def _uses_folder(run: Config, folder: Path) -> bool:
    return any(_are_same_folder(folder, place) for place in (run.checkpoint_path, run.sample_path))


def _describe_folder_of_other_run(config: Config, setting: str, folder: Path, claim: Claim) -> str:
    owner = f"{claim.run}, which is no longer there"
    remedy = f"Give another --{setting}."
    if _are_same_folder(claim.run, config.run_dir):
        owner = f"the run that was in {claim.run} before"
        if renamed := _find_renamed_run(config, claim):
            owner = f"{renamed.run_dir}, which was {claim.run} before"
            name = shlex.quote(renamed.name)
            remedy = f"Add --out_name={name} to continue that run, or give another --{setting}."
        elif setting == "checkpoint_dir" and list_checkpoints(folder):
            place = config.run_dir / Config.checkpoint_dir
            commands = ["mkdir", "-p", str(place.parent)], ["mv", str(folder), str(place)]
            remedy = (
                f"To continue from its checkpoints: {'; '.join(map(shlex.join, commands))}; then "
                f"drop --{setting}. For a new run, give another."
            )
    elif claim.run_id and claim.run_id == config.run_id:
        return _describe_folders_of_copy(config, folder, claim)
    elif claim.run.exists():
        owner = str(claim.run)
        is_new = not (config.run_dir / "config.json").exists()
        is_beside = _are_same_folder(claim.run.parent, config.run_dir.parent)
        if is_new and is_beside and setting == "checkpoint_dir":
            flag = f"--out_name={shlex.quote(claim.run.name)}"
            remedy = (
                f"If these are its images, continue it with {flag}; else give another --{setting}."
            )
    return (
        f"--{setting} must be this run's own. "
        f"Received: {folder}, which belongs to {owner}. {remedy}"
    )


def _describe_folders_of_copy(config: Config, folder: Path, claim: Claim) -> str:
    """For a run and its copy that share folders elsewhere: how to give this one its own.

    Which of them is the copy is not known: either may have been renamed.
    """
    other = _find_copy_of_run(config, folder, claim)
    other_run = read_run_settings(other)
    shared = {
        setting: folder
        for setting, folder in _list_run_folders_outside_run(config).items()
        if _uses_folder(other_run, folder)
    }
    used = " and ".join(str(folder.resolve()) for folder in shared.values())
    own = {setting: getattr(Config, setting) for setting in shared}  # the defaults
    copies = [
        shlex.join(["cp", "-r", str(folder.resolve()), str(config.run_dir / own[setting])]) + "; "
        for setting, folder in shared.items()
        if not (config.run_dir / own[setting]).exists()  # not once more, into the first copy
    ]
    return (
        f"{config.run_dir} and {other} are a run and its copy, and both use {used}. One of them "
        f"needs its own. For {config.run_dir}: {''.join(copies)}{'then ' if copies else ''}add "
        f"{' '.join(f'--{setting}={name}' for setting, name in own.items())} to each command "
        "until the next training, which stores it."
    )


def _check_unclaimed_folder_is_free(setting: str, folder: Path) -> None:
    """Raises ValueError if another run would move the folder aside, or may have written to it."""
    if run := _find_run_around_folder(folder):
        raise ValueError(
            f"--{setting} must not lead into another run. Received: {folder}, which is in {run} "
            f"and would be moved or removed with it. Give another --{setting}."
        )
    if found := _find_file_of_training(folder):
        raise ValueError(
            f"--{setting} must be this run's own. Received: {folder}, which holds "
            f"{found}, perhaps another run's. Give another --{setting}, or move that file away if "
            "it is yours."
        )


def _find_run_around_folder(folder: Path) -> Path | None:
    """The innermost run whose folder is `folder` or contains it."""
    folder = folder.resolve()
    return next(filter(is_run_folder, (folder, *folder.parents)), None)


def _find_file_of_training(folder: Path) -> str | None:
    """A file in `folder` that may come from training.

    Early runs had no ids, and their folders no run.json. It may also be a file of the user's with
    such a name.
    """
    patterns = ("step-*.index", "train_" + "[0-9]" * 8 + ".png")
    names = [path.name for pattern in patterns for path in sorted(folder.glob(pattern))]
    return names[0] if names else None


def _run_has_named_folder(config: Config, setting: str, folder: Path) -> bool:
    """Whether the run's settings on disk name the folder: runs without ids left no run.json."""
    stored = read_run_settings(config.run_dir)
    return stored is not None and _are_same_folder(
        folder, stored.run_dir / Path(getattr(stored, setting)).expanduser()
    )


def _are_same_folder(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _warn_of_folder_among_images(config: Config, folder: Path) -> None:
    """Warns that a folder elsewhere is among the images of this run, or of one beside it."""
    if folder not in _list_run_folders_outside_run(config).values():
        return
    runs = {config.name: config, **read_all_runs(config.run_dir.parent)}
    for run in runs.values():
        place = Path(run.dataset_place)
        if run.dataset_place and folder.resolve().is_relative_to(place.resolve()):
            logging.warning(
                "%s is among the images of %s, in %s: training leaves out what the program writes "
                "there, but if you move or remove the images, it goes with them.",
                *(folder, run.run_dir, place),
            )
            return
