"""Completions keep what is visible and come close to what was hidden."""

import io

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from explore import complete, latent_search
from explore.choices import Choices
from explore.masks import make_mask
from explore.subject import Subject
from sample import Sampler
from utils import encode_png

OF_LABELS = {"c_dim": 1, "labels": "own", "label_names": ("a", "b")}
RELATIVISTIC = {"c_dim": 4, "loss": "relativistic", "d_norm": "none"}


@pytest.fixture(autouse=True)
def fewer_candidates(monkeypatch):
    monkeypatch.setattr(latent_search, "CANDIDATES", 256)
    monkeypatch.setattr(latent_search, "STARTS", 6)


@pytest.fixture
def few_steps(monkeypatch):
    monkeypatch.setattr(latent_search, "STEPS", 5)
    monkeypatch.setattr(complete, "STEPS", 5)


def rows_of(findings, scale=4):
    """(4, 16, 16, C): original, masked, drawn and filled, of one 16x16 image."""
    picture = iio.imread(io.BytesIO(findings.files["completed.png"]))
    picture = picture.reshape(4 * 64, 64, -1)[::scale, ::scale]  # gray pictures have no channels
    return picture.reshape(4, 16, 16, -1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mask", "settings"),
    [
        ("center", {}),
        ("random", {"c_dim": 1}),
        pytest.param("random", OF_LABELS, marks=pytest.mark.slow),
        pytest.param("left", RELATIVISTIC, marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("few_steps")
def test_visible_pixels_stay_to_the_byte(vivid, tmp_path, photos, mask, settings):
    config = vivid(**settings)
    path = tmp_path / "photo.png"
    Image.fromarray(photos(1)[0]).save(path)
    choices = Choices(image=str(path), mask=None if mask == "center" else mask)
    findings = complete.run_experiment(Subject(config, choices))
    original, masked, drawn, filled = rows_of(findings)

    hidden = make_mask(mask, 16, 16, np.random.default_rng(config.seed))
    assert (filled[~hidden] == original[~hidden]).all()
    assert (masked[~hidden] == original[~hidden]).all()
    assert (masked[hidden][:, 0] == 128).all()
    z = np.load(io.BytesIO(findings.files["z.npy"]))
    y = np.load(io.BytesIO(findings.files["y.npy"])) if config.y_dim else None
    assert (drawn == Sampler(config).draw(z, y)[0]).all()


@pytest.mark.slow
@pytest.mark.usefixtures("few_steps")
def test_the_same_seed_gives_the_same_files(vivid, tmp_path, photos):
    config = vivid()
    path = tmp_path / "photo.png"
    Image.fromarray(photos(1)[0]).save(path)
    choices = Choices(image=str(path), mask="random")
    first, again = (complete.run_experiment(Subject(config, choices)).files for _ in range(2))
    assert first == again


@pytest.mark.slow
def test_what_the_generator_drew_is_restored(vivid, tmp_path, monkeypatch):
    monkeypatch.setattr(latent_search, "STEPS", 120)
    config = vivid()
    path = tmp_path / "image.png"
    path.write_bytes(encode_png(Sampler(config).images(5, 1)[0]))
    findings = complete.run_experiment(Subject(config, Choices(image=str(path))))
    original, _, _, filled = rows_of(findings)
    hidden = make_mask("center", 16, 16, None)
    error = np.square((filled - original.astype(float))[hidden] / 127.5).mean()
    assert findings.numbers["mse"] == pytest.approx(error)
    assert error < 0.05 * np.var(original[hidden] / 127.5)


@pytest.mark.usefixtures("few_steps")
def test_a_file_of_the_images_size_hides_where_it_is_white(vivid, tmp_path, photos):
    config = vivid()
    levels = np.zeros((32, 32), np.uint8)
    levels[8:16, 4:20] = 255
    image, mask = tmp_path / "photo.png", tmp_path / "mask.png"
    Image.fromarray(photos(1, 32, 32)[0]).save(image)
    Image.fromarray(levels).save(mask)
    choices = Choices(image=str(image), mask=str(mask))
    _, masked, _, _ = rows_of(complete.run_experiment(Subject(config, choices)))
    expected = np.zeros((16, 16), bool)
    expected[4:8, 2:10] = True
    assert ((masked == 128).all(-1) == expected).all()


def test_the_loss_by_hand():
    hidden = np.zeros((8, 8), bool)
    hidden[0, 0] = True
    visible = complete.mark_visible(hidden)
    images = tf.constant(np.stack([np.full((8, 8, 3), level, np.float32) for level in (0.5, -1)]))
    losses = complete.measure_completion_loss(
        lambda images, y: tf.constant([[0.0], [2.0]]), images, None, tf.zeros((8, 8, 3)), visible
    )
    context = 3 * 63 * np.array([0.5, 1])
    prior = np.log1p(np.exp([0.0, -2.0]))
    assert losses.numpy() == pytest.approx(context + 0.1 * prior, rel=1e-5)


def test_a_mistyped_mask_is_told_before_anything_is_restored(tiny, tmp_path, photos):
    path = tmp_path / "photo.png"
    Image.fromarray(photos(1)[0]).save(path)
    subject = Subject(tiny().resolve(), Choices(image=str(path), mask="centre"))
    with pytest.raises(ValueError, match=r"--mask must be .*Received: centre. Did you mean center"):
        complete.run_experiment(subject)
