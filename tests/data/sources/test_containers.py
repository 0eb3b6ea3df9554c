import tarfile

import numpy as np
import pytest

from config.catalog import CONTAINER_SUFFIXES, cut_suffix_from_dataset_name
from config.settings import name_folder_after_dataset_setting
from data import limits
from data.find import find_dataset_source
from data.load import load_dataset
from data.sources.containers import (
    find_container_kind,
    find_containers_in_folder,
    list_files_of_pattern,
    suggest_dataset_of_containers,
)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.zip", "zip"),
        ("A.ZIP", "zip"),
        ("a.tar", "tar"),
        ("a.tar.gz", "tar"),
        ("a.b.tgz", "tar"),
        ("a.npy", "npy"),
        ("a.npz", "npz"),
        ("a.parquet", "parquet"),
        ("a.gz", None),
        ("zip", None),
    ],
)
def test_kinds_by_suffix(tmp_path, name, kind):
    assert find_container_kind(tmp_path / name) == kind


def test_labels_for_folders_lose_the_suffix():
    for suffix in CONTAINER_SUFFIXES:
        assert cut_suffix_from_dataset_name(f"a.b{suffix}") == "a.b"
        assert name_folder_after_dataset_setting(f"data/cats{suffix.upper()}") == "cats"
    assert name_folder_after_dataset_setting("shards/train-{000..012}.tar") == "train-000..012"
    assert name_folder_after_dataset_setting("shards/train-*.tar") == "train"
    assert name_folder_after_dataset_setting("shards/*.tar") == "shards"
    assert name_folder_after_dataset_setting("shards/{000..012}.tar") == "shards"
    assert name_folder_after_dataset_setting("shards/2019.tar") == "2019"
    assert name_folder_after_dataset_setting("hf:owner/cats:test") == "hf-owner-cats-test"
    assert name_folder_after_dataset_setting("cats-") == "cats-"


@pytest.fixture
def shards(image_folder, tmp_path):
    """data/shards/ with three tars of two images."""
    images = sorted(image_folder(6).glob("*.png"))
    folder = tmp_path / "data" / "shards"
    folder.mkdir()
    for number in range(3):
        with tarfile.open(folder / f"train-{number:03d}.tar", "w") as archive:
            for path in images[2 * number : 2 * number + 2]:
                archive.add(path, path.name)
    return folder


def test_shards_by_folder_pattern_and_braces_are_the_same_images(tiny, shards, monkeypatch):
    expected = np.array(load_dataset(tiny(dataset="faces")).images)
    monkeypatch.chdir(shards)
    for name in (
        "shards",
        str(shards),
        "shards/train-{000..002}.tar",
        "shards/train-*.tar",
        "shards/train-00{0,1,2}.tar",
        f"{shards}/train-00?.tar",
        "train-{000..002}.tar",
    ):
        np.testing.assert_array_equal(load_dataset(tiny(dataset=name)).images, expected)

    some = load_dataset(tiny(dataset="shards/train-{001..002}.tar")).images
    np.testing.assert_array_equal(some, expected[2:])


def test_a_shard_that_is_missing_is_named(tiny, shards):
    with pytest.raises(ValueError, match=r"Received: .*train-003\.tar\. Fetch it, or name"):
        find_dataset_source(tiny(dataset="shards/train-{000..004}.tar"))
    with pytest.raises(ValueError, match=r"There is no file \"other-\*\.tar\"\. Looked in"):
        find_dataset_source(tiny(dataset="other-*.tar"))


def test_training_files_go_before_others_and_hidden_ones_count_not(shards):
    (shards / "test-000.tar").touch()
    (shards / ".cache.zip").touch()
    assert [path.name for path in find_containers_in_folder(shards)] == [
        f"train-00{k}.tar" for k in range(3)
    ]
    assert find_containers_in_folder(shards.parent) == find_containers_in_folder(
        shards
    )  # a folder deeper, too
    (shards.parent / ".packs").mkdir()
    (shards.parent / ".packs" / "pack.npy").touch()
    assert len(find_containers_in_folder(shards.parent)) == 3


def test_files_of_which_only_one_can_be_meant(tiny, tmp_path):
    folder = tmp_path / "data" / "my set"
    folder.mkdir(parents=True)
    for name in ("a.npz", "b.npz"):
        (folder / name).touch()
    told = rf"set must hold one npz\. Received: 2\. Pick one: --dataset='{folder}/a\.npz'\.$"
    with pytest.raises(ValueError, match=told):
        find_dataset_source(tiny(dataset="my set"))
    with pytest.raises(ValueError, match=r"Received: a\.npz, b\.npz\. Give one"):
        find_dataset_source(tiny(dataset="my set/*.npz"))


def test_files_of_other_kinds_beside_are_named(tmp_path, messages):
    for name in ("digits.npz", "b.npy", "a.npy"):
        (tmp_path / name).touch()
    assert [path.name for path in find_containers_in_folder(tmp_path)] == ["digits.npz"]
    told = f"{tmp_path} holds files of several kinds: .npz is read, not a.npy, b.npy."
    assert messages == [told]


@pytest.mark.parametrize(
    ("names", "beside", "told"),
    [
        (["a.tar", "b.tar"], [], "For these: --dataset='{folder}/*.tar'."),
        (["draw-000.tar", "draw-001.tar"], [], "For these: --dataset='{folder}/draw-*.tar'."),
        (["x/a.tar.gz", "y/b.tar.gz"], [], "For these: --dataset='{folder}/*/*.tar.gz'."),
        (["b.tar"], [], "For it: --dataset={folder}/b.tar."),
        (["a.npz", "b.npz"], [], "For one of these: --dataset={folder}/a.npz."),
        (["a.npy", "b.tar", "c.tar"], [], "For one of these: --dataset={folder}/b.tar."),
        (["a.tar", "b.tgz"], [], "For one of these: --dataset={folder}/a.tar."),
        (["a.tar", "b.tar"], ["ours.tar"], "For one of these: --dataset={folder}/a.tar."),
    ],
)
def test_how_to_ask_for_what_was_left_out(tmp_path, names, beside, told):
    for name in names + beside:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert suggest_dataset_of_containers(tmp_path, names) == told.format(folder=tmp_path)


@pytest.mark.parametrize("start", ["{a,b}/", "a[1]/", "a*/", "{a,b}", "a[1]", "a?"])
def test_a_name_that_reads_as_a_pattern_gets_no_other_pattern(tmp_path, start):
    folder = (tmp_path / f"{start}x").parent
    names = [f"{tmp_path}/{start}{one}.tar".removeprefix(f"{folder}/") for one in ("x", "y")]
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    told = suggest_dataset_of_containers(folder, names)
    assert told == f"For one of these: --dataset='{folder / names[0]}'."


def test_braces_without_end_are_not_counted_out(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_PATHS_NAMED", 1000)
    assert list_files_of_pattern("{0..999999999}{0..999999999}.tar", tmp_path) == []
