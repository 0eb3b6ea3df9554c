"""Downloads datasets to where main.py looks for them, and checks every byte.

python download.py celebA                     202,599 faces, 1.4 GB
python download.py mnist celebA               several sets, one after the other
python download.py lsun --category tower      one of LSUN's scenes; default: bedroom, 46 GB

A download that was interrupted resumes where it stopped.
"""

import argparse
import dataclasses
import errno
import hashlib
import os
import re
import shlex
import socket
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from absl import flags, logging
from tqdm import tqdm

from config.catalog import CELEBA, LSUN, MNIST, NAMED_SETS
from config.settings import Config
from config.urls import check_path_is_no_url
from system import console
from system.files import (
    check_disk_room,
    create_temporary_path,
    put_aside,
    remove_temporary_leftovers,
)


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file to download into data_dir, and its sources, the likeliest to work first."""

    path: str
    size: int  # bytes
    sha256: str
    urls: tuple[str, ...]


# Sizes and hashes are those of TensorFlow Datasets 4.9.10; Google Drive's ids are those of
# torchvision's datasets/celeba.py; LSUN's address is that of fyu/lsun.

# confirm=t skips the page about the virus scan.
DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="
LAVAL = "https://graal.ift.ulaval.ca/public/celeba/"
CELEBA_FILES = (
    RemoteFile(
        "img_align_celeba.zip",
        1443490838,
        "46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74",
        (
            DRIVE + "0B7EVK8r0v71pZjFTYXZWM3FlRnM",
            LAVAL + "img_align_celeba.zip",
            "https://s3-us-west-1.amazonaws.com/udacity-dlnfd/datasets/celeba.zip",
            "https://cseweb.ucsd.edu/~weijian/static/datasets/celeba/img_align_celeba.zip",
        ),
    ),
    RemoteFile(
        CELEBA.attributes_file,
        26721026,
        "f0e5da289d5ccf75ffe8811132694922b60f2af59256ed362afa03fefba324d0",
        (DRIVE + "0B7EVK8r0v71pblRyaVFSWGxPY0U", LAVAL + CELEBA.attributes_file),
    ),
)

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_TABLE = """
train-images-idx3-ubyte 9912422 440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609
train-labels-idx1-ubyte   28881 3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c
t10k-images-idx3-ubyte  1648877 8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6
t10k-labels-idx1-ubyte     4542 f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6
"""
MNIST_FILES = tuple(
    RemoteFile(
        f"mnist/{name}.gz", int(size), sha256, tuple(f"{url}{name}.gz" for url in MNIST_MIRRORS)
    )
    for name, size, sha256 in map(str.split, MNIST_TABLE.strip().splitlines())
)

LSUN_TABLE = """
bedroom         45922737680 a15644c2e7153106867f0adb3491fc41224102d1f01b24494fb47d9f5d1f174e
bridge          16478644518 2701b2d421bbc4d8a5e9b0652ff7c3b57cd6495da8e0e85c39533275b5a925a3
church_outdoor   2448463466 91128ae026840ac0c5982b4445ab5fc4e092d6847cca76793b2b1a0815c2e74a
classroom        3279497022 73a8a3e318819e1cc602f229673c3f51a68f3ece61e3764ce22df6abea4d0873
conference_room  4048461633 fa0a4cf72e7acfb103392eaf33640d5508a728e971f31877b01d64e1bde6068c
dining_room     11592966936 e4ee24c7c309360c3bf019123ce5bbf17434b2ba33abec2b0b07cfae715a52cb
kitchen         35791384987 b1993cf639aece5d207a27eb9ff872bcca9dff6472d8227a052c79d40ee753c4
living_room     22792405188 bd2c52b812c80f73ce3062a221396d13a52b5cce2f813b4cdf61937651281d7a
restaurant      13489345463 11a0a924b960cd0900e9b7477d684fb338bd99cc5f72db1caac592e4f497e09a
tower           12010237081 440caec74c9641cb51fd235a5970c8e4931c3af875aeb044a8bcca956e106309
"""
LSUN_SCENES = {
    scene: RemoteFile(
        f"lsun/{scene}_train_lmdb.zip",
        int(size),
        sha256,
        (f"http://dl.yf.io/lsun/scenes/{scene}_train_lmdb.zip",),
    )
    for scene, size, sha256 in map(str.split, LSUN_TABLE.strip().splitlines())
}
# An unpacked scene's bytes per byte of its zip: bedroom takes 54 GB (vislearn/FrEIA, issue 4).
LMDB_GROWTH = 1.2

SET_NAMES = {named.name.lower(): named.name for named in NAMED_SETS.values() if named.downloadable}
KNOWN = (
    f"{', '.join(SET_NAMES.values())} "
    "(digits comes with the installation, tfds:NAME is fetched by main.py)"
)

SILENCE_SECONDS = 30.0  # a connection is given up after this long without a byte
CONNECT_SECONDS = 4.0  # for each of a server's addresses to accept a connection
PORTS = {"http": 80, "https": 443}
CHUNK_BYTES = 1 << 20
BAR = {"leave": False, "disable": None}  # tqdm's
WEB_PAGE = re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE)  # how a web page begins


class MirrorError(Exception):
    """Why one source did not deliver the file. The next one may."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise ValueError(f"{message[:1].upper()}{message[1:]}. See python download.py --help.")


def main(argv: list[str]) -> int:
    """Fetches the sets named on the command line.

    Returns the exit code: 0, 1 when one of them failed, or 130 when interrupted.
    """
    console.set_up_logging()
    flags.FLAGS.mark_as_parsed()  # argparse parses here; without this, absl's log complains
    try:
        return fetch_datasets(*parse_download_arguments(argv))
    except (ValueError, OSError) as error:
        return console.print_error_line(error)
    except KeyboardInterrupt:
        logging.info("interrupted; the same command resumes from here.")
        return 130


def parse_download_arguments(argv: list[str]) -> tuple[list[str], Path, str]:
    """(canonical names of the sets, data_dir, LSUN's scene). Raises ValueError for unknown ones."""
    given = _make_download_parser().parse_intermixed_args(argv)
    _check_downloads_are_known(given.dataset, given.category)
    check_path_is_no_url("data_dir", given.data_dir)
    names = list(dict.fromkeys(SET_NAMES[name.lower()] for name in given.dataset))
    return names, Path(given.data_dir).expanduser(), given.category.lower()


def _make_download_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        "download.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="*", help=", ".join(SET_NAMES.values()))
    parser.add_argument(
        "--data_dir", default=Config.data_dir, help="where the datasets are kept [%(default)s]"
    )
    parser.add_argument(
        "--category", default="bedroom", help=f"scene: {', '.join(LSUN_SCENES)} [%(default)s]"
    )
    return parser


def _check_downloads_are_known(names: list[str], scene: str) -> None:
    """Raises ValueError if no set is named, or a set or an LSUN scene is unknown."""
    if not names:
        raise ValueError(f"At least one dataset must be named. Received: none. Known: {KNOWN}.")
    if unknown := [name for name in names if name.lower() not in SET_NAMES]:
        raise ValueError(f"Every dataset must be one of {KNOWN}. Received: {', '.join(unknown)}.")
    if scene.lower() not in LSUN_SCENES:
        raise ValueError(f"--category must be one of {', '.join(LSUN_SCENES)}. Received: {scene}.")


def fetch_datasets(names: list[str], data_dir: Path, scene: str) -> int:
    """Fetches one set after the other; one that fails does not stop the next. Returns 0 or 1."""
    files = {CELEBA.name: CELEBA_FILES, MNIST.name: MNIST_FILES, LSUN.name: (LSUN_SCENES[scene],)}
    jobs = {
        name: {_locate_downloaded_file(file, data_dir): file for file in files[name]}
        for name in names
    }
    missing = [file for job in jobs.values() for path, file in job.items() if not path.exists()]
    unreachable = find_unreachable_mirrors(url for file in missing for url in file.urls)

    statuses = [_fetch_dataset(name, job, data_dir, unreachable) for name, job in jobs.items()]
    return max(statuses, default=0)


def _fetch_dataset(
    name: str, job: dict[Path, RemoteFile], data_dir: Path, unreachable: dict[str, str]
) -> int:
    """Fetches the files of one set to the paths of `job`. Returns 0, or 1 when one fails."""
    fetch = fetch_and_unpack_lmdb if name == LSUN.name else fetch_dataset_file
    try:
        for path, file in job.items():
            fetch(file, path, unreachable)
    except (ValueError, OSError) as error:
        reason = _explain_failed_download(error, data_dir)
        return console.print_error_line(ValueError(f"{name}: {reason}"))

    place = shlex.quote(str(data_dir))
    command = f"python main.py --dataset {name} --data_dir {place} --train"
    logging.info("%s is ready: %s", name, command)
    return 0


def _explain_failed_download(error: Exception, data_dir: Path) -> str:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{data_dir} must have room. Received: {error.strerror}. "
            "Make room, or choose another disk with --data_dir; the same command resumes."
        )
    return console.explain_error(error)


def _locate_downloaded_file(file: RemoteFile, data_dir: Path) -> Path:
    """Where the file is (CelebA: also in its folder; LSUN: unpacked); else where it belongs."""
    path = data_dir / file.path
    places = [path.with_suffix("") / "data.mdb", path, *data_dir.glob(f"[Cc]eleb[Aa]/{path.name}")]
    return next((place for place in places if place.exists()), path)


def fetch_and_unpack_lmdb(file: RemoteFile, path: Path, unreachable: dict[str, str]) -> None:
    """Fetches one of LSUN's scenes and unpacks it: an LMDB cannot be read from a zip.

    The folder appears whole or not at all. A zip that was there before is kept.
    """
    folder = path.with_suffix("")
    if path.name == "data.mdb":
        logging.info("%s exists already.", path)
        return
    if folder.exists():
        raise ValueError(
            f"{folder} must hold data.mdb. Received: none. Move it away and run this again."
        )

    fetched = fetch_dataset_file(file, path, unreachable, unpacked=int(LMDB_GROWTH * file.size))
    remove_temporary_leftovers(folder.parent)
    with zipfile.ZipFile(path) as archive, create_temporary_path(folder, folder=True) as draft:
        _unpack_lmdb_zip(archive, draft)
        draft.rename(folder)  # fails if a folder of that name has been filled meanwhile
    if fetched:
        path.unlink()


def _unpack_lmdb_zip(archive: zipfile.ZipFile, folder: Path) -> None:
    """Unpacks only the LMDB's two files: the zip must not decide where anything is written."""
    wanted = ("data.mdb", "lock.mdb")
    members = [info for info in archive.infolist() if Path(info.filename).name in wanted]
    check_disk_room(folder, sum(info.file_size for info in members), "the unpacked LMDB")
    for info in members:
        with archive.open(info) as source:
            chunks = iter(lambda: source.read(CHUNK_BYTES), b"")
            _write_downloaded_chunks(chunks, folder / Path(info.filename).name, info.file_size)


def fetch_dataset_file(
    file: RemoteFile, path: Path, unreachable: dict[str, str], *, unpacked: int = 0
) -> bool:
    """Downloads `file` to `path`; returns False if it was there already.

    unreachable: hosts to skip, and why. unpacked: bytes to leave free beside it.

    Raises ValueError when a wrong file is in the way or every source failed, OSError when there is
    no room.
    """
    if path.exists():
        _check_dataset_file(file, path)
        logging.info("%s exists already.", path)
        return False

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    check_disk_room(path.parent, file.size - _count_downloaded_bytes(part) + unpacked, path.name)
    _download_from_any_mirror(file, path, part, unreachable)
    if path.exists():  # somebody put it there meanwhile
        logging.info("%s was moved aside to %s.", path, put_aside(path).name)
    os.replace(part, path)
    return True


def fetch_by_hash(url: str, sha256: str, path: Path) -> None:
    """Downloads the file with this hash, of whatever size, to `path`.

    Raises ValueError when the server does not deliver it, OSError when there is no room; nothing is
    left then.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        file = RemoteFile(path.name, _ask_for_size(url), sha256, (url,))
        check_disk_room(path.parent, file.size, path.name)
        _download_from_mirror(url, file, part, None)
        os.replace(part, path)
    except MirrorError as error:
        raise ValueError(
            f"{url} must give the file with the sha256 {sha256}. Received: {error}. "
            "Check the address and the hash; if both are right, try again later."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _ask_for_size(url: str) -> int:
    """The bytes that the server has at this address. Raises MirrorError if it does not say."""
    try:
        with _request_download(url, 0) as response:
            length = response.headers.get("Content-Length", "")
    except (OSError, HTTPException, ValueError) as error:  # ValueError: no host, or odd letters
        raise MirrorError(str(error).strip("<>")) from error
    if not length.isdecimal() or not int(length):
        raise MirrorError("an answer that is empty or does not say its size")
    return int(length)


def _check_dataset_file(file: RemoteFile, path: Path) -> None:
    if fault := _describe_wrong_download(path, file):
        raise ValueError(
            f"{path} must be the original file. Received: {fault}. Move it away and run this again."
        )


def _download_from_any_mirror(
    file: RemoteFile, path: Path, part: Path, unreachable: dict[str, str]
) -> None:
    """Completes `part` from the first source that works."""
    failures = []
    found = part.stat().st_ino if _count_downloaded_bytes(part) else None
    for url in file.urls:
        host = urlsplit(url).netloc
        try:
            if host in unreachable:
                raise MirrorError(unreachable[host])
            _download_from_mirror(url, file, part, found)
        except MirrorError as error:
            failures.append(f"{host}: {error}")
            logging.info("%s: could not be fetched from %s: %s.", path, host, error)
        else:
            logging.info("%s: fetched from %s.", path, host)
            return

    raise ValueError(_describe_failed_mirrors(file, path, failures))


def _describe_failed_mirrors(file: RemoteFile, path: Path, failures: list[str]) -> str:
    return (
        f"{path.name} must come from one of its sources. Received: {'; '.join(failures)}. "
        f"Try again later, or download it yourself (data/README.md) to {path} "
        f"({file.size:,} bytes); the same command then checks it."
    )


def _download_from_mirror(url: str, file: RemoteFile, part: Path, found: int | None) -> None:
    """Completes `part`, over as many connections as it takes, and checks it.

    found: as in `_clear_wrong_part`. Raises MirrorError when a connection delivers nothing, or the
    file is wrong.
    """
    while (before := _count_downloaded_bytes(part)) < file.size:
        try:
            chunks = _stream_download(url, file, before)
            start = next(chunks)
            if before and not start:
                _clear_wrong_part(part, found)
            _write_downloaded_chunks(chunks, part, file.size, start)
        except MirrorError:
            # Otherwise the next connection resumes from there.
            if _count_downloaded_bytes(part) <= before:
                raise

    if fault := _describe_wrong_download(part, file):
        _clear_wrong_part(part, found)
        raise MirrorError(fault)


def _clear_wrong_part(part: Path, found: int | None) -> None:
    """Removes this process's .part file. An earlier one may be a browser's: it is moved aside.

    found: the inode of the earlier file, or None.
    """
    if part.stat().st_ino == found:
        logging.info("%s was moved aside to %s.", part, put_aside(part).name)
    else:
        part.unlink()


def _stream_download(url: str, file: RemoteFile, start: int) -> Iterator:
    """Yields the position at which the bytes begin, `start` or 0, then the bytes to the file's end.

    Raises MirrorError when the server sends something else, or the connection ends too early.
    """
    try:
        with _request_download(url, start) as response:
            given_range = response.headers.get("Content-Range", "")
            done = start if given_range.startswith(f"bytes {start}-") else 0
            _check_download_response(response.headers, response.peek(), done, file.size)

            yield done
            yield from _read_download_chunks(response, done, file.size)
    except (OSError, HTTPException) as error:
        raise MirrorError(str(error).strip("<>")) from error


def _read_download_chunks(response, done: int, size: int) -> Iterator[bytes]:
    """Yields the bytes from `done` to `size`. Raises MirrorError when they end too early."""
    while done < size:
        chunk = response.read1(min(CHUNK_BYTES, size - done))
        if not chunk:
            raise MirrorError(f"the connection ended after {done:,} of {size:,} bytes")
        done += len(chunk)
        yield chunk


def _request_download(url: str, start: int):
    """The server's response to a request for the bytes from `start` on."""
    headers = {"User-Agent": "Mozilla/5.0 (compatible; download.py)", "Range": f"bytes={start}-"}
    request = urllib.request.Request(url, headers=headers)
    return urllib.request.urlopen(request, timeout=SILENCE_SECONDS)


def _check_download_response(headers, first: bytes, start: int, size: int) -> None:
    """Raises MirrorError for a web page, such as one about quotas, and for another size."""
    if headers.get_content_type() == "text/html" or (not start and WEB_PAGE.match(first)):
        titles = re.findall(rb"<title>(.*?)</title>", first, re.DOTALL)
        title = b"".join(titles).decode(errors="replace")
        raise MirrorError(f"a web page instead of the file: {title!r}")

    length = headers.get("Content-Length", "")
    if length.isdecimal() and start + int(length) != size:
        raise MirrorError(f"{start + int(length):,} bytes instead of {size:,}")


def _write_downloaded_chunks(
    chunks: Iterable[bytes], path: Path, total: int, start: int = 0
) -> None:
    """Appends the chunks to a file of `start` bytes, or for 0 overwrites it; shows a bar."""
    bar = {"total": total, "initial": start, "desc": path.stem}
    with (
        open(path, "ab" if start else "wb") as file,
        tqdm.wrapattr(file, "write", **bar, **BAR) as target,
    ):
        for chunk in chunks:
            target.write(chunk)


def _describe_wrong_download(path: Path, file: RemoteFile) -> str:
    """What is wrong with the file at `path`; empty when nothing is."""
    size = _count_downloaded_bytes(path)
    digest = hashlib.sha256()
    with (
        open(path, "rb") as opened,
        tqdm.wrapattr(opened, "read", total=size, desc="check", **BAR) as source,
    ):
        if size != file.size:
            page = ", a web page" if WEB_PAGE.match(source.read(CHUNK_BYTES)) else ""
            return f"{size:,} bytes{page} instead of {file.size:,}"
        while chunk := source.read(CHUNK_BYTES):
            digest.update(chunk)

    if digest.hexdigest() != file.sha256:
        return f"a file of the right size, {file.size:,} bytes, but with the wrong sha256"
    return ""


def _count_downloaded_bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def find_unreachable_mirrors(urls: Iterable[str]) -> dict[str, str]:
    """The hosts that accept no connection, and why; all are tried at the same time.

    Raises ValueError when there are hosts, but none can be reached.
    """
    servers = {parts.netloc: parts for parts in map(urlsplit, urls)}
    if not servers or urllib.request.getproxies():  # a proxy answers for all hosts
        return {}

    with ThreadPoolExecutor(len(servers)) as pool:
        reasons = pool.map(_explain_unreachable_mirror, servers.values())
        errors = dict(zip(servers, reasons, strict=True))
    unreachable = {host: error for host, error in errors.items() if error}
    if len(unreachable) == len(servers):
        received = "; ".join(f"{host}: {error}" for host, error in unreachable.items())
        raise ValueError(
            f"At least one source must be reachable. Received: {received}. "
            "Check the connection or the proxy."
        )
    return unreachable


def _explain_unreachable_mirror(server: SplitResult) -> str:
    """Why a server accepts no connection; empty when it accepts one."""
    address = server.hostname, server.port or PORTS[server.scheme]
    try:
        socket.create_connection(address, CONNECT_SECONDS).close()
    except Exception as error:  # encoding a host name may fail too
        return str(error) or type(error).__name__
    return ""
