"""Fetches weights that this program exported, from a web address or from the Hugging Face Hub.

A file from an address must have the hash that comes with it. From the Hub, only weights.safetensors
is fetched.
"""

import contextlib
import re
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

from absl import logging

from data.fetch import fetch_by_hash
from foreign.arrays import Weights
from foreign.published import FILE, describe_published_origin, read_published_weights
from system.files import create_temporary_path, remove_temporary_leftovers
from system.packages import explain_missing_extra
from system.text import shorten_for_error, shorten_to_one_line

SCHEMES = ("https://", "http://")  # the hash vouches for what arrives, whichever way it came
HUB = "hf:"
HUB_SITE = "https://huggingface.co"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
HASH = "sha256="  # begins the fragment of an address
DIGEST = re.compile(r"[0-9a-f]{64}")


def is_remote(name: str) -> bool:
    """Whether weights called that are to be fetched."""
    return name.strip().startswith((*SCHEMES, HUB))


def describe_remote_origin(name: str) -> str:
    """What imported_from.txt says of them. Raises ValueError for a name that nothing can have.

    What follows a ? in an address is left out: it may be a key.
    """
    name = name.strip()
    if name.startswith(HUB):
        return describe_published_origin(HUB + _parse_hub_name(name))
    url, digest = _split_address(name)
    return describe_published_origin(f"{url.partition('?')[0]}#{HASH}{digest}")


def read_remote_weights(name: str, folder: Path) -> Weights:
    """Fetches the weights and reads them.

    name: https://...#sha256=HEX or hf:USER/NAME. folder: where a download may lie until it is read;
    nothing stays there. Raises ValueError when there are none, or not those with that hash.
    """
    describe_remote_origin(name)  # checks it
    if name.strip().startswith(HUB):
        return _read_hub_weights(name.strip())
    return _read_weights_at_address(name.strip(), folder)


def _split_address(address: str) -> tuple[str, str]:
    """(the address to fetch, the sha256 in hex)."""
    url, _, fragment = address.partition("#")
    digest = fragment.removeprefix(HASH).strip().lower()
    if DIGEST.fullmatch(digest) and fragment.startswith(HASH):
        return url, digest

    received = f"#{shorten_for_error(fragment)}" if fragment else "no #sha256="
    file = shorten_for_error(Path(urlsplit(url).path).name) or "FILE"
    raise ValueError(
        "--import_weights takes an address only with the hash of its file: ...#sha256=HEX, 64 "
        f"digits. Received: {received}. Ask whoever published it for the hash, or download the "
        f"file and run: sha256sum {file}"
    )


def _read_weights_at_address(address: str, folder: Path) -> Weights:
    url, digest = _split_address(address)
    name = url.partition("?")[0] + f"#{HASH}{digest}"
    is_new = not folder.exists()
    if not is_new:
        remove_temporary_leftovers(folder)

    try:
        with create_temporary_path(folder / "weights", folder=True) as draft:
            path = draft / "download"
            fetch_by_hash(url, digest, path)
            return read_published_weights(_name_after_content(path), name=name)
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # something else is in it by now
                folder.rmdir()


def _name_after_content(path: Path) -> Path:
    """Renames a download, whose address may say anything, to .zip or .safetensors."""
    return path.rename(path.with_suffix(".zip" if zipfile.is_zipfile(path) else ".safetensors"))


def _parse_hub_name(name: str) -> str:
    """USER/NAME."""
    repository = name.removeprefix(HUB)
    if not HUB_NAME.fullmatch(repository):
        raise ValueError(
            "--import_weights must name a model on the Hugging Face Hub as hf:USER/NAME. "
            f"Received: {shorten_for_error(name)}. Copy USER/NAME from the model's page."
        )
    return repository


def _read_hub_weights(name: str) -> Weights:
    repository = _parse_hub_name(name)
    hub = _import_hub_library(name)
    logging.info("fetching %s of %s.", FILE, name)
    try:
        path = hub.hf_hub_download(repository, FILE)
    except Exception as error:  # the library, its hub and the network raise many kinds
        reason = f"{type(error).__name__}: {shorten_to_one_line(error)}".rstrip(". ")
        raise ValueError(
            f"{name} must be a model with {FILE} on the Hugging Face Hub. Received: {reason}. "
            f"Look at {HUB_SITE}/{repository}; if you are offline, fetch the file elsewhere and "
            "give its path."
        ) from error
    return read_published_weights(Path(path), name=name)


def _import_hub_library(name: str):
    try:
        import huggingface_hub  # imported late: few need it
        from huggingface_hub.utils import logging as hub_logging
    except ImportError as error:
        raise ValueError(
            explain_missing_extra(
                f"--import_weights={name}", "huggingface_hub", "requirements-export.txt"
            )
        ) from error
    hub_logging.set_verbosity_error()  # one line at the end says what five tries would
    return huggingface_hub
