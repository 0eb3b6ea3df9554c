"""features.npz holds the features, in the dataset's order, with the labels."""

import io

import numpy as np
import pytest

from explore import features
from explore.discriminator_features import compute_discriminator_features
from explore.subject import Subject


@pytest.mark.slow
def test_features_and_labels_of_digits(trained, mnist_digits):
    names = tuple(map(str, range(10)))
    config = trained(dataset="mnist", output_height=28, c_dim=1, labels="own", label_names=names)
    subject = Subject(config)
    findings = features.run_experiment(subject)
    with np.load(io.BytesIO(findings.files["features.npz"])) as arrays:
        held = dict(arrays)
    assert held["features"].dtype == np.float32
    assert held["features"].shape == (20, held["layers"].sum())
    oracle = compute_discriminator_features(subject.discriminator, mnist_digits[..., None])
    assert held["features"] == pytest.approx(oracle, abs=1e-5)
    assert (held["y"].argmax(1) == np.arange(20) % 10).all()
    assert held["names"].tolist() == list(names)
    assert len(held["files"]) == 20
    assert "zeros for y" in findings.lines[1]
    assert features.run_experiment(Subject(config)).files == findings.files


def test_only_the_first_images_of_a_large_dataset(trained, image_folder, monkeypatch):
    monkeypatch.setattr(features, "MOST_IMAGES", 3)
    image_folder(5)
    findings = features.run_experiment(Subject(trained(dataset="faces")))
    with np.load(io.BytesIO(findings.files["features.npz"])) as arrays:
        assert {*arrays} == {"features", "layers", "files"}
        assert len(arrays["features"]) == len(arrays["files"]) == 3
    assert findings.lines[0].endswith("for each of the dataset's first 3 images")
