"""TensorFlow Datasets: `--dataset tfds:NAME`, and the fallback for celebA and mnist (https://tensorflow.org/datasets)."""

import contextlib
import itertools
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from data.labels import columns_of
from data.sources.source import Source

PROBE_URL = "https://storage.googleapis.com"
PROBE_SECONDS = 10  # TensorFlow Datasets itself retries for minutes


def tfds_source(
    name: str,
    folder: Path,
    *,
    remedy: str,
    limit: int | None = None,
    every_split: bool = False,
    fetch: bool = True,
) -> Source:
    """The images of a dataset's train split, or with `every_split` of train and test.

    A dataset that is prepared in TFDS's own folder (~/tensorflow_datasets) is used from there; any other is
    downloaded and prepared in `folder`, if `fetch` allows. Raises ValueError, ending in `remedy`, when there is no
    such dataset, no network, or the download is refused.
    """
    import tensorflow_datasets as tfds  # late: slow, and only this source needs it

    builder = _builder(name, folder, remedy)
    features = builder.info.features or {}
    image = _first(features, tfds.features.Image)
    if image is None:
        raise ValueError(
            f"tfds:{name} must have images. Received: features {list(features)}. {remedy}"
        )
    if not fetch and not builder.is_prepared():
        raise ValueError(
            f"tfds:{name} is not on this machine yet, so a dry run cannot see it. --train fetches it."
        )
    _prepare(builder, name, remedy)
    known = builder.info.splits
    splits = (
        [split for split in ("train", "test")[: 1 + every_split] if split in known]
        or list(known)[:1]
        or ["train"]
    )
    count = sum(known[split].num_examples for split in splits if split in known)

    def records(decoders=None):
        sets = (
            builder.as_dataset(split=split, shuffle_files=False, decoders=decoders)
            for split in splits
        )
        return itertools.islice(itertools.chain.from_iterable(map(tfds.as_numpy, sets)), limit)

    def items():
        return ((str(k), record[image]) for k, record in enumerate(records()))

    def undecoded():
        return records({image: tfds.decode.SkipDecoding()})

    identity = f"{builder.info.full_name} {count}"
    labels, attributes = (
        _classes(features, undecoded),
        _attributes(f"tfds:{name}", features, undecoded),
    )
    found = min(count, limit or count)
    return Source(f"tfds:{name}", identity, found, items, labels=labels, attributes=attributes)


def _builder(name: str, folder: Path, remedy: str):
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
        return builder if builder.is_prepared() else tfds.builder(name, data_dir=folder)
    except Exception as error:  # its registry raises many kinds, all meaning "no such dataset"
        raise ValueError(
            f"tfds:{name} must be a TensorFlow dataset. Received: {_first_line(error)} {remedy}"
        ) from error


def _first(features, kind) -> str | None:
    return next((key for key, feature in features.items() if isinstance(feature, kind)), None)


def _classes(features, records):
    """`Source.labels` of the first class feature, if there is one."""
    import tensorflow_datasets as tfds

    key = _first(features, tfds.features.ClassLabel)
    return key and (lambda: (features[key].names, np.array([record[key] for record in records()])))


def _attributes(place: str, features, records):
    """`Source.attributes` of a dictionary of attributes, as celeb_a has one."""
    if "attributes" not in features:
        return None
    known = list(features["attributes"])

    def attributes(wanted):
        names = tuple(known[column] for column in columns_of(wanted, known, place))
        return names, np.array(
            [[record["attributes"][name] for name in names] for record in records()], np.float32
        )

    return attributes


def _prepare(builder, name: str, remedy: str) -> None:
    if builder.is_prepared():
        return
    if not _network():
        raise ValueError(
            f"tfds:{name} is not on this machine, and there is no network to fetch it. {remedy}"
        )
    try:
        builder.download_and_prepare()
    except (
        Exception
    ) as error:  # quota pages, checksums, full disks: each library below raises its own
        raise ValueError(
            f"tfds:{name} could not be fetched: {_first_line(error)} {remedy}"
        ) from error


def _network() -> bool:
    """True when the dataset hosts answer within PROBE_SECONDS."""
    answered = threading.Event()

    def ask():
        with contextlib.suppress(OSError):
            with contextlib.suppress(urllib.error.HTTPError):  # an answer too, whatever it says
                urllib.request.urlopen(PROBE_URL, timeout=PROBE_SECONDS).close()
            answered.set()

    # In a thread, since looking up a host name has no time limit of its own; a daemon, so that nobody waits for it.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return answered.is_set()


def _first_line(error: Exception) -> str:
    line = next(
        (line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__
    )
    return line[:200].rstrip(".") + "."
