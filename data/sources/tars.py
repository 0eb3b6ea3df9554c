"""Tars of images, plain or gzipped, one or many. WebDataset shards have classes in .cls files."""

import functools
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from data import limits
from data.conversions import explain_files_without_images
from data.packing.decode import check_encoded_image_bytes
from data.sources.classes import number_classes
from data.sources.folder import (
    announce_own_files_left_out,
    describe_file_that_is_no_zip,
    is_wanted_image,
)
from data.sources.own_files import OwnFiles
from data.sources.reading import fingerprint_dataset_files
from data.sources.source import Source, open_regular_dataset_file
from data.sources.tar_reader import BLOCK_BYTES, TarEntry, TarStream, read_tar_entries
from system.text import escape_unprintable

GZIP_START = b"\x1f\x8b"
GZIP_SUFFIXES = (".gz", ".tgz")
Wanted = Callable[[Path, str], bool]  # whether a tar's file of some name is an image to read
CLASS_SUFFIX = ".cls"  # https://github.com/webdataset/webdataset: a.jpg, a.cls


def open_image_tars(paths: list[Path], *, pattern: str = "", limit: int | None = None) -> Source:
    """The images in all `paths`, in the order in which they are stored, as one dataset.

    Those that this program wrote are left out, unless it wrote all of them. If each image has a
    .cls file, its text is the image's class. With several tars, each image's name begins with its
    tar's. Raises ValueError when a tar is damaged or holds no image.
    """
    found, has_classes, own = _count_images_in_tars(paths, pattern)
    if not found:
        names = (name for path in paths for name, _ in _read_files_in_tar(path))
        first_names = list(itertools.islice(names, limits.MAX_FILES_DESCRIBED))
        raise ValueError(explain_files_without_images(paths[0], first_names, pattern))

    place, is_wanted = _describe_tars(paths), functools.partial(_is_wanted_in_tar, pattern, own)
    kept = _count_wanted_images_in_tars(paths, is_wanted) if own else found
    if not kept:
        is_wanted, kept = functools.partial(_is_wanted_in_tar, pattern, {}), found
    fingerprint = fingerprint_dataset_files(paths)
    fingerprint += announce_own_files_left_out(place, found - kept)
    count = min(kept, limit or kept)
    if has_classes:
        return _open_tars_with_classes(place, fingerprint, paths, is_wanted, count)

    root = paths[0] if len(paths) == 1 else paths[0].parent
    items = functools.partial(_read_images_in_tars, paths, is_wanted, count)
    names = functools.partial(_read_names_in_tars, paths, is_wanted, count)
    return Source(place, fingerprint, count, items, root=root, names=names)


def _open_tars_with_classes(
    place: str, fingerprint: str, paths: list[Path], is_wanted: Wanted, count: int
) -> Source:
    """A source with classes, whose images are named by their numbers."""

    def read_images_by_number():
        images = _read_images_in_tars(paths, is_wanted, count)
        return ((str(number), image) for number, (_, image) in enumerate(images))

    labels = functools.partial(_read_classes_in_tars, paths, is_wanted, count)
    return Source(place, fingerprint, count, read_images_by_number, labels=labels)


def _describe_tars(paths: list[Path]) -> str:
    if len(paths) == 1:
        return f"tar {escape_unprintable(str(paths[0]))}"
    return f"{len(paths)} tars in {escape_unprintable(str(paths[0].parent))}"


def _is_wanted_in_tar(pattern: str, own: dict[Path, OwnFiles], path: Path, name: str) -> bool:
    return is_wanted_image(name, pattern) and name not in own.get(path, ())


def _count_wanted_images_in_tars(paths: list[Path], is_wanted: Wanted) -> int:
    return sum(is_wanted(path, name) for path in paths for name, _ in _read_files_in_tar(path))


def _count_images_in_tars(
    paths: list[Path], pattern: str
) -> tuple[int, bool, dict[Path, OwnFiles]]:
    """(number of images in all tars, whether there are classes, what this program wrote).

    The last has only the tars in which it wrote something.
    """
    count, has_classes, own = 0, False, {}
    for path in paths:
        files = OwnFiles()
        for name, _ in _read_files_in_tar(path, _call_with_entry(files.note_own_files)):
            count += is_wanted_image(name, pattern)
            has_classes |= _is_class_file_in_tar(name)
            if count > limits.MAX_NUMBERED_IMAGES:
                raise ValueError(
                    f"Tars must have at most {limits.MAX_NUMBERED_IMAGES:,} images. "
                    f"Received: more, in {path} and the tars before it. Name fewer tars."
                )
        if files.has_records:
            for _ in _read_files_in_tar(path, _call_with_entry(files.compare_with_records)):
                pass
        if files:
            own[path] = files
    return count, has_classes, own


def _call_with_entry(look_at: Callable) -> Callable[[TarEntry], None]:
    """Makes a method of `OwnFiles` one that takes an entry."""
    return lambda entry: look_at(entry.name, entry.size, entry.read)


def _read_files_in_tar(path: Path, read_content: Callable[[TarEntry], object] | None = None):
    """Yields (name, what `read_content` makes of it) for every file in a tar.

    Any failure becomes a ValueError that names the tar.
    """
    gzipped = path.name.lower().endswith(GZIP_SUFFIXES)
    with open_regular_dataset_file(path) as file:
        try:
            for entry in read_tar_entries(TarStream(file, gzipped=gzipped)):
                yield entry.name, read_content(entry) if read_content else None
        except Exception as error:  # gzip and zlib raise several kinds on damaged files
            is_tar = _begins_as_tar(path, gzipped)
            received = f"Received: {error}." if is_tar else describe_file_that_is_no_zip(path)
            raise ValueError(
                f"{path} must be an undamaged tar of images. {received} Fetch or make it again."
            ) from error


def _begins_as_tar(path: Path, gzipped: bool) -> bool:
    """False for a file that is not a tar at all, such as a web page."""
    with open_regular_dataset_file(path) as file:
        start = file.read(BLOCK_BYTES)
    return start.startswith(GZIP_START) if gzipped else start[257:262] == b"ustar"


def _read_images_in_tars(paths: list[Path], is_wanted: Wanted, count: int) -> Iterator[tuple]:
    """Yields (name, encoded image or why there is none) for the first `count` images."""

    return _read_wanted_files_in_tars(paths, is_wanted, count, _read_tar_image_within_limits)


def _read_names_in_tars(paths: list[Path], is_wanted: Wanted, count: int) -> Iterator[str]:
    files = _read_wanted_files_in_tars(paths, is_wanted, count, lambda entry: entry.name)
    return (name for name, _ in files)


def _read_wanted_files_in_tars(
    paths: list[Path], is_wanted: Wanted, count: int, read_content: Callable[[TarEntry], object]
) -> Iterator[tuple]:
    """Yields (name, what `read_content` makes of it) for the first `count` images."""

    def read_wanted_file(path: Path, entry: TarEntry) -> object:
        return read_content(entry) if is_wanted(path, entry.name) else None

    given = 0
    for path in paths:
        prefix = f"{_cut_tar_suffix(path)}/" if len(paths) > 1 else ""
        for name, content in _read_files_in_tar(path, functools.partial(read_wanted_file, path)):
            if content is None:
                continue
            yield prefix + name, content
            given += 1
            if given == count:
                return


def _read_tar_image_within_limits(entry: TarEntry) -> bytes | Exception:
    try:
        check_encoded_image_bytes(entry.size)
    except ValueError as error:
        return error
    return entry.read()


def _cut_tar_suffix(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


def _is_class_file_in_tar(name: str) -> bool:
    return name.lower().endswith(CLASS_SUFFIX)


def _read_classes_in_tars(
    paths: list[Path], is_wanted: Wanted, count: int
) -> tuple[list[str], np.ndarray]:
    """The names of the classes, and the class (count,) of every image."""
    classes, keys = {}, []
    for path in paths:
        for name, text in _read_files_in_tar(path, _read_class_file):
            key = path, _name_webdataset_sample(name)
            if text is not None:
                classes[key] = text
            elif is_wanted(path, name):
                keys.append(key)

    keys = keys[:count]
    _check_every_image_has_class_file(keys, classes)
    return number_classes([classes[key] for key in keys], str(paths[0].parent))


def _check_every_image_has_class_file(keys: list[tuple], classes: dict) -> None:
    missing = [key for key in keys if key not in classes]
    if not missing:
        return

    path, name = missing[0]
    raise ValueError(
        f"{path} must have a {CLASS_SUFFIX} file for every image, with a number or a word. "
        f"Received: none for {escape_unprintable(name)}. Add it, or use --labels=none."
    )


def _name_webdataset_sample(name: str) -> str:
    """What the files of one sample share: their name up to the first dot of its last part."""
    folder, slash, last = name.rpartition("/")
    return folder + slash + last.split(".")[0]


def _read_class_file(entry: TarEntry) -> str | None:
    """The text of a .cls file; None for another file, and for one too long for a word."""
    if not _is_class_file_in_tar(entry.name) or entry.size > limits.MAX_CLASS_BYTES:
        return None
    return entry.read().decode("utf-8", "backslashreplace").strip()
