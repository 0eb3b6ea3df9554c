"""Datasets of the Hugging Face Hub, through its `datasets` library: `--dataset hf:NAME[:SPLIT]`."""

import contextlib
import functools
import itertools
from collections.abc import Iterator
from pathlib import Path

from data.sources.classes import name_classes
from data.sources.parquet import LABEL_NAMES
from data.sources.reading import fingerprint_dataset_files, shorten_library_error
from data.sources.source import Source

HUB = "https://huggingface.co/datasets"
DEFAULT_SPLIT = "train"
LEAST_VERSION = 4  # older ones can run code that comes with a dataset
INSTALL = f"pip install 'datasets>={LEAST_VERSION}'"


def open_huggingface(name: str, *, limit: int | None = None, fetch: bool = True) -> Source:
    """The images of one split; name: NAME or NAME:SPLIT, on the Hub or in a folder.

    What the library has cached is used, even without a network. Anything else is fetched, if
    `fetch` allows. Raises ValueError when the library, the dataset or the images are missing.
    """
    name, _, split = name.partition(":")
    split = split or DEFAULT_SPLIT
    table = _load_hub_split(name, split, fetch=fetch)
    place, count = f"hf:{name}:{split}", min(len(table), limit or len(table))

    image, roots = _find_hub_image_column(name, table.features), _list_trusted_hub_folders(name)
    items = functools.partial(
        _read_hub_images, _keep_hub_images_encoded(table, image), count, roots
    )
    fingerprint = f"{place} {len(table)} {_fingerprint_hub_cache(table)}"
    return Source(
        place, fingerprint, count, items, labels=_make_hub_class_reader(place, table, count)
    )


def _read_hub_images(encoded, count: int, roots: list[Path]) -> Iterator[tuple]:
    """Yields (number, image as `_pick_hub_image` finds it) for the first `count` rows."""
    for number in range(count):
        (cell,) = encoded[number].values()
        yield str(number), _pick_hub_image(cell, roots)


def _make_hub_class_reader(place: str, table, count: int):
    """`Source.labels` for the column of classes; None when there is none."""
    label = _find_hub_label_column(table.features)
    if label is None:
        return None

    def read_hub_classes():
        names = getattr(table.features[label], "names", None)
        return name_classes(itertools.islice(table[label], count), names, place)

    return read_hub_classes


def _load_hub_split(name: str, split: str, *, fetch: bool):
    """The split as a `datasets.Dataset`."""
    datasets = _import_hub_library(name)
    try:
        with contextlib.nullcontext() if fetch else _read_hub_cache_only(datasets):
            return datasets.load_dataset(name, split=split)
    except Exception as error:  # the library, its hub and the network raise many kinds
        advice = (
            f"Find names at {HUB}; choose a split with --dataset=hf:{name}:SPLIT."
            if fetch
            else "A dry run fetches nothing; --train does."
        )
        if fetch and "reach" in str(error):  # its own words: Couldn't reach 'NAME' on the Hub
            advice = "Check the network, or download the dataset and give its folder."
        raise ValueError(
            f"hf:{name} could not be loaded. Received: {shorten_library_error(error)}. {advice}"
        ) from error


def _import_hub_library(name: str):
    try:
        import datasets  # imported late: slow, and few need it
    except ImportError as error:
        raise ValueError(
            f"--dataset=hf:{name} needs the library 'datasets'. "
            f"Received: none ({shorten_library_error(error)}). Install it: {INSTALL}."
        ) from error

    if int(datasets.__version__.split(".")[0]) < LEAST_VERSION:
        raise ValueError(
            f"--dataset=hf:{name} needs version {LEAST_VERSION} or later of the library "
            "'datasets', which does not run a dataset's code. "
            f"Received: {datasets.__version__}. Update it: {INSTALL}."
        )
    return datasets


@contextlib.contextmanager
def _read_hub_cache_only(datasets):
    """Lets the library read its cache only."""
    import huggingface_hub.constants as hub

    before = datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = hub.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE, hub.HF_HUB_OFFLINE = before


def _find_hub_image_column(name: str, features) -> str:
    import datasets

    images = [key for key, kind in features.items() if isinstance(kind, datasets.Image)]
    if images:
        return images[0]

    raise ValueError(
        f"hf:{name} must have a column of images. Received: {', '.join(features)}. "
        f"Choose another dataset: {HUB}."
    )


def _find_hub_label_column(features) -> str | None:
    """The first column of classes, else one with a usual name: numbers or words, bools, floats."""
    import datasets

    classes = [key for key, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    plain = [
        key
        for key in LABEL_NAMES
        if key in features and _may_hub_feature_hold_classes(features[key])
    ]
    unusual = [
        key
        for key in LABEL_NAMES
        if key in features and getattr(features[key], "dtype", "").startswith(("bool", "float"))
    ]
    return next(iter(classes + plain + unusual), None)


def _may_hub_feature_hold_classes(feature) -> bool:
    kind = getattr(feature, "dtype", "")
    return kind == "string" or kind.startswith(("int", "uint"))


def _keep_hub_images_encoded(table, image: str):
    """The column of images alone, as {"bytes", "path"}, which the library does not decode."""
    import datasets

    return table.select_columns([image]).cast_column(image, datasets.Image(decode=False))


def _list_trusted_hub_folders(name: str) -> list[Path]:
    """Where a dataset's files may be: in the library's caches, or in a folder given by name.

    A stranger's table could otherwise name any file on this machine.
    """
    import datasets
    import huggingface_hub.constants as hub

    caches = [datasets.config.HF_CACHE_HOME, datasets.config.HF_DATASETS_CACHE, hub.HF_HUB_CACHE]
    folders = [Path(folder) for folder in (*caches, name)]
    return [folder.resolve() for folder in folders if folder.is_dir()]


def _pick_hub_image(cell: dict | None, roots: list[Path]) -> bytes | Path | Exception:
    """The encoded image in a cell, its file, or why there is neither."""
    content, path = (cell or {}).get("bytes"), (cell or {}).get("path")
    if content:
        return content

    file = Path(path or "").resolve()
    if path and any(file.is_relative_to(root) for root in roots):
        return file
    return ValueError("no bytes; paths to other folders are not followed")


def _fingerprint_hub_cache(table) -> str:
    """The size and time of the files in which the library keeps the split."""
    return fingerprint_dataset_files([Path(file["filename"]) for file in table.cache_files])
