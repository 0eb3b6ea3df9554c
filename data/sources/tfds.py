"""TensorFlow Datasets (tensorflow.org/datasets): `--dataset tfds:NAME`, celebA and mnist."""

import contextlib
import functools
import itertools
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from data.labels import find_attribute_columns
from data.sources.source import Source

NETWORK_URL = "https://storage.googleapis.com"  # the host of the datasets
NETWORK_SECONDS = 10  # TensorFlow Datasets itself retries for minutes
SUMMARY_CHARACTERS = 200  # of an error, which may be pages long


def open_tfds(
    name: str,
    folder: Path,
    *,
    remedy: str,
    limit: int | None = None,
    with_test_split: bool = False,
    fetch: bool = True,
) -> Source:
    """The images of a dataset's train split, and of its test split if `with_test_split`.

    A dataset that is already prepared in TFDS's own folder (~/tensorflow_datasets) is used from
    there. Any other is downloaded and prepared in `folder`, if `fetch` allows. Raises ValueError,
    which ends with `remedy`, if the dataset is unknown, the network is down, or the download fails.
    """
    builder = _make_tfds_builder(name, folder, remedy)
    image = _find_tfds_image_feature(builder.info.features or {}, name, remedy)
    _download_tfds_if_missing(builder, name, remedy, fetch=fetch)
    splits = _choose_tfds_splits(builder.info.splits, with_test_split=with_test_split)
    return _make_tfds_source(f"tfds:{name}", builder, image, splits, limit)


def _make_tfds_source(
    place: str, builder, image: str, splits: list[str], limit: int | None
) -> Source:
    """The source of a prepared dataset; image: the name of the feature that has the images."""
    import tensorflow_datasets as tfds  # imported late: slow, and only this source needs it

    features = builder.info.features
    count = _count_tfds_images(builder.info.splits, splits)
    without_images = {image: tfds.decode.SkipDecoding()}
    read_records = functools.partial(_read_tfds_records, builder, splits, limit)
    read_labels = functools.partial(read_records, without_images)

    def number_tfds_images():
        return ((str(number), record[image]) for number, record in enumerate(read_records()))

    return Source(
        place,
        f"{builder.info.full_name} {count}",
        min(count, limit or count),
        number_tfds_images,
        labels=_make_tfds_class_reader(features, read_labels),
        attributes=_make_tfds_attribute_reader(place, features, read_labels),
    )


def _make_tfds_builder(name: str, folder: Path, remedy: str):
    """A dataset's builder: in TFDS's own folder if it is prepared there, else in `folder`."""
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
        return builder if builder.is_prepared() else tfds.builder(name, data_dir=folder)
    except Exception as error:  # its registry raises many kinds, all meaning "no such dataset"
        raise ValueError(
            f"tfds:{name} must be a TensorFlow dataset. "
            f"Received: {_summarize_tfds_error(error)} {remedy}"
        ) from error


def _choose_tfds_splits(known, *, with_test_split: bool) -> list[str]:
    """train, and test if asked for; if there is neither, the first split."""
    wanted = ("train", "test") if with_test_split else ("train",)
    return [split for split in wanted if split in known] or list(known)[:1] or ["train"]


def _count_tfds_images(known, splits: list[str]) -> int:
    return sum(known[split].num_examples for split in splits if split in known)


def _read_tfds_records(builder, splits: list[str], limit: int | None, decoders: dict | None = None):
    """The records of all splits, one after the other, in the same order every time."""
    import tensorflow_datasets as tfds

    sets = (
        builder.as_dataset(split=split, shuffle_files=False, decoders=decoders) for split in splits
    )
    return itertools.islice(itertools.chain.from_iterable(map(tfds.as_numpy, sets)), limit)


def _find_tfds_image_feature(features, name: str, remedy: str) -> str:
    import tensorflow_datasets as tfds

    image = _find_tfds_feature(features, tfds.features.Image)
    if image is None:
        raise ValueError(
            f"tfds:{name} must have images. Received: features {list(features)}. {remedy}"
        )
    return image


def _find_tfds_feature(features, kind) -> str | None:
    """The name of the first feature of a kind."""
    return next((key for key, feature in features.items() if isinstance(feature, kind)), None)


def _make_tfds_class_reader(features, records):
    """`Source.labels` for the first class feature; None when there is none."""
    import tensorflow_datasets as tfds

    key = _find_tfds_feature(features, tfds.features.ClassLabel)
    if key is None:
        return None

    def read_tfds_classes():
        return features[key].names, np.array([record[key] for record in records()])

    return read_tfds_classes


def _make_tfds_attribute_reader(place: str, features, records):
    """`Source.attributes` for a dictionary of attributes, such as celeb_a's; None without one."""
    if "attributes" not in features:
        return None

    known = list(features["attributes"])

    def read_tfds_attributes(wanted):
        names = tuple(known[column] for column in find_attribute_columns(wanted, known, place))
        rows = [[record["attributes"][name] for name in names] for record in records()]
        return names, np.array(rows, np.float32)

    return read_tfds_attributes


def _download_tfds_if_missing(builder, name: str, remedy: str, *, fetch: bool) -> None:
    if builder.is_prepared():
        return

    if not fetch:
        raise ValueError(
            f"tfds:{name} is not on this machine yet, so a dry run cannot see it. "
            "--train fetches it."
        )
    if not _is_tfds_host_up():
        raise ValueError(
            f"tfds:{name} is not on this machine, and there is no network to fetch it. {remedy}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # quota pages, checksums, full disks: each library raises its own
        raise ValueError(
            f"tfds:{name} could not be fetched: {_summarize_tfds_error(error)} {remedy}"
        ) from error


def _is_tfds_host_up() -> bool:
    """True when the host of the datasets answers within NETWORK_SECONDS."""
    answered = threading.Event()

    def ask_tfds_host():
        with contextlib.suppress(OSError):
            with contextlib.suppress(urllib.error.HTTPError):  # an answer, whatever it says
                urllib.request.urlopen(NETWORK_URL, timeout=NETWORK_SECONDS).close()
            answered.set()

    # In a thread, because looking up a host's name has no time limit. The thread is a daemon, so
    # that the program can end while it still waits.
    thread = threading.Thread(target=ask_tfds_host, daemon=True)
    thread.start()
    thread.join(NETWORK_SECONDS)
    return answered.is_set()


def _summarize_tfds_error(error: Exception) -> str:
    """The first line of an error that is not empty, as a sentence."""
    lines = (line.strip() for line in str(error).splitlines())
    line = next(filter(None, lines), type(error).__name__)
    return line[:SUMMARY_CHARACTERS].rstrip(".") + "."
