"""A run whose checkpoints were moved, or are on a disk that is gone, does not start over."""

import dataclasses
import shutil

import pytest
from program import is_one_line, run_here, tree

from config.settings import Config
from config.stored import is_run_folder, write_config
from data.identity import fingerprint_pixels
from runs.away import are_checkpoints_away, check_checkpoints_are_not_away
from runs.claims import check_run_owns_its_folders, claim_run_folders, give_run_an_id
from runs.dataset import find_run_of_same_images
from runs.find import find_run, find_run_to_report, find_run_to_train
from runs.listing import format_runs


@pytest.fixture
def make(tiny):
    """A factory of runs with the files of a checkpoint, which nobody reads here."""

    def make(checkpoint_dir, **changes):
        settings = {"learning_rate": 0.001, "checkpoint_dir": str(checkpoint_dir)}
        config = give_run_an_id(tiny(**{"out_name": "disk", **settings, **changes}).resolve())
        claim_run_folders(config)
        config.run_dir.mkdir(parents=True, exist_ok=True)
        write_config(config)
        (config.checkpoint_path / "step-40.index").touch()
        return config

    return make


@pytest.fixture
def unplugged(make, tmp_path):
    """A run whose --checkpoint_dir is on a disk that was there before."""
    config = make(tmp_path / "usb" / "ck")
    (tmp_path / "usb").rename(tmp_path / "unplugged")
    return config


def give(config, **more):
    return {"out_dir": config.out_dir, "out_name": config.name, **more}


def test_checkpoints_that_were_moved_out_of_the_run_tell_which_one_is_meant(make, tmp_path):
    run = make("checkpoints", out_name="disk", dataset="cats")
    make("checkpoints", out_name="other", dataset="dogs")
    moved = run.checkpoint_path.rename(tmp_path / "ck")
    (run.run_dir / "logs").mkdir()
    (run.run_dir / "logs" / "metrics.jsonl").write_text('{"step": 40}\n')
    given = {"out_dir": run.out_dir, "dataset": "cats"}
    line = f"^{run.run_dir} has logs, but no checkpoint is left. If you moved them, add --checkp"
    with pytest.raises(ValueError, match=line):
        find_run(given)
    for where in (given, {"out_dir": run.out_dir}):
        found = find_run({**where, "checkpoint_dir": str(moved)})
        assert (found.name, found.checkpoint_path) == ("disk", moved)


def test_a_renamed_dataset_does_not_start_anew_while_the_disk_is_gone(make, tmp_path, photos):
    images = photos(5, 16, 16)
    known = {"out_name": "", "dataset": "cats", "dataset_place": "/cats"}
    run = make(tmp_path / "usb", **known, dataset_fingerprint=fingerprint_pixels(images))
    moved = (tmp_path / "usb").rename(tmp_path / "ck")
    given = {"out_dir": run.out_dir, "dataset": "/pets", "output_height": 16, "stem_width": 32}
    new = dataclasses.replace(run, dataset="/pets", out_name="", first_dataset="")
    line = f"^{run.run_dir} keeps its checkpoints in {tmp_path}/usb, which is not there. Reconnect"
    with pytest.raises(ValueError, match=line):
        find_run_of_same_images(new, given, images, "/pets")
    there = given | {"checkpoint_dir": str(moved)}
    assert find_run_of_same_images(new, there, images, "/pets").name == run.name
    assert find_run_of_same_images(new, given, 255 - images, "/pets") is new
    named = dataclasses.replace(new, out_name="pets")
    assert find_run_of_same_images(named, given | {"out_name": "pets"}, images, "/pets") is named


@pytest.mark.parametrize("has_best", [False, True])
@pytest.mark.parametrize("action", ["--sample=5", "--train", "--dry_run", "--export"])
def test_the_disk_with_the_checkpoints_is_said_to_be_gone(
    unplugged, tmp_path, capsys, action, has_best
):
    if has_best:
        unplugged.best_path.mkdir()
        (unplugged.best_path / "step-20.index").touch()
    before = tree(tmp_path)
    assert run_here(f"--out_dir={unplugged.out_dir}", "--out_name=disk", action, tiny=()) == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    assert (
        f"{unplugged.run_dir} keeps its checkpoints in {tmp_path}/usb/ck, which is not there. "
        "Reconnect the disk, or give --checkpoint_dir=NEWPLACE if they were moved; to start over, "
        "give another --out_name." in said
    )
    assert tree(tmp_path) == before and not (tmp_path / "usb").exists()


@pytest.mark.parametrize("find", [find_run, find_run_to_train])
def test_a_new_place_must_have_them(unplugged, tmp_path, find):
    with pytest.raises(ValueError, match=r"usb/ck, which is not there; .*/disk/ck2 has none\. Rec"):
        find(give(unplugged, checkpoint_dir="ck2"))
    place = str(tmp_path / "unplugged" / "ck")
    found = find(give(unplugged, checkpoint_dir=place))
    assert (found.checkpoint_dir, found.learning_rate) == (place, 0.001)
    check_run_owns_its_folders(found)


def test_the_only_run_need_not_be_named(unplugged):
    with pytest.raises(ValueError, match=r"usb/ck, which is not there\. Reconnect"):
        find_run({"out_dir": unplugged.out_dir})


@pytest.mark.parametrize("find", [find_run, find_run_to_report])
def test_the_only_run_need_not_be_named_to_get_its_new_place(unplugged, tmp_path, find):
    """Nor with its dataset. What has no checkpoints is named, and another run's are not taken."""
    place = str(tmp_path / "unplugged" / "ck")
    for more in ({}, {"dataset": unplugged.dataset}):
        given = {"out_dir": unplugged.out_dir, **more}
        assert find({**given, "checkpoint_dir": place}).name == "disk"
        with pytest.raises(ValueError, match=r"which is not there; .*/disk/ck2 has none\. Reconn"):
            find({**given, "checkpoint_dir": "ck2"})
    claim = tmp_path / "unplugged" / "ck" / "run.json"
    claim.write_text(claim.read_text().replace(unplugged.run_id, "another"))
    with pytest.raises(ValueError, match=r"usb/ck, which is not there\. Reconnect"):
        find({"out_dir": unplugged.out_dir, "checkpoint_dir": place})


def test_a_run_whose_disk_is_gone_is_told_by_its_dataset(make, tmp_path):
    for name in ("cats", "dogs", "here"):
        make(tmp_path / "usb" / name, out_name=name, dataset=name)
    for name in ("cats", "dogs"):
        shutil.rmtree(tmp_path / "usb" / name)
    where = {"out_dir": str(tmp_path / "out")}
    with pytest.raises(ValueError, match=r"/dogs keeps its checkpoints in .*/usb/dogs, which is n"):
        find_run({**where, "dataset": "dogs"})
    assert find_run({**where, "dataset": "here"}).name == "here"
    with pytest.raises(ValueError, match=r"^No run in .*/out has the dataset birds\. Runs there: "):
        find_run({**where, "dataset": "birds"})
    with pytest.raises(
        ValueError, match=r"^--out_name must be a trained run in .* Received: her\."
    ):
        find_run({**where, "dataset": "dogs", "out_name": "her"})
    shutil.rmtree(tmp_path / "usb" / "here")
    with pytest.raises(ValueError, match=r"/dogs keeps its checkpoints in .*/usb/dogs, which is n"):
        find_run({**where, "dataset": "dogs"})


def test_checkpoints_tell_which_run_is_meant(make, unplugged, tmp_path):
    """Those that were moved, and those that are in their place."""
    other = make(tmp_path / "other", out_name="other")
    own = make("checkpoints", out_name="own")
    where = {"out_dir": unplugged.out_dir}
    for place, name in (("unplugged/ck", "disk"), ("other", "other")):
        found = find_run({**where, "checkpoint_dir": str(tmp_path / place)})
        assert (found.name, found.checkpoint_path) == (name, tmp_path / place)
    (tmp_path / "unplugged" / "ck" / "run.json").unlink()
    with pytest.raises(ValueError, match=r"3 runs in .* fit: disk, other, own\. Add --out_name"):
        find_run({**where, "checkpoint_dir": str(tmp_path / "unplugged" / "ck")})
    with pytest.raises(ValueError, match=r"2 runs in .* fit: other, own\. Add --out_name"):
        find_run({**where, "checkpoint_dir": own.checkpoint_dir})
    assert other.run_dir.is_dir()


def test_no_run_on_the_default_dataset_starts_beside_one_whose_disk_is_gone(
    unplugged, make, tmp_path
):
    with pytest.raises(ValueError) as error:
        find_run_to_train({"out_dir": unplugged.out_dir})
    assert str(error.value) == (
        f"{unplugged.out_dir} has one run: disk. To continue it, add --out_name=disk; for a new "
        "run, --dataset=digits."
    )
    make(tmp_path / "usb", out_name="cats", dataset="cats")
    shutil.rmtree(tmp_path / "usb")
    with pytest.raises(ValueError, match=r"There is no run .*/cat\. Did you mean .*/cats\?"):
        find_run_to_train({"out_dir": unplugged.out_dir, "out_name": "cat"})
    with pytest.raises(ValueError, match=r" has 2 runs: cats, disk\. To continue one, "):
        find_run_to_train({"out_dir": unplugged.out_dir})


def test_a_run_that_moved_away_from_its_checkpoints_stays_one(make, tmp_path):
    """If its --checkpoint_dir is relative, but leads out of it."""
    run = make("../ck").run_dir
    moved = tmp_path / "elsewhere" / "disk"
    moved.parent.mkdir()
    run.rename(moved)
    given = [{"out_dir": str(moved.parent)}, {"out_dir": str(moved)}]
    given.append(given[0] | {"dataset": Config.dataset, "out_name": "disk"})
    for one in given:
        with pytest.raises(ValueError, match=r"/elsewhere/disk/\.\./ck, which is not there\. Rec"):
            find_run(one)
        found = find_run({**one, "checkpoint_dir": str(run.parent / "ck")})
        assert (found.run_dir, found.learning_rate) == (moved, 0.001)
    with pytest.raises(ValueError, match=r"/elsewhere/disk/\.\./ck, which is not there\. Rec"):
        find_run_to_train(given[1])
    with pytest.raises(ValueError, match=r"has one run: disk\. To continue it, add"):
        find_run_to_train(given[0])
    assert format_runs(moved.parent).endswith("/elsewhere/disk/../ck is away")


def test_an_empty_mount_point_does_not_have_them(unplugged, tmp_path):
    (tmp_path / "usb" / "ck").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"usb/ck, which does not have them\. Reconnect"):
        check_run_owns_its_folders(unplugged)  # as train() does


def test_what_was_deleted_is_not_away(make, tmp_path):
    """The folder is still there and says whose it is, or it was in the run."""
    config = make(tmp_path / "usb" / "ck")
    (config.checkpoint_path / "step-40.index").unlink()
    check_checkpoints_are_not_away(config, config.checkpoint_path)
    assert find_run_to_train(give(config)).learning_rate == 0.001

    own = make("checkpoints", out_name="own")
    shutil.rmtree(own.checkpoint_path)
    check_checkpoints_are_not_away(own, own.checkpoint_path)
    assert are_checkpoints_away(own)


@pytest.mark.parametrize("before", ["ck2", "{}/usb/ck"])
@pytest.mark.parametrize("find", [find_run, find_run_to_train])
def test_checkpoints_that_moved_within_the_run_are_found(make, tmp_path, messages, before, find):
    """And the run keeps its settings: those of its config.json, but for the new place."""
    config = make(before.format(tmp_path))
    place = config.run_dir / "my checkpoints"
    config.checkpoint_path.rename(place)
    (config.run_dir / "best.1").mkdir()  # no run.json there
    (config.run_dir / "best.1" / "step-50.index").touch()
    with pytest.raises(ValueError) as error:
        find(give(config))
    assert str(error.value) == (
        f"The checkpoints of {config.run_dir} are in {place}, not in {config.checkpoint_path}. "
        "Add --checkpoint_dir='my checkpoints'; to start over, move them out of the run, or give "
        "another --out_name."
    )
    for more in ({}, {"dataset": config.dataset}):
        found = find(give(config, checkpoint_dir="my checkpoints", **more))
        assert (found.checkpoint_path, found.learning_rate) == (place, 0.001)
    check_run_owns_its_folders(found)
    assert not any("config.json" in line for line in messages)


def test_a_run_stays_one_while_its_disk_is_gone(unplugged, tmp_path):
    assert is_run_folder(unplugged.run_dir)
    assert format_runs(unplugged.run_dir).endswith(f"{tmp_path}/usb/ck is away")
