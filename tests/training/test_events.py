"""Event files that are readable to their last record, whatever happens to the disk."""

import shutil

import pytest
import tensorflow as tf
from disks import count_events, limit
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training import events
from training.events import Events


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "run" / "logs"
    place.mkdir(parents=True)
    return place


def write(log, step, value=1.0):
    with log.record_summaries_of_step(step):
        tf.summary.scalar("loss", value)


def read_steps(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return [event.step for event in accumulator.Tensors("loss")]


def test_a_step_is_on_disk_when_its_block_ends(folder):
    log = Events(folder)
    for step in (1, 20, 40):
        write(log, step)
        assert read_steps(folder)[-1] == step
    log.close()
    assert read_steps(folder) == [1, 20, 40]


def test_a_full_disk_leaves_whole_records_and_a_new_file_goes_on(folder, messages):
    log = Events(folder)
    write(log, 1)
    [first] = folder.iterdir()
    size = first.stat().st_size
    with limit(size + 20):  # less than a record
        write(log, 2)
        assert first.stat().st_size == size
    write(log, 3)
    log.close()
    assert len(list(folder.iterdir())) == 2
    assert count_events(folder.parent) == 4  # two files with a version and a value each
    assert [text for text in messages if "cannot be written" in text] == [
        f"TensorBoard's log in {folder} cannot be written; training continues without it."
    ]


def test_without_room_no_new_file_is_begun(folder, monkeypatch, messages):
    log = Events(folder)
    [first] = folder.iterdir()
    with limit(first.stat().st_size + 20):
        write(log, 1)
    monkeypatch.setattr(events, "MIN_FREE_BYTES", 1e18)
    write(log, 2)
    assert list(folder.iterdir()) == [first]
    monkeypatch.setattr(events, "MIN_FREE_BYTES", 0)
    write(log, 3)
    log.close()
    assert len(list(folder.iterdir())) == 2
    assert len(messages) == 1


@pytest.mark.parametrize("is_folder", [True, False])
def test_after_its_file_was_removed_a_new_one_goes_on(folder, messages, is_folder):
    log = Events(folder)
    write(log, 1)
    if is_folder:
        shutil.rmtree(folder)
    else:
        next(folder.iterdir()).unlink()
    for step in (20, 40):
        write(log, step)
    log.close()
    assert read_steps(folder) == [20, 40]
    assert messages == [f"{folder} was gone and was made again."] * is_folder


def test_a_folder_removed_while_it_writes_costs_that_step(folder, messages):
    log = Events(folder)
    with log.record_summaries_of_step(1):
        tf.summary.scalar("loss", 1.0)
        shutil.rmtree(folder)
    write(log, 20)
    log.close()
    assert read_steps(folder) == [20]
    assert messages == [f"{folder} was gone and was made again."]


def test_it_makes_no_folder_where_a_run_was(folder, messages):
    log = Events(folder)
    run_dir = folder.parent
    run_dir.rename(run_dir.with_name("faces"))
    for step in (20, 40):
        write(log, step)
    log.close()
    assert not run_dir.exists()
    assert len(messages) == 1 and "cannot be written" in messages[0]


def test_an_error_of_the_block_is_not_swallowed(folder):
    log = Events(folder)
    with pytest.raises(ZeroDivisionError), log.record_summaries_of_step(1):
        raise ZeroDivisionError
    write(log, 2)
    log.close()
    assert read_steps(folder) == [2]
