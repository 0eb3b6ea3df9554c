"""From a Config to its dataset: the images as a pack, and their labels."""

import contextlib
import dataclasses
import itertools
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging

from config.settings import MIN_SIDE, Config, name_folder_after_dataset_setting
from data.attributes import read_dataset_attribute
from data.conversions import explain_unread_photos
from data.exclude import fingerprint_names_to_exclude, leave_out_images_to_exclude
from data.find import find_dataset_source
from data.identity import name_place_of_dataset
from data.labels import Labels, arrange_labels_as_in_run, read_dataset_labels
from data.mode_labels import read_dataset_labels_for_modes
from data.packing.decode import BACKGROUND, Decoded, Geometry, decode_image
from data.packing.pack import Pack, find_pack, load_or_make_pack
from data.sources.containers import KINDS, find_container_kind, suggest_dataset_of_containers
from data.sources.source import Source
from system.text import escape_unprintable, join_names_for_error

FEW_IMAGES = 1000  # fewer: the networks memorise them
SKIPPED_LOGGED = 10  # the manifest names all that were skipped
SHARES_LOGGED = 40  # labels
LEFT_OUT_LOGGED = 8
PROBED_IMAGES = 64  # decoded by a dry run


class Outlook(NamedTuple):
    """What is known of a dataset before it is packed.

    label_names: None without labels. is_exact: whether `images` is certain; otherwise there may be
    fewer, because unreadable ones are skipped. place: where the dataset is. packed: (N, H, W, C)
    uint8, if it is packed after all.
    """

    images: int
    channels: int
    label_names: tuple[str, ...] | None
    is_exact: bool = True
    place: str = ""
    packed: np.ndarray | None = None


def load_dataset(config: Config, *, before: Pack | None = None) -> Pack:
    """The images of `config.dataset`, packed on first use, and the labels of `config.labels`.

    before: what was loaded with other settings; the log does not say the same of it again. Raises
    ValueError when the dataset is not found, cannot be fetched, is mostly unreadable, or has no
    such labels.
    """
    source = find_dataset_source(config)
    pack = _load_dataset_pack(config, source)
    geometry = choose_crop_and_resize(config)
    if before is None or before.manifest != pack.manifest:
        _log_dataset_summary(pack, geometry, is_new=config.c_dim == "auto")
        _log_left_out_containers(source)
    if config.c_dim == "auto":
        _log_left_out_files(source)

    labels = read_dataset_labels(config, source, pack.manifest["files"])
    labels = arrange_labels_as_in_run(config, labels)
    if labels and not (before and _are_labels_equal(labels, before.labels)):
        _log_label_shares(labels)
    place = name_place_of_dataset(config, source)
    return dataclasses.replace(pack, labels=labels, place=place)


def load_dataset_and_mode_labels(config: Config) -> Pack:
    """The images, and labels that tell their modes apart, whatever labels the run has.

    Raises ValueError when the dataset has none.
    """
    source = find_dataset_source(config)
    pack = _load_dataset_pack(config, source)
    labels = read_dataset_labels_for_modes(config, source, pack.manifest["files"])
    return dataclasses.replace(pack, labels=labels)


def load_dataset_and_attribute(config: Config, name: str) -> Pack:
    """The images, and as their only label the attribute `name`, whatever labels the run has.

    Raises ValueError when the dataset has no such attribute.
    """
    source = find_dataset_source(config)
    pack = _load_dataset_pack(config, source)
    labels = read_dataset_attribute(config, source, pack.manifest["files"], name)
    return dataclasses.replace(pack, labels=labels)


def _load_dataset_pack(config: Config, source: Source) -> Pack:
    how, folders = _describe_dataset_pack(config, source), list_pack_folders(config)
    if pack := find_pack(source, folders, **how):
        return pack
    return load_or_make_pack(leave_out_images_to_exclude(config, source), folders, **how)


def _describe_dataset_pack(config: Config, source: Source) -> dict:
    """The arguments of `load_or_make_pack` other than the source and the folders."""
    dataset = _spell_dataset_for_pack(config, source)
    settings = {"dataset": dataset, "pattern": config.input_fname_pattern}
    if excluded := fingerprint_names_to_exclude(config):
        settings["excluded"] = excluded
    return {
        "label": name_folder_after_dataset_setting(dataset),
        "geometry": choose_crop_and_resize(config),
        "c_dim": config.c_dim,
        "settings": settings | {"limit": config.train_size},
    }


def _spell_dataset_for_pack(config: Config, source: Source) -> str:
    """What --dataset resolved to: a path in data_dir, else an absolute path, else a name.

    So every spelling leads to the same pack.
    """
    if source.path is None:
        return config.dataset
    place, data_dir = source.path.resolve(), Path(config.data_dir).expanduser().resolve()
    return str(place.relative_to(data_dir) if data_dir in place.parents else place)


def probe_dataset(config: Config) -> Outlook:
    """What `load_dataset` would find.

    If there is no pack yet, judges channels, sizes and readability by the first few images, and
    logs about them what `load_dataset` logs about all. Fetches and writes nothing.
    """
    source = find_dataset_source(config, fetch=False)
    pack = find_pack(source, list_pack_folders(config), **_describe_dataset_pack(config, source))
    source = leave_out_images_to_exclude(config, source)
    first_images, unreadable, may_fail = _decode_first_images(source, config)
    count = pack.manifest["count"] if pack else source.count - unreadable
    channels = pack.images.shape[-1] if pack else config.c_dim
    if channels == "auto":
        channels = 3 if any(not image.gray for image in first_images) else 1

    sizes = Counter(image.size for image in first_images)
    _log_enlarged_images(
        [(*size, count) for size, count in sizes.items()],
        choose_crop_and_resize(config),
        told=f"the first {len(first_images)} images would be",
        is_new=True,
    )
    _log_left_out_containers(source)
    _log_left_out_files(source)
    warn_of_small_dataset(config.batch_size, count)

    names = _read_label_names(config, source, pack)
    is_exact, place = bool(pack) or not may_fail, name_place_of_dataset(config, source)
    return Outlook(count, channels, names, is_exact, place, pack.images if pack else None)


def _read_label_names(config: Config, source: Source, pack: Pack | None) -> tuple[str, ...] | None:
    """The names of the labels; for class folders, those of the images in `pack`, if it exists."""
    files = pack.manifest["files"] if pack else []
    if not pack and config.labels not in ("none", "own"):
        files = [name for name, _ in source.items()]
    labels = arrange_labels_as_in_run(config, read_dataset_labels(config, source, files))
    return labels and labels.names


def _decode_first_images(source: Source, config: Config) -> tuple[list[Decoded], int, bool]:
    """(the readable ones, how many are unreadable, whether any of the other images may be too)."""
    readable, unreadable, are_files = [], 0, False
    for _, image in itertools.islice(source.items(), PROBED_IMAGES):
        are_files |= not isinstance(image, np.ndarray)
        if decoded := _decode_image_or_none(image, config):
            readable.append(decoded)
        else:
            unreadable += 1
    return readable, unreadable, are_files and source.count > PROBED_IMAGES


def _decode_image_or_none(image, config: Config) -> Decoded | None:
    with contextlib.suppress(Exception):  # damaged files raise nearly anything
        return decode_image(image, choose_crop_and_resize(config), 3)
    return None


def choose_crop_and_resize(config: Config) -> Geometry:
    """The crop and the resize that the flags ask for.

    If one side of a crop is given, the other follows from the output's shape.
    """
    height, width = config.crop_sides
    crop = None
    if height or width:
        crop = (
            height or max(1, round(width * config.height / config.width)),
            width or max(1, round(height * config.width / config.height)),
        )
    return Geometry(config.height, config.width, crop, squash=not config.crop)


def list_pack_folders(config: Config) -> list[Path]:
    """Where packs may be; a new one goes to the first writable folder.

    A data_dir that does not exist, perhaps a typing error, is not created for a pack.
    """
    data_dir, out_dir = (Path(parent).expanduser() for parent in (config.data_dir, config.out_dir))
    parents = [data_dir, out_dir] if data_dir.is_dir() else [out_dir]
    return [parent / ".packs" for parent in parents]


def _log_dataset_summary(pack: Pack, geometry: Geometry, *, is_new: bool) -> None:
    """Logs a line about what was found, and one for each thing that the user should know.

    is_new: whether the run is new, so that its size and channels can still be changed.
    """
    manifest = pack.manifest
    sizes = _describe_dataset_image_sizes(manifest["sizes"])
    plural = "s" * (manifest["count"] != 1)
    text = "found %s image%s, %s -> %s"
    logging.info(text, f"{manifest['count']:,}", plural, sizes, geometry)

    if manifest["skipped"]:
        _warn_of_skipped_images(manifest["skipped"], manifest["count"])
    if geometry.crop:
        _warn_of_small_images(manifest["sizes"], geometry.crop)
    told = f"{manifest['count']:,} image{plural} {'were' if plural else 'was'}"
    _log_enlarged_images(manifest["sizes"], geometry, told=told, is_new=is_new)
    if manifest["transparent"] and is_new:
        colour = "white" if BACKGROUND == (255, 255, 255) else str(BACKGROUND)
        text = "transparent images: %s, placed on %s; --c_dim=4 keeps alpha"
        logging.info(text, manifest["transparent"], colour)
    if manifest.get("animated") and is_new:  # older packs do not know
        logging.info("animations: %s, of each its first frame", f"{manifest['animated']:,}")


def _warn_of_skipped_images(skipped: dict[str, str], readable: int) -> None:
    reasons = itertools.islice(skipped.items(), SKIPPED_LOGGED)
    text = "; ".join(f"{escape_unprintable(name)} ({reason})" for name, reason in reasons)
    if len(skipped) > SKIPPED_LOGGED:
        text += f"; and {len(skipped) - SKIPPED_LOGGED} more in the manifest"
    total = readable + len(skipped)
    logging.warning("skipped %s of %s images as unreadable: %s", len(skipped), total, text)


def _log_left_out_containers(source: Source) -> None:
    """Logs which files in a folder of images could be the dataset instead, and how to ask for them.

    Also when a run goes on: an image beside its shards makes a dataset of other images.
    """
    if left_out := _list_left_out_containers(source):
        names = escape_unprintable(join_names_for_error(left_out, LEFT_OUT_LOGGED))
        remedy = suggest_dataset_of_containers(source.root, left_out)
        place = escape_unprintable(str(source.root))
        logging.info("left out, because %s also has image files: %s. %s", place, names, remedy)


def _list_left_out_containers(source: Source) -> list[str]:
    """Those of `source.left_out` that hold datasets; none in a zip, where --dataset names none."""
    if not (source.root and source.root.is_dir()):
        return []
    return [name for name in source.left_out() if find_container_kind(Path(name)) in KINDS]


def _log_left_out_files(source: Source) -> None:
    """Logs the other files that were left out."""
    containers = {*_list_left_out_containers(source)}
    if left_out := [name for name in source.left_out() if name not in containers]:
        names = escape_unprintable(join_names_for_error(left_out, LEFT_OUT_LOGGED))
        logging.info("left out because they are hidden or have no image extension: %s", names)
        if told := explain_unread_photos(left_out):
            logging.warning("%s", told)


def _warn_of_small_images(sizes: list, crop: tuple[int, int]) -> None:
    """sizes: (height, width, number of images), as in the manifest."""
    small = sum(size[2] for size in sizes if size[0] < crop[0] or size[1] < crop[1])
    if small:
        text = "%s images are smaller than the crop, which was shrunk to fit them."
        logging.warning(text, f"{small:,}")


def _log_enlarged_images(sizes: list, geometry: Geometry, *, told: str, is_new: bool) -> None:
    """Logs how many images are enlarged, and from what size.

    sizes: as in the manifest. told: the subject and the verb of the line, after the count. is_new:
    as in `_log_dataset_summary`.
    """
    enlarged, total = _count_enlarged_crops(sizes, geometry), sum(size[2] for size in sizes)
    if not enlarged:
        return

    count, [((height, width), frequent)] = enlarged.total(), enlarged.most_common(1)
    is_square = height == width and geometry.height == geometry.width
    is_mostly = 2 * frequent > count
    keeps_detail = is_new and is_mostly and 2 * count > total and is_square and height >= MIN_SIDE
    logging.info(
        "%s of %s enlarged to %sx%s%s%s.",
        *(f"{count:,}", told, geometry.width, geometry.height),
        f", most of them from {width}x{height}" if is_mostly else "",
        f"; --output_height={height} is enough for all their detail" if keeps_detail else "",
    )


def _count_enlarged_crops(sizes: list, geometry: Geometry) -> Counter:
    """(height, width) after the crop -> number of images, for those that must be enlarged."""
    enlarged = Counter()
    for height, width, count in sizes:
        left, top, right, bottom = geometry.find_crop_box(height, width)
        if bottom - top < geometry.height or right - left < geometry.width:
            enlarged[bottom - top, right - left] += count
    return enlarged


def warn_of_small_dataset(batch_size: int, images: int) -> None:
    """For training: drawing from a run or scoring it is none the worse for it."""
    if images < FEW_IMAGES:
        text = "fewer than %s images: the networks will memorise them."
        logging.warning(text, f"{FEW_IMAGES:,}")
    if batch_size > images:
        logging.warning(
            "a batch of %s is larger than the dataset of %s images and repeats some. "
            "Try --batch_size=%s.",
            *(batch_size, images, images),
        )


def _describe_dataset_image_sizes(sizes: list) -> str:
    """sizes: (height, width, number of images), the most frequent first."""
    height, width, count = sizes[0]
    if len(sizes) == 1:
        return f"{width}x{height}"

    heights, widths, counts = zip(*sizes, strict=True)
    mostly = f", mostly {width}x{height}" if 2 * count > sum(counts) else ""
    return f"{min(widths)}x{min(heights)} to {max(widths)}x{max(heights)}{mostly}"


def _are_labels_equal(labels: Labels, others: Labels | None) -> bool:
    is_same = others is not None and labels.names == others.names
    return is_same and np.array_equal(labels.y, others.y)


def _log_label_shares(labels: Labels) -> None:
    shares = zip(labels.names, labels.y.mean(0), strict=True)
    listed = (f"{name} {share:.1%}" for name, share in itertools.islice(shares, SHARES_LOGGED))
    logging.info("labels: %s", ", ".join(listed))
