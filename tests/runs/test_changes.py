"""What a run remembers of settings that changed on the way."""

import dataclasses
import json

import pytest

from config.stored import write_config
from runs.changes import (
    Change,
    find_last_step_of_other_images,
    locate_changed_settings,
    read_changed_settings,
    record_changed_settings,
)


@pytest.fixture
def resume(tiny):
    """A function that does what training does at `start` with the flags that changed."""

    def go_on(start: int, **changes):
        config = tiny(**changes)
        config.run_dir.mkdir(parents=True, exist_ok=True)
        record_changed_settings(config, start)
        write_config(config)
        return read_changed_settings(config.run_dir)

    return go_on


def test_changes_are_kept_with_their_steps(resume, tiny):
    assert resume(0) == []
    assert resume(0, batch_size=4) == []  # nothing was trained with another one
    resume(0)
    assert resume(5, steps=9, sample_freq=3, dataset="/moved") == []  # they change no result
    assert not locate_changed_settings(tiny().run_dir).exists()

    assert resume(13, batch_size=4) == [Change(13, "batch_size", 8, 4)]
    assert resume(20, batch_size=4, flip=True) == [
        Change(13, "batch_size", 8, 4),
        Change(20, "flip", False, True),
    ]
    assert len(resume(25, batch_size=4, flip=True)) == 2


def test_after_a_kill_a_change_has_its_first_value_before(resume):
    resume(0)
    resume(13, batch_size=4)
    assert resume(13, batch_size=2) == [Change(13, "batch_size", 8, 2)]
    assert resume(13) == []


def test_a_run_that_goes_back_changes_there(resume):
    resume(0)
    resume(13, batch_size=4)
    resume(20, batch_size=2)
    assert resume(15, batch_size=2) == [
        Change(13, "batch_size", 8, 4),
        Change(15, "batch_size", 4, 2),
    ]
    assert resume(10, batch_size=2) == [Change(10, "batch_size", 8, 2)]
    assert resume(0, batch_size=2) == []


def test_other_images_are_a_change_and_the_length_where_rates_follow_it(resume):
    def name_changes(start, **changes):
        return [change.name for change in resume(start, lr_decay="linear", **changes)]

    assert name_changes(0, steps=9, dataset_fingerprint="a", labels_fingerprint="c") == []
    first = name_changes(5, steps=12, dataset_fingerprint="b", labels_fingerprint="d")
    assert first == ["steps", "dataset_fingerprint"]
    second = name_changes(7, steps=12, dataset_fingerprint="b", labels_fingerprint="e")
    assert second == [*first, "labels_fingerprint"]


def test_the_step_up_to_which_images_were_others_is_that_of_the_last_change(resume, tiny):
    def find_step(start, **changes):
        resume(start, **changes)
        return find_last_step_of_other_images(tiny().run_dir)

    assert find_step(0, dataset_fingerprint="a", labels_fingerprint="c") == 0
    assert find_step(5, dataset_fingerprint="a", labels_fingerprint="d") == 0
    assert find_step(7, dataset_fingerprint="b", labels_fingerprint="e", flip=True) == 7
    assert find_step(9, dataset_fingerprint="b", labels_fingerprint="e") == 7
    assert find_step(9, dataset_fingerprint="a", labels_fingerprint="d") == 9
    assert find_step(9, dataset_fingerprint="b", labels_fingerprint="e") == 7  # nothing was trained


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\xff", b"{}", b"7", b"[" * 9999, b'[{"step": 1}, 5, null]'),
        *(
            json.dumps([{"step": step, "name": name, "before": value, "now": 1}]).encode()
            for step, name, value in (
                *((0, "flip", 1), (True, "flip", 1), (10**400, "flip", 1), ("5", "flip", 1)),
                *((5, "no", 1), (5, [], 1), (5, "flip", []), (5, "flip", {})),
            )
        ),
    ],
)
def test_a_damaged_file_has_no_changes(content, resume, tiny):
    resume(0)
    path = locate_changed_settings(tiny().run_dir)
    path.parent.mkdir()
    path.write_bytes(content)
    assert read_changed_settings(tiny().run_dir) == []
    assert resume(13, batch_size=4) == [Change(13, "batch_size", 8, 4)]
    assert path.with_name("changes.1.json").read_bytes() == content  # it may be the user's
    assert len(resume(15, batch_size=2)) == 2
    assert not path.with_name("changes.2.json").exists()


def test_if_it_cannot_be_written_training_goes_on(resume, tiny, messages):
    resume(0)
    (tiny().run_dir / "logs").write_text("mine")
    assert resume(13, batch_size=4) == []
    [message] = messages
    assert message.startswith(f"{locate_changed_settings(tiny().run_dir)} was not written: ")


def test_of_a_run_without_config_json_nothing_is_known(tiny):
    config = dataclasses.replace(tiny(), flip=True)
    record_changed_settings(config, 9)
    assert not config.run_dir.exists()
