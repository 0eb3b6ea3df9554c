"""TensorFlow Datasets: `--dataset tfds:NAME`, and the fallback for celebA and mnist (https://tensorflow.org/datasets)."""

import concurrent.futures
import itertools
import urllib.error
import urllib.request
from pathlib import Path

from data.source import Source

PROBE_URL = "https://storage.googleapis.com"
PROBE_SECONDS = 10  # TensorFlow Datasets itself retries for minutes


def tfds_source(name: str, folder: Path, *, remedy: str, limit: int | None = None, every_split: bool = False) -> Source:
    """The images of a dataset's train split, or with `every_split` of train and test.

    A dataset that is prepared in TFDS's own folder (~/tensorflow_datasets) is used from there; any other is
    downloaded and prepared in `folder`. Raises ValueError, ending in `remedy`, when there is no such dataset, no
    network, or the download is refused.
    """
    import tensorflow_datasets as tfds  # late: slow, and only this source needs it

    try:
        builder = tfds.builder(name)
        if not builder.is_prepared():
            builder = tfds.builder(name, data_dir=folder)
    except Exception as error:  # its registry raises many kinds, all meaning "no such dataset"
        raise ValueError(
            f"tfds:{name} must be a TensorFlow dataset. Received: {_first_line(error)} {remedy}"
        ) from error
    key = next((key for key, feature in (builder.info.features or {}).items() if _is_image(tfds, feature)), None)
    if key is None:
        raise ValueError(f"tfds:{name} must have images. Received: features {list(builder.info.features)}. {remedy}")
    _prepare(builder, name, remedy)
    splits = [split for split in ("train", "test") if split in builder.info.splits] if every_split else ["train"]
    count = sum(builder.info.splits[split].num_examples for split in splits if split in builder.info.splits)

    def items():
        records = itertools.chain.from_iterable(
            tfds.as_numpy(builder.as_dataset(split=split, shuffle_files=False)) for split in splits
        )
        return ((str(k), record[key]) for k, record in enumerate(itertools.islice(records, limit)))

    return Source(f"tfds:{name}", f"{builder.info.full_name} {count}", min(count, limit or count), items)


def _prepare(builder, name: str, remedy: str) -> None:
    if builder.is_prepared():
        return
    if not _network():
        raise ValueError(f"tfds:{name} is not on this machine, and there is no network to fetch it. {remedy}")
    try:
        builder.download_and_prepare()
    except Exception as error:  # quota pages, checksums, full disks: each library below raises its own
        raise ValueError(f"tfds:{name} could not be fetched: {_first_line(error)} {remedy}") from error


def _is_image(tfds, feature) -> bool:
    return isinstance(feature, tfds.features.Image)


def _network() -> bool:
    """True when the dataset hosts answer. In a thread, since looking up a host name has no time limit of its own."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    try:
        return pool.submit(_answers).result(PROBE_SECONDS)
    except concurrent.futures.TimeoutError:
        return False
    finally:
        pool.shutdown(wait=False)


def _answers() -> bool:
    try:
        urllib.request.urlopen(PROBE_URL, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return True  # an answer, whatever it says
    except OSError:
        return False
    return True


def _first_line(error: Exception) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line[:200].rstrip(".") + "."
