import pytest
import tensorflow as tf

from runs.checkpoint_files import (
    CHECKPOINT_LIST,
    announce_checkpoint_in_list,
    choose_checkpoints,
    list_checkpoint_files,
    list_checkpoints,
    list_checkpoints_to_continue,
    list_steps_in_checkpoint_list,
    list_steps_saved_by_run,
    parse_checkpoint_step,
    write_checkpoint_list,
)


@pytest.fixture
def run(tiny):
    """Files of checkpoints 8, 9 and 10, of 9 in best/, and the user's beside them."""
    config = tiny()
    for folder, steps in ((config.checkpoint_path, (8, 9, 10)), (config.best_path, (9,))):
        folder.mkdir(parents=True)
        ends = (".index", ".data-00000-of-00001")
        names = [f"step-{step}{end}" for step in steps for end in ends]
        for name in (*names, "step-best.index", "step-10.notes"):
            (folder / name).touch()
    return config


def test_checkpoints_are_in_the_order_of_their_steps(run):
    assert [path.name for path in list_checkpoints(run.checkpoint_path)] == [
        "step-8",
        "step-9",
        "step-10",
    ]
    names = [path.name for path in list_checkpoint_files(run.checkpoint_path / "step-10")]
    assert sorted(names) == ["step-10.data-00000-of-00001", "step-10.index"]


def test_the_best_is_the_last_resort(run):
    best, *others = list_checkpoints_to_continue(run)
    assert best == run.best_path / "step-9"
    assert others == list_checkpoints(run.checkpoint_path)
    assert choose_checkpoints(run, "last") == [best, *others]


def test_a_wish_names_one_of_the_runs_checkpoints(run):
    assert choose_checkpoints(run, " BEST ") == [run.best_path / "step-9"]
    assert choose_checkpoints(run, "8") == [run.checkpoint_path / "step-8"]
    rule = r"has: last, best, 8, 9, 10\."
    with pytest.raises(ValueError, match=rf"{rule} Received: 7\.$"):
        choose_checkpoints(run, "7")
    with pytest.raises(ValueError, match=rf"{rule} Received: 100\.$"):
        choose_checkpoints(run, "100")  # spelled like 10, but far from it
    for wanted, meant in (("bset", "best"), ("step-10", "10"), ("lats", "last")):
        told = rf"{rule} Received: {wanted}\. Did you mean {meant}\?$"
        with pytest.raises(ValueError, match=told):
            choose_checkpoints(run, wanted)


def test_the_list_of_checkpoints_is_read_as_written(run):
    folder = run.checkpoint_path
    assert list_steps_in_checkpoint_list(folder) == []
    write_checkpoint_list(folder, list_checkpoints(folder))
    assert list_steps_in_checkpoint_list(folder) == [10, 8, 9, 10]


def test_the_list_tells_of_a_checkpoint_that_is_being_written(run):
    """TensorFlow does not see it; if it cannot be written, the list is as before."""
    folder = run.checkpoint_path
    with announce_checkpoint_in_list(folder / "step-8"):
        assert not (folder / CHECKPOINT_LIST).exists()
    write_checkpoint_list(folder, [folder / "step-8", folder / "step-9"])
    before = (folder / CHECKPOINT_LIST).read_bytes()
    with pytest.raises(OSError), announce_checkpoint_in_list(folder / "step-10"):
        assert list_steps_saved_by_run(folder) == {8, 9, 10}
        assert list_steps_in_checkpoint_list(folder) == [9, 8, 9]
        assert tf.train.latest_checkpoint(folder) == str(folder / "step-9")
        raise OSError
    assert (folder / CHECKPOINT_LIST).read_bytes() == before


@pytest.mark.parametrize(
    ("name", "step"),
    [("step-8.index", 8), ("step-8", 8), ("step-08.index", 8), ("step-.index", -1), ("a", -1)],
)
def test_the_step_is_in_the_name(name, step, tmp_path):
    assert parse_checkpoint_step(tmp_path / name) == step
