"""Files and folders that appear completely or not at all."""

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


def test_files_appear_whole_or_not_at_all(tmp_path):
    write_atomic(tmp_path / "file", b"content")
    with pytest.raises(OSError):
        write_atomic(tmp_path / "none" / "file", b"content")
    assert tree(tmp_path) == {"file": b"content"}


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
    files.remove_temporary_leftovers(tmp_path)
    assert tree(tmp_path) == {"saved_model/weights": b"precious"}


def test_what_was_put_aside_gets_another_name_when_its_own_is_taken(tmp_path, messages):
    """It was killed between two renames; before the next start, the user made a folder of that
    name.
    """
    for name in ("seed_0", "seed_0.abcdef.aside.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "image").write_text(name)
    files.remove_temporary_leftovers(tmp_path)
    assert tree(tmp_path) == {
        "seed_0/image": b"seed_0",
        "seed_0.1/image": b"seed_0.abcdef.aside.tmp",
    }
    assert messages == [f"{tmp_path / 'seed_0.1'} was restored after an interrupted start."]


def test_temporaries_of_the_users_stay(tmp_path):
    names = ["notes.tmp", "a.12.tmp", "b.aside.tmp", "c.12-abcdef.tmp.txt", "d.12-abcdeg.tmp"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "mine.tmp").mkdir()
    files.remove_temporary_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "mine.tmp"])


def test_where_there_are_no_locks_temporaries_go_by_their_age(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    old, new = tmp_path / "old.12-abcdef.tmp", tmp_path / "new.12-abcdef.tmp"
    for path in (old, new):
        path.touch()
    os.utime(old, (0, 0))
    files.remove_temporary_leftovers(tmp_path)
    assert [*tmp_path.iterdir()] == [new]
    write_atomic(tmp_path / "one", b"3")
    assert tree(tmp_path) == {new.name: b"", "one": b"3"}


def test_names_beside_that_are_free(tmp_path):
    (tmp_path / "card.json").write_text("1")
    (tmp_path / "card.1.json").symlink_to("nowhere")
    assert files.put_aside(tmp_path / "card.json") == tmp_path / "card.2.json"
    (tmp_path / "seed_0.5").mkdir()
    assert files.put_aside(tmp_path / "seed_0.5") == tmp_path / "seed_0.5.1"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "card.1.json",
        "card.2.json",
        "seed_0.5.1",
    ]


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
    """A limit on the size of files simulates a full disk: it cuts the first write short."""
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
    check_folder_writable(tmp_path / "a" / "b", "give another one")
    assert not (tmp_path / "a").exists()
    line = rf"Received: a file, {tmp_path}/file\. Move it away, or give another one\."
    with pytest.raises(ValueError, match=line):
        check_folder_writable(tmp_path / "file" / "run", "give another one")


def test_an_error_names_the_file_and_not_its_temporary(tmp_path):
    for folder in (False, True):
        (tmp_path / "file").touch()
        path = tmp_path / "file" / "seed_0"
        with (
            pytest.raises(NotADirectoryError) as error,
            files.create_temporary_path(path, folder=folder),
        ):
            pass
        assert error.value.filename == str(path)


@pytest.mark.parametrize("links_work", [True, False])
def test_a_copy_never_takes_the_place_of_another_file(tmp_path, monkeypatch, links_work):
    source, mine = tmp_path / "source", tmp_path / "mine"
    source.write_text("source")
    mine.write_text("mine")
    with pytest.raises(FileExistsError):
        files.link_or_copy(source, mine)
    assert mine.read_text() == "mine"

    if not links_work:
        monkeypatch.setattr(files.os, "link", lambda *_, **__: files.os.stat("/nosuch"))
    files.link_or_copy(source, tmp_path / "free")
    assert (tmp_path / "free").read_text() == "source"
