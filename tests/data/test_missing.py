"""Missing datasets: the message names what is odd about them, and what was probably meant."""

import random
from pathlib import Path

import pytest

from data.missing import (
    describe_missing_dataset,
    find_nearest_dataset_name,
    find_odd_part_of_dataset_path,
)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("/a/b ", "It begins or ends with a space. Try --dataset=/a/b."),
        (" faces", "It begins or ends with a space. Try --dataset=faces."),
        ("'/a/b c'", 'It has quotes in it. Try --dataset="/a/b c".'),
        ("“/a/b”", "It has quotes in it. Try --dataset=/a/b."),
        (r"C:\Users\me\cats", "C is a Windows drive. In WSL it is --dataset=/mnt/c/Users/me/cats."),
        ("D:/cats", "D is a Windows drive. In WSL it is --dataset=/mnt/d/cats."),
        (r"/a/my\ cats", r'Drop the \ or the quotes: --dataset="/a/my cats".'),
        (r"a\b", "It has backslashes. Try --dataset=a/b."),
        ("/a/~/b", "~ means the home folder only at the start of a path. Write out the full path."),
        ("$HOME/cats", "The shell did not expand $HOME: drop single quotes, or write it out."),
        ("/a/b", ""),
        ("cats", ""),
        ("a-b_c.d", ""),
    ],
)
def test_what_is_odd_about_a_path(name, hint):
    assert find_odd_part_of_dataset_path(name) == hint


def test_a_url_says_what_to_run_first():
    line = describe_missing_dataset("s3://bucket/images", Path("data"), "")
    assert line == (
        "--dataset must be on a disk. Received: s3://bucket/images. "
        "Copy it to a disk first: aws s3 sync s3://bucket/images images"
    )


def test_a_path_that_is_nearly_there_names_the_one_that_is(tmp_path):
    (tmp_path / "Portraits" / "old").mkdir(parents=True)
    (tmp_path / "faces.zip").touch()
    (tmp_path / "big $ wins").mkdir()

    def say(name):
        return describe_missing_dataset(str(tmp_path / name), Path("data"), "")

    assert say("portaits/old").endswith(f"Did you mean --dataset={tmp_path}/Portraits/old?")
    assert say("face").endswith(f"Did you mean --dataset={tmp_path}/faces.zip?")
    assert say("big $ win").endswith(f"Did you mean --dataset='{tmp_path}/big $ wins'?")
    assert (
        say("x/y")
        == f"There is no folder or zip {tmp_path}/x/y. Nothing in {tmp_path} is called x."
    )


def test_a_relative_path_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = describe_missing_dataset("a/b", Path("data"), "")
    assert line == f"There is no folder or zip a/b. Looked in {tmp_path} and in data."
    assert describe_missing_dataset("x.zip", Path("data"), "").startswith(
        "There is no file x.zip. Looked in"
    )


def test_a_name_is_looked_for_among_those_that_are_there(tmp_path):
    (tmp_path / "kittens").mkdir()
    rule = "--dataset must be digits, celebA, "
    for name, end in (
        ("kitens", "Received: kitens. Did you mean --dataset=kittens?"),
        ("digts", "Received: digts. Did you mean --dataset=digits?"),
        ("x", f"Received: x. In {tmp_path}: kittens."),
    ):
        line = describe_missing_dataset(name, tmp_path, "")
        assert line.startswith(rule) and line.endswith(end)
    line = describe_missing_dataset("x", tmp_path / "none", "")
    reason = "No such file or directory; give another folder with --data_dir."
    assert line.endswith(f"Looked in {tmp_path}/none: {reason}")


def test_a_well_known_set_is_in_tensorflow_datasets(tmp_path):
    assert describe_missing_dataset("CIFAR-10", tmp_path, "") == (
        f"There is no CIFAR-10 in {tmp_path}. TensorFlow Datasets has it: --dataset=tfds:cifar10."
    )


def test_nothing_far_is_called_near():
    assert find_nearest_dataset_name("FACES", ["faces.zip"]) == "faces.zip"
    assert find_nearest_dataset_name("dogs", ["cats"]) is None
    assert find_nearest_dataset_name("d", ["dogs and cats"]) is None


def test_a_name_that_was_cut_at_a_space_is_completed():
    names = ["Meine Fotos 2024 und 2025", "Meine Fotos 2024", "Meise.zip"]
    assert find_nearest_dataset_name("meine", names[:2]) == "Meine Fotos 2024"
    assert find_nearest_dataset_name("meine", names) == "Meise.zip"  # rather a typing error


def test_any_name_is_one_line():
    rng, signs = random.Random(0), "a/\\~'\" .:$%{}C-“é\n"
    for _ in range(3000):
        name = "".join(rng.choices(signs, k=rng.randrange(1, 9)))
        if name.strip():  # the checks refuse empty ones
            line = describe_missing_dataset(name, Path("data"), "")
            assert line.isprintable() and len(line) > len(name)
