"""Leaves out of a dataset the images that a file names: `--exclude`."""

import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path

from absl import logging

from config.settings import Config
from data import limits
from data.sources.source import Source, open_regular_dataset_file
from system.text import escape_unprintable, join_names_for_error, shorten_for_error

COMMENT = "#"
UNKNOWN_LOGGED = 3  # names that no image has


def read_names_to_exclude(config: Config) -> dict[str, None]:
    """The lines of --exclude's file that are not empty, each once, in their order.

    {} without --exclude. Comments are among them, because the name of an image may begin with # as
    well. Raises ValueError when there is no such file, or it is too large.
    """
    if not config.exclude:
        return {}
    path = Path(config.exclude).expanduser()
    try:
        with open_regular_dataset_file(path) as file:
            content = file.read(limits.MAX_NAMES_BYTES + 1)
    except OSError as error:
        raise ValueError(
            "--exclude must be a text file with the name of an image on each line. "
            f"Received: {shorten_for_error(str(path))}: {error.strerror}. "
            "Correct the path, or use --exclude= to leave out none."
        ) from error

    if len(content) > limits.MAX_NAMES_BYTES:
        raise ValueError(
            f"--exclude must be a file of at most {limits.MAX_NAMES_BYTES:,} bytes. "
            f"Received: {shorten_for_error(str(path))}, which is larger. Is it the right file?"
        )
    lines = content.decode("utf-8-sig", "surrogateescape").split("\n")
    return dict.fromkeys(filter(None, map(str.strip, lines)))


def fingerprint_names_to_exclude(config: Config) -> str:
    """Differs for other names in --exclude's file, whatever their order; "" without names."""
    names = sorted(read_names_to_exclude(config))
    text = "\n".join(names).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest() if names else ""


def leave_out_images_to_exclude(config: Config, source: Source) -> Source:
    """`source` without the images that --exclude's file names.

    Reads the names of all images. Logs how many are left out, and which names no image has. Raises
    ValueError when none of the names, or every image, is in the file.
    """
    names = read_names_to_exclude(config)
    found = {}  # name of an image left out -> the line that names it
    for name in list_image_names(source) if names else ():
        line = next((text for text in _spell_image_name(name) if text in names), None)
        if line is not None:
            found[name] = line

    _check_names_to_exclude(config, source, names, found)
    if not found:
        return source

    kept = [name for name in list_image_names(source) if name not in found]
    if not kept:
        raise ValueError(
            f"--exclude must leave some images. Received: {config.exclude}, which names all "
            f"{source.count:,} of {source.place}. Remove some lines."
        )
    logging.info("%s: images left out: %s.", config.exclude, f"{source.count - len(kept):,}")
    return dataclasses.replace(
        source,
        count=len(kept),
        items=lambda: (item for item in source.items() if item[0] not in found),
        names=lambda: kept,
    )


def list_image_names(source: Source) -> Iterable[str]:
    """The names of the images of `source`, in the order of its items."""
    return source.names() if source.names else map(str, range(source.count))


def _spell_image_name(name: str) -> tuple[str, str]:
    """The lines that may name an image: as it is, or as `write_name_to_exclude` spells it."""
    return name.strip(), write_name_to_exclude(name)


def write_name_to_exclude(name: str) -> str:
    """The line of --exclude's file for an image: its name, with line ends and such as escapes."""
    return escape_unprintable(name).strip()


def _check_names_to_exclude(config: Config, source: Source, names: dict, found: dict) -> None:
    """Warns of names that no image has. Raises ValueError if a new run's images have none of them.

    Those of a run that has begun may have been removed from the dataset since.
    """
    lines = {*found.values()}
    unknown = [name for name in names if name not in lines and not name.startswith(COMMENT)]
    if unknown and not found and not config.dataset_fingerprint:
        example = next(iter(list_image_names(source)), "")
        raise ValueError(
            f"--exclude must name images of {source.place}, such as {shorten_for_error(example)}. "
            f"Received: {config.exclude}, with {join_names_for_error(_shorten(unknown), 1)}. "
            "Is it for another dataset?"
        )
    if unknown:
        logging.warning(
            "%s: no image here matches %s of its names: %s.",
            config.exclude,
            f"{len(unknown):,}",
            join_names_for_error(_shorten(unknown), UNKNOWN_LOGGED),
        )


def _shorten(names: list[str]) -> list[str]:
    return [shorten_for_error(name) for name in names]
