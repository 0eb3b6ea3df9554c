"""Planted near duplicates are found, and no others."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from program import run_here
from sklearn.datasets import load_sample_images

from config.settings import FROM_ARRAY
from explore import autoencoder, dedup
from explore.subject import Subject


@pytest.fixture
def brief(monkeypatch):
    """Short training: enough for a few dozen images."""
    monkeypatch.setattr(autoencoder, "STEPS", 60)


@pytest.fixture
def untrained(monkeypatch):
    """Equal hashes for all images: then pixels alone decide."""
    monkeypatch.setattr(
        dedup, "compute_semantic_hashes", lambda images, seed: np.zeros((len(images), 128), bool)
    )


def cut_photos(count: int) -> list[Image.Image]:
    """Different 48x48 parts of scikit-learn's photo of a temple, below the sky."""
    photo = load_sample_images().images[0]
    return [
        Image.fromarray(photo[top : top + 48, left : left + 48])
        for top in range(144, 400, 48)
        for left in range(0, 600, 48)
    ][:count]


def encode_again(image: Image.Image, quality: int) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return Image.open(content)


ALTERATIONS = {
    "copy": lambda image: image,
    "jpeg": lambda image: encode_again(image, 80),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.03),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.93),
}


@pytest.fixture
def planted(tmp_path):
    """data_dir/photos with 40 photos and altered copies of eight; returns copy -> its original."""
    folder = tmp_path / "data" / "photos"
    folder.mkdir(parents=True)
    photos, expected = cut_photos(40), {}
    for number, photo in enumerate(photos):
        photo.save(folder / f"{number:02}.png")
    for number, (name, alter) in enumerate([*ALTERATIONS.items()] * 2):
        alter(photos[4 * number + 1]).save(folder / f"x-{name}-{number}.png")
        expected[f"x-{name}-{number}.png"] = f"{4 * number + 1:02}.png"
    alter = ALTERATIONS["jpeg"]
    alter(photos[1]).save(folder / "z.png")  # a third of the first group
    return expected | {"z.png": "01.png"}


@pytest.mark.slow
def test_planted_duplicates_are_found_and_no_others(tiny, planted, brief):
    subject = Subject(tiny(dataset="photos"))
    findings = dedup.run_experiment(subject)
    assert findings.numbers == {"images": 49, "groups": 8, "duplicates": 9}
    found, kept = {}, None
    for line in findings.files["duplicates.txt"].decode().splitlines():
        if comment := re.fullmatch("# like (.+), which stays:", line):
            kept = comment[1]
        else:
            found[line] = kept
    assert found == planted
    assert f"--exclude={subject.folder / 'dedup' / 'duplicates.txt'}" in findings.lines[1]

    picture = Image.open(io.BytesIO(findings.files["duplicates.png"]))
    assert picture.size == (3 * 128, 8 * (128 + 12))
    assert dedup.run_experiment(subject) == findings  # to the byte


def test_a_run_of_an_array_must_first_know_the_place_of_its_images(tiny):
    """Fewer images from a new place would be refused as another run's."""
    numbers = {"images": 9, "groups": 1, "duplicates": 1}
    for place, first in (("", "first continue the run with --dataset, then "), ("/a.npz", "")):
        subject = Subject(tiny(first_dataset=FROM_ARRAY, dataset_place=place))
        told = dedup.describe_duplicates(numbers, subject)[1]
        assert told.startswith(f"to leave them out, {first}add --exclude=")


def test_a_dataset_without_duplicates(tiny, tmp_path, untrained):
    (tmp_path / "data" / "photos").mkdir(parents=True)
    for number, photo in enumerate(cut_photos(20)):
        photo.save(tmp_path / "data" / "photos" / f"{number}.png")
    findings = dedup.run_experiment(Subject(tiny(dataset="photos")))
    assert findings.numbers == {"images": 20, "groups": 0, "duplicates": 0}
    assert findings.lines == ("no near duplicates among 20 images",)
    assert findings.files == {"duplicates.txt": b"# no near duplicates were found\n"}


def test_gray_and_transparent_images_and_names_already_left_out(tiny, tmp_path, untrained):
    """The list of a second search takes the place of the first."""
    folder = tmp_path / "data" / "mixed"
    folder.mkdir(parents=True)
    photos = cut_photos(12)
    for number, photo in enumerate(photos):
        photo.convert("L").save(folder / f"{number:02}.png")
    photos[3].convert("L").convert("RGBA").save(folder / "rgba.png")
    photos[5].convert("L").convert("RGB").save(folder / "rgb.png")
    config = tiny(dataset="mixed", c_dim=1, output_width=24)
    first = dedup.run_experiment(Subject(config)).files["duplicates.txt"].decode()
    assert {line for line in first.splitlines() if line[0] != "#"} == {"rgba.png", "rgb.png"}

    (tmp_path / "names.txt").write_text("rgb.png\n00.png\n")
    again = tiny(dataset="mixed", exclude=str(tmp_path / "names.txt"))
    findings = dedup.run_experiment(Subject(again))
    assert findings.numbers == {"images": 12, "groups": 1, "duplicates": 1}
    listed = findings.files["duplicates.txt"].decode().splitlines()
    assert listed == ["rgb.png", "00.png", "# like 03.png, which stays:", "rgba.png"]


def test_a_dataset_needs_no_run_and_its_list_is_for_exclude(tmp_path, planted, untrained, capsys):
    places = [f"--out_dir={tmp_path / 'out'}", f"--data_dir={tmp_path / 'data'}"]
    assert run_here("--dataset=photos", "--explore=dedup", *places) == 0
    folder = tmp_path / "out" / "explore"
    path = folder / "dedup" / "duplicates.txt"
    assert f"--exclude={path}" in capsys.readouterr().out
    record = json.loads((folder / "metrics.jsonl").read_text())
    assert record.pop("seconds") > 0
    expected = {"experiment": "dedup", "seed": 0, "images": 49, "groups": 8, "duplicates": 9}
    assert record == expected

    assert run_here("--dataset=photos", "--train", "--dry_run", f"--exclude={path}", *places) == 0
    assert re.search(r"\b40: ", capsys.readouterr().out)


def test_files_of_a_run_are_with_the_run(trained, tmp_path, planted, untrained):
    config = trained(dataset="photos", out_name="mine")
    places = [f"--out_dir={tmp_path / 'out'}", f"--data_dir={tmp_path / 'data'}"]
    assert run_here("--out_name=mine", "--explore=dedup", *places, tiny=()) == 0
    assert (config.run_dir / "explore" / "dedup" / "duplicates.txt").is_file()
    assert run_here("--out_name=none", "--explore=dedup", *places, tiny=()) == 1
    assert run_here("--explore=dedup", f"--out_dir={tmp_path / 'empty'}", tiny=()) == 1
