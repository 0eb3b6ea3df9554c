import zipfile
from pathlib import Path

import numpy as np
import pytest

import data
from config.settings import Config
from data.find import find_dataset_source
from data.load import load_dataset


def test_a_zip_gives_the_folders_pixels(tiny, image_folder, tmp_path):
    folder = image_folder(4, "celebA")
    config = tiny(dataset="celebA")
    from_folder = np.array(load_dataset(config).images)
    for place in (tmp_path / "data", folder):
        images = list(folder.glob("*.png"))
        with zipfile.ZipFile(place / "img_align_celeba.zip", "w") as archive:
            archive.writestr("__MACOSX/._0001.png", b"resource fork")
            for path in images:
                archive.write(path, f"img_align_celeba/{path.name}")
        for path in images:
            path.rename(tmp_path / path.name)
        np.testing.assert_array_equal(load_dataset(config).images, from_folder)
        (place / "img_align_celeba.zip").unlink()
        for path in images:
            (tmp_path / path.name).rename(path)


def test_a_web_page_called_zip_is_named_and_out_of_the_way(tiny, tmp_path, image_folder):
    config = tiny(dataset="celebA")
    (tmp_path / "data").mkdir()
    page = tmp_path / "data" / "img_align_celeba.zip"
    page.write_text("<!DOCTYPE html><html>Quota exceeded</html>")
    with pytest.raises(ValueError, match=r"quota page.*Or put CelebA's images in"):
        load_dataset(config)
    image_folder(3, "celebA")
    assert len(load_dataset(config).images) == 3


def test_source_kinds_by_path(tmp_path, image_folder, tiny):
    folder = image_folder(3)
    by_name = load_dataset(tiny(dataset="faces"))
    by_path = load_dataset(tiny(dataset=str(folder)))
    np.testing.assert_array_equal(by_name.images, by_path.images)
    with pytest.raises(ValueError, match=r"There is no folder or zip .*/nowhere"):
        load_dataset(Config(dataset=str(tmp_path / "nowhere")))


def test_a_slash_at_the_end_and_folders_below_data_dir_are_found(tiny, image_folder):
    image_folder(2, "a/b")
    assert len(load_dataset(tiny(dataset="a/b/")).images) == 2
    assert len(load_dataset(tiny(dataset="a/")).images) == 2


def test_unknown_datasets_say_what_is_there(tiny, image_folder):
    image_folder(1, "cats")
    with pytest.raises(ValueError, match=r"Received: dogs. In .*: cats\.$"):
        load_dataset(tiny(dataset="dogs"))
    with pytest.raises(ValueError, match="Looked in /nonexistent: No such file"):
        load_dataset(tiny(dataset="dogs", data_dir="/nonexistent"))
    with pytest.raises(ValueError, match=r"no lsun in .*: 2.4 GB\).*bedroom_train_lmdb"):
        load_dataset(tiny(dataset="lsun"))


def test_places_without_images_say_what_they_hold(tiny, tmp_path, image_folder):
    folder = image_folder(2)
    for name in ("a.heic", "b.heic", "notes.txt"):
        (tmp_path / name).touch()
        (tmp_path / "data" / "phone").mkdir(exist_ok=True)
        (tmp_path / name).rename(tmp_path / "data" / "phone" / name)

    with pytest.raises(
        ValueError, match=r"data/phone must hold images .* Received: 2 .heic, 1 .txt\. Convert them"
    ):
        load_dataset(tiny(dataset="phone"))

    with pytest.raises(ValueError, match=r"must hold files like \*.tga. Received: 2 .png"):
        load_dataset(tiny(dataset="faces", input_fname_pattern="*.tga"))
    with pytest.raises(
        ValueError, match=r"Received: one image, .*Give its folder: --dataset=.*/faces\.$"
    ):
        load_dataset(tiny(dataset=str(folder / "0000.png")))
    spaced = folder.rename(folder.with_name("two words"))
    with pytest.raises(ValueError) as error:
        load_dataset(tiny(dataset=str(spaced / "0000.png")))
    assert str(error.value).endswith(f"Give its folder: --dataset='{spaced}'.")


def test_folders_of_code_in_data_dir_are_no_datasets(tiny, image_folder):
    """data_dir is data/ of this repository, where our own packages are beside the datasets."""
    package = image_folder(2, "packing")
    image_folder(2, "cats")
    (package / "__init__.py").touch()
    for name in ("packing", "Packing", "dogs"):
        with pytest.raises(ValueError, match=rf"Received: {name}. In .*data: cats\.$"):
            find_dataset_source(tiny(dataset=name))
    assert find_dataset_source(tiny(dataset=str(package))).count == 2  # a path is unambiguous


def test_our_own_packages_are_not_listed(tiny):
    own = str(Path(data.__file__).parent)
    with pytest.raises(ValueError, match="Received: nowhere") as error:
        find_dataset_source(tiny(dataset="nowhere", data_dir=own))
    assert "sources" not in str(error.value) and "packing" not in str(error.value)
    with pytest.raises(ValueError, match="--dataset must be digits, celebA"):
        find_dataset_source(tiny(dataset="sources", data_dir=own))


def test_a_named_set_is_found_under_its_other_names(tiny, image_folder):
    image_folder(2, "Img-Align_CelebA")
    image_folder(3, "mnist")
    assert find_dataset_source(tiny(dataset="celebA")).count == 2
    assert find_dataset_source(tiny(dataset="MNIST")).count == 3


def test_a_folder_here_is_found_but_not_under_the_name_of_a_set(
    tiny, image_folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(image_folder(2, "inner/cats").parent)
    (tmp_path / "data" / "inner" / "cats").rename("lsun")
    with pytest.raises(ValueError, match="Or put an LMDB such as"):
        find_dataset_source(tiny(dataset="lsun"))
    Path("lsun").rename("cats")
    assert find_dataset_source(tiny(dataset="cats")).count == 2


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [
        ("faces/*.png", "--dataset=faces --input_fname_pattern='*.png'"),
        ("*.JPG", f"--dataset={Path.cwd()} --input_fname_pattern='*.JPG'"),
        ("faces/0?/*.png", "--dataset=faces --input_fname_pattern='0?/*.png'"),
        ("faces/{000..009}.png", "--dataset=faces"),
    ],
)
def test_a_pattern_of_images_is_told_the_two_flags_for_it(tiny, image_folder, pattern, remedy):
    image_folder(2)
    with pytest.raises(ValueError) as error:
        find_dataset_source(tiny(dataset=pattern))
    assert str(error.value) == (
        "--dataset must be a folder or a file that holds a whole dataset. "
        f"Received: a pattern for images, {pattern}. Give their folder: {remedy}."
    )
