import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from common import ROOT

from config import catalog
from config.catalog import (
    NAMED_SETS,
    TFDS_SETS,
    canonicalize_dataset_name,
    find_tfds_name_of_named_dataset,
    fold_dataset_spelling,
)
from config.settings import Config


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("celebA", "celebA"),
        ("CelebA/", "celebA"),
        ("CELEB_A", "celebA"),
        ("celeb-a", "celebA"),
        ("MNIST", "mnist"),
        ("lsun//", "lsun"),
        ("Digits", "digits"),
        ("img_align_celeba", "img_align_celeba"),
        ("Cats/", "Cats"),
        ("a/celebA", "a/celebA"),
        ("/", "/"),
        ("", ""),
        ("tfds:mnist", "tfds:mnist"),
    ],
)
def test_named_sets_have_one_spelling_and_other_names_keep_theirs(given, expected):
    assert canonicalize_dataset_name(given) == expected


def test_no_two_sets_share_a_spelling():
    for field in ("aliases", "folder_names"):
        spellings = [word for named in NAMED_SETS.values() for word in getattr(named, field)]
        assert len(set(spellings)) == len(spellings)
        assert spellings == [fold_dataset_spelling(word) for word in spellings]


def test_a_record_is_found_by_its_canonical_name_and_cannot_be_changed():
    for name, named in NAMED_SETS.items():
        assert canonicalize_dataset_name(name) == named.name == name
        with pytest.raises(dataclasses.FrozenInstanceError):
            named.crop = 1


def test_the_remedy_names_data_dir_even_one_with_braces():
    text = catalog.CELEBA.say_where_dataset_belongs(Path("/a/{odd}"))
    assert text.startswith("Run python download.py celebA --data_dir='/a/{odd}' first. ")
    assert "Or put CelebA's images in /a/{odd}/celebA/" in text
    assert "{data_dir}" not in text
    assert catalog.DIGITS.say_where_dataset_belongs("/a") == ""


def test_the_downloader_is_named_first_with_data_dir_only_where_it_is_another():
    for named in NAMED_SETS.values():
        remedy = named.say_where_dataset_belongs(Path(Config.data_dir))
        assert remedy.startswith(f"Run python download.py {named.name} first") is named.downloadable
        assert "--data_dir" not in remedy


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("cifar10", "cifar10"),
        ("CIFAR-10", "cifar10"),
        ("Fashion_MNIST", "fashion_mnist"),
        ("oxford_flowers102", "oxford_flowers102"),
        ("faces", None),
    ],
)
def test_well_known_names_are_found_in_tensorflow_datasets(given, name):
    assert find_tfds_name_of_named_dataset(given) == name


def test_tensorflow_datasets_has_every_name_that_is_suggested():
    import tensorflow_datasets as tfds

    known = {*tfds.list_builders()}
    assert {name for name in TFDS_SETS.values() if name.split("/")[0] not in known} == set()
    assert [word for word in TFDS_SETS if word != fold_dataset_spelling(word)] == []


def test_the_facts_of_the_original():
    assert catalog.CELEBA.crop == 108
    assert (catalog.MNIST.output_side, catalog.MNIST.labels) == (28, "own")
    assert catalog.MNIST.tfds_test_split


def test_it_imports_no_tensorflow_no_numpy_and_nothing_of_ours():
    code = (
        "import sys; import config.catalog; "
        "print([name for name in sys.modules if name.partition('.')[0] in "
        "('tensorflow', 'numpy', 'config', 'data', 'system')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"['config', 'config.catalog']\n"
