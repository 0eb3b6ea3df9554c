"""Where a dataset's images are: what `--dataset` may mean, and what to say when they are nowhere."""

import itertools
import os
from collections import Counter
from pathlib import Path, PurePath

from config.settings import Config
from data.sources.folder import folder_source, walk, zip_source
from data.sources.idx import digits_source, find_idx, idx_source
from data.sources.source import IMAGE_SUFFIXES, Source, printable

CELEBA_NAMES = ("celeba", "imgalignceleba")  # any case, without - and _
LISTED = 5000  # files looked at to tell what a folder without images holds
TFDS_CATALOG = "https://www.tensorflow.org/datasets/catalog/overview"
TFDS_NAMES = {"celebA": "celeb_a", "mnist": "mnist"}


class NoImagesError(ValueError):
    """There is such a place, but no image in it."""


def find(config: Config, fetch: bool = True) -> Source:
    """Where the dataset's images are, after fetching them through TFDS if that is the only place and `fetch` allows.

    Raises ValueError naming what is there when they are nowhere.
    """
    limit = config.train_size
    name, data_dir = config.dataset, Path(config.data_dir).expanduser()
    if name == "digits":
        return digits_source(limit=limit)
    if name.startswith("tfds:"):
        return _tfds(name.removeprefix("tfds:"), config, f"Datasets: {TFDS_CATALOG}.", fetch=fetch)
    broken = None
    for path in _candidates(name, data_dir):
        try:
            return _open(path, config.input_fname_pattern, limit)
        except ValueError as error:  # say so, unless another place has the images
            broken = broken or error
    if broken and not (isinstance(broken, NoImagesError) and name in TFDS_NAMES):
        raise ValueError(f"{broken} {_remedy(name, data_dir)}".strip())
    if name in TFDS_NAMES:
        return _tfds(
            TFDS_NAMES[name],
            config,
            _remedy(name, data_dir),
            every_split=name == "mnist",
            fetch=fetch,
        )
    raise ValueError(
        f"--dataset must be digits, celebA, mnist, lsun, tfds:NAME, a folder in --data_dir or a path to images. "
        f"Received: {printable(name)}. {_remedy(name, data_dir) or _listing(data_dir)}"
    )


def _candidates(name: str, data_dir: Path):
    """Paths that `name` may mean, the likeliest first: a path, a folder or zip of that name in data_dir."""
    path = Path(name).expanduser()
    if os.sep in name:
        return [place for place in (path, data_dir / path) if place.exists()]
    wanted = {_plain(name)} | ({*CELEBA_NAMES} if name == "celebA" else set())
    try:
        entries = sorted(data_dir.iterdir())
    except OSError:
        entries = []
    exact = [entry for entry in entries if entry.name == name]
    alike = [entry for entry in entries if entry.name != name and _plain(entry.name) in wanted]
    here = [path] if path.exists() and name not in (*TFDS_NAMES, "lsun") else []
    return exact + alike + here


def _plain(name: str) -> str:
    """A folder's or zip's name without its case, -, _ and .zip."""
    return name.lower().removesuffix(".zip").replace("_", "").replace("-", "")


def _open(path: Path, pattern: str, limit: int | None) -> Source:
    """What `path` holds: a zip, IDX files, an LMDB, images, or a zip of images.

    Raises ValueError when it cannot be read, NoImagesError when it holds nothing of these.
    """
    try:
        return _open_readable(path, pattern, limit)
    except OSError as error:
        raise ValueError(
            f"{path} must be readable. Received: {error.strerror}. Change its permissions."
        ) from error


def _open_readable(path: Path, pattern: str, limit: int | None) -> Source:
    if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
        raise ValueError(
            f"--dataset must be a folder or a zip. Received: one image, {path}. "
            f"Give its folder: --dataset={path.parent}."
        )
    if path.is_file():
        return zip_source(path, pattern=pattern, limit=limit)
    if idx := find_idx(path):
        return idx_source(idx, limit=limit)
    if (any(path.glob("data.mdb")) or any(path.glob("*/data.mdb"))) and (
        source := _lmdb(path, limit)
    ):
        return source
    if source := folder_source(path, pattern=pattern, limit=limit):
        return source
    zips = sorted(entry for entry in path.iterdir() if entry.suffix.lower() == ".zip")
    if len(zips) > 1:
        raise ValueError(
            f"{path} must hold one zip. Received: {len(zips)}. Pick one: --dataset={zips[0]}."
        )
    if zips:
        return zip_source(zips[0], pattern=pattern, limit=limit)
    wanted = f"files like {pattern}" if pattern else f"images ({', '.join(sorted(IMAGE_SUFFIXES))})"
    raise NoImagesError(f"{path} must hold {wanted}. Received: {_contents(path)}.")


def _contents(folder: Path) -> str:
    """The kinds of files in a folder, the most frequent first, judged by the first few thousand."""
    os.listdir(folder)  # raises where walk would see nothing
    names = itertools.islice(walk(folder), LISTED)
    kinds = Counter(PurePath(name).suffix.lower() or "without suffix" for name in names)
    return (
        ", ".join(f"{count} {printable(kind)}" for kind, count in kinds.most_common(4))
        or "no files"
    )


def _lmdb(path: Path, limit: int | None) -> Source | None:
    from data.sources.lsun import find_lmdbs, lmdb_source  # late: the one use of the lmdb package

    folders = find_lmdbs(path)
    if not folders:  # hidden ones, or folders of that name
        return None
    if len(folders) > 1:
        listed = ", ".join(folder.name for folder in folders)
        raise ValueError(
            f"{path} must hold one LMDB. Received: {listed}. Pick one: --dataset={folders[0]}."
        )
    return lmdb_source(folders[0], limit=limit)


def _tfds(name: str, config: Config, remedy: str, **options: bool) -> Source:
    from data.sources.tfds import tfds_source  # late: tensorflow_datasets is slow to import

    folder = Path(config.data_dir).expanduser() / "tfds"
    return tfds_source(name, folder, remedy=remedy, limit=config.train_size, **options)


def _remedy(name: str, data_dir: Path) -> str:
    """Where a named set must lie."""
    if name == "celebA":
        return (
            f"Put CelebA's images in {data_dir}/celebA/, or its zip, as it is, at {data_dir}/img_align_celeba.zip "
            f"or {data_dir}/celebA/img_align_celeba.zip (1.4 GB, https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html)."
        )
    if name == "mnist":
        return (
            f"Put train-images-idx3-ubyte, or the same with .gz, in {data_dir}/mnist/, "
            f"or digits as image files there, or a zip of them at {data_dir}/mnist.zip."
        )
    if name == "lsun":
        return (
            f"Put an LMDB such as bedroom_train_lmdb/ in {data_dir}/lsun/, or its images there, "
            f"or a zip of them at {data_dir}/lsun.zip (https://github.com/fyu/lsun)."
        )
    return ""


def _listing(data_dir: Path) -> str:
    try:
        names = sorted(
            e.name for e in data_dir.iterdir() if e.is_dir() or e.suffix.lower() == ".zip"
        )
    except OSError as error:
        return f"--data_dir={data_dir}: {error.strerror}."
    names = [printable(name) for name in names if not name.startswith((".", "__"))]
    return (
        f"In {data_dir}: {', '.join(names)}."
        if names
        else f"{data_dir} holds no folder and no zip."
    )
