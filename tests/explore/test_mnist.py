"""The 1-nearest-neighbour classifier against brute force, and on planted images."""

import numpy as np
import pytest

from data.labels import Labels
from explore import mnist
from explore.subject import Subject
from sample import Sampler


def test_the_nearest_image_equals_brute_force(monkeypatch):
    monkeypatch.setattr(mnist, "BLOCK", 3)  # the last block is not whole
    rng = np.random.default_rng(0)
    tests, references = (
        rng.integers(0, 256, (count, 5, 4, 3), dtype=np.uint8) for count in (7, 11)
    )
    gaps = tests[:, None].astype(int) - references
    oracle = (gaps**2).sum((2, 3, 4)).argmin(1)
    assert (mnist.find_nearest(tests, references) == oracle).all()


def test_colours_of_transparent_pixels_do_not_count():
    test = np.zeros((1, 2, 2, 4), np.uint8)  # black, but transparent: white
    references = np.zeros((2, 2, 2, 4), np.uint8)
    references[..., 3] = 255
    references[1, ..., :3] = 250
    assert mnist.find_nearest(test, references) == [1]


@pytest.fixture
def digits_run(trained, mnist_digits):
    names = tuple(map(str, range(10)))
    return trained(dataset="mnist", output_height=28, c_dim=1, labels="own", label_names=names)


def test_planted_images(digits_run, monkeypatch):
    """Fakes equal to the images of their classes make no errors; fakes one class off, only errors.

    Each class has two images, the second of which is nearly the first.
    """
    images = np.zeros((20, 28, 28, 1), np.uint8)
    for number in range(20):
        images[number, number % 10, :, 0] = 200 + number // 10
    subject = Subject(digits_run)
    y = np.eye(10, dtype=np.float32)[np.arange(20) % 10]
    subject.pack = type("Planted", (), {"images": images})()
    subject.pack.labels = Labels(digits_run.label_names, y)

    monkeypatch.setattr(mnist, "MOST_REFERENCES", 10)
    for shift, error in ((0, 0), (1, 1)):
        drawn = mnist.LabelledImages(np.roll(images[:10], shift, 0), np.arange(10))
        monkeypatch.setattr(mnist, "draw_fakes", lambda *_, drawn=drawn: drawn)
        findings = mnist.run_experiment(subject)
        assert findings.numbers["error"] == findings.numbers["error_of_as_many"] == error
        assert findings.numbers["test_images"] == 5
        assert "seen the test images" in findings.lines[1]


@pytest.mark.slow
def test_a_whole_run_repeats_to_the_byte(digits_run, monkeypatch):
    monkeypatch.setattr(mnist, "MOST_REFERENCES", 30)
    first, again = (mnist.run_experiment(Subject(digits_run)) for _ in range(2))
    assert first == again
    assert (first.numbers["images"], first.numbers["reals"]) == (30, 15)
    assert 0 <= first.numbers["error"] <= 1


@pytest.mark.slow
def test_fakes_have_the_classes_that_they_were_drawn_with(digits_run):
    fakes = mnist.draw_fakes(Subject(digits_run), 21)
    assert (fakes.classes == np.arange(21) % 10).all()
    assert (fakes.images == Sampler(digits_run).images(digits_run.seed, 21)).all()


def test_runs_without_classes_are_refused(trained):
    for labels in ({}, {"labels": "Smiling", "label_names": ("Smiling",)}):
        with pytest.raises(ValueError, match="needs a run with one class for each image"):
            mnist.run_experiment(Subject(trained(**labels)))


def test_classes_that_the_run_does_not_know_are_refused(trained, image_folder):
    folder = image_folder(3, "shapes/circle").parent
    image_folder(3, "shapes/cross")
    image_folder(3, "shapes/square")
    config = trained(dataset=str(folder), labels="folder", label_names=("circle", "square"))
    with pytest.raises(ValueError, match=r"^The labels are fixed .* Take cross out of the dataset"):
        mnist.run_experiment(Subject(config))
