"""A label vector y for every image of a pack: from class folders, the dataset or attributes."""

import dataclasses
import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import NoReturn

import numpy as np

from config.catalog import CELEBA
from config.settings import Config
from data import limits
from data.sources.source import Source
from system.text import escape_unprintable, join_names_for_error, shorten_for_error

NAMES_SHOWN = 3  # of the images without attributes


@dataclasses.dataclass(frozen=True)
class Labels:
    """The labels of a pack.

    names: what the entries of a vector stand for. y: (N, len(names)) float32 of 0 and 1, one row
    for each image.
    """

    names: tuple[str, ...]
    y: np.ndarray


class LabelsError(ValueError):
    """A dataset does not have the labels that were asked for."""


def read_dataset_labels(config: Config, source: Source, files: Sequence[str]) -> Labels | None:
    """The labels that `config.labels` asks for; None when it asks for none.

    files: the names of the images, in the order of the rows of y. Raises LabelsError when there are
    no such labels.
    """
    if config.labels == "none":
        return None
    try:
        return _read_labels_of_kind(config, source, files)
    except ValueError as error:
        raise LabelsError(error) from error


def arrange_labels_as_in_run(config: Config, labels: Labels | None) -> Labels | None:
    """`labels`, in the order of `config.label_names`, if those are the same labels.

    From Python, a run may name its classes in any order. Class numbers are then their positions.
    """
    known = config.label_names
    if labels is None or not known or len(labels.names) != len(known):
        return labels
    if config.labels == "own" and labels.names == tuple(map(str, range(len(known)))):
        return Labels(known, labels.y)
    if {*labels.names} != {*known}:
        return labels
    columns = [labels.names.index(name) for name in known]
    return Labels(known, labels.y[:, columns])


def take_labels_of_run(config: Config, labels: Labels | None) -> Labels | None:
    """The labels of a dataset in the order of `config.label_names`, for what compares them with a
    trained run. None without labels.

    A class of the run that the dataset no longer has keeps its column. Raises ValueError when the
    dataset has a label that the run does not know.
    """
    known = config.label_names
    if labels is None or not known or labels.names == known:
        return labels
    numbers = tuple(map(str, range(len(known))))
    may_be_numbers = config.labels == "own" and {*labels.names}.isdisjoint(known)
    columns = numbers if may_be_numbers else known  # as `arrange_labels_as_in_run` does
    if not config.one_hot or not {*labels.names} <= {*columns}:
        refuse_labels_of_another_run(config, labels.names)
    y = np.zeros((len(labels.y), len(known)), np.float32)
    y[:, [columns.index(name) for name in labels.names]] = labels.y
    return Labels(known, y)


def check_labels_are_those_of_run(config: Config, names: tuple[str, ...] | None) -> None:
    """Raises ValueError when an existing run has other labels than `names`, or in another order."""
    if config.label_names and names != config.label_names:
        also = ", or start another run with --out_name=NAME"
        refuse_labels_of_another_run(config, names or (), also=also)


def refuse_labels_of_another_run(
    config: Config, names: tuple[str, ...], *, also: str = ""
) -> NoReturn:
    """also: what else to do than to restore the run's labels."""
    raise ValueError(
        "The labels are fixed once a run has started: "
        f"{config.run_dir} has {', '.join(config.label_names)}. "
        f"Received: {', '.join(names) or 'none'}. "
        f"{suggest_labels_of_run(config.label_names, names)}{also}."
    )


def suggest_labels_of_run(known: tuple[str, ...], found: tuple[str, ...]) -> str:
    """What to do about labels `found` that are not the run's `known` ones."""
    added = [name for name in found if name not in known]
    if not found:
        return "Give labels"
    if not added and {*found} < {*known}:
        gone = [name for name in known if name not in found]
        return f"Bring {join_names_for_error(gone)} back into the dataset"
    if {*known} < {*found}:
        return f"Take {join_names_for_error(added)} out of the dataset"
    return "Give them in that order" if {*known} == {*found} else "Give them their old names"


def _read_labels_of_kind(config: Config, source: Source, files: Sequence[str]) -> Labels:
    if config.labels == "folder":
        return _read_folder_labels(source, files)
    if config.labels == "own":
        return _read_own_labels(source, files)

    wanted = tuple(config.labels.split(","))
    if source.attributes is not None:
        names, y = source.attributes(wanted)
        return Labels(names, _select_label_rows(y, files))
    return _read_attribute_labels(_find_attributes_file(config, source), wanted, files)


def _read_own_labels(source: Source, files: Sequence[str]) -> Labels:
    if source.labels is None:
        is_array = PurePath(source.place).suffix == ".npy"
        remedy = (
            "Try an .npz with images and labels, as np.savez writes it"
            if is_array
            else "Try --labels=folder for one class per folder, attributes such as "
            "--labels=Smiling for CelebA"
        )
        raise ValueError(
            "--labels=own needs a dataset that comes with labels. "
            f"Received: {source.place}. {remedy}, or --labels=none."
        )
    names, classes = source.labels()
    return encode_dataset_classes_one_hot(names, _select_label_rows(classes, files))


def _read_folder_labels(source: Source, files: Sequence[str]) -> Labels:
    """One class per folder: the outermost folder of each image, except one around everything."""
    if source.root is None:
        raise ValueError(
            f"--labels=folder needs images in folders. Received: {source.place}. "
            "Try --labels=own or --labels=none."
        )
    folders = [PurePath(name).parts[:-1] for name in files]
    while all(len(parts) > 1 for parts in folders) and len({parts[0] for parts in folders}) == 1:
        folders = [parts[1:] for parts in folders]  # a zip often has one folder around everything

    names = sorted({parts[0] for parts in folders if parts})
    _check_class_folders(source, names, zip(files, folders, strict=True))
    numbers = {name: number for number, name in enumerate(names)}
    return encode_dataset_classes_one_hot(names, np.array([numbers[parts[0]] for parts in folders]))


def _check_class_folders(source: Source, names: list[str], folders_of_files: Iterable) -> None:
    """Raises ValueError for an image that is in no class folder, or for fewer than two classes."""
    stray = next((name for name, parts in folders_of_files if not parts), None)
    if stray is None and len(names) >= 2:
        return

    received = (
        f"one class, '{escape_unprintable(names[0])}'"
        if stray is None
        else f"{escape_unprintable(stray)}, which is in none"
    )
    raise ValueError(
        f"--labels=folder needs every image of {source.place} in one of two or more class "
        f"folders. Received: {received}. Sort them into folders, or use --labels=none."
    )


def _select_label_rows(array: np.ndarray, files: Sequence[str]) -> np.ndarray:
    """The rows of `array` (count, ...) for images whose names are their numbers."""
    try:
        return array[np.array([int(name) for name in files], int)]
    except (ValueError, IndexError, OverflowError) as error:
        raise ValueError(
            f"A pack must hold images of its dataset. Received: unknown names: {error}. "
            "Delete .packs in --data_dir or --out_dir."
        ) from error


def encode_dataset_classes_one_hot(names: Sequence[str], classes: np.ndarray) -> Labels:
    """classes (N,): indices into `names`."""
    if len(names) > limits.MAX_CLASSES:
        raise ValueError(
            f"--labels takes at most {limits.MAX_CLASSES:,} classes. "
            f"Received: {len(names):,}. Merge some, or drop --labels."
        )
    y = np.zeros((len(classes), len(names)), np.float32)
    y[np.arange(len(classes)), classes] = 1
    return Labels(tuple(map(escape_unprintable, names)), y)


def _read_attribute_labels(path: Path, wanted: Sequence[str], files: Sequence[str]) -> Labels:
    """Columns of a file in CelebA's format: a count, a line of names, then for every image a line
    with its name and 1 or -1 for each attribute.
    """
    _check_attributes_file_size(path)
    with open(path, encoding="utf-8", errors="replace") as file:
        next(file, None)  # the count
        names = next(file, "").split()
        columns = find_attribute_columns(wanted, names, str(path))
        rows = (fields for fields in map(str.split, file) if len(fields) > len(names))
        values = {row[0]: [row[1 + column] for column in columns] for row in rows}

    keys = [PurePath(name).name for name in files]
    _check_attributes_of_every_image(
        path, files, [name for name, key in zip(files, keys, strict=True) if key not in values]
    )
    y = np.array([values[key] for key in keys]).reshape(-1, len(columns)) == "1"  # (N, columns)
    return Labels(tuple(names[column] for column in columns), y.astype(np.float32))


def _check_attributes_file_size(path: Path) -> None:
    size = path.stat().st_size
    if size > limits.MAX_ATTRIBUTES_BYTES:
        raise ValueError(
            f"{path} must be a list of attributes, a line for each image. "
            f"Received: a file of {size:,} bytes."
        )


def _check_attributes_of_every_image(
    path: Path, files: Sequence[str], missing: Sequence[str]
) -> None:
    """missing: those of the images `files` that have no line in the file."""
    if not missing:
        return
    known = len(files) - len(missing)
    remedy = (
        "Add the missing lines, or leave these images out: --exclude takes a text file with a name "
        "on each line."
        if known > limits.MIN_SHARE_WITH_ATTRIBUTES * len(files)
        else "Does it belong to this dataset?"
    )
    names = join_names_for_error([shorten_for_error(name) for name in missing], NAMES_SHOWN)
    raise ValueError(
        f"{path} must have a line for every image. Received: none for {names}. {remedy}"
    )


def find_attribute_columns(wanted: Sequence[str], names: Sequence[str], place: str) -> list[int]:
    """The positions of the `wanted` attributes in `names`, in any case.

    place: where `names` come from. Raises ValueError, which lists `names` and `place`, when an
    attribute is unknown or wanted twice.
    """
    lower = [name.lower() for name in names]
    unknown = [name for name in wanted if name.lower() not in lower]
    repeated = [name for name, times in Counter(map(str.lower, wanted)).items() if times > 1]
    if not unknown and not repeated:
        return [lower.index(name.lower()) for name in wanted]

    received = ", ".join(unknown) if unknown else f"{', '.join(repeated)} twice"
    hint = _suggest_attribute_of_dataset(unknown, names)
    listed = ", ".join(names[: limits.MAX_ATTRIBUTES_LISTED]) or "none"
    raise ValueError(
        f"--labels must be none, own, folder, or some of the attributes {listed} ({place}). "
        f"Received: {received}. {hint}"
    )


def _suggest_attribute_of_dataset(unknown: list[str], names: Sequence[str]) -> str:
    """Asks about the first of the `unknown` attributes, if one of `names` is like it."""
    lower = [name.lower() for name in names]
    close = difflib.get_close_matches(unknown[0].lower(), lower, 1) if unknown else []
    return f"Did you mean {names[lower.index(close[0])]}?" if close else "Pick some of these."


def list_attributes_of_file(config: Config, source: Source) -> list[str]:
    """The names in the attributes file of a dataset of image files; [] if there is none."""
    folders = _list_folders_of_attributes(config, source) if source.root else []
    path = next(filter(Path.is_file, (f / CELEBA.attributes_file for f in folders)), None)
    if path is None:
        return []
    _check_attributes_file_size(path)
    with open(path, encoding="utf-8", errors="replace") as file:
        next(file, None)  # the count
        return next(file, "").split()


def _list_folders_of_attributes(config: Config, source: Source) -> list[Path]:
    data_dir = Path(config.data_dir).expanduser()
    root = source.root or data_dir
    return list(dict.fromkeys((root, root.parent, data_dir)))


def _find_attributes_file(config: Config, source: Source) -> Path:
    """The attributes file beside the images, or in data_dir."""
    folders = _list_folders_of_attributes(config, source)
    for folder in folders:
        path = folder / CELEBA.attributes_file
        if path.is_file():
            return path

    if meant := difflib.get_close_matches(config.labels.lower(), ("folder", "own", "none"), 1):
        raise ValueError(
            "--labels must be none, own, folder or names of attributes. "
            f"Received: {config.labels}. Did you mean --labels={meant[0]}?"
        )
    raise ValueError(
        f"--labels={config.labels} needs {CELEBA.attributes_file} beside the images. "
        f"Received: none in {', '.join(map(str, folders))}. "
        "For CelebA, python download.py celebA fetches it. Try --labels=folder if each class has "
        "its own folder, else own or none."
    )
