"""Folders outside a run's own folder belong to one run."""

import dataclasses
import json
import re
import shlex
import shutil
import threading
from pathlib import Path

import pytest
from program import is_one_line, run_here, tree

from config.settings import Config
from config.stored import read_config, write_config
from runs.claims import (
    check_checkpoints_are_of_run,
    check_run_owns_its_folders,
    claim_folder_of_samples,
    claim_run_folders,
    give_run_an_id,
    lock_run_folders,
)
from runs.read import read_run_settings
from sample import sample
from system.locks import lock_folder


@pytest.fixture
def begun(tiny, tmp_path):
    """A factory of runs that have started, with both folders elsewhere."""

    def make(name, **changes):
        places = {setting: str(tmp_path / setting) for setting in ("sample_dir", "checkpoint_dir")}
        config = give_run_an_id(tiny(out_name=name, **(places | changes)).resolve())
        check_run_owns_its_folders(config)
        claim_run_folders(config)
        config.run_dir.mkdir(parents=True, exist_ok=True)
        write_config(config)
        return config

    return make


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["sample_dir", "checkpoint_dir"])
def test_a_second_run_is_refused_in_one_line_and_the_first_keeps_all(setting, tmp_path, capsys):
    shared = tmp_path / "shared"
    flags = [f"--out_dir={tmp_path / 'out'}", f"--data_dir={tmp_path / 'data'}", "--train"]
    flags += ["--blocks=1", "--g_updates=1", f"--{setting}={shared}"]
    assert run_here(*flags, "--steps=2", "--out_name=a") == 0
    before = tree(shared)
    assert any("train_00000002.png" in name or "step-2" in name for name in before)

    assert run_here(*flags, "--steps=1", "--out_name=b") == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    assert f"{shared}, which belongs to {tmp_path / 'out' / 'a'}. " in said
    assert f"ive another --{setting}.\n" in said
    is_told = "If these are its images, continue it with --out_name=a; else" in said
    assert is_told == (setting == "checkpoint_dir")
    assert tree(shared) == before
    assert not (tmp_path / "out" / "b").exists()
    assert run_here(*flags, "--steps=3", "--out_name=a") == 0  # its own run resumes


@pytest.mark.parametrize("setting", ["sample_dir", "checkpoint_dir"])
def test_a_folder_that_another_process_fills_is_refused(setting, held, tiny, tmp_path, capsys):
    busy = tmp_path / "out" / "run"  # that of the fixture
    flags = [f"--out_dir={tmp_path / 'out'}", f"--{setting}={busy}", "--out_name=other"]
    assert run_here(*flags, "--train") == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    assert f"{busy} is in use by process {held.pid}" in said
    assert said.rstrip().endswith(", for another run. Give another folder.")


def test_whose_folder_it_is_comes_before_who_is_in_it(begun, tiny):
    """To wait for the other run, as the lock alone would advise, would not help."""
    owner = begun("a", checkpoint_dir="checkpoints")
    other = give_run_an_id(tiny(out_name="b", sample_dir=owner.sample_dir).resolve())
    refused = []

    def lock():
        with pytest.raises(ValueError) as error, lock_run_folders(other):
            pass
        refused.append(str(error.value))

    with lock_run_folders(owner):
        thread = threading.Thread(target=lock)
        thread.start()
        thread.join(10)
    [said] = refused
    assert said.endswith(f", which belongs to {owner.run_dir}. Give another --sample_dir.")
    assert not other.run_dir.exists()


def test_a_moved_run_takes_its_folders_along_and_a_copy_does_not(begun, tmp_path):
    config = begun("a")
    moved = config.run_dir.rename(config.run_dir.with_name("moved"))
    config = read_run_settings(moved)
    check_run_owns_its_folders(config)
    claim_run_folders(config)
    for folder in (config.sample_path, config.checkpoint_path):
        assert json.loads((folder / "run.json").read_text())["run"] == str(moved)

    shutil.copytree(moved, moved.with_name("copy"))
    copy = read_run_settings(moved.with_name("copy"))
    with pytest.raises(ValueError, match=r"copy and .*/moved are a run and its copy, ") as error:
        check_run_owns_its_folders(copy)
    folders = [tmp_path / "checkpoint_dir", tmp_path / "sample_dir"]
    own = [copy.run_dir / name for name in ("checkpoints", "samples")]
    copies = "; ".join(f"cp -r {old} {new}" for old, new in zip(folders, own, strict=True))
    flags = "--checkpoint_dir=checkpoints --sample_dir=samples"
    last = f"add {flags} to each command until the next training, which stores it."
    assert str(error.value).endswith(
        f"One of them needs its own. For {copy.run_dir}: {copies}; then {last}"
    )
    for new in own:  # as if the commands were followed
        new.mkdir(exist_ok=True)
    with pytest.raises(ValueError) as error:
        check_run_owns_its_folders(copy)
    assert str(error.value).endswith(f"needs its own. For {copy.run_dir}: {last}")
    places = {name: str(tmp_path / f"{name}_2") for name in ("sample_dir", "checkpoint_dir")}
    shutil.copytree(config.checkpoint_path, places["checkpoint_dir"])
    check_run_owns_its_folders(dataclasses.replace(copy, **places))


@pytest.mark.parametrize("renamed", ["run", "out"])
def test_a_copy_does_not_take_over_where_the_run_was_renamed(begun, messages, renamed):
    """Nothing shows which one is the copy: neither may go on until one has its own folders."""
    config = begun("a")
    out, place = config.run_dir.parent, config.run_dir
    copy = shutil.copytree(place, out / "b")
    if renamed == "run":
        place = place.rename(out / "c")
    else:
        out = out.rename(out.with_name("moved"))
        place, copy = out / "a", out / "b"
    for one, other in ((place, copy), (copy, place)):
        with pytest.raises(ValueError, match=f"^{one} and {other} are a run and its copy, and "):
            check_run_owns_its_folders(read_run_settings(one))

    elsewhere = copy.rename(copy.parent.with_name("elsewhere"))
    config = read_run_settings(place)
    check_run_owns_its_folders(config)
    claim_run_folders(config)
    claim_run_folders(config)
    assert len(messages) == 2 and messages[0].endswith(f" before: {place} uses it from now on.")
    with pytest.raises(ValueError, match=f"^{elsewhere} and {place} are a run and its copy, and "):
        check_run_owns_its_folders(read_run_settings(elsewhere))


def test_a_new_run_does_not_take_the_folders_of_a_renamed_one(begun):
    """With the same command; it used to train the renamed run's checkpoints on."""
    config = begun("a")
    (config.checkpoint_path / "step-1.index").touch()
    renamed = read_run_settings(config.run_dir.rename(config.run_dir.with_name("renamed")))
    fresh = give_run_an_id(dataclasses.replace(config, run_id=""))
    assert fresh.run_id != config.run_id
    refusal = r"to .*/renamed, which was .*/a before\. Add --out_n"
    with pytest.raises(ValueError, match=refusal), lock_run_folders(fresh):
        pass
    with lock_folder(fresh.run_dir), pytest.raises(ValueError, match=refusal):
        check_run_owns_its_folders(give_run_an_id(fresh))  # its folder is there
    check_run_owns_its_folders(renamed)


def test_a_copy_is_told_of_both_folders_although_the_run_moved(begun, tmp_path):
    """Drawing claims the checkpoints, too."""
    config = begun("a")
    copy = shutil.copytree(config.run_dir, tmp_path / "backup" / "a")
    moved = tmp_path / "new" / "a"
    moved.parent.mkdir()
    config.run_dir.rename(moved)
    claim_folder_of_samples(read_run_settings(moved))
    for folder in (config.sample_path, config.checkpoint_path):
        assert json.loads((folder / "run.json").read_text())["run"] == str(moved)
    both = f"and both use {config.checkpoint_path} and {config.sample_path}. One "
    with pytest.raises(ValueError, match=both):
        check_run_owns_its_folders(read_run_settings(copy))


def test_checkpoints_of_a_run_whose_folder_is_gone_are_not_those_of_a_new_one(begun, tiny):
    config = begun("a", sample_dir="samples")
    (config.checkpoint_path / "step-1.index").touch()
    shutil.rmtree(config.run_dir)
    new = give_run_an_id(config)
    with pytest.raises(ValueError) as error:
        check_run_owns_its_folders(new)
    place = config.run_dir / "checkpoints"
    assert str(error.value) == (
        f"--checkpoint_dir must be this run's own. Received: {config.checkpoint_path}, which "
        f"belongs to the run that was in {config.run_dir} before. To continue from its "
        f"checkpoints: mkdir -p {config.run_dir}; mv {config.checkpoint_path} {place}; then drop "
        "--checkpoint_dir. For a new run, give another."
    )
    config.run_dir.mkdir()  # as it says
    config.checkpoint_path.rename(place)
    again = tiny(out_name="a").resolve()
    assert give_run_an_id(again).run_id == config.run_id
    check_run_owns_its_folders(give_run_an_id(again))


def test_what_is_drawn_comes_from_the_checkpoints_of_the_run(begun):
    config = begun("a")
    other = begun("b", checkpoint_dir="checkpoints", sample_dir="samples")
    for step, run in enumerate((config, other)):
        (run.checkpoint_path / f"step-{step}.index").touch()
        check_checkpoints_are_of_run(run)
    wrong = dataclasses.replace(other, checkpoint_dir=str(config.checkpoint_path))
    with pytest.raises(ValueError, match=f"belongs to {config.run_dir}. Give another --checkp"):
        check_checkpoints_are_of_run(wrong)
    with pytest.raises(ValueError, match=r"^--checkpoint_dir must have the run's checkpoints\. "):
        check_checkpoints_are_of_run(dataclasses.replace(other, checkpoint_dir="typo"))


def test_a_folder_stays_that_of_a_run_that_is_gone(begun):
    config = begun("a")
    shutil.rmtree(config.run_dir)
    with pytest.raises(ValueError, match=r"belongs to .*/a, which is no longer there. Give ano"):
        begun("b")


def test_a_file_of_that_name_that_is_not_ours_is_left_alone(begun, tmp_path):
    path = tmp_path / "sample_dir" / "run.json"
    path.parent.mkdir()
    for text in (
        '{"speed": 3}',
        "{",
        '["run"]',
        '{"run_id": 3, "run": "a"}',
        '{"run_id": "", "run": "\\u0000"}',
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"run.json .*Give another --sample_dir, or remove"):
            begun("a")
        assert path.read_text() == text


def test_what_an_older_run_left_in_a_folder_is_adopted_by_that_run_alone(begun, tiny, tmp_path):
    """Earlier, folders had no run.json and runs had no ids."""
    places = {name: str(tmp_path / name) for name in ("sample_dir", "checkpoint_dir")}
    old = tiny(out_name="old", **places).resolve()
    old.run_dir.mkdir(parents=True)
    write_config(old)
    for name, file in (("sample_dir", "train_00000002.png"), ("checkpoint_dir", "step-2.index")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
        others = {one: str(tmp_path / "free") for one in places if one != name}
        with pytest.raises(ValueError) as error:
            begun("new", **others)
        assert str(error.value) == (
            f"--{name} must be this run's own. Received: {tmp_path / name}, which holds {file}, "
            f"perhaps another run's. Give another --{name}, or move that file away if it is yours."
        )
    assert begun("old").run_id


@pytest.mark.parametrize("setting", ["sample_dir", "checkpoint_dir"])
@pytest.mark.parametrize("inside", ["", "samples", "best/mine"])
def test_a_folder_in_another_run_is_refused(setting, inside, begun, tiny):
    other = begun("other", sample_dir="samples", checkpoint_dir="checkpoints").run_dir
    config = give_run_an_id(tiny(out_name="mine", **{setting: str(other / inside)}))
    with pytest.raises(ValueError) as error:
        check_run_owns_its_folders(config)
    assert str(error.value) == (
        f"--{setting} must not lead into another run. Received: {other / inside}, which is in "
        f"{other} and would be moved or removed with it. Give another --{setting}."
    )

    config.run_dir.mkdir()  # a run that started there when that was allowed continues
    write_config(config)
    config.checkpoint_path.mkdir(parents=True, exist_ok=True)
    (config.checkpoint_path / "step-1.index").touch()
    check_run_owns_its_folders(config)


def test_a_folder_among_images_is_told_once(begun, tmp_path, messages):
    place = tmp_path / "faces"
    other = begun("other", sample_dir="s", checkpoint_dir="c", dataset_place=str(place))
    (other.checkpoint_path / "step-1.index").touch()
    for _ in range(2):
        begun("mine", sample_dir=str(place / "drawn"))
    [told] = messages
    assert told.startswith(f"{place / 'drawn'} is among the images of ")
    assert f"/out/other, in {place}: " in told


def claim_pictures_again(config, action):
    """What --sample or --train does before it writes the first picture."""
    if action == "sample":
        claim_folder_of_samples(config)
        return
    with lock_run_folders(config):
        claim_run_folders(config)


@pytest.mark.parametrize("action", ["sample", "train"])
def test_a_folder_of_pictures_that_was_moved_is_told_once(begun, tmp_path, messages, action):
    """The grids in it would not be seen any more."""
    config = begun("a", checkpoint_dir="checkpoints")
    for _ in range(2):
        claim_pictures_again(config, action)
    (config.checkpoint_path / "step-1.index").touch()
    claim_pictures_again(config, action)  # it is there
    assert messages == []

    moved = config.sample_path.rename(tmp_path / "moved")
    for _ in range(2):
        claim_pictures_again(config, action)
    assert messages == [
        f"{config.sample_path}, where {config.run_dir} put its pictures, is gone or empty; new "
        "ones are put there. If you have moved it, add --sample_dir=NEWPLACE to each command until "
        "the next training, which stores it."
    ]
    claim_pictures_again(dataclasses.replace(config, sample_dir=str(moved)), action)
    claim_pictures_again(dataclasses.replace(config, sample_dir=f"{moved}2"), action)
    assert len(messages) == 1


@pytest.mark.parametrize("action", ["sample", "train"])
def test_pictures_in_a_run_or_of_a_new_one_may_be_removed(begun, messages, action):
    own = begun("own", checkpoint_dir="checkpoints", sample_dir="samples")
    (own.checkpoint_path / "step-1.index").touch()
    new = begun("new", checkpoint_dir="checkpoints")  # without a checkpoint
    for config in (own, new):
        shutil.rmtree(config.sample_path, ignore_errors=True)
        claim_pictures_again(config, action)
    assert messages == []


def test_sampling_claims_a_folder_elsewhere_and_is_refused_that_of_another(trained, tmp_path):
    place = {"sample_dir": str(tmp_path / "pictures")}
    old, other = (trained(out_name=name, **place) for name in ("old", "other"))  # without ids
    sample(old, 1)
    with pytest.raises(ValueError, match=r"--sample_dir must be .*which belongs to .*/old\."):
        sample(other, 1)
    begun = give_run_an_id(old)  # now it is trained
    check_run_owns_its_folders(begun)
    claim_folder_of_samples(begun)
    sample(begun, 1)


def test_an_id_is_for_life_and_for_one_run(begun, tiny):
    config = begun("a", checkpoint_dir="checkpoints")
    assert begun("b", checkpoint_dir="checkpoints", sample_dir="samples").run_id != config.run_id
    fresh = tiny(out_name="a")
    assert give_run_an_id(fresh).run_id == config.run_id
    (config.run_dir / "config.json").write_text("{")
    assert give_run_an_id(fresh).run_id == config.run_id  # by checkpoints/run.json
    (config.run_dir / "config.json").unlink()
    assert give_run_an_id(fresh).run_id == config.run_id
    shutil.rmtree(config.run_dir)
    assert give_run_an_id(fresh).run_id != config.run_id


def test_a_run_with_its_own_folders_may_be_copied_and_moved_at_will(begun):
    own = {"checkpoint_dir": "checkpoints", "sample_dir": "samples"}
    config = begun("a", **own)
    shutil.copytree(config.run_dir, config.run_dir.with_name("copy"))
    copy = read_run_settings(config.run_dir.with_name("copy"))
    check_run_owns_its_folders(copy)
    claim_run_folders(copy)
    claim = json.loads((copy.checkpoint_path / "run.json").read_text())
    assert claim == {"run_id": config.run_id, "run": str(copy.run_dir)}
    assert not copy.sample_path.exists()


def test_one_thread_may_lock_a_run_twice_and_two_may_not(begun):
    config, refused = begun("a"), []

    def lock():
        with pytest.raises(ValueError, match="is in use by"), lock_run_folders(config):
            pass
        refused.append(True)

    with lock_run_folders(config):
        with lock_run_folders(config):
            assert (Path(config.sample_dir) / "lock").exists()
        thread = threading.Thread(target=lock)
        thread.start()
        thread.join(10)
    assert refused == [True]
    assert not (Path(config.sample_dir) / "lock").exists()
    with lock_run_folders(config):
        pass


def test_the_settings_say_what_they_were_used_with(begun):
    config = begun("a")
    path = config.run_dir / "config.json"
    made_with = json.loads(path.read_text())["made_with"]
    assert made_with.keys() == {"python", "tensorflow", "keras", "numpy", "git commit"}
    assert made_with["tensorflow"].startswith("2.")
    assert read_config(path) == config


def test_an_id_is_not_taken_along_to_another_name(begun):
    config = begun("a")
    another = dataclasses.replace(config, out_name="b")
    assert give_run_an_id(another).run_id != config.run_id


def test_a_run_does_not_take_checkpoints_that_another_keeps_in_its_folder(begun, tiny):
    """k2 was told to keep its checkpoints where a run k1 would have its own."""
    place = tiny(out_name="k1").resolve().checkpoint_path
    owner = begun("k2", checkpoint_dir=str(place), sample_dir="samples")
    newcomer = give_run_an_id(tiny(out_name="k1").resolve())
    with pytest.raises(ValueError, match=f"^{place} has the checkpoints of another run, .*/k2. Gi"):
        check_run_owns_its_folders(newcomer)

    renamed = place.parent.rename(place.parent.with_name("k3"))
    with pytest.raises(ValueError, match=f"^{renamed}/checkpoints has the checkpoints of another"):
        check_run_owns_its_folders(give_run_an_id(tiny(out_name="k3").resolve()))
    shutil.rmtree(owner.run_dir)
    check_run_owns_its_folders(give_run_an_id(tiny(out_name="k3").resolve()))


def test_another_checkpoint_dir_does_not_leave_the_checkpoints_behind(tiny, tmp_path):
    config = give_run_an_id(tiny().resolve())
    claim_run_folders(config)
    write_config(config)
    changed = dataclasses.replace(config, checkpoint_dir=str(tmp_path / "elsewhere"))
    check_run_owns_its_folders(changed)  # there is none yet

    (config.checkpoint_path / "step-732.index").touch()
    with pytest.raises(ValueError, match=r"^--checkpoint_dir must have .* up to step 732, are in"):
        check_run_owns_its_folders(changed)
    config.checkpoint_path.rename(tmp_path / "elsewhere")  # as the error says
    check_run_owns_its_folders(changed)


@pytest.mark.parametrize("place", ["{}/two words", "ck2"])
def test_a_wrong_checkpoint_dir_is_told_which_to_use(tiny, tmp_path, place):
    """From Python, a Config without it names the run's own folder, not that of the run's start."""
    place = place.format(tmp_path)
    config = give_run_an_id(tiny(checkpoint_dir=place).resolve())
    claim_run_folders(config)
    config.run_dir.mkdir(parents=True, exist_ok=True)
    write_config(config)
    (config.checkpoint_path / "step-20.index").touch()

    plain = dataclasses.replace(config, checkpoint_dir=Config.checkpoint_dir)
    with pytest.raises(ValueError) as error:
        check_run_owns_its_folders(plain)
    remedy = f"Use --checkpoint_dir={shlex.quote(place)}, or move that folder there."
    assert str(error.value) == (
        f"--checkpoint_dir must have the run's checkpoints. Received: {plain.checkpoint_path}; "
        f"those of {config.run_dir}, up to step 20, are in {config.checkpoint_path}. {remedy}"
    )
    other = dataclasses.replace(config, checkpoint_dir=str(tmp_path / "elsewhere"))
    with pytest.raises(ValueError, match=re.escape(remedy)):
        check_run_owns_its_folders(other)
    config.checkpoint_path.rename(plain.checkpoint_path)  # as the first error says
    check_run_owns_its_folders(plain)


def test_checkpoints_that_another_run_has_replaced_are_not_recommended(tiny, tmp_path):
    """The files of another run were moved over them, with its run.json: nothing is left to use."""
    first = give_run_an_id(tiny(checkpoint_dir=str(tmp_path / "ck")).resolve())
    other = give_run_an_id(tiny(out_name="other").resolve())
    for config in (first, other):
        claim_run_folders(config)
        config.run_dir.mkdir(parents=True, exist_ok=True)
        write_config(config)
        (config.checkpoint_path / "step-20.index").touch()
    plain = dataclasses.replace(first, checkpoint_dir=Config.checkpoint_dir)
    with pytest.raises(ValueError, match="must have the run's checkpoints"):
        check_run_owns_its_folders(plain)

    for path in other.checkpoint_path.iterdir():
        path.replace(first.checkpoint_path / path.name)
    check_run_owns_its_folders(plain)  # it starts over
    with pytest.raises(ValueError, match=r"^--checkpoint_dir must be this run's own\. "):
        check_run_owns_its_folders(first)
