"""The pack: a dataset decoded once into one memory-mapped uint8 array, and its manifest."""

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import os
import queue
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from absl import logging
from tqdm import tqdm

from config.settings import MAX_COUNT
from data import limits
from data.labels import Labels
from data.packing.decode import Geometry
from data.packing.workers import Worker, decode_images
from data.sources.source import Source
from system.files import (
    check_disk_room,
    create_temporary_path,
    remove_temporary_leftovers,
    write_atomic,
)
from system.locks import wait_for_file_lock
from system.text import escape_unprintable

FORMAT = 1  # increase it when the same settings give other pixels or another manifest
MANIFEST_FORMAT = 2  # in 1, "transparent" counted the images with an alpha channel
WORKERS_FROM = 5000  # images; with fewer, starting processes (0.3 s) takes longer than it saves


@dataclasses.dataclass(frozen=True)
class Pack:
    """A decoded dataset.

    images: (N, H, W, C) uint8, memory-mapped and read-only. manifest: the JSON beside them.
    labels: if asked for, a vector for each image. place: where the dataset is.
    """

    images: np.ndarray
    manifest: dict
    labels: Labels | None = None
    place: str = ""


@dataclasses.dataclass(frozen=True)
class PackRequest:
    """The arguments of `load_or_make_pack`, and the file names derived from them."""

    source: Source
    label: str
    geometry: Geometry
    c_dim: int | str
    settings: dict

    def packed_image_shape(self, channels: int) -> tuple[int, int, int]:
        """(H, W, C) of an image in the pack."""
        return self.geometry.height, self.geometry.width, channels

    def name_pack_file(self, folder: Path, channels: int) -> Path:
        return folder / f"{self._pack_stem}x{channels}-{self._pack_key}.npy"

    def name_pack_draft(self, folder: Path) -> Path:
        """The file while the pack is made: the number of channels may still be unknown."""
        return folder / f"{self._pack_stem}-{self._pack_key}"

    def name_pack_lock(self, folder: Path) -> Path:
        return folder / f"{self._pack_stem}-{self._pack_key}.lock"

    def describe_pack_request(self) -> dict:
        """The part of a manifest that is known before any image is decoded."""
        return {"fingerprint": self.source.fingerprint, "settings": self.settings}

    @property
    def _pack_stem(self) -> str:
        label = escape_unprintable(self.label).replace(os.sep, "-")
        return f"{label}-{self.geometry.height}x{self.geometry.width}"

    @property
    def _pack_key(self) -> str:
        geometry = dataclasses.asdict(self.geometry)
        return _hash_pack_settings({"format": FORMAT, "geometry": geometry, **self.settings})


def load_or_make_pack(
    source: Source,
    folders: list[Path],
    *,
    label: str,
    geometry: Geometry,
    c_dim: int | str,
    settings: dict,
) -> Pack:
    """The pack of `source` in one of `folders`.

    If it is missing, damaged or older than the images, it is made first, in the first writable
    folder; other processes that want it wait.

    label: the start of its file name. c_dim: channels; "auto": 1 if every image is gray, else 3.
    settings: everything else that selects or changes pixels.

    Raises ValueError when more than a tenth of the images, or all, are unreadable, and when no
    folder can be written; OSError when the disk is full.
    """
    request = PackRequest(source, label, geometry, c_dim, settings)
    if pack := _find_pack(request, folders):
        return pack

    folder = _choose_pack_folder(folders)
    message = f"Another process is packing {source.place}; waiting for it."
    with wait_for_file_lock(request.name_pack_lock(folder), message):
        remove_temporary_leftovers(folder)
        return _find_pack(request, folders) or _make_pack(request, folder)


def find_pack(source: Source, folders: list[Path], **how) -> Pack | None:
    """The pack that `load_or_make_pack` would find; None if it would have to make one."""
    return _find_pack(PackRequest(source, **how), folders)


def _find_pack(request: PackRequest, folders: list[Path]) -> Pack | None:
    """A pack in one of `folders`; for c_dim "auto", of the channels that packing would choose."""
    auto = request.c_dim == "auto"
    for folder, channels in itertools.product(folders, (1, 3) if auto else (request.c_dim,)):
        path = request.name_pack_file(folder, channels)
        pack = _read_pack(path, request.source.fingerprint, request.packed_image_shape(channels))
        if pack and (not auto or pack.manifest["all_gray"] == (channels == 1)):
            return pack
    return None


def _read_pack(path: Path, fingerprint: str, image_shape: tuple[int, int, int]) -> Pack | None:
    """The pack at `path`, if it is whole and has these images in shape (H, W, C); else None."""
    try:
        manifest = json.loads(_name_pack_manifest(path).read_text(encoding="utf-8"))
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # missing, or not ours: NumPy's header reader raises nearly anything
        return None

    whole = _are_packed_images_whole(images, image_shape)
    ours = (
        _is_valid_pack_manifest(manifest)
        and manifest["fingerprint"] == fingerprint
        and manifest["count"] == len(images)
        and (manifest.get("format") == MANIFEST_FORMAT or not manifest["transparent"])
    )
    return Pack(images, manifest) if whole and ours else None


def _are_packed_images_whole(images, image_shape: tuple[int, int, int]) -> bool:
    """True if `images`, from np.load, are a whole pack of at least one image (H, W, C)."""
    return (
        isinstance(images, np.ndarray)
        and images.dtype == np.uint8
        and images.shape[1:] == image_shape
        and len(images) > 0
    )


def _is_valid_pack_manifest(manifest) -> bool:
    """True when every field in use is present and of the right type."""
    kinds = {"fingerprint": str, "count": int, "transparent": int, "all_gray": bool}
    kinds |= {"files": list, "sizes": list, "skipped": dict}
    if not isinstance(manifest, dict):
        return False
    if not all(type(manifest.get(name)) is kind for name, kind in kinds.items()):
        return False

    sizes = manifest["sizes"]  # (height, width, number of images)
    triples = [size for size in sizes if isinstance(size, list) and len(size) == 3]
    return (
        len(manifest["files"]) == manifest["count"]
        and all(type(name) is str for name in manifest["files"])
        and all(type(reason) is str for reason in manifest["skipped"].values())
        and len(triples) == len(sizes) > 0
        and all(_is_possible_count(number) for triple in triples for number in triple)
    )


def _is_possible_count(number) -> bool:
    """True for a possible side in pixels or number of images."""
    return type(number) is int and 0 < number <= MAX_COUNT


def _choose_pack_folder(folders: list[Path]) -> Path:
    """The first writable folder, which is created if necessary."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder

    raise ValueError(
        "--data_dir or --out_dir must be writable, to keep the decoded images. Received: "
        f"{' and '.join(str(folder.parent) for folder in folders)}. Give another --out_dir."
    )


def _make_pack(request: PackRequest, folder: Path) -> Pack:
    """Decodes everything into a draft, which gets its final name once it is complete."""
    source, auto = request.source, request.c_dim == "auto"
    channels = 3 if auto else request.c_dim
    height, width, _ = request.packed_image_shape(channels)
    check_disk_room(folder, source.count * height * width * channels, "the decoded images")

    with create_temporary_path(request.name_pack_draft(folder)) as draft:
        manifest = _decode_dataset_into_npy(draft, source, request.geometry, channels)
        if auto and manifest["all_gray"]:
            channels = 1
            _rewrite_pack_as_gray(draft)
        manifest |= request.describe_pack_request()
        path = request.name_pack_file(folder, channels)
        _publish_pack(draft, path, manifest)
    return Pack(np.load(path, mmap_mode="r"), manifest)


def _decode_dataset_into_npy(path: Path, source: Source, geometry: Geometry, channels: int) -> dict:
    """Decodes all images into an .npy at `path`; returns the manifest of what was seen."""
    row = geometry.height, geometry.width, channels
    text = "Packing %s image%s from %s into %s (done only once)."
    count, plural = f"{source.count:,}", "s" * (source.count != 1)
    logging.info(text, count, plural, source.place, path.parent)
    with open(path, "wb") as file:
        _write_pack_header(file, source.count, row)
        summary = _write_decoded_images(file, source, geometry, channels)
        _check_enough_images_readable(source, summary)
        _write_pack_header(file, len(summary.names), row)
    return summary.make_pack_manifest(source.place, geometry)


@dataclasses.dataclass
class ImageSummary:
    """What packing finds out about the images: a part of the manifest."""

    names: list[str] = dataclasses.field(default_factory=list)
    sizes: Counter = dataclasses.field(default_factory=Counter)  # (height, width) -> images
    skipped: dict[str, str] = dataclasses.field(default_factory=dict)  # name -> why
    all_gray: bool = True
    transparent: int = 0
    animated: int = 0

    def add_seen_images(self, seen: list[tuple]) -> None:
        """Adds what `decode_images` reports having seen."""
        for name, found in seen:
            if isinstance(found, str):
                self.skipped[name] = found
                continue

            size, gray, transparent, animated = found
            self.names.append(name)
            self.sizes[size] += 1
            self.all_gray &= gray
            self.transparent += transparent
            self.animated += animated

    def make_pack_manifest(self, place: str, geometry: Geometry) -> dict:
        sizes = self.sizes.most_common()
        return {
            "format": MANIFEST_FORMAT,
            "count": len(self.names),
            "place": place,
            "geometry": str(geometry),
            "sizes": [[height, width, count] for (height, width), count in sizes],
            "all_gray": self.all_gray,
            "transparent": self.transparent,
            "animated": self.animated,
            "skipped": self.skipped,
            "files": self.names,
        }


def _write_decoded_images(file, source: Source, geometry: Geometry, channels: int) -> ImageSummary:
    """Writes pixels until the end, or until too many images are unreadable; shows a bar."""
    summary = ImageSummary()
    with tqdm(total=source.count, unit="img", desc="pack", disable=None) as bar:
        for pixels, seen in _decode_images_in_parallel(source, geometry, channels):
            bar.update(len(seen))
            file.write(pixels)
            summary.add_seen_images(seen)
            # The rest cannot make up for it.
            if _are_too_many_images_unreadable(len(summary.skipped), source.count):
                break
    return summary


def _decode_images_in_parallel(
    source: Source, geometry: Geometry, channels: int
) -> Iterator[tuple[bytes, list[tuple]]]:
    """Yields what `decode_images` returns for each few images, in order, using all cores."""
    cores = min(os.cpu_count() or 1, limits.MAX_WORKERS)
    in_flight = limits.MAX_IMAGES_IN_FLIGHT
    task_size = in_flight // (2 * cores)  # handing over one image takes nearly as long as decoding
    with _start_image_decoders(cores, processes=source.count >= WORKERS_FROM) as submit:
        tasks = _group_into_decoding_tasks(source.items(), task_size)
        yield from _keep_decoding_tasks_in_flight(
            tasks, lambda task: submit(task, geometry, channels), most=in_flight // task_size
        )


def _keep_decoding_tasks_in_flight(
    tasks: Iterator[tuple[list, int]], start_task: Callable, *, most: int
) -> Iterator[tuple[bytes, list[tuple]]]:
    """Yields the results of `tasks`, given as (task, its encoded bytes), in order.

    At most `most` are pending, fewer where they are large. start_task: returns a task's future.
    """
    pending = deque()  # (future of a result, encoded bytes of its task), oldest first
    while True:
        while (
            len(pending) < most
            and sum(encoded for _, encoded in pending) < limits.MAX_ENCODED_BYTES_IN_FLIGHT
            and (next_task := next(tasks, None))
        ):
            task, encoded = next_task
            pending.append((start_task(task), encoded))

        if not pending:
            return
        yield pending.popleft()[0].result()


@contextlib.contextmanager
def _start_image_decoders(count: int, *, processes: bool):
    """Yields a function that takes the arguments of `decode_images` and returns a future.

    `count` threads do the work; with `processes`, each thread hands it to its own process.
    """
    workers = [Worker() for _ in range(count)] if processes else []
    idle = queue.SimpleQueue()
    for decoder in [worker.decode for worker in workers] or [decode_images] * count:
        idle.put(decoder)

    pool = concurrent.futures.ThreadPoolExecutor(count)
    try:
        yield functools.partial(pool.submit, _decode_images_on_idle_worker, idle)
    finally:
        pool.shutdown(cancel_futures=True)  # Ctrl-C waits for running tasks, not for pending ones
        for worker in workers:
            worker.stop()


def _decode_images_on_idle_worker(idle: queue.SimpleQueue, *task) -> tuple[bytes, list[tuple]]:
    """Runs `decode_images` on the next idle decoder, which leaves the queue meanwhile."""
    decoder = idle.get()
    try:
        return decoder(*task)
    finally:
        idle.put(decoder)


def _group_into_decoding_tasks(
    items: Iterable[tuple], size: int
) -> Iterator[tuple[list[tuple], int]]:
    """Yields (`size` items, their encoded bytes) at a time; fewer items if they are large."""
    most = limits.MAX_ENCODED_BYTES_IN_FLIGHT * size // limits.MAX_IMAGES_IN_FLIGHT
    task, encoded = [], 0
    for name, image in items:
        task.append((name, image))
        encoded += len(image) if isinstance(image, bytes) else getattr(image, "nbytes", 0)
        if len(task) == size or encoded > most:
            yield task, encoded
            task, encoded = [], 0
    if task:
        yield task, encoded


def _are_too_many_images_unreadable(skipped: int, total: int) -> bool:
    """True when more than the allowed share of `total` images were skipped."""
    most = max(limits.MAX_UNREADABLE_FORGIVEN, limits.MAX_UNREADABLE_SHARE * total)
    return skipped > most


def _check_enough_images_readable(source: Source, summary: ImageSummary) -> None:
    readable, skipped = len(summary.names), len(summary.skipped)
    total = readable + skipped
    if readable and not _are_too_many_images_unreadable(skipped, total):
        return

    reasons = itertools.islice(summary.skipped.items(), 3)
    listed = "; ".join(f"{escape_unprintable(name)} ({reason})" for name, reason in reasons)
    of = f"{total}" if total >= source.count else f"the first {total}"
    raise ValueError(
        f"At most {limits.MAX_UNREADABLE_SHARE:.0%} of the images may be unreadable. "
        f"Received: {skipped} of {of} in {source.place}: {listed}. "
        "Remove or replace them, or narrow --input_fname_pattern."
    )


def _write_pack_header(file, count: int, row: tuple[int, int, int]) -> None:
    """Writes an .npy header at the start of the file; it has the same length for any `count`."""
    file.seek(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *row)}
    np.lib.format.write_array_header_1_0(file, header)


def _rewrite_pack_as_gray(path: Path) -> None:
    """Rewrites a pack of gray RGB images (N, H, W, 3) as (N, H, W, 1)."""
    colours = np.load(path, mmap_mode="r")
    with create_temporary_path(path) as draft:
        with open(draft, "wb") as file:
            _write_pack_header(file, len(colours), (*colours.shape[1:3], 1))
            step = limits.MAX_IMAGES_IN_FLIGHT
            for start in range(0, len(colours), step):
                file.write(colours[start : start + step, ..., :1].tobytes())
        del colours  # Windows cannot rename a mapped file
        os.replace(draft, path)


def _publish_pack(draft: Path, path: Path, manifest: dict) -> None:
    """Renames the pack into place, then writes its manifest; without one, a pack is ignored."""
    _name_pack_manifest(path).unlink(missing_ok=True)
    os.replace(draft, path)
    write_atomic(_name_pack_manifest(path), json.dumps(manifest, indent=1).encode())


def _name_pack_manifest(pack: Path) -> Path:
    return pack.with_suffix(".json")


def _hash_pack_settings(settings: dict) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
