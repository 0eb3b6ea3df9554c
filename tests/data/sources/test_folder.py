import zipfile

import pytest
from PIL import Image

from data.load import load_dataset
from data.sources.folder import open_image_folder, open_image_zip, walk_dataset_files
from system.written import RECORD_NAME, replace_files
from utils import encode_png


def test_zip_entries_that_cannot_be_read_are_skipped(tmp_path, photos, tiny):
    path = tmp_path / "images.zip"
    Image.fromarray(photos(1)[0]).save(tmp_path / "image.png")
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "image.png", "good.png")
        archive.write(tmp_path / "image.png", "spoiled.png")

    content = bytearray(path.read_bytes())
    content[content.rindex(b"IDAT") + 8] ^= 255  # in the second image: its checksum no longer holds
    path.write_bytes(bytes(content))
    pack = load_dataset(tiny(dataset=str(path)))
    assert len(pack.images) == 1
    assert len(pack.manifest["skipped"]) == 1
    with pytest.raises(ValueError) as error:
        open_image_zip(path, pattern="*.jpg")
    told = f"{path} must hold files like *.jpg. Received: 2 .png."
    assert str(error.value) == f"{told} Without --input_fname_pattern, every image is read."


def test_folder_loops_and_patterns(tmp_path, photos):
    folder = tmp_path / "images"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "loop").symlink_to(folder)
    for name in ("one.png", "a/two.PNG", "a/three.jpg"):
        Image.fromarray(photos(1)[0]).save(folder / name)

    assert open_image_folder(folder).count == 3
    assert [name for name, _ in open_image_folder(folder, pattern="*.png").items()] == [
        "a/two.PNG",
        "one.png",
    ]
    assert open_image_folder(folder, pattern="a/*").count == 2
    assert open_image_folder(folder, pattern="*.bmp") is None
    assert open_image_folder(folder, limit=1).count == 1
    (folder / "a" / "run" / "checkpoints").mkdir(parents=True)
    (folder / "a" / "run" / "config.json").touch()
    (folder / "one.png").rename(folder / "a" / "run" / "drawn.png")
    assert open_image_folder(folder).count == 2


def test_pictures_of_ours_are_no_data_unless_they_are_asked_for(tmp_path, photos):
    for name in ("faces/a.png", "faces/drawn/0.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photos(1)[0]).save(tmp_path / name)
    (tmp_path / "faces" / "drawn" / RECORD_NAME).touch()

    assert open_image_folder(tmp_path / "faces").count == 1
    assert open_image_folder(tmp_path / "faces" / "drawn").count == 1


def test_images_beside_pictures_of_ours_stay_data(tmp_path, photos):
    mine, ours = (encode_png(photo) for photo in photos(2))
    for folder in (tmp_path / "faces", tmp_path / "faces" / "deeper"):
        replace_files(folder, {"grid.png": ours, "edited.png": ours}, what="grids")
        (folder / "mine.png").write_bytes(mine)
        (folder / "edited.png").write_bytes(mine)  # which makes it the user's

    assert sorted(walk_dataset_files(tmp_path / "faces")) == [
        ".written.json",
        "deeper/.written.json",
        "deeper/edited.png",
        "deeper/mine.png",
        "edited.png",
        "mine.png",
    ]
    (tmp_path / "faces" / "mine.png").unlink()
    (tmp_path / "faces" / "edited.png").unlink()
    names = [*walk_dataset_files(tmp_path / "faces")]
    assert "grid.png" in names and "deeper/grid.png" not in names


def test_files_that_a_user_may_miss_are_listed(tmp_path, photos):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(photos(1)[0]).save(folder / "one.png")
    for name in (".two.png", "three", "four.heic", ".DS_Store", "Thumbs.db"):
        (folder / name).touch()
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"in/{path.name}")

    missed = (".two.png", "four.heic", "three")
    assert open_image_folder(folder).left_out() == missed
    assert open_image_folder(folder, pattern="*.png").left_out() == ()
    assert open_image_zip(tmp_path / "images.zip").left_out() == tuple(f"in/{x}" for x in missed)
