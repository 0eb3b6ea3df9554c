import shutil
from pathlib import Path

import pytest

from config.stored import write_config
from runs.find import find_run_to_train


def test_beside_other_runs_a_new_one_needs_a_dataset(known, tiny):
    """Without one, it used to train on digits, where the user meant to continue the only run."""
    run = known(dataset="cats", out_name="my cats")
    given = {"out_dir": run.out_dir, "steps": 50}
    line = (
        f"{run.out_dir} has one run: my cats. To continue it, add --out_name='my cats'; for a new "
        "run, --dataset=digits."
    )
    with pytest.raises(ValueError) as error:
        find_run_to_train(given)
    assert str(error.value) == line
    assert find_run_to_train(given | {"dataset": "digits"}).name == "digits-64x64"
    assert find_run_to_train(given | {"out_name": "my cats"}).name == run.name

    known(dataset="dogs")
    with pytest.raises(ValueError, match=r"2 runs: dogs-16x16, my cats\. To continue one, "):
        find_run_to_train(given)
    begun = tiny(**given, dataset="digits", output_height=64)
    begun.run_dir.mkdir()
    write_config(begun)
    assert find_run_to_train(given).steps == 50  # begun, though it has no checkpoint yet


def test_a_new_run_around_the_run_that_is_meant_is_refused(trained, messages):
    """A run that was renamed to a folder that was there already lies in it."""
    run = trained(dataset="/my/dogs", out_name="dogs-16x16")
    hounds = run.run_dir.with_name("hounds-16x16")
    hounds.mkdir()
    moved = run.run_dir.rename(hounds / "dogs-16x16")
    given = {"out_dir": run.out_dir, "out_name": hounds.name}
    messages.clear()
    told = f"{hounds} holds another run: {moved}. To continue that: --out_dir={moved}."
    with pytest.raises(ValueError) as error:
        find_run_to_train({**given, "dataset": "/their/dogs"})
    assert str(error.value) == f"{told} For a new run, add another --out_name=NAME."
    assert not messages
    assert find_run_to_train({**given, "dataset": "cats"}).name == hounds.name
    assert messages == [f"{told} This is a new run."]
    assert find_run_to_train({"out_dir": str(moved), "dataset": "/my/dogs"}).run_dir == moved


@pytest.mark.parametrize("typed", [{"out_dir": "out/mime"}, {"out_name": "mime"}])
def test_a_run_whose_name_is_mistyped_does_not_start_on_digits(
    trained, tmp_path, monkeypatch, typed
):
    trained(dataset="cats", out_name="mimes")
    monkeypatch.chdir(tmp_path)
    line = r"There is no run out/mime\. Did you mean out/mimes\? A new run needs --dataset=NAME\.$"
    with pytest.raises(ValueError, match=line):
        find_run_to_train(typed)
    assert find_run_to_train({**typed, "dataset": "digits"}).dataset == "digits"
    assert find_run_to_train({"out_name": "moods"}).name == "moods"

    trained(out_name="digits-1")
    assert find_run_to_train({"out_name": "digits-2"}).name == "digits-2"
    with pytest.raises(ValueError, match=r"out/digits-2\. Did you mean out/digits-1"):
        find_run_to_train({"out_dir": "out/digits-2"})


def test_a_run_that_lost_its_checkpoints_is_no_mistyped_one(trained):
    trained(dataset="cats", out_name="mimes")
    lost = trained(dataset="dogs", out_name="mime", z_dim=7)
    shutil.rmtree(lost.checkpoint_path)
    found = find_run_to_train({"out_dir": lost.out_dir, "out_name": "mime"})
    assert (found.dataset, found.z_dim) == ("dogs", 7)


def test_a_name_without_a_run_or_a_dataset_is_said_to_be_new(tiny, messages):
    given = {"out_dir": tiny().out_dir, "out_name": "typo"}
    find_run_to_train({**given, "dataset": "digits"})
    assert messages == []
    find_run_to_train(given)
    place = Path(tiny().out_dir) / "typo"
    assert messages == [f"{place} is a new run on digits, the default of --dataset."]


def test_a_run_that_was_renamed_is_told_where_its_old_name_is_given(known):
    run = known(dataset="cats", out_name="faces")
    run.run_dir.rename(run.run_dir.with_name("portraits"))
    given = {"out_dir": run.out_dir, "out_name": "faces"}
    line = (
        f"^There is no run {run.run_dir}. Did you mean .*/portraits, which was faces when it was "
    )
    with pytest.raises(ValueError, match=line):
        find_run_to_train(given)
    assert find_run_to_train({**given, "dataset": "dogs"}).name == "faces"
