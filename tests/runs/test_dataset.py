"""A dataset is its content: the same images under another spelling, and other images."""

import dataclasses
import fcntl
import re
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image
from program import is_one_line, run_here, tree

from config.settings import FROM_ARRAY
from config.stored import write_config
from data.labels import Labels
from runs.dataset import (
    announce_change_of_dataset,
    find_run_of_same_images,
    keep_label_names_of_run,
    keep_new_place_of_same_images,
    list_runs_that_may_have_dataset,
    name_run_of_array,
    read_label_names_of_run,
    take_dataset_into_settings,
    warn_of_images_not_trained_on,
)
from runs.history import locate_metrics
from runs.not_found import dataset_may_be_of_run
from runs.read import read_run
from train import train, train_on_dataset


@pytest.fixture
def train_on(tmp_path, caplog):
    """Trains the same run, or another one, on what --dataset means; (exit code, log)."""
    steps = iter(range(1, 99))

    def train(*flags):
        caplog.clear()
        places = [f"--data_dir={tmp_path / 'data'}", f"--out_dir={tmp_path / 'out'}"]
        small = ["--blocks=1", "--g_updates=1", "--train", f"--steps={next(steps)}"]
        return run_here(*small, *places, *flags), caplog.text

    return train


@pytest.mark.slow
def test_the_same_images_spelled_another_way_go_on(
    train_on, image_folder, tmp_path, monkeypatch, capsys
):
    folder = image_folder(10)
    monkeypatch.chdir(tmp_path)
    for spelled in ("faces", "data/faces", folder, "./data/../data/faces"):
        code, said = train_on(f"--dataset={spelled}")
        assert code == 0, capsys.readouterr().err
        assert "another place" not in said
    config = read_run(tmp_path / "out" / "faces-16x16")
    assert config.dataset_place == str(folder)

    moved = folder.rename(tmp_path / "faces")
    code, said = train_on(f"--dataset={moved}")
    assert code == 0
    assert f"with the same images in another place: {moved} (before: {folder})" in said
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as file:
        for path in sorted(moved.iterdir()):
            file.write(path, path.name)
    assert train_on(f"--dataset={tmp_path / 'faces.zip'}")[0] == 0

    for spelled in (tmp_path / "faces.zip", "/elsewhere/faces"):
        flags = [f"--dataset={spelled}", f"--out_dir={tmp_path / 'out'}"]
        assert run_here(*flags, "--sample=1", tiny=("--output_height=16",)) == 0


def test_other_images_are_refused_with_both_places(train_on, image_folder, tmp_path, capsys):
    cats = image_folder(10, "cats/train")
    assert train_on(f"--dataset={cats}")[0] == 0
    dogs = image_folder(11, "dogs/train")
    for name in ((), ("--out_name=train-16x16",)):
        capsys.readouterr()
        assert train_on(f"--dataset={dogs}", *name)[0] == 1
        said = capsys.readouterr().err
        assert is_one_line(said)
        told = f"was trained on images from {cats}. Received: other images from {dogs}. Start"
        assert told in said

    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(cats / "new.png")
    code, said = train_on(f"--dataset={cats}")
    assert code == 0
    assert f"the images in {cats} have changed" in said
    code, said = train_on(f"--dataset={cats}")
    assert (code, "have changed" in said) == (0, False)


def test_other_images_are_refused_where_the_checkpoints_were_moved(trained, photos, tmp_path):
    config = trained(dataset_place=str(tmp_path / "cats"), dataset_fingerprint="x")
    config.checkpoint_path.rename(config.run_dir / "ck2")
    moved = dataclasses.replace(config, checkpoint_dir="ck2")
    with pytest.raises(ValueError, match=r"^A run keeps its own images: .* from .*/dogs\. Start"):
        take_dataset_into_settings(moved, photos(2), str(tmp_path / "dogs"))


@pytest.mark.slow
def test_other_images_are_refused_as_such_even_if_their_labels_differ(
    train_on, image_folder, capsys
):
    for place, classes in (("one", "ab"), ("two", "xyz")):
        for number, name in enumerate(classes):
            image_folder(8 + number, f"{place}/pets/{name}")
    pets = [image_folder(0, f"{place}/pets") for place in ("one", "two")]
    assert train_on(f"--dataset={pets[0]}", "--labels=folder")[0] == 0
    capsys.readouterr()
    assert train_on(f"--dataset={pets[1]}", "--labels=folder")[0] == 1
    said = capsys.readouterr().err
    assert f"trained on images from {pets[0]}. Received: other images from {pets[1]}." in said


def test_arrays_are_known_by_their_pixels(tiny, photos, messages):
    images = photos(5, 16, 16)
    begun = take_dataset_into_settings(tiny().resolve(), images)
    begun.checkpoint_path.mkdir(parents=True)
    (begun.checkpoint_path / "step-1.index").touch()
    write_config(begun)
    assert (begun.dataset_place, take_dataset_into_settings(begun, images)) == ("", begun)
    for others in (images[:4], images[::-1]):
        with pytest.raises(ValueError, match=r"array\. Received: other images, .* from another a"):
            take_dataset_into_settings(tiny().resolve(), others)
    moved = take_dataset_into_settings(begun, images, "/a")
    assert moved.dataset_place == "/a"
    announce_change_of_dataset(begun, 5)
    announce_change_of_dataset(moved, 5)
    another = dataclasses.replace(begun, out_name="another")
    assert take_dataset_into_settings(another, images[:4])
    write_config(dataclasses.replace(begun, dataset="imported", out_name=begun.name))
    assert take_dataset_into_settings(begun, images[:4])
    assert messages == [
        f"{begun.run_dir} continues with the same images in another place: /a (before: an array)."
    ]


def test_a_run_that_lacks_its_data_is_found_by_any_spelling_of_them(tiny):
    run = tiny(dataset="faces", dataset_place="/home/me/photos")
    for dataset in ("faces", "/anywhere/faces", "x/faces.zip", "/home/me/photos"):
        assert dataset_may_be_of_run(run, dataset)
    for dataset in ("cats", "/home/me", "digits"):
        assert not dataset_may_be_of_run(run, dataset)
    assert dataset_may_be_of_run(tiny(dataset="b", first_dataset="cats"), "/x/cats.zip")


@pytest.mark.slow
def test_a_renamed_dataset_continues_its_run_with_its_labels(train_on, image_folder, capsys):
    folder = image_folder(10)
    for number, path in enumerate(sorted(folder.iterdir())):
        kind = folder / ("cats" if number % 2 else "dogs")
        kind.mkdir(exist_ok=True)
        path.rename(kind / path.name)
    assert train_on(f"--dataset={folder}", "--labels=folder")[0] == 0
    moved = folder.rename(folder.with_name("portraits"))
    code, said = train_on(f"--dataset={moved}")
    assert code == 0, capsys.readouterr().err
    assert f"faces-16x16 continues with the same images in another place: {moved}" in said


@pytest.mark.slow
def test_a_renamed_dataset_continues_its_run(train_on, image_folder, tmp_path, capsys):
    folder = image_folder(10)
    assert train_on(f"--dataset={folder}")[0] == 0
    moved = folder.rename(folder.with_name("portraits"))
    assert train_on(f"--dataset={moved}", "--dry_run")[0] == 0
    other = tmp_path / "out" / "faces-16x16"
    assert f"or       {other}, which continues if these are its images" in capsys.readouterr().out
    code, said = train_on(f"--dataset={moved}")

    assert code == 0
    assert f"faces-16x16 continues with the same images in another place: {moved}" in said
    code, said = train_on(f"--dataset={moved}")  # again: now it is that run's dataset
    assert code == 0
    assert "another place" not in said
    assert train_on("--dataset=Portraits")[0] == 0  # another spelling of the same
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["faces-16x16"]
    assert len(list((tmp_path / "data" / ".packs").glob("*.npy"))) == 2  # one of each name


def test_only_the_run_that_continues_is_locked(
    train_on, image_folder, tmp_path, monkeypatch, capsys
):
    """A folder of the images' new name would take in a run that is renamed to it."""
    import train

    folder, out = image_folder(10), tmp_path / "out"
    assert train_on(f"--dataset={folder}")[0] == 0
    moved = folder.rename(folder.with_name("portraits"))
    seen = []

    def look(*_, **__):
        seen.append(sorted(path.relative_to(out).as_posix() for path in out.glob("*/lock")))
        seen.append([path.name for path in out.iterdir()])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train, "train_on_dataset", look)
        assert train_on(f"--dataset={moved}")[0] == 130
    assert seen == [["faces-16x16/lock"], ["faces-16x16"]]
    assert not [*out.glob("*/lock")]

    capsys.readouterr()
    with (out / "faces-16x16" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert train_on(f"--dataset={moved}")[0] == 1
    said = capsys.readouterr().err
    assert is_one_line(said) and f"Received: {out / 'faces-16x16'} is in use by" in said
    assert [path.name for path in out.iterdir()] == ["faces-16x16"]


def test_images_of_celeba_under_another_name_keep_its_crop(
    train_on, image_folder, tmp_path, capsys
):
    folder, run = image_folder(10, "celebA"), tmp_path / "out" / "celebA-16x16"
    for path in folder.iterdir():
        Image.open(path).resize((120, 120)).save(path)
    assert train_on("--dataset=celebA")[0] == 0
    moved = folder.rename(folder.with_name("portraits"))
    for action in ("--dry_run", "--train"):
        code, said = train_on(f"--dataset={moved}", action)
        assert code == 0
        assert (
            f"If {run} was trained on these images, with another crop, continue it with "
            "--out_name=celebA-16x16."
        ) in said
        assert "\nor " not in capsys.readouterr().out

    code, said = train_on(f"--dataset={moved}", "--out_name=celebA-16x16")
    assert code == 0, capsys.readouterr().err
    assert f"{run} continues with the same images in another place: {moved}" in said
    assert "changed from now on" not in said
    assert read_run(run).crop_sides == (108, None)
    assert "another place" not in train_on("--out_name=celebA-16x16")[1]


def test_a_dry_run_knows_what_the_packed_images_decide(trained, image_folder, tmp_path, capsys):
    cats, dogs = image_folder(10, "cats"), image_folder(11, "dogs")
    config = trained(dataset=str(cats), dataset_place=str(cats), dataset_fingerprint="x")
    where = f"--out_dir={config.out_dir}", f"--out_name={config.name}", f"--data_dir={tmp_path}"
    flags = f"--dataset={dogs}", *where, "--steps=9", "--train"
    assert run_here(*flags, "--dry_run", tiny=()) == 0
    told = f"\nif       these are the images of {cats}: a run keeps its own\n"
    assert told in capsys.readouterr().out

    refusal = f"images from {cats}. Received: other images%s from {dogs}."
    for more in ([], ["--dry_run"]):  # training packs them
        assert run_here(*flags, *more, tiny=()) == 1
        assert refusal % ", or the same in another order," in capsys.readouterr().err
    write_config(
        dataclasses.replace(config, epoch_sizes=(0, 10))
    )  # not as many: cannot be the same
    assert run_here(*flags, tiny=()) == 1
    assert refusal % "" in capsys.readouterr().err


def test_a_dry_run_finds_the_run_of_packed_images(train_on, image_folder, tmp_path, capsys):
    folder = image_folder(10)
    assert train_on(f"--dataset={folder}", "--out_name=other")[0] == 0
    assert train_on(f"--dataset={folder}")[0] == 0
    moved = folder.rename(folder.with_name("portraits"))
    assert train_on(f"--dataset={moved}", "--out_name=portraits")[0] == 0
    capsys.readouterr()
    assert train_on(f"--dataset={moved}", "--dry_run")[0] == 0
    out = capsys.readouterr().out
    assert f"\nrun      {tmp_path / 'out' / 'faces-16x16'}, at step 2 of 4" in out
    assert "\nor " not in out


@pytest.mark.slow
def test_a_renamed_run_stays_as_it_is_and_is_named(train_on, image_folder, tmp_path):
    out = tmp_path / "out"
    assert train_on(f"--dataset={image_folder(10)}")[0] == 0
    kept = tree((out / "faces-16x16").rename(out / "kept"))
    code, said = train_on("--dataset=faces")

    assert code == 0
    line = f"{out}/kept has the same images. {out}/faces-16x16 is a new run; to continue the other"
    assert f"{line} instead, add --out_name=kept." in said
    assert tree(out / "kept") == kept
    assert train_on("--dataset=faces", "--nocrop")[0] == 0  # the new run continues on its own
    assert tree(out / "kept") == kept


@pytest.fixture
def begun(tiny):
    """A factory of runs that have the settings of a trained one, but no networks."""

    def begin(images, **changes):
        config = take_dataset_into_settings(tiny(**changes).resolve(), images, "/images")
        config.checkpoint_path.mkdir(parents=True)
        (config.checkpoint_path / "step-1.index").touch()
        write_config(config)
        return config

    return begin


def test_a_run_that_was_called_like_the_new_one_is_mentioned(begun, photos, messages):
    images = photos(5, 16, 16)
    two = begun(images, out_name="two")
    begun(images, out_name="three")
    given = {"out_dir": two.out_dir, "out_name": "two", "dataset": two.dataset}
    two.run_dir.rename(two.run_dir.with_name("renamed"))
    assert find_run_of_same_images(two, given, images, "/images") == two
    renamed, new = two.run_dir.with_name("renamed"), two.run_dir
    line = f"{renamed} has the same images. {new} is a new run; to continue the other instead, add"
    assert messages == [f"{line} --out_name=renamed."]
    assert find_run_of_same_images(two, given, images[:4], "/images") == two
    assert len(messages) == 1
    find_run_of_same_images(two, given, images)  # from Python
    assert messages[1] == f"{line.removesuffix('add')}use Config(out_name='renamed')."


def test_a_new_run_around_the_run_of_its_images_is_refused(begun, photos):
    images = photos(5, 16, 16)
    run = begun(images, dataset="/dogs")
    new = {"first_dataset": "", "dataset_fingerprint": "", "out_name": ""}
    here = dataclasses.replace(run, dataset="/hounds", **new).resolve()
    here.run_dir.mkdir()
    moved = run.run_dir.rename(here.run_dir / run.name)
    given = {"out_dir": run.out_dir, "dataset": "/hounds"}
    assert find_run_of_same_images(here, given, images[:4], "/hounds") == here
    told = f"{here.run_dir} holds another run: {moved}. To continue that: --out_dir={moved}. For a "
    with pytest.raises(ValueError, match=re.escape(told)):
        find_run_of_same_images(here, given, images, "/hounds")


def test_images_that_changed_after_they_moved_are_still_those_of_their_run(begun, photos):
    images = photos(5, 16, 16)
    run = begun(images, dataset="/images")
    new = {"first_dataset": "", "dataset_fingerprint": "", "out_name": ""}
    here = dataclasses.replace(run, dataset="/pictures", **new).resolve()
    given = {"out_dir": run.out_dir, "dataset": "/pictures"}
    assert find_run_of_same_images(here, given, images[:4], "/elsewhere") == here
    found = find_run_of_same_images(here, given, images[:4], "/images")
    assert found.run_dir == run.run_dir != here.run_dir
    named = dataclasses.replace(here, out_name="new")
    assert (
        find_run_of_same_images(named, given | {"out_name": "new"}, images[:4], "/images") == named
    )


def test_the_use_of_other_images_is_told(begun, photos, messages):
    images = photos(5, 16, 16)
    run = begun(images)
    warn_of_images_not_trained_on(run, images, "/moved")
    assert messages == []
    warn_of_images_not_trained_on(run, images[:4], "/images")
    warn_of_images_not_trained_on(run, images[:4], "/b")
    told = f"{run.run_dir} was trained on other images"
    assert messages == [
        f"{told}; this uses those in /images.",
        f"{told}, /images; this uses those in /b.",
    ]
    of_array = dataclasses.replace(run, dataset_place="")
    warn_of_images_not_trained_on(of_array, images[:4], "/b")
    assert messages[2:] == [f"{told}, an array; this uses those in /b."]


@pytest.mark.slow
def test_what_is_drawn_after_training_is_of_the_run_that_was_trained(
    train_on, image_folder, capsys
):
    """Although another has the same images."""
    folder = image_folder(10)
    assert train_on(f"--dataset={folder}")[0] == 0
    assert train_on(f"--dataset={folder}", "--out_name=mine")[0] == 0
    moved = folder.rename(folder.with_name("portraits"))
    assert train_on(f"--dataset={moved}", "--out_name=mine")[0] == 0
    code, said = train_on(f"--dataset={moved}", "--sample=1")
    assert code == 0
    assert "faces-16x16 is used, as it has these images and a default name; 1 other fits" in said
    assert "faces-16x16/samples/seed_0" in capsys.readouterr().out


def test_a_refusal_comes_without_warnings(begun, photos, messages):
    images = photos(5, 16, 16)
    run = begun(images, batch_size=8)
    with pytest.raises(ValueError, match=r"^A run keeps its own images"):
        train_on_dataset(run, images[:4], None, place="/elsewhere")

    names = ("a", "b", "c")
    labelled = begun(images, out_name="labelled", labels="folder", label_names=names)
    for others, remedy in (
        (("a", "b", "c", "wolf"), "Take wolf out of the dataset, or start another run"),
        (("a", "c"), "Bring b back into the dataset, or start another run"),
        (("A", "b", "c"), "Give them their old names, or start another run"),
    ):
        y = np.eye(len(others), dtype=np.float32)[[0, 1, 0, 1]]
        with pytest.raises(ValueError, match=rf"^The labels are fixed .* {remedy}"):
            train_on_dataset(labelled, images[:4], Labels(others, y), place="/images")
    for others, classes, told in (
        (("a", "c", "b"), [0, 1, 2, 0, 1], "Received: a, c, b. Give them in that order"),
        (None, [0, 1, 2, 3, 0], "Received: a, b, c, 3. Take 3 out"),
    ):
        config = dataclasses.replace(labelled, label_names=others)
        with pytest.raises(ValueError, match=f"^The labels are fixed .*{told}"):
            train(config, images, np.array(classes))
    assert messages == []


def test_changed_images_are_told_with_their_number(begun, photos, messages):
    images = photos(5, 16, 16)
    run = begun(images, epoch_sizes=(0, 5))
    announce_change_of_dataset(run, 5)
    assert messages == []
    announce_change_of_dataset(take_dataset_into_settings(run, images[:4], "/images"), 4)
    assert messages[0].startswith("the images in /images have changed (5 before, now 4): ")
    announce_change_of_dataset(take_dataset_into_settings(run, 255 - images, "/images"), 5)
    assert messages[1].startswith(f"the images in /images have changed: {run.run_dir} continues")


def test_other_labels_of_the_same_images_are_told(begun, photos, messages):
    images = photos(5, 16, 16)
    run = begun(images, labels_fingerprint="before")
    announce_change_of_dataset(run, 5)
    assert messages == []
    announce_change_of_dataset(dataclasses.replace(run, labels_fingerprint="now"), 5)
    told = f"the labels of the same images have changed: {run.run_dir} learns the new ones from now"
    assert messages == [f"{told} on."]


def test_a_flag_that_gives_other_images_is_named(begun, photos, messages):
    """Nothing in the dataset's folder has changed."""
    images = photos(5, 16, 16)
    run = begun(images, epoch_sizes=(0, 5))
    fewer = dataclasses.replace(run, train_size=4)
    announce_change_of_dataset(take_dataset_into_settings(fewer, images[:4], "/images"), 4)
    cropped = dataclasses.replace(run, crop=False)
    announce_change_of_dataset(take_dataset_into_settings(cropped, 255 - images, "/images"), 5)
    goes_on = ": it continues with them, and keeps its epochs so far."
    assert messages[0].startswith(
        f"--train_size=4 gives {run.run_dir} other images (5 before, now 4){goes_on}"
    )
    assert messages[1].startswith(f"--nocrop gives {run.run_dir} other images{goes_on}")


def test_a_run_of_the_same_images_with_other_labels_is_only_mentioned(begun, photos, messages):
    images, names = photos(5, 16, 16), ("a", "b")
    run = begun(images, out_name="", labels="own", label_names=names)
    new = dataclasses.replace(run, dataset="/moved", out_name="", label_names=None)
    given = {"dataset": "/moved", "out_dir": run.out_dir, "labels": "own"}
    found = find_run_of_same_images(new, given, images, "/moved", ("b", "a"))
    assert (found.name, found.label_names) == (run.name, names)
    assert messages == []
    assert find_run_of_same_images(new, given, images, "/moved", ("a", "c")) is new
    told = f"{run.run_dir} has the same images with other labels: a, b. {new.run_dir} is a new run."
    assert messages == [told]

    fits = begun(images, dataset="icons", out_name="", labels="own", label_names=("a", "c"))
    assert find_run_of_same_images(new, given, images, "/moved", ("a", "c")).name == fits.name
    assert messages == [told]  # no new run starts now


def test_a_run_of_the_same_images_with_another_kind_of_labels_is_mentioned(begun, photos, messages):
    images = photos(5, 16, 16)
    run = begun(images, out_name="", labels="own", label_names=("a", "b"))
    new = dataclasses.replace(run, dataset="/moved", out_name="", labels="none", label_names=None)
    given = {"dataset": "/moved", "out_dir": run.out_dir, "labels": "none"}
    assert find_run_of_same_images(new, given, images, "/moved") is new
    told = f"{run.run_dir} has the same images, with --labels=own. {new.run_dir} is a new run."
    assert messages == [told]


def test_a_run_of_the_same_images_without_checkpoints_is_mentioned(begun, photos, messages):
    images = photos(5, 16, 16)
    run = begun(images, out_name="")
    shutil.rmtree(run.checkpoint_path)
    locate_metrics(run).parent.mkdir()
    locate_metrics(run).write_text('{"step": 40}\n')
    new = dataclasses.replace(run, dataset="/moved", out_name="")
    given = {"dataset": "/moved", "out_dir": run.out_dir}
    assert find_run_of_same_images(new, given, images, "/moved") is new
    told = f"{run.run_dir} has the same images, but no checkpoint is left. {new.run_dir} is a new "
    assert messages == [f"{told}run."]


def test_one_of_several_runs_of_the_same_images_is_not_chosen(begun, photos, messages):
    images = photos(5, 16, 16)
    for name in ("one", "two"):
        begun(images, out_name=name)
    new = dataclasses.replace(begun(255 - images), dataset="/moved", out_name="")
    given = {"dataset": "/moved", "out_dir": new.out_dir}
    assert find_run_of_same_images(new, given, images, "/moved") is new
    [line] = messages
    assert line.endswith("to continue one of them instead, add --out_name=NAME.")


def test_of_several_runs_of_the_same_images_the_labels_choose(begun, photos, messages):
    """Without labels, the images may be those of a run with labels, but cannot continue it."""
    images = photos(5, 16, 16)
    plain = begun(images, out_name="", dataset="icons")
    begun(images, out_name="", dataset="sorted", labels="folder", label_names=("a", "b"))
    new = dataclasses.replace(plain, dataset="/moved", out_name="")
    given = {"dataset": "/moved", "out_dir": new.out_dir}
    assert find_run_of_same_images(new, given, images, "/moved").name == plain.name
    assert messages == []


def test_a_named_run_of_the_same_images_is_told_when_another_continues(begun, photos, messages):
    images = photos(5, 16, 16)
    unnamed = begun(images, out_name="", dataset="icons")
    begun(images, out_name="mine", dataset="/moved")
    new = dataclasses.replace(unnamed, dataset="/moved", out_name="")
    given = {"dataset": "/moved", "out_dir": new.out_dir}
    assert find_run_of_same_images(new, given, images, "/moved").name == unnamed.name
    assert messages == [
        f"{unnamed.run_dir} is used, as it has these images and a default name; 1 other fits: mine "
        "(--out_name=NAME)."
    ]


def test_a_complete_run_keeps_the_new_place_of_its_images(begun, photos, messages):
    """Images that are added there later are its own."""
    images = photos(5, 16, 16)
    run = begun(images)
    moved = dataclasses.replace(run, dataset="/new", data_dir="/data", batch_size=99)
    keep_new_place_of_same_images(take_dataset_into_settings(run, images, "/images"))
    keep_new_place_of_same_images(take_dataset_into_settings(moved, 255 - images, "/images"))
    assert messages == []  # the place is known; other images are not kept
    keep_new_place_of_same_images(take_dataset_into_settings(moved, images, "/new"))
    told = "has the same images in another place from now on: /new (before: /images)."
    assert messages == [f"{run.run_dir} {told}"]
    kept = read_run(run.run_dir)
    assert (kept.dataset, kept.dataset_place, kept.data_dir) == ("/new", "/new", "/data")
    assert kept.batch_size == run.batch_size  # nothing was trained with the other one
    more = np.concatenate([images, images])
    assert take_dataset_into_settings(kept, more, "/new").dataset_place == "/new"


def test_the_new_data_dir_of_a_complete_run_has_an_effect(train_on, image_folder, tmp_path):
    folder = image_folder(10)
    assert train_on("--dataset=faces", "--steps=1")[0] == 0
    moved = folder.parent.rename(tmp_path / "moved")
    code, said = train_on("--dataset=faces", "--steps=1", f"--data_dir={moved}", "--l2=0.1")
    assert code == 0
    assert f"in another place from now on: {moved / 'faces'} (before: {folder})." in said
    assert "has no effect: --l2=0.1 (before: 0.0).\n" in said
    assert read_run(tmp_path / "out" / "faces-16x16").data_dir == str(moved)


def test_a_run_of_arrays_and_files_in_turn_keeps_its_dataset(tiny, photos):
    """Config's default dataset is none that an array came from."""
    images = photos(5, 16, 16)
    begun = take_dataset_into_settings(tiny(dataset="digits", out_name="run").resolve(), images)
    begun.checkpoint_path.mkdir(parents=True)
    (begun.checkpoint_path / "step-1.index").touch()
    write_config(begun)
    assert (begun.dataset, begun.first_dataset) == (FROM_ARRAY, FROM_ARRAY)
    # As runs from before this were written.
    write_config(dataclasses.replace(begun, first_dataset="digits"))

    with_files = dataclasses.replace(begun, dataset="/a.npy")
    write_config(take_dataset_into_settings(with_files, images, "/a.npy"))
    again = take_dataset_into_settings(dataclasses.replace(begun, dataset="digits"), images)
    assert (again.dataset, again.dataset_place) == ("/a.npy", "/a.npy")
    assert dataset_may_be_of_run(again, "/a.npy")
    assert not dataset_may_be_of_run(again, "digits")


@pytest.mark.parametrize("flag", ["--sample_dir", "--checkpoint_dir"])
def test_a_run_does_not_draw_into_its_dataset(train_on, image_folder, flag, capsys):
    folder = image_folder(10)
    before = tree(folder)
    assert train_on(f"--dataset={folder}", f"{flag}={folder}")[0] == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    assert f"{flag} must not lead to the folder of the images. Received: {folder}." in said
    assert tree(folder) == before


@pytest.mark.slow
def test_a_run_that_a_user_named_is_not_continued_without_its_name(
    train_on, image_folder, tmp_path
):
    image_folder(10)
    assert train_on("--dataset=faces", "--out_name=mine")[0] == 0
    code, said = train_on("--dataset=faces")
    assert code == 0
    assert "out/mine has the same images." in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["faces-16x16", "mine"]


@pytest.mark.slow
def test_a_run_of_another_size_is_mentioned(train_on, image_folder, tmp_path, caplog):
    folder, out = image_folder(10), tmp_path / "out"
    assert train_on(f"--dataset={folder}")[0] == 0
    flags = [f"--dataset={folder}", f"--out_dir={out}", f"--data_dir={folder.parent}"]
    assert run_here(*flags, "--stem_width=32", "--steps=1", "--train", tiny=()) == 0
    line = f"{out}/faces-64x64 is a new run, at 64x64; to continue {out}/faces-16x16, at 16x16, "
    assert f"{line}add --out_name=faces-16x16." in caplog.text


def test_a_run_of_another_size_is_not_mentioned_if_the_flags_do_not_fit_it(begun, photos, messages):
    images = photos(5, 16, 16)
    run = begun(images, dataset="/faces", labels="own", label_names=("a", "b"))
    begun(images, dataset="/dogs", labels="none")
    large = dataclasses.replace(run, output_height=32, output_width=32, out_name="")
    given = {"out_dir": run.out_dir, "dataset": "/faces"}
    find_run_of_same_images(large, given | {"labels": "none"}, images[:4], "/elsewhere")
    assert messages == []
    find_run_of_same_images(large, given | {"labels": "own"}, images[:4], "/elsewhere")
    [line] = messages
    assert line.endswith(f"to continue {run.run_dir}, at 16x16, add --out_name={run.name}.")


@pytest.mark.slow
def test_a_run_without_checkpoints_keeps_its_own_settings(train_on, image_folder, tmp_path):
    folder = image_folder(10)
    assert train_on(f"--dataset={folder}", "--out_name=mine", "--learning_rate=1e-4")[0] == 0
    shutil.rmtree(tmp_path / "out" / "mine" / "checkpoints")
    flags = [f"--data_dir={tmp_path / 'data'}", f"--out_dir={tmp_path / 'out'}", "--steps=1"]
    assert run_here(*flags, "--out_name=mine", "--train", tiny=()) == 0

    run = read_run(tmp_path / "out" / "mine")
    assert (run.dataset, run.height, run.learning_rate) == (str(folder), 16, 1e-4)


def test_a_run_that_starts_anew_is_still_called_after_its_first_dataset(tiny, photos):
    config = tiny(dataset="grey", first_dataset="gray", out_name="gray-16x16", c_dim=3)
    config.run_dir.mkdir(parents=True)
    write_config(config)  # and no checkpoint
    taken = take_dataset_into_settings(config, photos(5, 16, 16), "/data/grey")
    assert taken.first_dataset == "gray"


def test_a_run_of_an_array_is_of_no_dataset(tiny, photos, capsys):
    begun = take_dataset_into_settings(tiny().resolve(), photos(5, 16, 16))
    begun.checkpoint_path.mkdir(parents=True)
    (begun.checkpoint_path / "step-1.index").touch()
    write_config(begun)

    assert not dataset_may_be_of_run(begun, "digits")
    for action in ("--train", "--dry_run"):
        flags = [f"--out_dir={begun.out_dir}", f"--out_name={begun.name}", action]
        assert run_here(*flags, tiny=()) == 1
        assert "on an array, which is not kept. Received: no dataset. Continue from Python" in (
            capsys.readouterr().err
        )


def test_a_run_keeps_the_names_of_its_labels(begun, photos, messages):
    run = begun(photos(5, 16, 16), labels="own", label_names=("cat", "dog"))
    known = read_label_names_of_run(run)
    assert known == ("cat", "dog")
    for names in (None, ("cat", "dog"), ("dog", "cat"), ("cat", "dog", "cow")):
        given = dataclasses.replace(run, label_names=names)
        assert keep_label_names_of_run(given, known).label_names == known
    assert messages == []
    numbered = keep_label_names_of_run(run, ("0", "1"))
    assert numbered.label_names == ("cat", "dog")
    told = "names its classes from now on: cat, dog (before: 0, 1)."
    assert messages == [f"{run.run_dir} {told}"]
    other = dataclasses.replace(run, out_name="other")
    assert read_label_names_of_run(other) == ()
    assert keep_label_names_of_run(other, ()) == other


def test_a_run_of_an_array_is_called_array_unless_it_is_named(tiny, photos):
    images = photos(5, 16, 16)
    name = lambda **changes: name_run_of_array(tiny(**changes), images).name  # noqa: E731
    assert name() == "array-16x16"
    assert name(output_width=24) == "array-16x24"
    assert name(out_name="mine") == "mine"
    assert name(dataset="faces") == "faces-16x16"
    assert name_run_of_array(tiny().resolve(), images).name == "digits-16x16"  # a run's settings


def test_a_run_of_an_array_that_is_called_digits_goes_on(tiny, photos):
    """Older versions called it so."""
    images = photos(5, 16, 16)
    old = take_dataset_into_settings(tiny().resolve(), images)
    old.run_dir.mkdir(parents=True)
    write_config(old)
    assert (old.name, old.dataset) == ("digits-16x16", FROM_ARRAY)
    assert name_run_of_array(tiny(), images).name == "digits-16x16"
    assert name_run_of_array(tiny(), images[:4]).name == "array-16x16"
    assert name_run_of_array(tiny(stem_width=64), images).name == "array-16x16"

    new = dataclasses.replace(old, out_name="array-16x16")
    new.run_dir.mkdir()
    write_config(new)
    assert name_run_of_array(tiny(), images).name == "array-16x16"


def test_a_run_of_an_array_goes_on_with_its_images_in_a_folder(tiny, photos):
    """Each time: it keeps the name that tells what it began with."""
    images = photos(5, 16, 16)
    config = name_run_of_array(tiny(), images).resolve()
    begun = take_dataset_into_settings(config, images)
    begun.checkpoint_path.mkdir(parents=True)
    (begun.checkpoint_path / "step-1.index").touch()
    write_config(begun)
    given = {"dataset": "/same", "out_dir": begun.out_dir}
    new = tiny(dataset="/same").resolve()
    for _ in range(3):
        found = find_run_of_same_images(new, given, images, "/same")
        assert found.name == "array-16x16"
        write_config(take_dataset_into_settings(found, images, "/same"))


def test_a_run_of_an_array_does_not_stand_for_a_dataset_that_is_not_read_yet(tiny, photos):
    config = name_run_of_array(tiny(), photos(5, 16, 16)).resolve()
    begun = take_dataset_into_settings(config, photos(5, 16, 16))
    begun.checkpoint_path.mkdir(parents=True)
    (begun.checkpoint_path / "step-1.index").touch()
    write_config(begun)
    given = {"dataset": "faces", "out_dir": begun.out_dir}
    assert list_runs_that_may_have_dataset(tiny(dataset="faces").resolve(), given) == []
