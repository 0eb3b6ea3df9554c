"""The input side: from `--dataset` to one uint8 array of images, and from that array to batches."""

import contextlib
import itertools
import os
from pathlib import Path

from absl import logging

from config import Config, dataset_label
from data.batches import Order, batches
from data.decode import BACKGROUND, Decoded, Geometry, decode
from data.folder import folder_source, zip_source
from data.idx import digits_source, find_idx, idx_source
from data.pack import Pack, load_pack
from data.source import Source, printable

__all__ = ["Order", "Pack", "batches", "load", "probe"]

CELEBA_NAMES = ("celeba", "imgalignceleba")  # any case, without - and _
CELEBA_CROP = 108  # pixels; carpedm20/DCGAN-tensorflow, main.py
MEMORISES_BELOW = 1000  # images
NAMED_SKIPS = 10  # unreadable files named in the log; the manifest names them all
PROBED = 64  # images that a dry run looks at
TFDS_CATALOG = "https://www.tensorflow.org/datasets/catalog/overview"
TFDS_NAMES = {"celebA": "celeb_a", "mnist": "mnist"}


def load(config: Config) -> Pack:
    """The images of `config.dataset` as a memory-mapped pack, made on first use.

    Raises ValueError when the dataset is not found, cannot be fetched, or is mostly unreadable.
    """
    source = find(config)
    geometry = geometry_of(config)
    settings = {
        "dataset": config.dataset,
        "pattern": config.input_fname_pattern,
        "limit": config.train_size,
    }
    pack = load_pack(
        source,
        packs_folders(config),
        label=dataset_label(config.dataset),
        geometry=geometry,
        c_dim=config.c_dim,
        settings=settings,
    )
    _report(pack, geometry)
    return pack


def probe(config: Config) -> tuple[int, int]:
    """(images, channels) that `load` would find, judged by the first few; fetches and writes nothing."""
    source, channels = find(config, fetch=False), config.c_dim
    if channels == "auto":
        seen = [_decoded(image, config) for _, image in itertools.islice(source.items(), PROBED)]
        channels = 3 if any(image and not image.gray for image in seen) else 1
    return source.count, channels


def _decoded(image, config: Config) -> Decoded | None:
    with contextlib.suppress(Exception):  # as in packing, whatever a damaged file raises
        return decode(image, geometry_of(config), 3)
    return None


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
            source = _open(path, config.input_fname_pattern, limit)
        except ValueError as error:  # say so, unless another place has the images
            broken = broken or error
            continue
        if source:
            return source
    if broken:
        raise ValueError(f"{broken} {_remedy(name, data_dir)}".strip())
    if name in TFDS_NAMES:
        return _tfds(TFDS_NAMES[name], config, _remedy(name, data_dir), every_split=name == "mnist", fetch=fetch)
    raise ValueError(
        f"--dataset must be digits, celebA, mnist, lsun, tfds:NAME, a folder in --data_dir or a path to images. "
        f"Received: {printable(name)}. {_remedy(name, data_dir) or _listing(data_dir)}"
    )


def geometry_of(config: Config) -> Geometry:
    """The crop and resize that the flags ask for; one side of a crop implies the other by the output's shape."""
    height, width = config.input_height, config.input_width
    if height is None and width is None and config.dataset == "celebA" and config.crop:
        height = CELEBA_CROP
    crop = None
    if height or width:
        crop = (
            height or max(1, round(width * config.height / config.width)),
            width or max(1, round(height * config.width / config.height)),
        )
    return Geometry(config.height, config.width, crop, squash=not config.crop)


def packs_folders(config: Config) -> list[Path]:
    """Where packs may lie: data_dir/.packs and out_dir/.packs. The first that can be written takes new ones."""
    return [Path(parent).expanduser() / ".packs" for parent in (config.data_dir, config.out_dir)]


def _candidates(name: str, data_dir: Path):
    """Paths that `name` may mean, the likeliest first: a path, a folder or zip of that name in data_dir."""
    path = Path(name).expanduser()
    if os.sep in name or path.is_absolute():
        return [path] if path.exists() else []
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


def _open(path: Path, pattern: str, limit: int | None) -> Source | None:
    """What `path` holds: a zip, IDX files, an LMDB, images, or a zip of images; None when nothing of these."""
    if path.is_file():
        return zip_source(path, pattern=pattern, limit=limit)
    if idx := find_idx(path):
        return idx_source(idx, limit=limit)
    if any(path.glob("data.mdb")) or any(path.glob("*/data.mdb")):
        return _lmdb(path, limit)
    if source := folder_source(path, pattern=pattern, limit=limit):
        return source
    zips = sorted(entry for entry in path.iterdir() if entry.suffix.lower() == ".zip")
    if len(zips) > 1:
        raise ValueError(f"{path} must hold one zip. Received: {len(zips)}. Pick one: --dataset={zips[0]}.")
    return zip_source(zips[0], pattern=pattern, limit=limit) if zips else None


def _lmdb(path: Path, limit: int | None) -> Source:
    from data.lsun import find_lmdbs, lmdb_source  # late: the one use of the lmdb package

    folders = find_lmdbs(path)
    if len(folders) > 1:
        listed = ", ".join(folder.name for folder in folders)
        raise ValueError(f"{path} must hold one LMDB. Received: {listed}. Pick one: --dataset={folders[0]}.")
    return lmdb_source(folders[0], limit=limit)


def _tfds(name: str, config: Config, remedy: str, **options: bool) -> Source:
    from data.tfds import tfds_source  # late: tensorflow_datasets is slow to import

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
        names = sorted(e.name for e in data_dir.iterdir() if e.is_dir() or e.suffix.lower() == ".zip")
    except OSError as error:
        return f"--data_dir={data_dir}: {error.strerror}."
    names = [printable(name) for name in names if not name.startswith((".", "__"))]
    return f"In {data_dir}: {', '.join(names)}." if names else f"{data_dir} holds no folder and no zip."


def _report(pack: Pack, geometry: Geometry) -> None:
    """One line about what was found, and one for each thing that deserves a warning."""
    manifest = pack.manifest
    count, sizes = manifest["count"], manifest["sizes"]
    logging.info("found %s images, %s -> %s", f"{count:,}", _describe_sizes(sizes), geometry)
    if skipped := manifest["skipped"]:
        named = "; ".join(f"{printable(name)} ({reason})" for name, reason in list(skipped.items())[:NAMED_SKIPS])
        more = f"; and {len(skipped) - NAMED_SKIPS} more in the manifest" if len(skipped) > NAMED_SKIPS else ""
        logging.warning("skipped %s unreadable of %s: %s%s", len(skipped), count + len(skipped), named, more)
    small = [size for size in sizes if geometry.crop and (size[0] < geometry.crop[0] or size[1] < geometry.crop[1])]
    if small:
        logging.warning("%s images are smaller than the crop and were cropped less.", f"{sum(s[2] for s in small):,}")
    if manifest["transparent"] and pack.images.shape[-1] != 4:
        name = "white" if BACKGROUND == (255, 255, 255) else str(BACKGROUND)
        logging.info("%s transparent images were put on %s; --c_dim=4 keeps alpha.", manifest["transparent"], name)
    if count < MEMORISES_BELOW:
        logging.warning("fewer than %s images: the networks will memorise them.", f"{MEMORISES_BELOW:,}")


def _describe_sizes(sizes: list) -> str:
    if len(sizes) == 1:
        return f"{sizes[0][1]}x{sizes[0][0]}"
    heights, widths = [s[0] for s in sizes], [s[1] for s in sizes]
    return f"{min(widths)}x{min(heights)} to {max(widths)}x{max(heights)}, mostly {sizes[0][1]}x{sizes[0][0]}"
