"""A label vector y for every image of a pack: classes by folder, a dataset's own, or CelebA's attributes."""

import dataclasses
import difflib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from config.settings import Config
from data.sources.source import MAX_ENCODED_BYTES, Source, printable

ATTRIBUTES_FILE = (
    "list_attr_celeba.txt"  # a count, a line of names, then a line an image of 1 and -1
)
MAX_CLASSES = 22_000  # ImageNet-21k's; a vector of them is 88 kB an image
LISTED = 50  # attribute names in an error: CelebA has 40


@dataclasses.dataclass(frozen=True)
class Labels:
    """names: what the entries of a vector stand for. y (N, len(names)) float32 of 0 and 1, a row an image."""

    names: tuple[str, ...]
    y: np.ndarray


def read_labels(config: Config, source: Source, files: Sequence[str]) -> Labels | None:
    """The labels that `config.labels` asks for, of the images called `files`; None when it asks for none.

    Raises ValueError when they are not to be had.
    """
    if config.labels == "none":
        return None
    if config.labels == "folder":
        return _of_folders(source, files)
    if config.labels == "own":
        return _own(config, source, files)
    return _attributes(config, source, files)


def _own(config: Config, source: Source, files: Sequence[str]) -> Labels:
    if source.labels is None:
        raise ValueError(
            f"--labels=own needs a dataset that comes with labels. Received: {source.place}. Try --labels=folder "
            "for a class a folder, attributes such as --labels=Smiling for CelebA, or --labels=none."
        )
    names, classes = source.labels()
    return _one_hot(names, _rows(classes, files))


def _of_folders(source: Source, files: Sequence[str]) -> Labels:
    """The first folder below the one that holds everything."""
    if source.root is None:
        raise ValueError(
            f"--labels=folder needs images in folders. Received: {source.place}. Try --labels=own or --labels=none."
        )
    folders = [PurePath(name).parts[:-1] for name in files]
    while all(len(parts) > 1 for parts in folders) and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]  # a zip often has one folder around all
    stray = next((name for name, parts in zip(files, folders, strict=True) if not parts), None)
    names = sorted({parts[0] for parts in folders if parts})
    if stray is not None or len(names) < 2:
        received = (
            f"{printable(stray)} in none"
            if stray is not None
            else f"one class, '{printable(names[0])}'"
        )
        raise ValueError(
            f"--labels=folder needs every image of {source.place} in one of two or more class folders. "
            f"Received: {received}. Sort them into folders, or say --labels=none."
        )
    numbers = {name: number for number, name in enumerate(names)}
    return _one_hot(tuple(names), np.array([numbers[parts[0]] for parts in folders]))


def _rows(array: np.ndarray, files: Sequence[str]) -> np.ndarray:
    """The rows of the images, whose names are their numbers."""
    try:
        return array[np.array([int(name) for name in files], int)]
    except (ValueError, IndexError, OverflowError) as error:
        raise ValueError(
            f"A pack must hold images of its dataset. Received: other names, {error}. Delete .packs in --data_dir."
        ) from error


def _one_hot(names: Sequence[str], classes: np.ndarray) -> Labels:
    if len(names) > MAX_CLASSES:
        raise ValueError(
            f"--labels takes at most {MAX_CLASSES:,} classes. Received: {len(names):,}. Join some, or drop --labels."
        )
    y = np.zeros((len(classes), len(names)), np.float32)
    y[np.arange(len(classes)), classes] = 1
    return Labels(tuple(map(printable, names)), y)


def _attributes(config: Config, source: Source, files: Sequence[str]) -> Labels:
    wanted = tuple(config.labels.split(","))
    if source.attributes is not None:
        names, y = source.attributes(wanted)
        return Labels(names, _rows(y, files))
    path = _attributes_file(config, source)
    if path.stat().st_size > MAX_ENCODED_BYTES:  # a line may be all of it
        raise ValueError(
            f"{path} must have a line of numbers an image. Received: {path.stat().st_size:,} bytes."
        )
    with open(path, encoding="utf-8", errors="replace") as file:
        next(file, None)
        names = next(file, "").split()
        columns = columns_of(wanted, names, str(path))
        lines = (fields for fields in map(str.split, file) if len(fields) > len(names))
        values = {
            fields[0]: [fields[1 + column] for column in columns] for fields in lines
        }  # not all 40, in memory
    keys = [PurePath(name).name for name in files]
    missing = [key for key in keys if key not in values]
    if missing:
        raise ValueError(
            f"{path} must have a line for every image. Received: none for {printable(missing[0])} and "
            f"{len(missing) - 1} more. Is it the file of this dataset?"
        )
    y = np.array([values[key] for key in keys]).reshape(-1, len(columns)) == "1"
    return Labels(tuple(names[column] for column in columns), y.astype(np.float32))


def columns_of(wanted: Sequence[str], names: Sequence[str], place: str) -> list[int]:
    """The places of the `wanted` attributes among `names`, in any case. Raises ValueError naming those there are."""
    lower = [name.lower() for name in names]
    doubled = [name for name, times in Counter(map(str.lower, wanted)).items() if times > 1]
    unknown = [name for name in wanted if name.lower() not in lower]
    if unknown or doubled:
        close = difflib.get_close_matches(unknown[0].lower(), lower, 1) if unknown else []
        hint = f"Did you mean {names[lower.index(close[0])]}?" if close else "Pick some of these."
        raise ValueError(
            f"--labels must be none, own, folder, or attributes among {', '.join(names[:LISTED]) or 'none'} ({place}). "
            f"Received: {', '.join(unknown or doubled)}{'' if unknown else ' twice'}. {hint}"
        )
    return [lower.index(name.lower()) for name in wanted]


def _attributes_file(config: Config, source: Source) -> Path:
    """The attributes beside the images, or in data_dir."""
    root = source.root or Path(config.data_dir).expanduser()
    folders = [root, root.parent, Path(config.data_dir).expanduser()]
    found = next(
        (folder / ATTRIBUTES_FILE for folder in folders if (folder / ATTRIBUTES_FILE).is_file()),
        None,
    )
    if found is None:
        raise ValueError(
            f"--labels={config.labels} needs {ATTRIBUTES_FILE} beside the images. Received: none in "
            f"{', '.join(dict.fromkeys(map(str, folders)))}. python download.py celebA fetches it; "
            "the other labels are none, own and folder."
        )
    return found
