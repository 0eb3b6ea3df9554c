"""The pack: a dataset decoded once into one memory-mapped uint8 array, with a manifest beside it."""

import concurrent.futures
import contextlib
import dataclasses
import errno
import hashlib
import itertools
import json
import os
import queue
import shutil
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from absl import logging
from tqdm import tqdm

from data.labels import Labels
from data.packing.decode import Geometry
from data.packing.workers import Worker, decode_all
from data.sources.source import Source, printable
from system.files import create_temporary, remove_leftovers, write_atomic
from system.locks import wait_for_lock

FORMAT = 1  # raise it when the same settings give other pixels or another manifest
CHUNK = 64  # images in memory at a time, between the source and the pack; a zip's are there encoded
CHUNK_BYTES = 2**28  # of them, encoded; fewer are there when they are larger
MAX_WORKERS = 16  # of 45 MB each, and a task has CHUNK / (2 * MAX_WORKERS) images
WORKERS_FROM = 5000  # images; below, starting processes (0.3 s) takes longer than they save
MAX_UNREADABLE = 0.10  # of all images
ALWAYS_FORGIVEN = 3  # unreadable images, so that a handful of test files still trains


@dataclasses.dataclass(frozen=True)
class Pack:
    """images (N, H, W, C) uint8, memory-mapped and read-only; manifest: the JSON beside them; labels, if asked for."""

    images: np.ndarray
    manifest: dict
    labels: Labels | None = None


def load_pack(
    source: Source,
    folders: list[Path],
    *,
    label: str,
    geometry: Geometry,
    c_dim: int | str,
    settings: dict,
) -> Pack:
    """The pack of `source` in one of `folders`; one that is missing, damaged or older than the images is made first,
    in the first folder that can be written.

    settings: whatever else chooses or changes pixels. c_dim "auto": 1 if every image is gray, else 3. Raises
    ValueError when more than a tenth of the images, or all, are unreadable, and when no folder can be written.
    """
    key = _hash({"format": FORMAT, "geometry": dataclasses.asdict(geometry), **settings})
    stem = f"{printable(label).replace(os.sep, '-')}-{geometry.height}x{geometry.width}"

    def find() -> Pack | None:
        for folder, channels in itertools.product(folders, (1, 3) if c_dim == "auto" else (c_dim,)):
            row = (geometry.height, geometry.width, channels)
            pack = _read(folder / f"{stem}x{channels}-{key}.npy", source.fingerprint, row)
            if pack and (c_dim != "auto" or pack.manifest["c_dim_auto"]):
                return pack
        return None

    def make() -> Pack:
        channels = 3 if c_dim == "auto" else c_dim
        _check_room(folder, source.count * geometry.height * geometry.width * channels)
        with create_temporary(folder / f"{stem}-{key}") as place:
            manifest = _write(place, source, geometry, channels)
            if c_dim == "auto" and manifest["all_gray"]:
                channels = 1
                _keep_one_channel(place)
            manifest |= {
                "fingerprint": source.fingerprint,
                "c_dim_auto": c_dim == "auto",
                "settings": settings,
            }
            path = folder / f"{stem}x{channels}-{key}.npy"
            _publish(place, path, manifest)
        return Pack(np.load(path, mmap_mode="r"), manifest)

    if pack := find():
        return pack
    folder = _writable(folders)
    with wait_for_lock(
        folder / f"{stem}-{key}.lock", f"Another process packs {source.place}; waiting for it."
    ):
        remove_leftovers(folder)
        return find() or make()


def _writable(folders: list[Path]) -> Path:
    """The first folder that can be written, made if need be."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise ValueError(
        "--data_dir or --out_dir must be writable, to keep the decoded images. "
        f"Received: {' and '.join(str(folder.parent) for folder in folders)}. Give another --out_dir."
    )


def _check_room(folder: Path, needed: int) -> None:
    """Raises OSError when the disk has no room for as many bytes: now rather than after half of the packing."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        reason = (
            f"{needed / 1e9:.2f} GB are needed for the decoded images, {free / 1e9:.2f} GB are free"
        )
        raise OSError(errno.ENOSPC, reason, os.fspath(folder))


def _read(path: Path, fingerprint: str, row: tuple[int, int, int]) -> Pack | None:
    """The pack at `path` if it is whole, of these images and of `row`s (height, width, channels), else None."""
    try:
        manifest = json.loads(_manifest_path(path).read_text(encoding="utf-8"))
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (
        Exception
    ):  # no pack, or not one of ours; NumPy's reader of headers raises nearly anything
        return None
    whole = (
        isinstance(images, np.ndarray)
        and images.dtype == np.uint8
        and images.shape[1:] == row
        and len(images)
    )
    ours = (
        _is_manifest(manifest)
        and manifest["fingerprint"] == fingerprint
        and manifest["count"] == len(images)
    )
    return Pack(images, manifest) if whole and ours else None


def _is_manifest(manifest) -> bool:
    """True when everything that is used of a manifest is there, and of its type."""
    kinds = {"fingerprint": str, "count": int, "transparent": int, "c_dim_auto": bool}
    kinds |= {"files": list, "sizes": list, "skipped": dict}
    if not isinstance(manifest, dict) or not all(
        type(manifest.get(name)) is kind for name, kind in kinds.items()
    ):
        return False
    numbers = [
        number
        for size in manifest["sizes"]
        if isinstance(size, list) and len(size) == 3
        for number in size
    ]
    return (
        len(manifest["files"]) == manifest["count"]
        and all(type(name) is str for name in manifest["files"])
        and all(type(reason) is str for reason in manifest["skipped"].values())
        and len(numbers) == 3 * len(manifest["sizes"]) > 0
        and all(type(number) is int for number in numbers)
    )


def _write(path: Path, source: Source, geometry: Geometry, channels: int) -> dict:
    """Decodes everything into an .npy at `path` and tells what was seen."""
    sizes, skipped, names, gray, transparent = Counter(), {}, [], True, 0
    row = (geometry.height, geometry.width, channels)
    logging.info(
        "Packing %s images from %s into %s, once.", f"{source.count:,}", source.place, path.parent
    )
    with (
        open(path, "wb") as file,
        tqdm(total=source.count, unit="img", desc="pack", disable=None) as bar,
    ):
        _write_header(file, source.count, row)
        for pixels, seen in _decode_all(source, geometry, channels):
            bar.update(len(seen))
            file.write(pixels)
            for name, what in seen:
                if isinstance(what, str):
                    skipped[name] = what
                    continue
                names.append(name)
                size, is_gray, is_transparent = what
                sizes[size] += 1
                gray &= is_gray
                transparent += is_transparent
            if len(skipped) > max(
                ALWAYS_FORGIVEN, MAX_UNREADABLE * source.count
            ):  # the rest cannot make up for them
                break
        _check_readable(source, len(names), skipped)
        _write_header(file, len(names), row)
    return {
        "count": len(names),
        "place": source.place,
        "geometry": str(geometry),
        "sizes": [[height, width, count] for (height, width), count in sizes.most_common()],
        "all_gray": gray,
        "transparent": transparent,
        "skipped": skipped,
        "files": names,
    }


def _decode_all(source: Source, geometry: Geometry, channels: int):
    """What `decode_all` gives for every few images, in order, on every core."""
    cores = min(os.cpu_count() or 1, MAX_WORKERS)
    size = CHUNK // (
        2 * cores
    )  # images a task: handing over a single one costs a good part of decoding it
    workers = [Worker() if source.count >= WORKERS_FROM else decode_all for _ in range(cores)]
    idle = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def work(task: list) -> tuple[bytes, list[tuple]]:
        worker = idle.get()
        try:
            return worker(task, geometry, channels)
        finally:
            idle.put(worker)

    pool = concurrent.futures.ThreadPoolExecutor(cores)
    pending, held = deque(), 0  # (a task's result to come, its bytes), and the bytes of all of them
    try:
        tasks = _tasks(source.items(), size)
        while True:
            while (
                len(pending) < CHUNK // size and held < CHUNK_BYTES and (task := next(tasks, None))
            ):
                items, encoded = task
                pending.append((pool.submit(work, items), encoded))
                held += encoded
            if not pending:
                return
            future, encoded = pending.popleft()
            yield future.result()
            held -= encoded
    finally:
        pool.shutdown(
            cancel_futures=True
        )  # Ctrl-C waits for the tasks that run, not for those in line
        for worker in workers:
            if isinstance(worker, Worker):
                worker.stop()


def _tasks(items: Iterable[tuple], size: int):
    """Every `size` items, fewer where they are large, and the bytes that they hold."""
    task, encoded = [], 0
    for name, image in items:
        task.append((name, image))
        encoded += len(image) if isinstance(image, bytes) else 0
        if len(task) == size or encoded > CHUNK_BYTES * size // CHUNK:
            yield task, encoded
            task, encoded = [], 0
    if task:
        yield task, encoded


def _check_readable(source: Source, readable: int, skipped: dict) -> None:
    total = readable + len(skipped)
    if not readable or len(skipped) > max(ALWAYS_FORGIVEN, MAX_UNREADABLE * total):
        listed = "; ".join(
            f"{printable(name)} ({reason})" for name, reason in list(skipped.items())[:3]
        )
        of = f"{total}" if total >= source.count else f"the first {total}"
        raise ValueError(
            f"At most {MAX_UNREADABLE:.0%} of the images may be unreadable. Received: {len(skipped)} of {of} in "
            f"{source.place}: {listed}. Remove or replace them, or narrow --input_fname_pattern."
        )


def _write_header(file, count: int, row: tuple[int, int, int]) -> None:
    """An .npy header at the start of the file; its length is the same for any count, so it can be written again."""
    file.seek(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *row)}
    np.lib.format.write_array_header_1_0(file, header)


def _keep_one_channel(path: Path) -> None:
    colours = np.load(path, mmap_mode="r")
    with create_temporary(path) as place:
        with open(place, "wb") as file:
            _write_header(file, len(colours), (*colours.shape[1:3], 1))
            for start in range(0, len(colours), CHUNK):
                file.write(colours[start : start + CHUNK, ..., :1].tobytes())
        del colours  # Windows renames no file that is mapped
        os.replace(place, path)


def _publish(place: Path, path: Path, manifest: dict) -> None:
    """Renames the pack into place, then its manifest; without a manifest of its own a pack does not count."""
    _manifest_path(path).unlink(missing_ok=True)
    os.replace(place, path)
    write_atomic(_manifest_path(path), json.dumps(manifest, indent=1).encode())


def _manifest_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _hash(settings: dict) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
