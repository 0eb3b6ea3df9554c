"""Records which files the program itself wrote: it replaces only those.

Each folder that the program writes to holds a record of what it wrote there. Files that are not in
the record belong to the user and stay. If the record is missing, or does not match the files, the
old files are moved aside, to another name.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePath

from absl import logging

from system.files import (
    append_to_file_or_undo,
    create_temporary_path,
    link_or_copy,
    put_aside,
    remove_temporary_leftovers,
    replace_folder_with_draft,
    write_atomic,
)
from system.text import join_names_for_error

RECORD_NAME = ".written.json"
DAMAGE_ERRORS = (ValueError, TypeError, RecursionError)  # from a file that is not a record
NAMES_SHOWN = 3  # of the files that were replaced, or are gone

# Why a file whose name is needed is moved aside.
CHANGED = "was changed after this program wrote it"
UNKNOWN = "nothing shows that this program wrote it"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What the program wrote into a folder.

    what: a description. size: a count, such as that of images; 0 if nothing is counted. origin:
    the same origin and size give the same files; "" if nothing relies on that. kind: with which
    settings they were made, in words; files of another kind are no replacement. step: of the
    checkpoint that drew them, which may be gone: what another one draws is no replacement either; 0
    if it does not matter. files: name (in folders, with /) -> sha256. coming: the same for files
    that are about to be written, so that after a kill the owner of every file is known.
    """

    what: str
    size: int = 0
    origin: str = ""
    kind: str = ""
    step: int = 0
    files: dict[str, str] = dataclasses.field(default_factory=dict)
    coming: dict[str, str] = dataclasses.field(default_factory=dict)

    def to_json(self) -> bytes:
        return (json.dumps(dataclasses.asdict(self), indent=1) + "\n").encode()

    def allows_replacing(self, path: Path, name: str) -> bool:
        """Whether `path`, called `name` here, is a file that the program wrote, unchanged."""
        return _hash_plain_file(path) in self.list_hashes_of_file(name)

    def list_hashes_of_file(self, name: str) -> set[str]:
        """Hashes of what the program wrote, or was about to write, as `name`; else empty."""
        return {hashes[name] for hashes in (self.files, self.coming) if name in hashes}


class FileSeries:
    """Files that the program writes into a folder one after another, such as training's grids.

    Each adds a line to the record: rewriting the record would take longer with every file. The line
    comes first, so that after a kill the owner of every file is known.
    """

    def __init__(self, folder: Path, *, what: str):
        """what: a description of the files, for the record."""
        self.folder, self.what = folder, what
        self.record: Record | None = None  # until the first file is written

    def write_file_of_series(self, name: str, content: bytes) -> None:
        """Writes a file, which appears whole. A file that already has these bytes stays.

        Another file that the program wrote is replaced; a file of the user's is moved aside. An
        OSError names the file.
        """
        path, new_hash = self.folder / name, hashlib.sha256(content).hexdigest()
        try:
            self.record = self.record or self._open_record()
            present = _make_room_for_files(self.folder, {name: new_hash}, self.record).get(name)
            self._add_to_record(name, new_hash, present)
            if present != new_hash:
                write_atomic(path, content)
        except OSError as error:
            error.filename = os.fspath(path)
            raise

    def _open_record(self) -> Record:
        """The record on disk, after merging the lines that were appended to it."""
        record = read_record_of_folder(self.folder) or Record(what=self.what)
        path, content = self.folder / RECORD_NAME, record.to_json()
        if not path.is_file() or path.read_bytes() != content:
            write_atomic(path, content)
        return record

    def _add_to_record(self, name: str, new_hash: str, present: str | None) -> None:
        """present: the hash of the program's file that the new one replaces."""
        hashes = {new_hash, present or new_hash}
        if hashes <= self.record.list_hashes_of_file(name):
            return
        files, coming = {name: present or new_hash}, {name: new_hash} if present else {}
        line = json.dumps({"what": self.what, "files": files, "coming": coming}) + "\n"
        append_to_file_or_undo(self.folder / RECORD_NAME, line.encode())
        self.record.files.update(files)
        self.record.coming.update(coming)


@contextlib.contextmanager
def replace_folder(
    path: Path, *, what: str, size: int = 0, origin: str = "", kind: str = "", step: int = 0
):
    """Yields an empty folder that replaces `path` at the end of the block.

    what, size, origin, kind, step: as in `Record`. Files that the program wrote are replaced, and
    the log says so; the user's files stay in the folder. If it is unclear who owns a file, or
    `path` holds more than `size`, another kind or another step, the whole folder is moved aside. If
    the block raises, everything stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_temporary_leftovers(path.parent)

    with create_temporary_path(path, folder=True) as draft:
        yield draft
        files = _hash_written_files_below(draft)
        record = Record(what=what, size=size, origin=origin, kind=kind, step=step, files=files)
        (draft / RECORD_NAME).write_bytes(record.to_json())
        _put_draft_in_place(draft, path, record)


def replace_files(
    folder: Path, contents: dict[str, bytes], *, what: str, kind: str = "", step: int = 0
) -> None:
    """Writes files into `folder`, by name; each appears whole.

    what, kind, step: as in `Record`. Files with these names that the program wrote are replaced,
    and the log says so. Others are moved aside, and so is a folder that holds another kind or
    another step.
    """
    old, made = read_record_of_folder(folder), {"what": what, "kind": kind, "step": step}
    if reason := old and _explain_other_making(folder, old, Record(**made)):
        logging.info("%s was moved aside to %s: %s.", folder, put_aside(folder).name, reason)
        old = None
    folder.mkdir(parents=True, exist_ok=True)
    remove_temporary_leftovers(folder)
    old = old or Record(what=what)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}

    present = _make_room_for_files(folder, hashes, old)
    before = Record(**made, files=old.files | present, coming=hashes)
    write_atomic(folder / RECORD_NAME, before.to_json())
    for name, content in contents.items():
        write_atomic(folder / name, content)

    after = Record(**made, files=old.files | hashes)
    write_atomic(folder / RECORD_NAME, after.to_json())
    if replaced := [name for name in present if present[name] != hashes[name]]:
        logging.info("replaced %s in %s", join_names_for_error(replaced, NAMES_SHOWN), folder)


def read_record_of_folder(folder: Path) -> Record | None:
    """The record of what the program wrote into `folder`; None if it is missing or damaged."""
    try:
        return parse_record((folder / RECORD_NAME).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def parse_record(text: str) -> Record | None:
    """The record in the text of its file; None if it is damaged."""
    try:
        first, end = json.JSONDecoder().raw_decode(text)
        record = Record(**first)
    except DAMAGE_ERRORS:
        return None
    if not _is_valid_record_of_written_files(record):
        return None
    _add_lines_of_series(record, text[end:])
    return record


def list_files_as_written(folder: Path) -> set[str] | None:
    """The names of the files in `folder` that the program wrote and that are unchanged.

    None if the record is missing or damaged.
    """
    record = read_record_of_folder(folder)
    if record is None:
        return None
    names = {*record.files, *record.coming}
    return {name for name in names if record.allows_replacing(folder / name, name)}


def is_folder_as_written(folder: Path, record: Record) -> bool:
    """Whether every file of the record is there and unchanged."""
    return all(record.allows_replacing(folder / name, name) for name in record.files)


def is_unchanged_since_written(path: Path) -> bool:
    """Whether the program wrote a file, or all that its record names of a folder, as it is now.

    Of a folder, files may be gone. False without a record, and for links.
    """
    if _is_plain_folder(path):
        record = read_record_of_folder(path)
        return record is not None and _find_written_file_changed_since(path, record) is None
    record = read_record_of_folder(path.parent)
    return record is not None and record.allows_replacing(path, path.name)


def hash_written_file(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_plain_file(path: Path) -> str | None:
    """The hash of a file; None for links, folders and missing files."""
    return hash_written_file(path) if path.is_file() and not path.is_symlink() else None


def _add_lines_of_series(record: Record, text: str) -> None:
    """Adds the lines that `FileSeries` appended to a record; skips lines that are cut short."""
    for line in text.splitlines():
        with contextlib.suppress(*DAMAGE_ERRORS):
            added = Record(**json.loads(line))
            if _is_valid_record_of_written_files(added):
                record.files.update(added.files)
                record.coming.update(added.coming)


def _put_draft_in_place(draft: Path, path: Path, record: Record) -> None:
    with contextlib.suppress(OSError):
        path.rmdir()  # if it is empty
    if not os.path.lexists(path):
        os.replace(draft, path)
        return

    if reason := _explain_unreplaceable_folder(path, draft, record):
        _put_folder_aside_for(draft, path, reason)
        return

    old = read_record_of_folder(path)
    _link_entries(path, draft, _list_entries_of_user(path, old))
    replace_folder_with_draft(draft, path)
    if old.files != record.files:
        logging.info("replaced %s in %s", old.what, path)


def _put_folder_aside_for(draft: Path, path: Path, reason: str) -> None:
    """Renames `path` to a free name and `draft` to `path`; `path` stays if that fails."""
    aside = put_aside(path)
    try:
        os.replace(draft, path)
    except OSError:
        os.replace(aside, path)
        raise
    logging.info("%s was moved aside to %s: %s.", path, aside.name, reason)


def _explain_unreplaceable_folder(path: Path, draft: Path, record: Record) -> str:
    """Why `path` may not be replaced; empty if only the program's own files would be replaced."""
    old = None if path.is_symlink() else read_record_of_folder(path)
    if old is None:
        return UNKNOWN
    along = _describe_users_entries(path, old)
    if changed := _find_written_file_changed_since(path, old):
        return f"{changed} {CHANGED}{along}"
    if reason := _explain_other_making(path, old, record):
        return reason
    if old.size > record.size:
        return _compare_with_larger_record(path, old, record) + along
    if taken := _find_name_taken_by_user(draft, path, _list_entries_of_user(path, old)):
        return f"{taken} was not written by this program, but its name is needed"
    return ""


def _explain_other_making(folder: Path, old: Record, record: Record) -> str:
    """What `folder` holds if it is of another kind or step, where both are known; else empty."""
    along = _describe_users_entries(folder, old)
    if old.kind and record.kind and old.kind != record.kind:
        return f"it holds {old.what}, {old.kind}; asked for now: {record.kind}{along}"
    if old.step and record.step and old.step != record.step:
        return f"it holds {old.what}{along}"
    return ""


def _describe_users_entries(folder: Path, record: Record) -> str:
    """What to add to a line about a folder that is moved aside; "" if it holds nothing else."""
    names = _list_entries_of_user(folder, record)
    users = [name for name in names if not _is_plain_folder(folder / name)]  # empty ones
    names = join_names_for_error(users, NAMES_SHOWN)
    return f"; yours moved with it: {names}" if users else ""


def _is_plain_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _compare_with_larger_record(path: Path, old: Record, record: Record) -> str:
    gone = [name for name in old.files if not os.path.lexists(path / name)]
    note = f" (now without {join_names_for_error(gone, NAMES_SHOWN)})" if gone else ""
    return f"it held {old.what}{note}, more than the new {record.what}"


def _find_written_file_changed_since(folder: Path, record: Record) -> str | None:
    """A file in the record that exists, but was changed after it was written."""
    names = [name for name in record.files if os.path.lexists(folder / name)]
    return next((name for name in names if not record.allows_replacing(folder / name, name)), None)


def _find_name_taken_by_user(draft: Path, path: Path, names: Iterable[str]) -> str | None:
    """One of the user's `names` in `path` that `draft` needs, for a file or a folder."""
    for name in names:
        above = [draft / parent for parent in PurePath(name).parents]
        if any(os.path.lexists(place) and not place.is_dir() for place in above):
            return name
        are_folders = all(
            place.is_dir() and not place.is_symlink() for place in (path / name, draft / name)
        )
        if os.path.lexists(draft / name) and not are_folders:
            return name
    return None


def _make_room_for_files(folder: Path, hashes: dict[str, str], record: Record) -> dict[str, str]:
    """Moves aside whatever has a name in `hashes` and is not the program's.

    Returns name -> sha256 of the files that may be replaced: the program's, and identical ones.
    """
    present = {}
    for name, new_hash in hashes.items():
        path = folder / name
        if not os.path.lexists(path):
            continue

        found, known = _hash_plain_file(path), record.list_hashes_of_file(name)
        if found in {new_hash, *known}:
            present[name] = found
        else:
            aside = put_aside(path)
            reason = f"it {CHANGED}" if known else UNKNOWN
            logging.info("%s was moved aside to %s: %s.", path, aside.name, reason)
    return present


def _list_entries_of_user(folder: Path, record: Record) -> list[str]:
    known = {RECORD_NAME, *record.files}
    return [name for name in _list_entries_below(folder) if name not in known]


def _list_entries_below(folder: Path) -> list[str]:
    """The names of all files, links and empty folders below a folder, with / between."""
    names = []
    for place, folders, files in os.walk(folder, onerror=_raise_unreadable_folder):
        here = Path(place)
        entries = files + [name for name in folders if (here / name).is_symlink()]
        names += [(here / name).relative_to(folder).as_posix() for name in entries]
        if not folders and not files and here != folder:
            names.append(here.relative_to(folder).as_posix())
    return names


def _raise_unreadable_folder(error: OSError) -> None:
    """By default os.walk skips what it cannot read, which would then be treated as missing."""
    raise error


def _hash_written_files_below(folder: Path) -> dict[str, str]:
    names = sorted(_list_entries_below(folder))
    return {name: hash_written_file(folder / name) for name in names if (folder / name).is_file()}


def _link_entries(source: Path, target: Path, names: Iterable[str]) -> None:
    """Links the entries `names` of a folder into another one, too."""
    for name in names:
        old, new = source / name, target / name
        if old.is_dir() and not old.is_symlink():
            new.mkdir(parents=True, exist_ok=True)
            continue
        new.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(old, new)


def _is_valid_record_of_written_files(record: Record) -> bool:
    """Whether every field has the right type and every name stays in the folder."""
    words = record.what, record.origin, record.kind
    if not all(type(word) is str for word in words):
        return False
    if not (type(record.size) is type(record.step) is int):
        return False
    if not (type(record.files) is type(record.coming) is dict):
        return False
    hashes = [*record.files.items(), *record.coming.items()]
    return all(
        type(value) is str and not PurePath(name).is_absolute() and ".." not in PurePath(name).parts
        for name, value in hashes
    )
