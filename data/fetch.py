"""Fetches datasets to where main.py looks for them, and checks every byte. What was stopped goes on where it was.

python download.py celebA                     202,599 faces, 1.4 GB
python download.py mnist celebA               several sets, one after the other
python download.py lsun --category tower      one of LSUN's scenes; default: bedroom, 46 GB
"""

import argparse
import dataclasses
import errno
import hashlib
import os
import re
import shutil
import socket
import urllib.request
import zipfile
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from absl import flags, logging
from tqdm import tqdm

from config.settings import Config
from system import console
from system.files import replace_folder


@dataclasses.dataclass(frozen=True)
class File:
    """What must arrive in data_dir, and where it is offered, the likeliest place first."""

    path: str
    size: int  # bytes
    sha256: str
    urls: tuple[str, ...]


# Sizes and hashes: TensorFlow Datasets 4.9.10. Google Drive's ids: torchvision, datasets/celeba.py. LSUN: fyu/lsun.
# fmt: off
DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="  # confirm=t: no virus scan page
LAVAL = "https://graal.ift.ulaval.ca/public/celeba/"
CELEBA = (
    File("img_align_celeba.zip", 1443490838, "46fb89443c578308acf364d7d379fe1b9efb793042c0af734b6112e4fd3a8c74", (
        DRIVE + "0B7EVK8r0v71pZjFTYXZWM3FlRnM", LAVAL + "img_align_celeba.zip",
        "https://s3-us-west-1.amazonaws.com/udacity-dlnfd/datasets/celeba.zip",
        "https://cseweb.ucsd.edu/~weijian/static/datasets/celeba/img_align_celeba.zip")),
    File("list_attr_celeba.txt", 26721026, "f0e5da289d5ccf75ffe8811132694922b60f2af59256ed362afa03fefba324d0", (
        DRIVE + "0B7EVK8r0v71pblRyaVFSWGxPY0U", LAVAL + "list_attr_celeba.txt")),
)
MNIST_MIRRORS = "https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"
MNIST = tuple(
    File(f"mnist/{name}.gz", size, sha256, tuple(f"{mirror}{name}.gz" for mirror in MNIST_MIRRORS))
    for name, size, sha256 in (
        ("train-images-idx3-ubyte", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
)
LSUN = {
    scene: File(f"lsun/{(name := scene + '_train_lmdb.zip')}", size, sha256, (f"http://dl.yf.io/lsun/scenes/{name}",))
    for scene, size, sha256 in (
        ("bedroom", 45922737680, "a15644c2e7153106867f0adb3491fc41224102d1f01b24494fb47d9f5d1f174e"),
        ("bridge", 16478644518, "2701b2d421bbc4d8a5e9b0652ff7c3b57cd6495da8e0e85c39533275b5a925a3"),
        ("church_outdoor", 2448463466, "91128ae026840ac0c5982b4445ab5fc4e092d6847cca76793b2b1a0815c2e74a"),
        ("classroom", 3279497022, "73a8a3e318819e1cc602f229673c3f51a68f3ece61e3764ce22df6abea4d0873"),
        ("conference_room", 4048461633, "fa0a4cf72e7acfb103392eaf33640d5508a728e971f31877b01d64e1bde6068c"),
        ("dining_room", 11592966936, "e4ee24c7c309360c3bf019123ce5bbf17434b2ba33abec2b0b07cfae715a52cb"),
        ("kitchen", 35791384987, "b1993cf639aece5d207a27eb9ff872bcca9dff6472d8227a052c79d40ee753c4"),
        ("living_room", 22792405188, "bd2c52b812c80f73ce3062a221396d13a52b5cce2f813b4cdf61937651281d7a"),
        ("restaurant", 13489345463, "11a0a924b960cd0900e9b7477d684fb338bd99cc5f72db1caac592e4f497e09a"),
        ("tower", 12010237081, "440caec74c9641cb51fd235a5970c8e4931c3af875aeb044a8bcca956e106309"),
    )
}
# fmt: on
SETS = {"celeba": "celebA", "mnist": "mnist", "lsun": "lsun"}  # by their lower-case names
KNOWN = f"{', '.join(SETS.values())} (digits comes with the installation, tfds:NAME is fetched by main.py)"
LMDB_GROWTH = (
    1.2  # an unpacked LSUN scene to its zip: bedroom takes 54 GB (vislearn/FrEIA, issue 4)
)
TIMEOUT = 30.0  # seconds without a byte
PORTS = {"http": 80, "https": 443}
PATIENCE = 4.0  # seconds for each of a server's addresses to take a connection
CHUNK = 1 << 20  # bytes
BAR = {"leave": False, "disable": None}
PAGE = re.compile(rb"\s*<(!doctype|html)", re.IGNORECASE)  # how a web page begins


class SourceError(Exception):
    """Why one source did not give the file; the next one may."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        raise ValueError(f"{message[:1].upper()}{message[1:]}. See python download.py --help.")


def main(argv: list[str]) -> int:
    """Fetches the sets named on the command line; returns 0, 1 when one of them failed, 130 when interrupted."""
    console.set_up()
    flags.FLAGS.mark_as_parsed()  # argparse does it here; absl's log would complain
    try:
        return run(*parse(argv))
    except (ValueError, OSError) as error:
        return console.fail(error)
    except KeyboardInterrupt:
        logging.info("interrupted; the same command goes on from here.")
        return 130


def parse(argv: list[str]) -> tuple[list[str], Path, str]:
    """The sets in their usual spelling, data_dir and LSUN's scene. Raises ValueError for what is not known."""
    parser = Parser(
        "download.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="*", help=", ".join(SETS.values()))
    parser.add_argument(
        "--data_dir", default=Config.data_dir, help="where the datasets lie [%(default)s]"
    )
    parser.add_argument(
        "--category", default="bedroom", help=f"of lsun: {', '.join(LSUN)} [%(default)s]"
    )
    given = parser.parse_intermixed_args(argv)
    if not given.dataset:
        raise ValueError(f"At least one dataset must be named. Received: none. Known: {KNOWN}.")
    if unknown := [name for name in given.dataset if name.lower() not in SETS]:
        raise ValueError(f"Every dataset must be one of {KNOWN}. Received: {', '.join(unknown)}.")
    if given.category.lower() not in LSUN:
        raise ValueError(
            f"--category must be one of {', '.join(LSUN)}. Received: {given.category}."
        )
    names = dict.fromkeys(SETS[name.lower()] for name in given.dataset)
    return list(names), Path(given.data_dir).expanduser(), given.category.lower()


def run(names: list[str], data_dir: Path, category: str) -> int:
    """Prepares one set after the other; one that fails keeps no other from being fetched."""
    files = {"celebA": CELEBA, "mnist": MNIST, "lsun": (LSUN[category],)}
    jobs = {name: {place(file, data_dir): file for file in files[name]} for name in names}
    missing = [file for job in jobs.values() for path, file in job.items() if not path.exists()]
    blocked = unreachable(url for file in missing for url in file.urls)
    status = 0
    for name, job in jobs.items():
        try:
            for path, file in job.items():
                (prepare_lmdb if name == "lsun" else fetch)(file, path, blocked)
            logging.info(
                "%s is ready: python main.py --dataset %s --data_dir %s --train",
                name,
                name,
                data_dir,
            )
        except (ValueError, OSError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                error = ValueError(
                    f"{data_dir} must have room. Received: {error.strerror}. Make some and go on."
                )
            status = console.fail(ValueError(f"{name}: {console.explain(error)}"))
    return status


def place(file: File, data_dir: Path) -> Path:
    """Where the file is, CelebA's also in its folder and LSUN's unpacked, or where it belongs."""
    path = data_dir / file.path
    places = [path.with_suffix("") / "data.mdb", path, *data_dir.glob(f"[Cc]eleb[Aa]/{path.name}")]
    return next((place for place in places if place.exists()), path)


def prepare_lmdb(file: File, path: Path, blocked: dict[str, str]) -> None:
    """Fetches one of LSUN's scenes and unpacks it, all or nothing, since an LMDB cannot be read from a zip."""
    folder = path.with_suffix("")
    if path.name == "data.mdb":
        logging.info("%s is there already.", path)
        return
    if folder.exists():
        raise ValueError(
            f"{folder} must hold data.mdb. Received: none. Move it away and run this again."
        )
    fetched = fetch(file, path, blocked, unpacked=int(LMDB_GROWTH * file.size))
    with zipfile.ZipFile(path) as archive, replace_folder(folder) as temporary:
        # Known names only, so that the zip has no say in where anything is written.
        members = [
            info
            for info in archive.infolist()
            if Path(info.filename).name in ("data.mdb", "lock.mdb")
        ]
        check_room(temporary, sum(info.file_size for info in members))
        for info in members:
            with archive.open(info) as source:
                write(
                    iter(lambda: source.read(CHUNK), b""),
                    temporary / Path(info.filename).name,
                    info.file_size,
                )
    if fetched:  # not what someone else put there
        path.unlink()


def write(chunks, path: Path, total: int, start: int = 0) -> None:
    """Appends to the first `start` bytes of a file, all of it or none, under a bar."""
    bar = {"total": total, "initial": start, "desc": path.stem}
    with (
        open(path, "ab" if start else "wb") as file,
        tqdm.wrapattr(file, "write", **bar, **BAR) as target,
    ):
        for chunk in chunks:
            target.write(chunk)


def fetch(file: File, path: Path, blocked: dict[str, str], *, unpacked: int = 0) -> bool:
    """Brings `file` to `path`, with room left to unpack it; False when it was there.

    Raises ValueError when a wrong file is in the way, there is no room, or every source failed.
    """
    if path.exists():
        if fault := fault_of(path, file):
            raise ValueError(
                f"{path} must be the original. Received: {fault}. Move it away and run this again."
            )
        logging.info("%s is there already.", path)
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    check_room(path.parent, file.size - size_of(part) + unpacked)
    failures = []
    for url in file.urls:
        host = urlsplit(url).netloc
        try:
            if host in blocked:
                raise SourceError(blocked[host])
            fetch_from(url, file, part)
        except SourceError as error:
            failures.append(f"{host}: {error}")
            logging.info("%s: no luck with %s: %s.", path, host, error)
            continue
        os.replace(part, path)
        logging.info("%s: fetched from %s.", path, host)
        return True
    raise ValueError(
        f"{path.name} must come from one of its sources. Received: {'; '.join(failures)}. Try again later, or fetch it "
        f"by hand (data/README.md) to {path} ({file.size:,} bytes); the same command then checks it."
    )


def fetch_from(url: str, file: File, part: Path) -> None:
    """Brings `part` to its full size over as many connections as it takes, and checks it. Raises SourceError."""
    while (before := size_of(part)) < file.size:
        try:
            chunks = stream(url, file, before)
            write(chunks, part, file.size, next(chunks))
        except SourceError:
            if size_of(part) <= before:  # else it goes on from there
                raise
    if fault := fault_of(part, file):
        part.unlink()
        raise SourceError(fault)


def stream(url: str, file: File, start: int):
    """First the place, from `start` or 0, at which the bytes begin, then the bytes up to the file's size."""
    headers = {"User-Agent": "Mozilla/5.0 (compatible; download.py)", "Range": f"bytes={start}-"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT
        ) as response:
            done = (
                start
                if response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
                else 0
            )
            check_answer(response.headers, response.peek(), done, file.size)
            yield done
            while done < file.size and (chunk := response.read1(min(CHUNK, file.size - done))):
                done += len(chunk)
                yield chunk
    except (OSError, HTTPException) as error:
        raise SourceError(str(error).strip("<>")) from error
    if done < file.size:
        raise SourceError(f"the connection ended after {done:,} of {file.size:,} bytes")


def check_answer(headers, first: bytes, start: int, size: int) -> None:
    """Raises SourceError for a page about quotas or viruses, and for another size."""
    if headers.get_content_type() == "text/html" or (not start and PAGE.match(first)):
        title = b"".join(re.findall(rb"<title>(.*?)</title>", first, re.DOTALL)).decode(
            errors="replace"
        )
        raise SourceError(f"a web page instead of the file: {title!r}")
    length = headers.get("Content-Length", "")
    if length.isdecimal() and start + int(length) != size:
        raise SourceError(f"{start + int(length):,} bytes instead of {size:,}")


def fault_of(path: Path, file: File) -> str:
    """What is wrong with a file, or nothing."""
    size = size_of(path)
    digest = hashlib.sha256()
    with (
        open(path, "rb") as opened,
        tqdm.wrapattr(opened, "read", total=size, desc="check", **BAR) as source,
    ):
        if size != file.size:
            page = ", a web page" if PAGE.match(source.read(CHUNK)) else ""
            return f"{size:,} bytes{page} instead of {file.size:,}"
        while chunk := source.read(CHUNK):
            digest.update(chunk)
    return (
        ""
        if digest.hexdigest() == file.sha256
        else f"its size, {file.size:,} bytes, but not its content (sha256)"
    )


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def check_room(folder: Path, needed: int) -> None:
    if (free := shutil.disk_usage(folder).free) < needed:
        sizes = f"{needed / 1e9:.1f} GB free. Received: {free / 1e9:.1f} GB"
        raise ValueError(
            f"{folder} must have {sizes}. Make room, or choose another disk with --data_dir."
        )


def unreachable(urls) -> dict[str, str]:
    """The hosts that take no connection, and why; all are tried at once. Raises ValueError when none answers."""
    servers = {
        parts.netloc: (parts.hostname, parts.port or PORTS[parts.scheme])
        for parts in map(urlsplit, urls)
    }
    if not servers or urllib.request.getproxies():  # behind a proxy nothing can be told in advance
        return {}
    with ThreadPoolExecutor(len(servers)) as pool:
        knocks = {
            host: pool.submit(socket.create_connection, server, PATIENCE)
            for host, server in servers.items()
        }
    faults = {host: str(error) for host, knock in knocks.items() if (error := knock.exception())}
    for host in servers.keys() - faults.keys():
        knocks[host].result().close()
    if len(faults) == len(servers):
        tried = "; ".join(map(": ".join, faults.items()))
        raise ValueError(
            f"A source must be reachable. Received: {tried}. Check the connection or the proxy."
        )
    return faults
