"""Reads weights that this program exported: weights.safetensors, alone, in a folder or in a zip.

Nothing is ever unpickled or run: the file holds numbers, and the settings of its run as JSON.
"""

import json
import math
import zipfile
from pathlib import Path

from config.settings import DETAILS, IMPORTED, LENGTHS, MODEL, SETTINGS, TRAINING, Config
from data import limits
from foreign.arrays import Arrays, Weights
from system.packages import explain_missing_extra
from system.text import shorten_for_error, shorten_to_one_line

FILE = "weights.safetensors"
SUFFIXES = (".safetensors", ".zip")
REMEDY = "Export the run again with --export safetensors."
# Settings of the machine and of the length of training; they are not taken over.
LEFT_OUT = (
    *LENGTHS,
    "weights",
    "mixed_precision",
    "kernel_forms",
    "jit",
    "steps_per_call",
    "data_on_device",
    "deterministic",
)


def find_published_weights(path: Path) -> Path | None:
    """The file or zip that `path` is, or the file in the folder `path`; None if there is none."""
    if path.suffix in SUFFIXES and path.is_file():
        return path
    return path / FILE if (path / FILE).is_file() else None


def read_published_weights(path: Path, *, name: str = "") -> Weights:
    """Reads weights.safetensors, or the one in a zip.

    name: what to call it, if not by its path. Raises ValueError when the package safetensors is
    missing, or the file is not one that this program wrote.
    """
    name, is_zip = name or str(path), path.suffix == ".zip"
    content = _read_from_zip(path, name) if is_zip else path.read_bytes()
    arrays, metadata = _parse_safetensors(name, content)
    settings = _choose_published_settings(name, metadata)
    networks = {
        network: {
            variable.removeprefix(f"{network}/"): array
            for variable, array in arrays.items()
            if variable.startswith(f"{network}/")
        }
        for network in ("generator", "discriminator")
    }
    return Weights(
        origin=describe_published_origin(name),
        settings=settings,
        stem_area=_measure_stem_area(name, settings),
        generator=networks["generator"],
        discriminator=networks["discriminator"] or None,
    )


def describe_published_origin(name: str) -> str:
    """What imported_from.txt says of weights that this program exported."""
    return f"exported weights {name}"


def _read_from_zip(path: Path, name: str) -> bytes:
    """weights.safetensors, from wherever it is in a zip. It alone is read; nothing is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [one for one in archive.infolist() if Path(one.filename).name == FILE]
            if len(entries) != 1:
                received = f"{len(entries)} in {name}"
                raise ValueError(f"A zip must hold one {FILE}. Received: {received}. {REMEDY}")
            [entry] = entries
            if entry.file_size > limits.MAX_ENTRY_INFLATION * max(entry.compress_size, 1):
                raise ValueError(
                    f"{FILE} in a zip must not inflate over {limits.MAX_ENTRY_INFLATION} times. "
                    f"Received: {entry.file_size:,} bytes from {entry.compress_size:,} in {name}. "
                    "Do not trust this file."
                )
            return archive.read(entry)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise ValueError(
            f"{name} must be a zip that can be read. Received: {shorten_to_one_line(error)}. "
            "Fetch it again."
        ) from error


def _parse_safetensors(name: str, content: bytes) -> tuple[Arrays, dict]:
    """The arrays by name, and the metadata."""
    try:
        from safetensors import SafetensorError, numpy
    except ImportError as error:
        raise ValueError(
            explain_missing_extra("--import_weights", "safetensors", "requirements-export.txt")
        ) from error
    try:
        arrays = numpy.load(content)
    except (SafetensorError, KeyError, TypeError) as error:  # damaged, or with strange dtypes
        raise ValueError(
            f"{name} must be a whole safetensors file. Received: {shorten_to_one_line(error)}. "
            "Fetch it again."
        ) from error

    # The header was just checked: its length as 8 bytes, then JSON.
    length = int.from_bytes(content[:8], "little")
    return arrays, json.loads(content[8 : 8 + length]).get("__metadata__", {})


def _choose_published_settings(name: str, metadata: dict) -> dict:
    """The settings of the networks and of the recipe, from the `config` in the metadata."""
    try:
        config = json.loads(metadata["config"])
        found = {setting: config[setting] for setting in SETTINGS if setting in config}
        if not {"output_height", "c_dim"} <= {*found}:  # every run has them
            raise KeyError("output_height")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{name} must hold the settings of its run, as this program writes them. Received: "
            f"{shorten_for_error(', '.join(metadata)) or 'no metadata'}. {REMEDY}"
        ) from error
    return {setting: one for setting, one in found.items() if _is_setting_taken_over(setting)}


def _measure_stem_area(name: str, settings: dict) -> int:
    """Height times width of the stem's maps. Raises ValueError for settings that cannot be."""
    try:
        return math.prod(Config(**({"dataset": IMPORTED} | settings)).sizes[0])
    except ValueError as error:
        raise ValueError(
            f"{name} must hold settings that this program can use. Received: {error}"
        ) from error


def _is_setting_taken_over(name: str) -> bool:
    setting = SETTINGS[name]
    is_of_recipe = setting.flag and setting.group in (MODEL, DETAILS, TRAINING)
    is_wanted = setting.fixed == "network" or name == "label_names" or is_of_recipe
    return is_wanted and name not in LEFT_OUT
