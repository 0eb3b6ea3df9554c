"""Images in Google Cloud Storage, copied once: `--dataset gs://BUCKET/PATH`."""

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from absl import logging
from tqdm import tqdm

from config.urls import find_scheme_of_url, split_url
from data import limits
from system import devices
from system.files import check_disk_room, create_temporary_path, remove_temporary_leftovers
from system.locks import wait_for_file_lock
from system.text import shorten_for_error, shorten_to_one_line

SCHEME = "gs"  # the only store that TensorFlow 2.21 reads; also the folder in data_dir
PLACE = re.compile(r"[a-z0-9][^*?{\[]*")  # a bucket and a path in it, without wildcards
ANSWER_SECONDS = 30.0  # for the store to say what is there
CONNECTIONS = 16  # at the same time: a small object takes as long as a request
CHUNK_BYTES = 1 << 20
STALLED = "Callback aborted"  # libcurl's words for a request that TensorFlow gave up
BAR = {"leave": False, "disable": None}  # tqdm's
# TensorFlow's own values repeat a request for over three minutes without a word, and fill 64 MB
# for each small object. It reads these when it is imported.
REQUESTS = {
    "GCS_RETRY_CONFIG_MAX_RETRIES": "4",
    "GCS_RETRY_CONFIG_MAX_DELAY_TIME_US": "8000000",
    "GCS_REQUEST_CONNECTION_TIMEOUT_SECS": "10",
    "GCS_REQUEST_IDLE_TIMEOUT_SECS": "15",
    "GCS_READ_CACHE_BLOCK_SIZE_MB": "8",
}


def is_in_bucket(dataset: str) -> bool:
    return find_scheme_of_url(dataset) == SCHEME


def copy_from_bucket(
    dataset: str, data_dir: Path, *, fetch: bool = True, has_workers: bool = False
) -> Path:
    """The local copy of gs://BUCKET/PATH, a folder or one object, in data_dir/gs/.

    It is made if it is not there and `fetch` allows, and appears whole or not at all. Raises
    ValueError if there is no such object, no access or no network, OSError if the disk is full.
    has_workers: as of `quietly_import_tensorflow`.
    """
    url, path = _locate_copy_of_bucket(dataset, data_dir)
    if path.exists():
        logging.info("%s: using its copy, %s. Delete that to copy it again.", url, path)
        return path
    if not fetch:
        raise ValueError(f"{url} is not on this machine yet, so a dry run cannot see it.")

    for name, value in REQUESTS.items():
        os.environ.setdefault(name, value)
    devices.quietly_import_tensorflow(has_workers=has_workers)
    with _explain_store_errors(url):
        status = _ask_store_within_time(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_temporary_leftovers(path.parent)
        lock = path.with_name(f"{path.name}.lock")
        with wait_for_file_lock(lock, f"waiting for another process, which copies {url}"):
            if not path.exists():
                _make_copy(url, path, status)
    return path


def _make_copy(url: str, path: Path, status) -> None:
    """Copies into a draft, which gets its final name once it is complete."""
    with create_temporary_path(path, folder=status.is_directory) as draft:
        _copy_folder(url, draft) if status.is_directory else _copy_file(url, draft, status)
        draft.rename(path)
    logging.info("%s was copied to %s.", url, path)


def _locate_copy_of_bucket(dataset: str, data_dir: Path) -> tuple[str, Path]:
    """The URL, well spelled, and the path of its copy. Raises ValueError for a pattern.

    The path has one name for all of the URL: a copy of gs://b/c is no copy of gs://b.
    """
    place = split_url(dataset)[1].rstrip("/")
    if not PLACE.fullmatch(place):
        raise ValueError(
            "--dataset must be a folder or one object in a bucket, without wildcards. "
            f"Received: {shorten_for_error(dataset)}. Try --dataset=gs://BUCKET/FOLDER."
        )
    return f"{SCHEME}://{place}", data_dir / SCHEME / quote(place, safe="")


def _ask_store_within_time(url: str):
    """TensorFlow's FileStatistics of `url`, asked for in a thread, as nothing else can end it."""
    import tensorflow as tf

    answers = []

    def ask_store():
        try:
            answers.append(tf.io.gfile.stat(url))
        except tf.errors.OpError as error:
            answers.append(error)

    thread = threading.Thread(target=ask_store, daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    late = tf.errors.DeadlineExceededError(None, None, f"no answer in {ANSWER_SECONDS:.0f} s")
    (answer,) = answers or [late]
    if isinstance(answer, Exception):
        raise answer
    return answer


def _copy_file(url: str, path: Path, status) -> None:
    check_disk_room(path.parent, status.length, url)
    _write_object(url, path, threading.Event(), total=status.length, desc=url, **BAR)
    if path.stat().st_size != status.length:
        raise ValueError(f"{url} must not change while it is copied. Received: another size.")


def _copy_folder(url: str, folder: Path) -> None:
    """Copies every object below `url` into `folder`, several at the same time."""
    names, stop = [*_list_objects_below(url)], threading.Event()
    logging.info("copying %s objects from %s", f"{len(names):,}", url)

    def copy_object(name: str) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_object(f"{url}/{name}", path, stop, disable=True)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        copied = pool.map(copy_object, names)
        try:
            for _ in tqdm(copied, total=len(names), desc=url, unit="file", **BAR):
                pass
        finally:  # after an error or Ctrl-C
            stop.set()
            pool.shutdown(cancel_futures=True)


def _write_object(url: str, path: Path, stop: threading.Event, **bar) -> None:
    import tensorflow as tf

    with (
        tf.io.gfile.GFile(url, "rb") as source,
        open(path, "wb") as file,
        tqdm.wrapattr(file, "write", **bar) as target,
    ):
        while not stop.is_set() and (chunk := source.read(CHUNK_BYTES)):
            target.write(chunk)


def _list_objects_below(url: str) -> Iterator[str]:
    """The names of all objects below `url`, relative to it. Raises ValueError for hostile ones."""
    import tensorflow as tf

    folders, count = [""], 0
    while folders:
        folder = folders.pop()
        for entry in tf.io.gfile.listdir(f"{url}/{folder}"):
            name, count = f"{folder}{entry}", count + 1
            _check_object_name(url, name, count)
            if name.endswith("/"):
                folders.append(name)
            else:
                yield name


def _check_object_name(url: str, name: str, count: int) -> None:
    """An object's name is any text. Here it must be a path that stays in its folder."""
    parts = name.removesuffix("/").split("/")
    is_odd = any(part in ("", ".", "..") or re.search(r"[\0\\]", part) for part in parts)
    if is_odd or len(parts) > limits.MAX_FOLDER_DEPTH or count > limits.MAX_NUMBERED_IMAGES:
        raise ValueError(
            f"{url} must hold at most {limits.MAX_NUMBERED_IMAGES:,} objects with names that can "
            f"be paths. Received: {shorten_for_error(name)}. Give a folder in it, or a zip."
        )


@contextlib.contextmanager
def _explain_store_errors(url: str):
    """Within the block, TensorFlow's errors become a ValueError that says what to do."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        found = re.search(r"HTTP response code \d+|(?<=meaning ')[^']+", str(error))
        told = found[0] if found else shorten_to_one_line(error)
        told = "no more bytes" if told == STALLED else told
        remedy = "Check the network or the proxy; the same command tries again."
        if isinstance(error, tf.errors.NotFoundError):
            told, remedy = "nothing there", "Check its spelling: gcloud storage ls"
        if isinstance(error, tf.errors.PermissionDeniedError):
            remedy = "Sign in first: gcloud auth application-default login"
        if "SSL" in told:
            remedy = "Set CURL_CA_BUNDLE to the file of your system's certificates."
        raise ValueError(
            f"{url} must be readable. Received: {shorten_for_error(told)}. {remedy}"
        ) from error
