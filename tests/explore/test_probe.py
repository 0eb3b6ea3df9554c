"""The probe reads labels that were planted in images, finds none at random, and lets none leak."""

import numpy as np
import pytest
from PIL import Image

from data.labels import Labels
from explore import probe
from explore.choices import Choices
from explore.subject import Subject

PARTS = probe.Parts(slice(60), slice(60, 80), slice(80, 160))


@pytest.fixture
def short(monkeypatch):
    """Few fits."""
    monkeypatch.setattr(probe, "CS", (1e-4, 1e-3, 1e-2))
    monkeypatch.setattr(probe, "RESAMPLINGS", (4, 4))
    monkeypatch.setattr(probe, "FEW_LABELS", 30)


def make_features(planted: float):
    """(160, 40) features and classes (160,): noise, and `planted` times a pattern of the class."""
    rng = np.random.default_rng(0)
    classes = np.arange(160) % 3
    features = rng.normal(size=(160, 40)) + planted * rng.normal(size=(3, 40))[classes]
    return probe.scale_layers(features.astype(np.float32), None), classes


@pytest.mark.parametrize(("planted", "least", "most"), [(3, 0.99, 1), (0, 0.2, 0.5)])
def test_planted_classes_are_read_and_random_ones_are_not(short, planted, least, most):
    features, classes = make_features(planted)
    names = ("a", "b", "c")
    draws = probe.draw_balanced_labels(classes[:60], names, np.random.default_rng(0), 4)
    found = probe.probe_features(features, classes, PARTS, draws, "planted")
    assert found.few.shape == (4,)
    assert least <= found.few.mean() <= most
    assert least <= found.all <= most


def test_each_draw_has_equally_many_labels_of_each_class():
    classes = np.array([0] * 50 + [1] * 7 + [2] * 30)
    generator = np.random.default_rng(0)
    draws = probe.draw_balanced_labels(classes, ("a", "b", "c"), generator, 5)
    assert draws.shape == (5, 21)  # as many as the smallest class has
    for draw in draws:
        assert np.bincount(classes[draw]).tolist() == [7, 7, 7]
        assert len({*draw}) == 21
    assert (draws[0] != draws[1]).any()
    with pytest.raises(ValueError, match=r"needs 2 to 1,000 classes.*the smallest with 0"):
        probe.draw_balanced_labels(classes, ("a", "b", "c", "d"), generator, 5)


def test_layers_count_alike_after_scaling():
    rng = np.random.default_rng(0)
    features = rng.normal(5, 1, (200, 6)).astype(np.float32) * [1, 1, 100, 100, 100, 100]
    scaled = probe.scale_layers(features.astype(np.float32), [2, 4])
    assert scaled.mean(0) == pytest.approx(0, abs=1e-3)
    assert np.square(scaled[:, :2]).mean() == pytest.approx(np.square(scaled[:, 2:]).mean(), 1e-4)
    assert np.square(scaled).sum(1).mean() == pytest.approx(probe.MEAN_SQUARE, 1e-4)
    assert (probe.scale_layers(np.ones((3, 2), np.float32), None) == 0).all()


def test_large_pixels_are_averaged():
    images = np.zeros((1, 64, 96, 1), np.uint8)
    images[0, 1, 0] = 200  # a quarter of the first of 32x48 pixels
    pixels = probe.flatten_pixels(images, np.array([0, 0]))
    assert pixels.shape == (2, 32 * 48)
    assert pixels[0, 0] == pytest.approx(50)
    assert not pixels[:, 1:].any()


def test_rows_do_not_overlap_and_shrink_together(monkeypatch):
    rows = probe.LearningRows(np.arange(900), np.arange(900, 1000), is_held_out=True)
    chosen, parts = probe.choose_rows(rows, 10**9)
    assert len({*chosen}) == len(chosen) == 1000
    assert (chosen[parts.test] == rows.test).all()
    chosen, parts = probe.choose_rows(rows, 150)
    assert [len(chosen[part]) for part in parts] == [80, 20, 50]


@pytest.fixture
def make_folders(tmp_path):
    """A factory of data_dir/stripes: 80 images of noise in two folders, level and upright.

    contrast: of the stripes that each image has, as its folder says; 0: none.
    """

    def make(contrast: int) -> None:
        rng = np.random.default_rng(0)
        for number in range(80):
            image = rng.integers(0, 100, (16, 16, 3))
            turned = image if number % 2 else image.swapaxes(0, 1)
            turned[:, ::2] += contrast
            folder = tmp_path / "data" / "stripes" / ("upright" if number % 2 else "level")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.astype(np.uint8)).save(folder / f"{number:02d}.png")

    return make


@pytest.mark.slow
def test_a_run_without_labels_is_probed_with_those_of_folders(trained, make_folders, short):
    make_folders(contrast=150)
    subject = Subject(trained(dataset="stripes"), Choices(probe_labels="folder"))
    findings = probe.run_experiment(subject)
    numbers = findings.numbers
    assert numbers["discriminator_accuracy"] >= 0.9  # even untrained, its kernels see stripes
    assert numbers["random_weights_accuracy"] >= 0.9
    # 20 of 80 to test on, 15 of 60 to validate with, 45 to train on.
    assert (numbers["labels"], numbers["labels_of_all"], numbers["resamplings"]) == (30, 45, 4)
    text = findings.files["probe.txt"].decode()
    assert text.startswith("Labels: level, upright\ndiscriminator: ")
    assert "images that the discriminator has seen" in text
    assert subject.config.labels == "none"
    assert probe.run_experiment(Subject(subject.config, subject.choices)) == findings


@pytest.mark.slow
def test_labels_of_the_run_do_not_leak(trained, make_folders, short):
    """If the discriminator were told y, even labels without any meaning could be read."""
    make_folders(contrast=0)
    config = trained(dataset="stripes", labels="folder", label_names=("level", "upright"))
    findings = probe.run_experiment(Subject(config))
    assert findings.numbers["discriminator_accuracy_of_all"] <= 0.75
    assert findings.numbers["discriminator_accuracy"] <= 0.65
    assert "zeros for y" in findings.lines[-1]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("none", "--probe_labels must be own, folder or an attribute. Received: none. Leave it "),
        (None, "--probe_labels=own needs a dataset that comes with labels. Received: folder "),
        ("folder", "--probe_labels=folder needs every image of folder "),
        ("Smiling", "--probe_labels=Smiling needs list_attr_celeba.txt"),
        ("non", "--probe_labels must be own, folder or names of attributes. Received: non. To "),
        ("", "--probe_labels must be own, folder or attributes. Received: nothing. To have "),
    ],
)
def test_labels_that_do_not_exist_are_refused(trained, image_folder, kind, reason):
    image_folder(3)
    subject = Subject(trained(dataset="faces"), Choices(probe_labels=kind))
    with pytest.raises(ValueError) as told:
        probe.run_experiment(subject)
    line = str(told.value)
    assert line.startswith(reason)
    assert line.endswith(f". {probe.REMEDY}")
    assert not any(word in line for word in ("=none", "none, own", "own or none", "\n"))


def test_a_run_with_labels_is_probed_with_them_where_none_are_asked_for(trained, make_folders):
    make_folders(contrast=0)
    config = trained(dataset="stripes", labels="folder", label_names=("level", "upright"))
    with pytest.raises(ValueError, match=r"none\. Leave it out for the run's labels\.$"):
        probe.run_experiment(Subject(config, Choices(probe_labels="none")))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Received: none for a and 1 more. Is it right?", "none for a and 1 more. Is it right?"),
        ("Received: 3 in /a. b. Merge some, or drop --labels.", f"3 in /a. b. {probe.REMEDY}"),
        ("Received: Smilin. Did you mean Smiling?", "Smilin. Did you mean Smiling?"),
    ],
)
def test_only_advice_that_does_not_help_is_replaced(said, told):
    assert probe.explain_labels_for_probe(f"--labels=x. {said}") == (
        f"--probe_labels=x. Received: {told}"
    )


def test_several_attributes_are_refused():
    with pytest.raises(ValueError, match=r"Received: 2 attributes, a, b\. Try --probe_labels=a"):
        probe.number_classes(Labels(("a", "b"), np.ones((3, 2), np.float32)))
    with pytest.raises(ValueError, match=r"a b, c\. Try --probe_labels='a b'\."):
        probe.number_classes(Labels(("a b", "c"), np.ones((3, 2), np.float32)))
    assert probe.number_classes(Labels(("a",), np.eye(2, 1, dtype=np.float32))).tolist() == [1, 0]
