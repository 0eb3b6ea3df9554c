"""A run whose images are no longer where its config.json says: the line says so, and the remedy."""

import numpy as np
import pytest
from program import is_one_line, run_here

from config.stored import write_config


@pytest.fixture
def run_on(tiny):
    """A factory of the folder of a run that was trained on `dataset`, at `place`."""

    def make(dataset, place="", **settings):
        places = {"dataset": str(dataset), "dataset_place": str(place)}
        config = tiny(**places, **{"out_name": "run"} | settings).resolve()
        config.checkpoint_path.mkdir(parents=True)
        (config.checkpoint_path / "step-1.index").touch()
        write_config(config)
        return config.run_dir

    return make


def refused(capsys, run, *flags):
    """The error of a command that names the run by its folder."""
    capsys.readouterr()
    assert run_here(f"--out_dir={run.parent}", f"--out_name={run.name}", *flags, tiny=()) == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    return said.removeprefix("error: ").strip()


def test_images_that_are_gone_may_have_moved(run_on, tmp_path, capsys):
    faces = tmp_path / "faces"
    run = run_on(faces, faces)
    line = (
        f"{run}/config.json names {faces}, where there are no longer any images. "
        "If they have moved, add --dataset=NEWPLACE."
    )
    for action in ("--train", "--dry_run", "--evaluate=swd", "--explore=dedup"):
        assert refused(capsys, run, action) == line
    assert refused(capsys, run, "--train", f"--config={run}/config.json") == line
    faces.mkdir()  # like a disk that is not mounted
    assert refused(capsys, run, "--train") == line


def test_the_folder_of_a_named_set_may_have_moved(run_on, tmp_path, capsys):
    place = tmp_path / "data" / "mnist"
    run = run_on("mnist", place)
    told = (
        f"{run} was trained on {place}, which is gone. If mnist is in another folder now, add "
        f"--data_dir=FOLDER; if it has another name, --dataset=NEWPLACE --out_name={run.name}."
    )
    typed = ["--train", "--dataset=mnist"]
    for flags in (["--train"], typed, ["--evaluate=swd"], ["--explore=dedup"]):
        assert refused(capsys, run, *flags, f"--data_dir={tmp_path / 'data'}") == told
    place.parent.mkdir()
    place.mkdir()  # it is there, and holds no images
    assert not refused(capsys, run, "--train").startswith(told)


def test_a_new_run_on_a_named_set_is_told_where_another_run_has_it(run_on, tmp_path, capsys):
    place = tmp_path / "my data" / "mnist"
    run = run_on("mnist", place, data_dir=str(tmp_path / "my data"))
    flags = "--train", "--dataset=mnist", f"--data_dir={tmp_path}/none", "--out_name=new"
    given = (f"--out_dir={run.parent}", *flags)
    for is_there, told in (
        (False, f"{run} had its images in {place}, which is gone. If they have moved, add --data_"),
        (True, f"{run} has its images in {place}: add --data_dir='{tmp_path}/my data'."),
    ):
        if is_there:
            place.mkdir(parents=True)
        assert run_here(*given, tiny=()) == 1
        said = capsys.readouterr().err
        assert is_one_line(said) and said.startswith("error: There is no mnist in ")
        assert told in said


def test_the_folder_of_a_named_set_was_renamed(run_on, tmp_path, capsys):
    """A run has continued there since."""
    data = tmp_path / "my data"
    place = data / "digits-mnist"
    place.mkdir(parents=True)
    run = run_on(place, place, first_dataset="mnist", out_name="mnist-16x16")
    given = "--train", "--dataset=mnist", f"--data_dir={data}"
    said = refused(capsys, run, *given)
    assert said.startswith(f"There is no mnist in {data}. Run ")
    remedy = f"--dataset='{place}' --out_name=mnist-16x16"
    assert said.endswith(f" {run} has its images in {place}: add {remedy}.")
    said = refused(capsys, run, "--train", f"--dataset={data}/dogs")  # never the run's
    assert f"{run}" not in said
    place.rmdir()
    assert f"{run}" not in refused(capsys, run, *given)


def test_a_missing_path_is_in_no_data_dir(run_on, tmp_path, capsys):
    faces = tmp_path / "faces"
    run = run_on(faces, faces)
    given = (f"--out_dir={run.parent}", "--train", f"--dataset={faces}", "--out_name=new")
    assert run_here(*given, tiny=()) == 1
    said = capsys.readouterr().err
    assert is_one_line(said) and "--data_dir" not in said


def test_a_folder_of_other_files_is_told_as_ever(run_on, tmp_path, capsys):
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "a.heic").touch()
    (tmp_path / "faces" / "a.png").touch()
    run = run_on(tmp_path / "faces", tmp_path / "faces")
    said = refused(capsys, run, "--train", "--input_fname_pattern=*.jpg")
    assert said.startswith(f"{tmp_path}/faces must hold files like *.jpg. Received: 1 .")


def test_a_relative_path_from_another_folder(run_on, tmp_path, capsys, monkeypatch):
    (tmp_path / "here" / "my faces").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    run = run_on("here/my faces", tmp_path / "here" / "my faces")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert refused(capsys, run, "--train") == (
        f"{run}/config.json names here/my faces, which does not exist in {tmp_path}/elsewhere. "
        f"Add --dataset='{tmp_path}/here/my faces', where the images were."
    )


def test_what_was_typed_is_answered_as_it_was_typed(run_on, tmp_path, capsys):
    run = run_on(tmp_path / "faces")
    typed = refused(capsys, run, "--train", f"--dataset={tmp_path}/face")
    assert (
        typed == f"There is no folder or zip {tmp_path}/face. Nothing in {tmp_path} is called face."
    )
    again = refused(capsys, run, "--explore=dedup", f"--dataset={tmp_path}/faces")
    assert again.startswith(f"There is no folder or zip {tmp_path}/faces.")
    assert again.endswith("give their new place as --dataset to continue that run.")


def test_a_named_set_is_fetched_as_ever(run_on, tmp_path, capsys):
    run = run_on("lsun")
    said = refused(capsys, run, "--train")
    assert said.startswith(f"There is no lsun in {tmp_path}/data. Run python download.py lsun")


def test_labels_that_only_the_runs_images_have(run_on, tmp_path, capsys):
    labelled, others = tmp_path / "digits.npz", tmp_path / "digits.npy"
    images = np.zeros((8, 8, 8), np.uint8) + np.arange(8, dtype=np.uint8)[:, None, None]
    np.savez(labelled, images=images, labels=np.arange(8) % 2)
    np.save(others, images)
    run = run_on(labelled, labelled, labels="own")
    assert refused(capsys, run, "--train", f"--dataset={others}") == (
        f"{run} was trained on {labelled} with --labels=own. Received: {others}, without such "
        "labels. For these images, start another run with --out_name=NAME."
    )
    for action in ("--train", "--dry_run"):
        said = refused(capsys, run, action, f"--dataset={others}", "--labels=own")
        assert said.endswith("start another run with --out_name=NAME, and drop --labels.")
    run_on("imported", out_name="imported", labels="own")
    run = run.with_name("imported")
    line = (
        f"{run} was imported with --labels=own. Received: {others}, without such labels. Give "
        "images and labels in one .npz, or start another run with --out_name=NAME"
    )
    assert refused(capsys, run, "--train", f"--dataset={others}") == f"{line}."
    typed = refused(capsys, run, "--train", f"--dataset={others}", "--labels=own")
    assert typed == f"{line}, and drop --labels."
    run_on("imported", out_name="of_folders", labels="folder")
    said = refused(capsys, run.with_name("of_folders"), "--train", f"--dataset={others}")
    assert "Give images with such labels, or start another run with --out_name=NAME." in said
    run_on("array", out_name="from_python", labels="own")
    run = run.with_name("from_python")
    assert refused(capsys, run, "--train", f"--dataset={others}") == (
        f"{run} was trained from Python, with labels. Received: {others}, without them. "
        "Continue from Python, or give images and labels in one .npz."
    )
