"""config.json: a run's settings on disk, and which of them may change when the run continues."""

import contextlib
import dataclasses
import json
import os
from pathlib import Path

from config import checks
from config.catalog import canonicalize_dataset_name
from config.settings import SETTINGS, Config
from config.urls import find_scheme_of_url
from system.files import write_atomic
from system.versions import find_program_versions

MADE_WITH = "made_with"  # in config.json, beside the settings: versions, for people to read
# Of runs that are older than the setting: what the program did then.
OLDER_SETTINGS = {"kernel_forms": "plain"}
MAX_JSON = 2**20  # characters of a settings file; a run's has 2,000


def write_config(config: Config) -> None:
    """Writes <run>/config.json, whole or not at all: the settings and the versions of programs."""
    content = dataclasses.asdict(config) | {MADE_WITH: find_program_versions()}
    text = json.dumps(content, indent=2) + "\n"
    write_atomic(config.run_dir / "config.json", text.encode())


def read_config(path: Path) -> Config:
    """A run's config.json. Raises ValueError, with a remedy, when it is damaged.

    A run that was moved or renamed since it was written is where the file is now.
    """
    config, folder = read_config_as_written(path), Path(path).parent
    if Path(path).name != "config.json" or not _has_checkpoint_folder(folder, config):
        return config  # a copy of the file
    return dataclasses.replace(config, **derive_out_settings_of_folder(folder))


def read_config_as_written(path: Path) -> Config:
    """Like `read_config`, but with the place that the run had when the file was written."""
    try:
        return make_config_from_dict(_read_settings_of_run(path), str(path))
    except ValueError as error:
        if not Path(path).is_file() or Path(path).suffix != ".json":
            raise
        told = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise ValueError(
            f"{told} Correct the file, or delete it and give the run's flags again, or use another "
            "--out_name."
        ) from error


def _read_settings_of_run(path: Path) -> dict:
    """The settings in a run's config.json, with those that are newer than the run.

    Earlier versions took --out_dir=gs://bucket/out for a folder called gs: on this machine. Such a
    run is where its file is.
    """
    settings = read_json_settings(path)
    if not isinstance(settings, dict):
        return settings
    if find_scheme_of_url(str(settings.get("out_dir", ""))):
        settings |= derive_out_settings_of_folder(Path(path).absolute().parent)
    return OLDER_SETTINGS | settings


def is_run_folder(folder: Path) -> bool:
    """Whether `folder` holds a run: a config.json of ours, and a folder for its checkpoints.

    One outside the run may be away: on another disk, or left behind when the run was moved.
    """
    with contextlib.suppress(OSError, ValueError):
        return _has_checkpoint_folder(folder, read_config_as_written(folder / "config.json"))
    return False


def _has_checkpoint_folder(folder: Path, config: Config) -> bool:
    place = Path(config.checkpoint_dir).expanduser()
    leads_out = place.is_absolute() or Path(os.path.normpath(place)).parts[:1] == ("..",)
    return leads_out or (folder / place).is_dir()


def derive_out_settings_of_folder(folder: Path) -> dict:
    """The settings out_dir and out_name that lead to the run in `folder`."""
    folder = folder.resolve() if folder.name in ("", "..") else folder
    out_dir = str(folder.parent)
    if find_scheme_of_url(out_dir):  # a folder called gs: in this one; a Path drops its ./
        out_dir = f"./{out_dir}"
    return {"out_dir": out_dir, "out_name": folder.name}


def make_config_from_dict(settings: dict, source: str) -> Config:
    """A Config from JSON-like settings; `source` names their origin in errors."""
    checks.check_setting_names(settings, source, [*SETTINGS])
    return Config(**settings)


def read_json_settings(path: Path) -> dict:
    """The settings in a JSON file, without its record of versions.

    Raises ValueError when it is missing or is not JSON.
    """
    try:
        text = _read_settings_text(path)
    except FileNotFoundError as error:
        raise ValueError(f"There is no file {path}.{_suggest_config_beside(path)}") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}. Is it the right file?") from error

    try:
        settings = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}. Is it the right file?") from error
    if isinstance(settings, dict):
        settings.pop(MADE_WITH, None)
    return settings


def _suggest_config_beside(path: Path) -> str:
    """A question that suggests the config.json beside a mistyped path; "" without one."""
    beside = Path(path).with_name("config.json")
    return f" Did you mean {beside}?" if beside.is_file() else ""


def _read_settings_text(path: Path) -> str:
    """The text of a settings file. Raises ValueError when it is not a file or is too long."""
    if (Path(path) / "config.json").is_file():
        raise ValueError(f"{path} is a folder. Give the file in it: {Path(path) / 'config.json'}.")
    if Path(path).exists() and not Path(path).is_file():
        raise ValueError(
            f"{path} must be a file. Received: a folder, a pipe or a device. Save it as a file."
        )
    with open(path, encoding="utf-8-sig") as file:  # Windows editors add a byte order mark
        text = file.read(MAX_JSON + 1)
    if len(text) > MAX_JSON:
        raise ValueError(
            f"{path} must hold settings. Received: more than {MAX_JSON:,} characters. "
            "Is it the right file?"
        )
    return text


def change_settings(stored: Config, given: dict, *, for_training: bool = False) -> Config:
    """A stored run's settings with `given` ones (name -> value) on top.

    Raises ValueError if `given` would change a setting that the weights depend on, one that says
    which images they have seen, or, if `for_training`, one that resuming depends on. For these
    settings, None and "auto" change nothing.
    """
    fixed = _list_fixed_settings(for_training=for_training)
    given = {
        name: value
        for name, value in given.items()
        if name not in fixed or value not in (None, "auto")
    }
    given = set_other_lengths_back(given)
    if for_training:
        given = _keep_crop_of_named_dataset(stored, given)
    if "batch_size" in given:  # each replica's, unless that of all is given too
        given = {"global_batch_size": None} | given
    rates = ("learning_rate", "d_learning_rate")
    if any(given.get(name, getattr(stored, name)) != getattr(stored, name) for name in rates):
        given.setdefault("halvings", 0)

    fixed = [name for name in fixed if name in given]
    try:
        changed = dataclasses.replace(stored, **given)
    except ValueError:  # it may come from how a fixed setting fits others, which nobody typed
        _check_fixed_settings(stored, given, fixed)
        raise
    _check_fixed_settings(stored, dataclasses.asdict(changed), fixed)
    return changed


def _keep_crop_of_named_dataset(stored: Config, given: dict) -> dict:
    """`given` with the crop that the name of the stored run's dataset stands for, such as celebA.

    If --dataset gives another name to the same images, they would be cropped in another way.
    """
    sides = ("input_height", "input_width")
    dataset = canonicalize_dataset_name(given.get("dataset", stored.dataset))
    if dataset == stored.dataset or {*sides, "crop"} & {*given}:
        return given
    return given | dict(zip(sides, stored.crop_sides, strict=True))


def set_other_lengths_back(given: dict) -> dict:
    """`given` (name -> value), with defaults for the other lengths: a run has only one."""
    if "epoch" in given:
        return {"steps": None, "minutes": None} | given
    if given.get("minutes"):
        return {"steps": None, "epoch": Config.epoch} | given
    if given.get("steps"):
        return {"minutes": None, "epoch": Config.epoch} | given
    return given


def drop_lengths_in_vain(config: Config) -> Config:
    """`config` without the --epoch that --steps overrides: no command line may have both.

    Runs that were first given --epoch and later --steps kept both.
    """
    return dataclasses.replace(config, epoch=Config.epoch) if config.steps else config


def _list_fixed_settings(*, for_training: bool) -> list[str]:
    kinds = ("network", "images", "training") if for_training else ("network", "images")
    return [name for name, setting in SETTINGS.items() if setting.fixed in kinds]


def _check_fixed_settings(stored: Config, changed: dict, fixed: list[str]) -> None:
    """Raises ValueError when a `fixed` setting in `changed` differs from the stored run's."""
    for name in fixed:
        before, after = getattr(stored, name), changed[name]
        if after != before:
            raise ValueError(
                f"--{name} is fixed once a run has started: {stored.run_dir} has {before}. "
                f"Received: {after}. Drop --{name}, or start another run with --out_name=NAME."
            )
