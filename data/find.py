"""Finds a dataset's images: what `--dataset` may mean, and what to say when there are none."""

import dataclasses
import itertools
import os
from pathlib import Path, PurePath
from zipfile import is_zipfile

from config.catalog import (
    DIGITS,
    MNIST,
    NAMED_SETS,
    STACKED_MNIST,
    cut_suffix_from_dataset_name,
    fold_dataset_spelling,
)
from config.settings import Config
from data import limits
from data.conversions import explain_files_without_images, suggest_conversion
from data.missing import describe_missing_dataset, is_code_not_images
from data.sources.bucket import copy_from_bucket, is_in_bucket
from data.sources.containers import (
    find_container_kind,
    find_containers_in_folder,
    is_pattern_of_files,
    list_files_of_pattern,
    open_containers,
)
from data.sources.folder import describe_file_that_is_no_zip, open_image_folder, walk_dataset_files
from data.sources.idx import find_idx_files, open_digits, open_idx_files
from data.sources.source import IMAGE_SUFFIXES, Source
from data.sources.stacked_mnist import stack_mnist_digits
from system.cluster import find_workers
from system.text import quote_for_error, shorten_for_error

TFDS_OVERVIEW = "https://www.tensorflow.org/datasets/catalog/overview"


class NoImagesError(ValueError):
    """The path exists, but it holds no images."""


class MissingDatasetError(ValueError):
    """What `--dataset` names was not found anywhere."""


def find_dataset_source(config: Config, *, fetch: bool = True) -> Source:
    """Finds the images of `config.dataset`.

    A set in a bucket, or one that only TensorFlow Datasets has, is fetched, if `fetch` allows.
    Raises ValueError when no images are found or none can be read; it says what is there instead.
    It is a MissingDatasetError if no path is found, and a NoImagesError if it holds no images.
    """
    name, data_dir = config.dataset, Path(config.data_dir).expanduser()
    if name == DIGITS.name:
        return open_digits(limit=config.train_size)
    if name == STACKED_MNIST.name:
        mnist = dataclasses.replace(config, dataset=MNIST.name, train_size=None)
        return stack_mnist_digits(find_dataset_source(mnist, fetch=fetch), limit=config.train_size)
    if name.startswith("tfds:"):
        remedy = f"Datasets: {TFDS_OVERVIEW}."
        return _open_tfds_in_data_dir(name.removeprefix("tfds:"), config, remedy, fetch=fetch)

    if name.startswith("hf:"):
        return _open_huggingface(name.removeprefix("hf:"), config, fetch=fetch)
    if is_in_bucket(name):
        workers = bool(find_workers(config.distribute))
        copy = copy_from_bucket(name, data_dir, fetch=fetch, has_workers=workers)
        return find_dataset_source(dataclasses.replace(config, dataset=str(copy)), fetch=fetch)
    if paths := _list_matching_files(name, data_dir):
        return open_containers(paths, pattern=config.input_fname_pattern, limit=config.train_size)

    source, error = _open_first_dataset_place(config, data_dir)
    return source or _open_tfds_copy_of_named_set(config, data_dir, error, fetch=fetch)


def _open_tfds_copy_of_named_set(
    config: Config, data_dir: Path, error: ValueError | None, *, fetch: bool
) -> Source:
    """The images of a named set from TensorFlow Datasets, if they are nowhere in data_dir.

    error: why the path that should have them does not. Raises ValueError with that reason unless
    the path is merely empty, and for a set that TensorFlow Datasets does not have.
    """
    name = config.dataset
    named = NAMED_SETS.get(name)
    remedy = named.say_where_dataset_belongs(data_dir) if named else ""
    in_tfds = named is not None and named.tfds_name is not None
    if error and not (in_tfds and isinstance(error, NoImagesError)):
        kind = NoImagesError if isinstance(error, NoImagesError) else ValueError
        raise kind(f"{error} {remedy}".strip())
    if not in_tfds:
        raise MissingDatasetError(describe_missing_dataset(name, data_dir, remedy))
    try:
        split = {"with_test_split": named.tfds_test_split}
        return _open_tfds_in_data_dir(named.tfds_name, config, "", fetch=fetch, **split)
    except ValueError as refusal:
        lead = error or describe_missing_dataset(name, data_dir, remedy="")
        kind = ValueError if error else MissingDatasetError
        raise kind(f"{lead} {remedy} TensorFlow Datasets: {refusal}".strip()) from refusal


def _open_first_dataset_place(
    config: Config, data_dir: Path
) -> tuple[Source | None, ValueError | None]:
    """The first path that has the images, or the error of the first one that should have them."""
    first_error = None
    for path in _list_dataset_places(config.dataset, data_dir):
        try:
            source = _open_dataset_at(path, config.input_fname_pattern, config.train_size)
            return dataclasses.replace(source, path=path), None
        except ValueError as error:
            first_error = first_error or error
    return None, first_error


def _list_dataset_places(name: str, data_dir: Path) -> list[Path]:
    """The paths that `name` may mean, the likeliest first.

    A name with a slash is a path, relative to the current folder or to data_dir. Any other name is
    a folder or a file in data_dir, in any spelling, or, unless it names a known set, in the current
    folder.
    """
    path = Path(name).expanduser()
    if os.sep in name:
        return [place for place in (path, data_dir / path) if place.exists()]

    named = NAMED_SETS.get(name)
    wanted = {_fold_name_of_dataset_file(name), *(named.folder_names if named else ())}
    entries = _list_data_dir(data_dir)
    exact = [entry for entry in entries if entry.name == name]
    alike = [e for e in entries if e.name != name and _fold_name_of_dataset_file(e.name) in wanted]
    here = [path] if path.exists() and named is None else []
    return [place for place in exact + alike + here if not is_code_not_images(place)]


def _list_data_dir(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _fold_name_of_dataset_file(name: str) -> str:
    """The normalised name of a folder or a file, without .zip and the like."""
    return fold_dataset_spelling(cut_suffix_from_dataset_name(name.lower()))


def _open_dataset_at(path: Path, pattern: str, limit: int | None) -> Source:
    """Opens what `path` is or holds: a zip or another file of images, IDX files, an LMDB, images.

    Raises ValueError when it cannot be read, NoImagesError when it holds none of these.
    """
    try:
        if path.is_file():
            return _open_dataset_file(path, pattern, limit)
        return _open_dataset_folder(path, pattern, limit)
    except OSError as error:
        raise ValueError(
            f"{path} must be readable. Received: {error.strerror}. Change its permissions."
        ) from error


def _open_dataset_file(path: Path, pattern: str, limit: int | None) -> Source:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        folder = quote_for_error(str(path.absolute().parent))
        raise ValueError(
            f"--dataset must be a folder or a zip. Received: one image, {path}. "
            f"Give its folder: --dataset={folder}."
        )
    if find_container_kind(path) is None and not is_zipfile(path):
        raise ValueError(
            f"{path} must be a folder, or a zip, tar, npy, npz or parquet of images. "
            f"{suggest_conversion([path.name]) or describe_file_that_is_no_zip(path)}"
        )
    return open_containers([path], pattern=pattern, limit=limit)


def _open_dataset_folder(path: Path, pattern: str, limit: int | None) -> Source:
    if idx_files := find_idx_files(path):
        return open_idx_files(idx_files, limit=limit)
    if source := _open_only_lmdb_below(path, limit):
        return source
    if source := open_image_folder(path, pattern=pattern, limit=limit):
        return source

    if containers := find_containers_in_folder(path):
        return open_containers(containers, pattern=pattern, limit=limit)

    os.listdir(path)  # raises where walk_dataset_files would see nothing
    names = list(itertools.islice(walk_dataset_files(path), limits.MAX_FILES_DESCRIBED))
    raise NoImagesError(explain_files_without_images(path, names, pattern))


def _open_only_lmdb_below(path: Path, limit: int | None) -> Source | None:
    """The LMDB in and below `path`, if there is one. Raises ValueError when there are several."""
    if not (any(path.glob("data.mdb")) or any(path.glob("*/data.mdb"))):
        return None

    from data.sources.lsun import find_lmdb_folders, open_lmdb  # only this needs lmdb

    folders = find_lmdb_folders(path)
    if not folders:  # each data.mdb found is a folder, or is hidden
        return None
    if len(folders) > 1:
        listed = ", ".join(folder.name for folder in folders)
        raise ValueError(
            f"{path} must hold one LMDB. Received: {listed}. "
            f"Pick one: --dataset={quote_for_error(str(folders[0]))}."
        )
    return open_lmdb(folders[0], limit=limit)


def _list_matching_files(name: str, data_dir: Path) -> list[Path]:
    """The files that match `name`, if it is a pattern such as shard-{000..012}.tar.

    Raises ValueError for a pattern of single images.
    """
    if (
        not is_pattern_of_files(name)
        or Path(name).expanduser().exists()
        or (data_dir / name).exists()
    ):
        return []

    if PurePath(name).suffix.lower() in IMAGE_SUFFIXES:
        raise ValueError(
            "--dataset must be a folder or a file that holds a whole dataset. "
            f"Received: a pattern for images, {shorten_for_error(name)}. "
            f"Give their folder: {_suggest_dataset_folder_for_pattern(PurePath(name))}."
        )
    return list_files_of_pattern(name, data_dir)


def _suggest_dataset_folder_for_pattern(path: PurePath) -> str:
    """--dataset=FOLDER, and --input_fname_pattern for the part that has wildcards."""
    folder = next(parent for parent in path.parents if not is_pattern_of_files(str(parent)))
    pattern = str(path.relative_to(folder))
    shown = str(folder) if folder.parts else str(Path.cwd())  # "." would end in ".."
    flags = [f"--dataset={quote_for_error(shown)}"]
    if "{" not in pattern:  # braces mean nothing to --input_fname_pattern
        flags.append(f"--input_fname_pattern={quote_for_error(pattern)}")
    return " ".join(flags)


def _open_huggingface(name: str, config: Config, *, fetch: bool) -> Source:
    from data.sources.huggingface import open_huggingface  # imported late: few need it

    return open_huggingface(name, limit=config.train_size, fetch=fetch)


def _open_tfds_in_data_dir(
    name: str, config: Config, remedy: str, *, fetch: bool, with_test_split: bool = False
) -> Source:
    from data.sources.tfds import open_tfds  # imported late: tensorflow_datasets is slow to import

    return open_tfds(
        name,
        Path(config.data_dir).expanduser() / "tfds",
        remedy=remedy,
        limit=config.train_size,
        with_test_split=with_test_split,
        fetch=fetch,
    )
