"""Who owns a file: the program's own are replaced, the user's stay or are moved aside."""

import contextlib
import json
import os
import shutil

import pytest
from disks import limit
from program import tree

from system import locks, written
from system.written import (
    RECORD_NAME,
    FileSeries,
    is_unchanged_since_written,
    read_record_of_folder,
    replace_files,
    replace_folder,
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "made"


def fill(folder, what="2 images", size=0, **contents):
    """Files by name, with __ for a folder; returns what is beside the folder afterwards."""
    with replace_folder(folder, what=what, size=size) as draft:
        for name, content in contents.items():
            path = draft / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
    return sorted(path.name for path in folder.parent.iterdir())


def files(folder):
    """Every file except the record."""
    return {name: text for name, text in tree(folder).items() if name != RECORD_NAME}


def test_the_programs_own_files_go_and_a_line_names_them(folder, messages):
    assert fill(folder, a="1", sub__b="2") == ["made"]
    assert fill(folder, "3 images", a="1", c="3") == ["made"]
    assert files(folder) == {"a": b"1", "c": b"3"}
    assert messages == [f"replaced 2 images in {folder}"]
    assert fill(folder, "3 images", a="1", c="3") == ["made"]
    assert len(messages) == 1  # the bytes are the same
    (folder / "a").unlink()
    assert fill(folder, b="2") == ["made"]
    assert files(folder) == {"b": b"2"}


def test_a_block_that_fails_leaves_the_folder_as_it_was(folder):
    fill(folder, a="1")
    before = tree(folder)
    with pytest.raises(RuntimeError), replace_folder(folder, what="other") as draft:
        (draft / "b").write_text("half")
        raise RuntimeError
    assert tree(folder.parent) == {f"made/{name}": content for name, content in before.items()}


@pytest.mark.parametrize("can_link", [True, False])
def test_the_users_files_stay_in_the_folder(folder, can_link, monkeypatch):
    if not can_link:

        def refuse(*_, **__):
            raise OSError("no links here")

        monkeypatch.setattr(os, "link", refuse)
    fill(folder, a="1", sub__b="2")
    (folder / "notes").mkdir()
    (folder / "notes" / "best.txt").write_text("mine")
    (folder / "sub" / "mine").write_text("mine")
    (folder / "empty").mkdir()
    (folder / "also").mkdir()
    (folder / "link").symlink_to("nowhere")
    (folder / "folders").symlink_to("notes")
    assert fill(folder, a="3", also__c="4") == ["made"]
    expected = {"a": b"3", "also/c": b"4", "notes/best.txt": b"mine", "sub/mine": b"mine"}
    assert files(folder) == expected
    assert (folder / "empty").is_dir() and not list((folder / "empty").iterdir())
    links = [(folder / name).readlink().name for name in ("link", "folders")]
    assert links == ["nowhere", "notes"]


def remove_record(folder):
    (folder / RECORD_NAME).unlink()


def damage_record(folder):
    (folder / RECORD_NAME).write_text("{")


def test_what_is_as_it_was_written(folder):
    """A file that is gone is no change; without a record, nothing is known."""
    fill(folder, a="1", b="2")
    assert is_unchanged_since_written(folder)
    assert is_unchanged_since_written(folder / "a")
    (folder / "b").unlink()
    (folder / "mine").write_text("mine")
    assert is_unchanged_since_written(folder)
    assert not is_unchanged_since_written(folder / "b")
    assert not is_unchanged_since_written(folder / "mine")
    (folder.parent / "link").symlink_to(folder)
    assert not is_unchanged_since_written(folder.parent / "link")
    (folder / "a").write_text("mine")
    assert not is_unchanged_since_written(folder)
    assert not is_unchanged_since_written(folder / "a")
    (folder / "a").write_text("1")
    remove_record(folder)
    assert not is_unchanged_since_written(folder)
    assert not is_unchanged_since_written(folder / "a")


def lead_record_outside(folder):
    record = json.loads((folder / RECORD_NAME).read_text())
    (folder / RECORD_NAME).write_text(json.dumps(record | {"files": {"../x": "0"}}))


def change_a_file(folder):
    (folder / "a").write_text("mine")


def link_a_file(folder):
    os.replace(folder / "a", folder.parent / "a")
    (folder / "a").symlink_to("../a")


def take_a_name(folder):
    (folder / "new").write_text("mine")


def take_the_name_of_a_folder(folder):
    (folder / "deep").write_text("mine")


def take_a_name_with_a_folder(folder):
    (folder / "new").mkdir()
    (folder / "new" / "x").write_text("mine")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove_record, "nothing shows that this program wrote it"),
        (damage_record, "nothing shows that this program wrote it"),
        (lead_record_outside, "nothing shows that this program wrote it"),
        (change_a_file, "a was changed after this program wrote it"),
        (link_a_file, "a was changed after this program wrote it"),
        (take_a_name, "new was not written by this program, but its name is needed"),
        (
            take_a_name_with_a_folder,
            "new/x was not written by this program, but its name is needed",
        ),
        (take_the_name_of_a_folder, "deep was not written by this program, but its name is needed"),
    ],
)
def test_where_it_is_not_clear_whose_it_is_all_is_put_aside(folder, change, reason, messages):
    fill(folder, a="1", b="2")
    change(folder)
    before = tree(folder)
    fill(folder, a="3", new="4", deep__file="5")
    assert files(folder) == {"a": b"3", "new": b"4", "deep/file": b"5"}
    assert tree(folder.with_name("made.1")) == before
    assert messages == [f"{folder} was moved aside to made.1: {reason}."]


def test_a_larger_set_never_goes(folder, messages):
    fill(folder, "9 images", 9, a="1", b="2")
    assert fill(folder, "5 images", 5, a="3") == ["made", "made.1"]
    assert files(folder.with_name("made.1")) == {"a": b"1", "b": b"2"}
    reason = "it held 9 images, more than the new 5 images"
    assert messages == [f"{folder} was moved aside to made.1: {reason}."]
    assert fill(folder, "5 images", 5, a="4") == ["made", "made.1"]
    (folder / "notes.txt").write_text("mine")
    assert fill(folder, "1 image", 1, a="6") == ["made", "made.1", "made.2"]
    assert messages[-1].endswith("more than the new 1 image; yours moved with it: notes.txt.")
    assert files(folder.with_name("made.2"))["notes.txt"] == b"mine"


def test_another_kind_is_no_replacement(tmp_path, messages):
    folder = tmp_path / "made"
    for kind in ("of cats", "of cats", "of dogs", ""):
        with replace_folder(folder, what="1 image", kind=kind) as draft:
            (draft / "a").write_text(kind)
    assert (tmp_path / "made.1" / "a").read_text() == "of cats"
    assert (folder / "a").read_text() == ""
    assert messages == [
        f"{folder} was moved aside to made.1: it holds 1 image, of cats; asked for now: of dogs.",
        f"replaced 1 image in {folder}",
    ]


def test_single_files_of_another_kind_are_no_replacement(tmp_path, messages):
    folder = tmp_path / "made"
    for kind in ("of cats", "of dogs"):
        replace_files(folder, {"a": kind.encode()}, what="1 image", kind=kind)
    assert (tmp_path / "made.1" / "a").read_text() == "of cats"
    assert (folder / "a").read_text() == "of dogs"
    assert messages == [
        f"{folder} was moved aside to made.1: it holds 1 image, of cats; asked for now: of dogs."
    ]


def test_single_files_of_another_step_are_no_replacement(tmp_path, messages):
    folder = tmp_path / "made"
    for step, text in ((10, b"1"), (10, b"2"), (60, b"2"), (0, b"3"), (60, b"4")):
        replace_files(folder, {"a": text}, what=f"1 image of step {step}", step=step)
        assert read_record_of_folder(folder).step == step
    assert (tmp_path / "made.1" / "a").read_bytes() == b"2"
    assert (folder / "a").read_bytes() == b"4"
    assert messages == [
        f"replaced a in {folder}",
        f"{folder} was moved aside to made.1: it holds 1 image of step 10.",
        *[f"replaced a in {folder}"] * 2,
    ]


def test_an_empty_folder_is_no_file_of_the_users(folder, messages):
    fill(folder, a="1")
    (folder / "assets").mkdir()
    (folder / "a").write_text("changed")
    fill(folder, a="2")
    assert messages == [
        f"{folder} was moved aside to made.1: a was changed after this program wrote it."
    ]


def test_files_links_and_empty_folders_in_the_way(folder):
    folder.mkdir()
    assert fill(folder, a="1") == ["made"]  # nothing was in it
    shutil.rmtree(folder)
    folder.write_text("mine")
    assert fill(folder, a="1") == ["made", "made.1"]
    os.replace(folder, folder.with_name("elsewhere"))
    folder.symlink_to("elsewhere")
    assert fill(folder, a="2") == ["elsewhere", "made", "made.1", "made.2"]
    assert files(folder.with_name("made.2")) == {"a": b"1"}
    assert not folder.is_symlink()


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_folder_that_cannot_be_replaced_stays(folder, monkeypatch, is_ours):
    fill(folder, old="1")
    if not is_ours:
        remove_record(folder)
    before, rename = tree(folder), os.replace

    def refuse_drafts(source, target):
        if target == folder and ".tmp" in str(source) and ".aside" not in str(source):
            raise OSError("no")
        rename(source, target)

    monkeypatch.setattr(os, "replace", refuse_drafts)
    with pytest.raises(OSError, match="no"):
        fill(folder, new="2")
    assert tree(folder.parent) == {f"made/{name}": content for name, content in before.items()}


def test_where_there_are_no_locks_folders_are_replaced_too(folder, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    fill(folder, a="1")
    assert fill(folder, a="2") == ["made"]
    assert files(folder) == {"a": b"2"}


def test_single_files_follow_the_same_rule(tmp_path, messages):
    replace_files(tmp_path, {"one.json": b"1", "two.json": b"2"}, what="numbers")
    replace_files(tmp_path, {"two.json": b"2"}, what="numbers")  # the same bytes
    assert messages == []
    replace_files(tmp_path, {"two.json": b"3"}, what="numbers")
    assert messages == [f"replaced two.json in {tmp_path}"]
    (tmp_path / "one.json").write_text("mine")
    replace_files(tmp_path, {"one.json": b"4", "two.json": b"3"}, what="numbers")
    assert files(tmp_path) == {"one.json": b"4", "two.json": b"3", "one.1.json": b"mine"}
    text = f"{tmp_path / 'one.json'} was moved aside to one.1.json: "
    assert messages[1:] == [text + "it was changed after this program wrote it."]


def test_a_single_file_without_a_record_is_the_users(tmp_path, messages):
    (tmp_path / "one.json").write_text("mine")
    (tmp_path / "two.json").mkdir()
    replace_files(tmp_path, {"one.json": b"1", "two.json": b"2"}, what="numbers")
    assert files(tmp_path) == {"one.json": b"1", "one.1.json": b"mine", "two.json": b"2"}
    assert (tmp_path / "two.json.1").is_dir()
    reason = "nothing shows that this program wrote it"
    assert messages[0] == f"{tmp_path / 'one.json'} was moved aside to one.1.json: {reason}."


@pytest.mark.parametrize("moment", range(4))
@pytest.mark.parametrize("again", range(4))
def test_after_two_kills_between_writes_the_files_are_still_the_programs(
    tmp_path, monkeypatch, moment, again
):
    replace_files(tmp_path, {"one": b"1", "two": b"2"}, what="numbers")
    write = written.write_atomic
    for number, fails_at in ((3, moment), (5, again)):
        count = iter(range(9))

        def write_or_die(path, content, count=count, fails_at=fails_at):
            if next(count) == fails_at:
                raise KeyboardInterrupt
            write(path, content)

        contents = {"one": b"%d" % number, "two": b"%d" % (number + 1)}
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(written, "write_atomic", write_or_die)
            replace_files(tmp_path, contents, what="numbers")

    replace_files(tmp_path, {"one": b"7", "two": b"8"}, what="numbers")
    assert files(tmp_path) == {"one": b"7", "two": b"8"}
    assert read_record_of_folder(tmp_path).coming == {}


def write_series(folder, **contents):
    series = FileSeries(folder, what="letters")
    for name, content in contents.items():
        series.write_file_of_series(name, content)


def test_a_file_of_a_series_costs_a_line_of_the_record(tmp_path, monkeypatch):
    """However many there are: the record is rewritten only when a process starts."""
    series = FileSeries(tmp_path, what="letters")
    series.write_file_of_series("a", b"1")
    writes = []
    monkeypatch.setattr(written, "write_atomic", lambda path, _: writes.append(path.name))
    size = (tmp_path / RECORD_NAME).stat().st_size
    for number in range(100):
        series.write_file_of_series(f"{number:04d}", b"1")
    assert writes == [f"{number:04d}" for number in range(100)]
    assert (tmp_path / RECORD_NAME).stat().st_size < size + 100 * 250


def test_a_series_goes_on_in_another_process(tmp_path, messages):
    write_series(tmp_path, a=b"1", b=b"1")
    write_series(tmp_path, b=b"2", c=b"2")
    write_series(tmp_path, a=b"3", b=b"3", c=b"3", d=b"3")
    assert files(tmp_path) == dict.fromkeys("abcd", b"3")
    assert messages == []
    (tmp_path / "c").write_text("mine")
    write_series(tmp_path, c=b"4")
    assert files(tmp_path)["c.1"] == b"mine"
    write_series(tmp_path)
    json.loads((tmp_path / RECORD_NAME).read_text().splitlines()[-1])


def test_lines_of_a_record_that_a_kill_cut_short_are_passed_over(tmp_path, messages):
    write_series(tmp_path, a=b"1", b=b"1")
    with open(tmp_path / RECORD_NAME, "a") as file:
        file.write('["no record"]\n{"what": "letters", "files": {"../a": "0"}}\n{"what": "le')
    assert {*read_record_of_folder(tmp_path).files} == {"a", "b"}
    write_series(tmp_path, a=b"2", b=b"2")
    write_series(tmp_path, a=b"3", b=b"3")
    assert files(tmp_path) == {"a": b"3", "b": b"3"}
    assert messages == []


def test_a_record_that_goes_while_a_series_is_written_grows_again(tmp_path):
    series = FileSeries(tmp_path, what="letters")
    series.write_file_of_series("a", b"1")
    (tmp_path / RECORD_NAME).unlink()
    series.write_file_of_series("b", b"1")
    write_series(tmp_path, b=b"2")
    assert files(tmp_path) == {"a": b"1", "b": b"2"}


def die_while_writing(patch, name, dies_at):
    """Dies after the `dies_at`-th write of a record, or before that of the file `name`."""
    count = iter(range(9))

    def wrap(write):
        def write_or_die(path, content):
            if path.name == name and next(count) == dies_at:
                raise KeyboardInterrupt
            write(path, content)
            if path.name == RECORD_NAME and next(count) == dies_at:
                raise KeyboardInterrupt

        return write_or_die

    for function in ("write_atomic", "append_to_file_or_undo"):
        patch.setattr(written, function, wrap(getattr(written, function)))


@pytest.mark.parametrize("moment", range(3))
@pytest.mark.parametrize("again", range(3))
@pytest.mark.parametrize("name", ["old", "new"])
def test_after_two_kills_a_file_of_a_series_is_still_the_programs(
    tmp_path, monkeypatch, moment, again, name, messages
):
    """After the record's older lines were made one, after the new line, and before the file."""
    write_series(tmp_path, old=b"1", new=b"1")
    (tmp_path / "new").unlink()
    for content, dies_at in ((b"2", moment), (b"3", again)):
        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            die_while_writing(patch, name, dies_at)
            write_series(tmp_path, **{name: content})

    write_series(tmp_path, **{name: b"4"})
    assert files(tmp_path)[name] == b"4"
    assert {*files(tmp_path)} <= {"old", "new"} and messages == []


def test_a_disk_that_is_full_is_said_of_the_file_and_of_no_record(tmp_path):
    series = FileSeries(tmp_path, what="letters")
    for name in ("a", "b"):
        with limit(99), pytest.raises(OSError, match="File too large") as caught:
            series.write_file_of_series(name, b"1" * 100)
        assert caught.value.filename == str(tmp_path / name)
    series.write_file_of_series("a", b"2")
    assert files(tmp_path) == {"a": b"2"}
