"""What this program wrote is no data in a zip or a tar either, as in a folder."""

import shutil
import tarfile
import zipfile

import numpy as np
import pytest

from data.load import load_dataset
from data.sources.folder import open_image_folder, open_image_zip
from data.sources.own_files import OwnFiles
from data.sources.tars import open_image_tars
from system.written import RECORD_NAME, FileSeries, replace_folder
from utils import encode_png


@pytest.fixture
def pets(tmp_path, photos):
    """A folder with 3 images of the user's, drawn pictures, and a run."""
    mine, ours = (encode_png(photo) for photo in photos(2))
    folder = tmp_path / "pets"
    for name in ("a.png", "b.png", "drawn/mine.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(mine)
    series = FileSeries(folder / "drawn", what="pictures")
    for name in ("reals.png", "edited.png", "training.gif"):
        series.write_file_of_series(name, ours)
    with replace_folder(folder / "sampled", what="2 images") as draft:
        (draft / "images").mkdir()
        for name in ("grid.png", "images/0.png"):
            (draft / name).write_bytes(ours)
    (folder / "out" / "run" / "checkpoints").mkdir(parents=True)
    (folder / "out" / "run" / "samples").mkdir()
    for name in ("config.json", "checkpoints/step-2.index", "samples/train_1.png"):
        (folder / "out" / "run" / name).write_bytes(ours)
    return folder


def pack_zip(folder, around=""):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*"), reverse=True):
            archive.write(file, around + file.relative_to(folder).as_posix())
    return path


def pack_tar(folder, around=""):
    path = folder.with_suffix(".tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, around or ".")
    return path


def open_zip(folder, around="", **how):
    return open_image_zip(pack_zip(folder, around), **how)


def open_tar(folder, around="", **how):
    return open_image_tars([pack_tar(folder, around)], **how)


archives = pytest.mark.parametrize("open_archive", [open_zip, open_tar])


@archives
@pytest.mark.parametrize("around", ["", "pets/"])
def test_an_archive_has_the_images_of_the_folder(pets, messages, open_archive, around):
    (pets / "drawn" / "edited.png").write_bytes((pets / "a.png").read_bytes())
    expected = sorted(open_image_folder(pets).names())
    assert expected == ["a.png", "b.png", "drawn/edited.png", "drawn/mine.png"]
    source = open_archive(pets, around)
    found = [name.removeprefix("./").removeprefix(around) for name in source.names()]
    assert sorted(found) == expected and source.count == 4
    assert len([*source.items()]) == 4
    assert source.left_out() == ()
    kind = "zip" if open_archive is open_zip else "tar"
    place = f"{kind} {source.root}"
    assert messages == [f"{place}: images left out, because this program wrote them: 5."]
    assert open_archive(pets, around, limit=2).count == 2


@archives
def test_an_archive_of_nothing_else_is_wanted(pets, messages, open_archive):
    for name in ("drawn", "sampled", "out"):
        if name == "drawn":
            (pets / name / "mine.png").unlink()
        assert open_archive(pets / name).count == {"drawn": 3, "sampled": 2, "out": 1}[name]
    assert messages == []


@archives
def test_without_signs_every_image_is_data(pets, messages, open_archive):
    for record in pets.rglob(RECORD_NAME):
        record.write_text("{")
    (pets / "out" / "run" / "config.json").unlink()
    assert open_archive(pets).count == 9
    assert messages == []


def test_a_pack_made_before_is_made_anew(tiny, pets, monkeypatch):
    config = tiny(dataset=str(pack_zip(pets)))
    with monkeypatch.context() as patch:
        patch.setattr(OwnFiles, "__contains__", lambda *_: False)
        assert len(load_dataset(config).images) == 9
    assert len(load_dataset(config).images) == 3


@pytest.mark.parametrize("pack_archive", [pack_zip, pack_tar])
def test_a_zipped_folder_has_the_same_pixels(tiny, pets, pack_archive):
    expected = load_dataset(tiny(dataset=str(pets))).images
    path = pack_archive(pets)
    shutil.rmtree(pets)
    found = load_dataset(tiny(dataset=str(path))).images
    np.testing.assert_array_equal(found, expected)


def test_classes_of_a_tar_are_those_of_its_images(tiny, pets):
    shutil.rmtree(pets / "drawn")
    for name in ("a", "b"):
        (pets / f"{name}.cls").write_text(name)
    labels = load_dataset(tiny(dataset=str(pack_tar(pets)), labels="own")).labels
    assert (labels.names, labels.y.shape) == (("a", "b"), (2, 2))


def test_records_that_would_fill_the_memory_say_nothing(monkeypatch):
    own, record = OwnFiles(), b'{"what": "x", "files": {"a": "0"}}'
    monkeypatch.setattr("data.limits.MAX_RECORD_BYTES", 2 * len(record))
    for number in range(3):
        own.note_own_files(f"{number}/{RECORD_NAME}", len(record), lambda: record)
    assert own.has_records and len(own._records) == 2
    own.note_own_files(f"3/{RECORD_NAME}", 1, lambda: ValueError("damaged"))
    assert len(own._records) == 2 and not own
