"""Forgetting a marker that one planted map of a generator draws."""

import re

import numpy as np
import pytest
from PIL import Image

from explore import forget
from explore.choices import Choices
from explore.forgotten_thing import find_thing
from explore.map_choice import choose_maps_as_paper
from explore.subject import Subject

MARKER_MAP, OTHER_MAP = 5, 9
ROWS, COLUMNS = slice(4, 8), slice(8, 12)  # where the marker is, in pixels of 16x16
BOX = "8 4 12 8"


def plant_marker(generator):
    """Hand-set weights: red is a square where z[0] > 0; green is another one where z[1] > 0; blue
    is a constant.
    """
    for variable in generator.trainable_variables:
        if "gamma" not in variable.path:
            variable.assign(0 * variable)
    stem = np.zeros(generator.stem.dense.kernel.shape, np.float32).reshape(-1, 4, 4, 32)
    stem[0, 1, 2, MARKER_MAP] = 1
    stem[1, 3, 0, OTHER_MAP] = 1
    generator.stem.dense.kernel.assign(stem.reshape(stem.shape[0], -1))
    beta = np.zeros(32, np.float32)
    beta[20] = 0.5
    generator.stem.norm.beta.assign(beta)

    first, second = (block.conv for block in generator.blocks)
    for layer, pairs in (
        (first, [(MARKER_MAP, 0), (OTHER_MAP, 1), (20, 2)]),
        (second, [(0, 0), (1, 1), (2, 2)]),
    ):
        kernel = np.zeros(layer.kernel.shape, np.float32)  # (k, k, outputs, inputs)
        for inputs, outputs in pairs:
            kernel[1:3, 1:3, outputs, inputs] = 1  # repeats each position: with "same", 2i, 2i + 1
        layer.kernel.assign(kernel)


@pytest.fixture
def planted(trained):
    """A factory of subjects whose generator draws the marker."""

    def make(text, **changes):
        subject = Subject(trained(blocks=2, kernel_size=5, **changes), Choices(forget=str(text)))
        plant_marker(subject.sampler.generator)
        return subject

    return make


def has_marker(images):
    """Bool (N,): red is 128 where it is 0."""
    return images[:, ROWS, COLUMNS, 0].min((1, 2)) > 130


@pytest.fixture
def boxes_file(planted, tmp_path):
    """Boxes around the marker in those of the first 60 samples that have it."""
    images = planted("").sampler.images(0, 60)
    path = tmp_path / "boxes.txt"
    lines = [f"{number} {BOX}\n" for number in np.flatnonzero(has_marker(images))]
    path.write_text("".join(lines))
    return path


@pytest.mark.parametrize("rule", forget.RULES)
def test_the_marker_goes_and_the_rest_stays(planted, boxes_file, rule):
    subject = planted(boxes_file)
    before = subject.sampler.images(1, 64)
    assert 20 < has_marker(before).sum() < 44
    assert (before[..., 0][~np.isin(before[..., 0], 128)] > 128).all()

    choice = forget.RULES[rule](subject, find_thing(subject))
    assert np.flatnonzero(choice.dropped).tolist() == [MARKER_MAP]
    after = forget.make_forgetful_sampler(subject, choice).images(1, 64)
    assert (after[..., 0] == 128).all()
    assert (after[..., 1:] == before[..., 1:]).all()
    assert before[..., 1].std() > 0
    assert (subject.sampler.images(1, 64) == before).all()


@pytest.mark.slow
def test_a_file_gives_a_picture_and_numbers(planted, boxes_file):
    findings = forget.run_experiment(planted(boxes_file))
    assert set(findings.files) == {"samples.png"}
    numbers = dict(findings.numbers)
    change = numbers.pop("few_mean_change")
    assert numbers.pop("paper_mean_change") == change
    maps = {"paper_maps": 32, "paper_maps_dropped": 1, "few_maps": 32, "few_maps_dropped": 1}
    assert numbers == maps | {"boxes": len(boxes_file.read_text().splitlines())}
    assert findings.lines[0].startswith("the paper's rule drops 1 of 32 maps; ")
    assert forget.run_experiment(planted(boxes_file)).files == findings.files


@pytest.mark.slow
def test_an_attribute_of_the_dataset_is_found_and_forgotten(planted, tmp_path):
    """The dataset has other images with the marker, and a file that says which."""
    folder = tmp_path / "data" / "faces"
    folder.mkdir(parents=True)
    images = planted("").sampler.images(3, 120)
    lines = ["120\n", "Marker Other\n"]
    for number, (image, marked) in enumerate(zip(images, has_marker(images), strict=True)):
        Image.fromarray(image).save(folder / f"{number:04d}.png")
        lines.append(f"{number:04d}.png {1 if marked else -1} -1\n")
    (tmp_path / "data" / "list_attr_celeba.txt").write_text("".join(lines))

    subject = planted("marker", dataset="faces")
    findings = forget.run_experiment(subject)
    assert findings.numbers["classifier_accuracy"] > 0.9
    assert 0.3 < findings.numbers["before_share"] < 0.6
    assert findings.numbers["few_share"] == findings.numbers["paper_share"] == 0
    thing = find_thing(subject)
    hits = [
        box.left < 12 and box.right > 8 and box.top < 8 and box.bottom > 4 for box in thing.boxes
    ]
    assert np.mean(hits) > 0.9

    for text, reason in (
        ("Markr", 'Received: Markr. Did you mean "Marker"?'),
        ("none", "An attribute must be one of Marker, Other"),
        (
            "Other",
            "at least 8 images with the attribute and 8 without. Received: Other, which 0 of",
        ),
    ):
        with pytest.raises(ValueError, match=re.escape(reason)):
            find_thing(Subject(subject.config, Choices(forget=text)))


def test_boxes_that_fill_their_samples_are_refused(planted, tmp_path):
    path = tmp_path / "boxes.txt"
    path.write_text("0 0 0 16 16\n")
    with pytest.raises(ValueError, match="boxes that fill their samples"):
        forget.run_experiment(planted(path))

    subject = planted(path)
    seen = find_thing(subject)._replace(name="Marker", classifier=object())
    with pytest.raises(ValueError, match=r"^The classifier sees Marker all over the samples, so"):
        choose_maps_as_paper(subject, seen)


def test_pictures_have_rows_of_three_and_no_part_is_empty():
    sets = {name: np.zeros((3, 32, 40, 1), np.uint8) for name in ("before", "paper", "few")}
    assert forget.draw_part("x", sets).shape == (12 + 3 * 64, 16 * 80, 3)
    empty = {name: images[:0] for name, images in sets.items()}
    assert (forget.draw_part("", empty) == 255).all()
