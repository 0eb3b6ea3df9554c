"""Files and folders that appear whole or not at all."""

import errno
import os
import resource

import pytest
from program import tree

from system import console, files, locks
from system.files import (
    append_to_file_or_undo,
    check_disk_room,
    check_folder_writable,
    replace_folder,
    write_atomic,
)


def test_a_disk_without_room_is_told_before_the_work(tmp_path):
    check_disk_room(tmp_path, 1, "nothing much")
    with pytest.raises(OSError, match="GB are needed for the images") as error:
        check_disk_room(tmp_path, 10**18, "the images")
    assert error.value.errno == errno.ENOSPC
    line = console.explain_error(error.value)
    assert line.startswith(f"{tmp_path} cannot be used: 1000000000.00 GB are needed for the images")
    assert "Make room there" in line


def test_files_and_folders_appear_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "folder"
    with replace_folder(folder) as temporary:
        (temporary / "a").write_text("first")
    with pytest.raises(RuntimeError), replace_folder(folder) as temporary:
        (temporary / "b").write_text("half")
        raise RuntimeError
    assert [path.name for path in folder.iterdir()] == ["a"]
    with replace_folder(folder) as temporary:
        (temporary / "c").write_text("second")
    assert [path.name for path in folder.iterdir()] == ["c"]
    (tmp_path / "folder.123.tmp" / "of a killed process").mkdir(parents=True)
    with replace_folder(folder):
        pass
    write_atomic(tmp_path / "file", b"content")
    with pytest.raises(OSError):
        write_atomic(tmp_path / "none" / "file", b"content")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_temporaries_belong_to_their_process(tmp_path):
    with (
        files.create_temporary_path(tmp_path / "mine") as mine,
        files.create_temporary_path(tmp_path / "folder", folder=True) as folder,
    ):
        (tmp_path / "dead.12-abcdef.tmp").write_text("half")
        (tmp_path / "dead.13-abcdef.tmp").mkdir()
        files.remove_temporary_leftovers(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([mine, folder])
    assert not list(tmp_path.iterdir())


def test_what_was_put_aside_for_nothing_comes_back(tmp_path):
    (tmp_path / "saved_model.abcdef.aside.tmp").mkdir()
    (tmp_path / "saved_model.abcdef.aside.tmp" / "weights").write_text("precious")
    (tmp_path / "other").mkdir()
    (tmp_path / "other.abcdef.aside.tmp").mkdir()
    files.remove_temporary_leftovers(tmp_path)
    assert tree(tmp_path) == {"saved_model/weights": b"precious"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "saved_model"]


def test_where_there_are_no_locks_temporaries_go_by_their_age(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    for name in ("old", "new"):
        (tmp_path / f"{name}.tmp").touch()
    os.utime(tmp_path / "old.tmp", (0, 0))
    files.remove_temporary_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new.tmp"]
    with replace_folder(tmp_path / "made") as folder:
        (folder / "file").write_text("1")
    with replace_folder(tmp_path / "made") as folder:
        (folder / "file").write_text("2")
    write_atomic(tmp_path / "one", b"3")
    assert tree(tmp_path) == {"made/file": b"2", "new.tmp": b"", "one": b"3"}


def test_a_temporary_that_another_process_takes_for_a_leftover_is_made_again(tmp_path, monkeypatch):
    original, taken = locks._try_file_lock, []

    def try_lock(descriptor):
        if not taken:  # between its making and its lock
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        return original(descriptor)

    monkeypatch.setattr(locks, "_try_file_lock", try_lock)
    write_atomic(tmp_path / "one", b"content")
    assert tree(tmp_path) == {"one": b"content"}


def test_what_is_appended_is_there_whole_or_not_at_all(tmp_path):
    """A limit on the size of files stands for a full disk: it cuts the first write short."""
    path = tmp_path / "lines"
    append_to_file_or_undo(path, b"one\n")
    append_to_file_or_undo(path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            append_to_file_or_undo(path, b"three\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_place_that_cannot_be_written_is_told_with_the_folder_that_exists(tmp_path):
    (tmp_path / "file").touch()
    check_folder_writable(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    with pytest.raises(ValueError, match=rf"Received: {tmp_path}/file\. Give another one\."):
        check_folder_writable(tmp_path / "file" / "run")


def test_a_folder_that_cannot_be_replaced_stays(tmp_path, monkeypatch):
    folder, rename = tmp_path / "folder", os.replace
    with replace_folder(folder) as draft:
        (draft / "old").touch()

    def refuse_drafts(source, target):
        if target == folder and not str(source).endswith(".aside.tmp"):
            raise OSError("no")
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuse_drafts)
    with pytest.raises(OSError, match="no"), replace_folder(folder) as draft:
        (draft / "new").touch()
    assert tree(tmp_path) == {"folder/old": b""}
