"""Files that hold a whole dataset: zips, tars, NumPy arrays and parquet files. Finds them in a
folder or by a pattern such as shard-{000..012}.tar, and picks the reader for each kind.
"""

import glob
import itertools
import re
import string
from collections.abc import Iterator
from pathlib import Path

from absl import logging

from config.catalog import cut_suffix_from_dataset_name
from data import limits
from data.sources.folder import open_image_zip
from data.sources.numpy_files import open_array_archive, open_array_file
from data.sources.parquet import open_parquet_files
from data.sources.source import Source
from data.sources.tars import open_image_tars
from system.text import escape_unprintable, join_names_for_error, quote_for_error

KINDS = ("zip", "tar", "parquet", "npz", "npy")  # what a folder is searched for, in this order
JOINED = {"tar", "parquet"}  # several files of these kinds make one dataset
PATTERN = re.compile(r"[*?{]")
BRACES = re.compile(r"\{([^{}]*)\}")
RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")


def find_container_kind(path: Path) -> str | None:
    """zip, tar, npy, npz or parquet; None for any other file."""
    name = path.name.lower()
    suffix = name[len(cut_suffix_from_dataset_name(name)) :]
    return "tar" if suffix in (".tar.gz", ".tgz") else suffix.removeprefix(".") or None


def open_containers(paths: list[Path], *, pattern: str = "", limit: int | None = None) -> Source:
    """The images in files of one kind. Raises ValueError if the kinds differ or one is damaged."""
    kinds = {find_container_kind(path) for path in paths}
    kind = kinds.pop()
    if kinds or (len(paths) > 1 and kind not in JOINED):
        raise ValueError(
            "--dataset must be one file, or several tars or parquet files. "
            f"Received: {', '.join(path.name for path in paths[:4])}. Give one of them."
        )

    if kind == "tar":
        return open_image_tars(paths, pattern=pattern, limit=limit)
    if kind == "parquet":
        return open_parquet_files(paths, limit=limit)
    if kind == "npz":
        return open_array_archive(paths[0], limit=limit)
    if kind == "npy":
        return open_array_file(paths[0], limit=limit)
    return open_image_zip(paths[0], pattern=pattern, limit=limit)


def find_containers_in_folder(folder: Path) -> list[Path]:
    """The files of the first of KINDS in a folder; else tars or parquet files one level deeper.

    If the names of some tars or parquet files begin with "train", only those. Raises ValueError
    when there are several files of another kind.
    """
    for pattern, kinds in (("*", KINDS), ("*/*", JOINED)):
        visible = (
            path for path in sorted(folder.glob(pattern)) if not _is_hidden_below(path, folder)
        )
        if found := [
            path for path in visible if find_container_kind(path) in kinds and not path.is_dir()
        ]:
            return _choose_containers(folder, found)
    return []


def _is_hidden_below(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _choose_containers(folder: Path, found: list[Path]) -> list[Path]:
    kinds = [find_container_kind(path) for path in found]
    kind = next(kind for kind in KINDS if kind in kinds)
    files = [path for path, its_kind in zip(found, kinds, strict=True) if its_kind == kind]
    if others := [path.name for path in found if path not in files]:
        names = escape_unprintable(join_names_for_error(others))
        logging.info("%s holds files of several kinds: .%s is read, not %s.", folder, kind, names)
    if kind in JOINED:
        return [path for path in files if path.name.lower().startswith("train")] or files
    if len(files) == 1:
        return files

    raise ValueError(
        f"{folder} must hold one {kind}. Received: {len(files)}. "
        f"Pick one: --dataset={quote_for_error(str(files[0]))}."
    )


def suggest_dataset_of_containers(folder: Path, names: list[str]) -> str:
    """How to ask for files below `folder`, of any of KINDS, as a sentence with --dataset.

    Where no pattern names all of them and nothing else, for one of them.
    """
    if pattern := _find_pattern_of_containers(folder, names):
        return f"For these: --dataset={quote_for_error(pattern)}."
    kinds = [find_container_kind(Path(name)) for name in names]
    first = names[min(range(len(names)), key=lambda number: KINDS.index(kinds[number]))]
    which = "it" if len(names) == 1 else "one of these"
    return f"For {which}: --dataset={quote_for_error(str(folder / first))}."


def _find_pattern_of_containers(folder: Path, names: list[str]) -> str | None:
    """A pattern such as FOLDER/draw-*.tar for files that make one dataset, and no others.

    It has the start that their names have in common, after which a run is named.
    """
    plain = [Path(name).name for name in names]
    columns = zip(*map(cut_suffix_from_dataset_name, plain), strict=False)
    same = itertools.takewhile(lambda column: len({*column}) == 1, columns)
    start = "".join(column[0] for column in same).rstrip(string.digits)
    is_joined = len(names) > 1 and find_container_kind(Path(names[0])) in JOINED
    if not is_joined or is_pattern_of_files(str(folder / start)):
        return None

    suffix = plain[0][len(cut_suffix_from_dataset_name(plain[0])) :]
    above = ["*"] * len(Path(names[0]).parent.parts)
    pattern = str(folder.joinpath(*above, f"{start}*{suffix}"))
    is_exact = {*list_files_of_pattern(pattern, Path())} == {folder / name for name in names}
    return pattern if is_exact else None


def is_pattern_of_files(text: str) -> bool:
    """True for text with the wildcards * or ?, or with braces."""
    return bool(PATTERN.search(text))


def list_files_of_pattern(text: str, data_dir: Path) -> list[Path]:
    """The files that match a pattern, here or else in `data_dir`; those of a wildcard are sorted.

    Raises ValueError when a file that braces name is missing.
    """
    names = list(itertools.islice(_expand_braces_in_name(text), limits.MAX_PATHS_NAMED))
    for place in (Path(), data_dir):
        paths = [
            path
            for name in names
            for path in _list_files_that_match(place / Path(name).expanduser())
        ]
        there = [path for path in paths if path.exists()]
        if there and len(there) < len(paths):
            missing = next(path for path in paths if not path.exists())
            raise ValueError(
                f"--dataset={text} must name files that exist. Received: a missing one, "
                f"{missing}. Fetch it, or name fewer."
            )
        if there:
            return there
    return []


def _list_files_that_match(path: Path) -> list[Path]:
    if not re.search(r"[*?]", str(path)):
        return [path]
    return [Path(match) for match in sorted(glob.glob(str(path)))]


def _expand_braces_in_name(text: str) -> Iterator[str]:
    """a{00..02}b gives a00b, a01b and a02b; a{x,y}b gives axb and ayb."""
    braces = BRACES.search(text)
    if not braces:
        yield text
        return

    ends = RANGE.fullmatch(braces[1])
    choices = _count_up_shard_numbers(*ends.groups()) if ends else braces[1].split(",")
    for choice in choices:
        yield from _expand_braces_in_name(text[: braces.start()] + choice + text[braces.end() :])


def _count_up_shard_numbers(first: str, last: str) -> Iterator[str]:
    return (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
