"""Samples found by attribute: by the run's labels, or by a classifier on planted data."""

import numpy as np
import pytest
from PIL import Image

from explore import samples_by_attribute
from explore.samples_by_attribute import AttributeFinder, list_samples_by_label, train_classifier
from explore.subject import Subject
from sample import Sampler


def plant_bright_images(tmp_path, count=48):
    """Images of noise; every third one is bright, and has the attribute Bright."""
    folder = tmp_path / "data" / "faces"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    lines = [str(count), "Bright Dull"]
    for number in range(count):
        is_bright = number % 3 == 0
        pixels = random.integers(0, 100, (16, 16, 3)) + 150 * is_bright
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:04d}.png")
        lines.append(f"{number:04d}.png {'1 -1' if is_bright else '-1 1'}")
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines))


@pytest.fixture
def subject(trained, tmp_path):
    config = trained(dataset="faces")
    plant_bright_images(tmp_path)
    return Subject(config)


@pytest.mark.slow
def test_a_classifier_finds_the_samples_that_look_like_it(subject, monkeypatch):
    monkeypatch.setattr(samples_by_attribute, "SAMPLES", 64)
    samples = subject.sampler.images(subject.config.seed, 64)
    samples[[5, 40]] = 240 + samples[[5, 40]] % 8  # two bright ones
    monkeypatch.setattr(Sampler, "images", lambda *_: samples)
    finder = AttributeFinder(subject)
    assert sorted(finder.find_samples("bright", 2)) == [5, 40]
    assert sorted(finder.find_samples("Dull", 2, is_on=False)) == [5, 40]
    others = finder.find_samples("BRIGHT", 62, is_on=False)
    assert {*others} == {*range(64)} - {5, 40}
    assert finder.describe_recognitions() == (
        "Bright: the classifier is right about 100% of held-back images",
        "Dull: the classifier is right about 100% of held-back images",
    )
    assert finder.list_accuracies() == {"accuracy_Bright": 1, "accuracy_Dull": 1}


def test_a_poor_classifier_is_told(subject, monkeypatch, messages):
    monkeypatch.setattr(samples_by_attribute, "train_classifier", lambda *_: (Blind(), 0.61))
    monkeypatch.setattr(samples_by_attribute, "SAMPLES", 4)
    AttributeFinder(subject).find_samples("Bright", 1)
    warning = "Bright: the classifier is right about only 61% of held-back images, and guessing"
    assert any(message.startswith(warning) for message in messages)


class Blind:
    def decision_function(self, features):
        return np.zeros(len(features))


def test_too_few_images_are_refused(subject, monkeypatch):
    monkeypatch.setattr(samples_by_attribute, "FEWEST_IMAGES", 17)
    reason = r"^At least 17 images with Bright are needed to recognise it. Received: 16. Use"
    with pytest.raises(ValueError, match=reason):
        AttributeFinder(subject).find_samples("Bright", 1)


def test_noise_is_recognised_by_guessing_and_a_plane_is_learnt():
    random = np.random.default_rng(0)
    features = random.normal(size=(800, 20))
    is_positive = features[:, 3] > 1.3  # a tenth
    _, accuracy = train_classifier(features, is_positive, 0)
    assert accuracy > 0.85
    _, accuracy = train_classifier(features, random.permutation(is_positive), 0)
    assert 0.35 < accuracy < 0.65  # where always saying no is right in 90%


def test_a_run_with_the_label_needs_no_classifier(tiny):
    names = ("cat", "dog", "3")
    finder = AttributeFinder(Subject(tiny(labels="own", label_names=names)))
    assert finder.find_samples("Dog", 3) == [1, 4, 7]
    assert finder.find_samples("3", 2) == [2, 5]
    assert finder.find_samples("dog", 3, is_on=False) == [0, 2, 3]
    how = "samples drawn with or without this label of the run, not picked by a classifier"
    assert finder.describe_recognitions() == (f"dog: {how}", f"3: {how}")


def test_samples_by_label_have_that_label(trained):
    config = trained(labels="Smiling,Young", label_names=("Smiling", "Young"))
    subject = Subject(config)
    for column, is_on in ((0, True), (0, False), (1, True)):
        numbers = list_samples_by_label(config, column, 3, is_on=is_on)
        _, y = subject.choose_latents_of_samples(numbers)
        assert len({*numbers}) == 3
        assert (y[:, column] == is_on).all()
