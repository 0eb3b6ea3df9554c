"""URLs such as gs://bucket/images, given where the program needs a folder or a file on a disk."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from system.text import quote_for_error, shorten_for_error

# Two letters at least: C:/ is a Windows drive. One slash is enough, as in a URL that was a Path.
URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):/+(?P<place>.*)", re.DOTALL)
ONE_OBJECT = "an object in s3"
# What copies from a store to the current folder, and a run's FOLDER into the store.
FETCHES = {
    "gs": "gcloud storage cp -r {url} .",
    "s3": "aws s3 sync {url} {name}",
    ONE_OBJECT: "aws s3 cp {url} .",
    "az": "az storage blob download-batch -d . -s {store} --pattern {pattern}",
    "hdfs": "hdfs dfs -get {url} .",
    "http": "curl -LO {url}",
    "https": "curl -LO {url}",
}
STORES = {"gs": "gcloud storage rsync -r FOLDER {url}", "s3": "aws s3 sync FOLDER {url}"}


def find_scheme_of_url(text: str) -> str:
    """gs for gs://bucket/images, in lower case; "" for what is not a URL."""
    found = URL.match(text.strip())
    return found["scheme"].lower() if found else ""


def split_url(url: str) -> tuple[str, str]:
    """("gs", "bucket/images") for gs://bucket/images and for gs:/bucket/images."""
    found = URL.match(url.strip())
    return found["scheme"].lower(), found["place"]


def check_path_is_no_url(name: str, path: str, *, written: bool = False) -> None:
    """Raises ValueError if the flag `name` was given a URL.

    written: whether it names a folder of a run, which is locked and whose files are renamed: what
    no store can do.
    """
    if find_scheme_of_url(path):
        raise ValueError(describe_url_as_path(name, path, written=written))


def describe_url_as_path(name: str, path: str, *, written: bool = False) -> str:
    """The error for a flag `name` that needs a path and was given the URL `path`."""
    rule = "must be a folder on a disk" if written else "must be on a disk"
    if find_scheme_of_url(path) == "file":
        remedy = f"Give the path alone: --{name}={quote_for_error(strip_file_url(path))}."
    elif written:
        remedy = f"Train on a disk, then copy the run{_suggest_store_command(path)}"
    else:
        remedy = suggest_fetch_of_url(path)
    return f"--{name} {rule}. Received: {shorten_for_error(path)}. {remedy}"


def check_paths_are_no_urls(given: Iterable[tuple[str, str]]) -> None:
    """The same for many flags: pairs of a name and its paths, separated by commas."""
    for name, paths in given:
        for path in paths.split(","):
            check_path_is_no_url(name, path)


def suggest_fetch_of_url(url: str) -> str:
    """One sentence: what to run first, so that what is at `url` is on a disk."""
    scheme, place = split_url(url)
    store, _, path = place.partition("/")
    is_pattern = not scheme.startswith("http") and re.search(r"[*?{]", place)
    if scheme not in FETCHES or is_pattern:
        return "Copy it to a disk first, then give that path."
    is_one_object = scheme == "s3" and PurePosixPath(path).suffix and not path.endswith("/")
    parts = {
        "url": f"{scheme}://{place}",
        "name": PurePosixPath(place).name or "images",
        "store": store,
        "pattern": f"{path.rstrip('/')}*",
    }
    quoted = {key: quote_for_error(part) for key, part in parts.items()}
    command = FETCHES[ONE_OBJECT if is_one_object else scheme]
    return f"Copy it to a disk first: {command.format(**quoted)}"


def strip_file_url(url: str) -> str:
    """/a/b for file:///a/b."""
    return re.sub("(?i)^file:/*", "/", url.strip())


def _suggest_store_command(url: str) -> str:
    scheme, place = split_url(url)
    if scheme not in STORES:
        return " there."
    return f": {STORES[scheme].format(url=quote_for_error(f'{scheme}://{place}'))}"
