"""A generated image is found again."""

import io
import re

import imageio.v3 as iio
import numpy as np
import pytest

from explore import latent_search, project
from explore.choices import Choices
from explore.subject import Subject
from sample import Sampler
from utils import encode_png

OTHER_SEED = 5  # whose images are not among the candidates
OF_LABELS = {"c_dim": 4, "labels": "own", "label_names": ("a", "b", "c")}


@pytest.fixture(autouse=True)
def fewer_candidates(monkeypatch):
    monkeypatch.setattr(latent_search, "CANDIDATES", 256)
    monkeypatch.setattr(latent_search, "STARTS", 6)
    monkeypatch.setattr(latent_search, "STEPS", 120)


@pytest.fixture
def generated(tmp_path):
    """Writes per image that the run draws with another seed; returns its path and its pixels."""

    def write(config):
        image = Sampler(config).images(OTHER_SEED, 2)[1]
        path = tmp_path / "image.png"
        path.write_bytes(encode_png(image))
        return str(path), image

    return write


@pytest.mark.parametrize(
    "settings",
    [
        {"c_dim": 1, "z_dist": "normal01", "output_width": 12},
        pytest.param({"z_dist": "uniform_unsigned"}, marks=pytest.mark.slow),
        pytest.param(OF_LABELS, marks=pytest.mark.slow),
    ],
)
def test_a_generated_image_is_found_again(vivid, generated, settings):
    config = vivid(**settings)
    path, image = generated(config)
    subject = Subject(config, Choices(image=path))
    findings = project.run_experiment(subject)

    z = np.load(io.BytesIO(findings.files["z.npy"]))
    assert z.shape == (1, config.z_dim)
    assert z.dtype == np.float32
    y = None
    if config.y_dim:
        y = np.load(io.BytesIO(findings.files["y.npy"]))
        assert y.tolist() == [[0, 1, 0]]
        assert ", label b" in findings.lines[0]
    assert ("y.npy" in findings.files) == bool(config.y_dim)
    assert (Sampler(subject.config).draw(z, y)[0] == cut(findings, 1, image)).all()
    assert (cut(findings, 0, image) == image).all()

    spread = float(np.var(image / 127.5))
    assert spread > 0.01
    assert findings.numbers["mse"] < 0.01 * spread
    assert re.fullmatch(r"\d+ s per image", findings.lines[-1])


@pytest.mark.slow
def test_a_label_that_is_given_is_kept_although_another_would_fit_better(vivid, generated):
    config = vivid(**OF_LABELS)
    path, _ = generated(config)  # has the label b
    free = project.run_experiment(Subject(config, Choices(image=path)))
    bound = project.run_experiment(Subject(config, Choices(image=path, label="C")))
    assert np.load(io.BytesIO(bound.files["y.npy"])).tolist() == [[0, 0, 1]]
    assert ", label c" in bound.lines[0]
    assert bound.numbers["mse"] > free.numbers["mse"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files(vivid, generated, monkeypatch):
    monkeypatch.setattr(latent_search, "STEPS", 10)
    config = vivid()
    path, _ = generated(config)
    first, again = (
        project.run_experiment(Subject(config, Choices(image=path))).files for _ in range(2)
    )
    assert first == again


def cut(findings, row, image):
    """Row 0 or 1 of the picture of a single image, in its own size."""
    picture = iio.imread(io.BytesIO(findings.files["projected.png"])).reshape(2, -1)
    height, width, channels = image.shape
    scale = -(-64 // min(height, width))
    tile = picture[row].reshape(height * scale, width * scale, channels)
    return tile[::scale, ::scale]


@pytest.mark.slow
def test_a_search_never_returns_worse_than_its_best_candidate(vivid, generated, monkeypatch):
    config = vivid()
    path, _ = generated(config)
    monkeypatch.setattr(latent_search, "LEARNING_RATE", 1e6)  # leaps to the corners
    monkeypatch.setattr(latent_search, "STEPS", 3)
    subject = Subject(config, Choices(image=path))
    findings = project.run_experiment(subject)
    candidates = subject.sampler.images(config.seed, latent_search.CANDIDATES)
    image = cut(findings, 0, candidates[0])
    nearest = np.square(candidates / 127.5 - image / 127.5).mean((1, 2, 3)).min()
    assert findings.numbers["mse"] == pytest.approx(nearest, rel=1e-3)


def test_missing_files_are_told_before_anything_is_restored(tiny):
    subject = Subject(tiny().resolve(), Choices(image="/nowhere/face.png"))
    with pytest.raises(ValueError, match=r"/nowhere/face\.png: No such file or directory"):
        project.run_experiment(subject)
