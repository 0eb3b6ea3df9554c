"""The input side: from `--dataset` to one uint8 array of images, and from that array to batches."""

import contextlib
import dataclasses
import itertools
from pathlib import Path

from absl import logging

from config.settings import Config, dataset_label
from data.batches import Order, batches
from data.find import find
from data.labels import Labels, read_labels
from data.packing.decode import BACKGROUND, Decoded, Geometry, decode
from data.packing.pack import Pack, load_pack
from data.sources.source import printable

__all__ = ["Labels", "Order", "Pack", "batches", "load", "probe"]

CELEBA_CROP = 108  # pixels; carpedm20/DCGAN-tensorflow, main.py
MEMORISES_BELOW = 1000  # images
NAMED_SKIPS = 10  # unreadable files named in the log; the manifest names them all
SHARES = 40  # labels whose share is told
PROBED = 64  # images that a dry run looks at


def load(config: Config) -> Pack:
    """The images of `config.dataset` as a memory-mapped pack, made on first use, and the labels that are asked for.

    Raises ValueError when the dataset is not found, cannot be fetched, is mostly unreadable, or has no such labels.
    """
    source = find(config)
    geometry = geometry_of(config)
    chosen = {
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
        settings=chosen,
    )
    _report(pack, geometry)
    pack = dataclasses.replace(pack, labels=read_labels(config, source, pack.manifest["files"]))
    if pack.labels:
        shares = zip(pack.labels.names, pack.labels.y.mean(0), strict=True)
        logging.info(
            "labels: %s",
            ", ".join(f"{name} {share:.1%}" for name, share in itertools.islice(shares, SHARES)),
        )
    return pack


def probe(config: Config) -> tuple[int, int, tuple[str, ...] | None]:
    """(images, channels, names of labels) that `load` would find, by its first few; fetches and writes nothing."""
    source, channels = find(config, fetch=False), config.c_dim
    if channels == "auto":
        seen = [_decoded(image, config) for _, image in itertools.islice(source.items(), PROBED)]
        channels = 3 if any(image and not image.gray for image in seen) else 1
    names = [] if config.labels in ("none", "own") else [name for name, _ in source.items()]
    labels = read_labels(config, source, names)
    return source.count, channels, labels and labels.names


def _decoded(image, config: Config) -> Decoded | None:
    with contextlib.suppress(Exception):  # as in packing, whatever a damaged file raises
        return decode(image, geometry_of(config), 3)
    return None


def geometry_of(config: Config) -> Geometry:
    """The crop and resize that the flags ask for; one side of a crop implies the other by the output's shape."""
    height, width = config.input_height, config.input_width
    if height is None and width is None and config.dataset == "celebA" and config.crop:
        # The shorter side of the crop, so that a tall or a wide one still holds the face.
        height, width = (None, CELEBA_CROP) if config.height > config.width else (CELEBA_CROP, None)
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


def _report(pack: Pack, geometry: Geometry) -> None:
    """One line about what was found, and one for each thing that deserves a warning."""
    manifest = pack.manifest
    count, sizes = manifest["count"], manifest["sizes"]
    logging.info("found %s images, %s -> %s", f"{count:,}", _describe_sizes(sizes), geometry)
    if skipped := manifest["skipped"]:
        named = "; ".join(
            f"{printable(name)} ({reason})" for name, reason in list(skipped.items())[:NAMED_SKIPS]
        )
        more = (
            f"; and {len(skipped) - NAMED_SKIPS} more in the manifest"
            if len(skipped) > NAMED_SKIPS
            else ""
        )
        logging.warning(
            "skipped %s unreadable of %s: %s%s", len(skipped), count + len(skipped), named, more
        )
    small = [
        size
        for size in sizes
        if geometry.crop and (size[0] < geometry.crop[0] or size[1] < geometry.crop[1])
    ]
    if small:
        logging.warning(
            "%s images are smaller than the crop and were cropped less.",
            f"{sum(s[2] for s in small):,}",
        )
    if manifest["transparent"] and pack.images.shape[-1] != 4:
        name = "white" if BACKGROUND == (255, 255, 255) else str(BACKGROUND)
        logging.info(
            "transparent images: %s, put on %s; --c_dim=4 keeps alpha",
            manifest["transparent"],
            name,
        )
    if count < MEMORISES_BELOW:
        logging.warning(
            "fewer than %s images: the networks will memorise them.", f"{MEMORISES_BELOW:,}"
        )


def _describe_sizes(sizes: list) -> str:
    if len(sizes) == 1:
        return f"{sizes[0][1]}x{sizes[0][0]}"
    heights, widths = [s[0] for s in sizes], [s[1] for s in sizes]
    return f"{min(widths)}x{min(heights)} to {max(widths)}x{max(heights)}, mostly {sizes[0][1]}x{sizes[0][0]}"
