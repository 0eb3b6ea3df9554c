"""A turn moves every sample by the same vector, and leaves the middle of its row alone."""

import io

import imageio.v3 as iio
import numpy as np
import pytest

from explore import turn
from explore.captions import CAPTION_HEIGHT, MIN_SIDE, enlarge, make_rgb
from explore.choices import Choices
from explore.exemplars import Exemplars, LatentAndLabel
from explore.expressions import Term
from explore.subject import Subject


def read_tiles(findings) -> np.ndarray:
    """(rows, steps, h, w, 3) of turn.png, without captions, for square images."""
    picture = iio.imread(io.BytesIO(findings.files["turn.png"]))
    height, width, _ = picture.shape
    tiles = picture.reshape(turn.ROWS, height // turn.ROWS, turn.STEPS, width // turn.STEPS, 3)
    return tiles.swapaxes(1, 2)[:, :, CAPTION_HEIGHT:]


def show(images):
    return enlarge(make_rgb(images), MIN_SIDE)


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"labels": "own", "label_names": ("a", "b", "c")}])
def test_rows_lead_from_one_side_of_a_sample_to_the_other(trained, changes, monkeypatch):
    monkeypatch.setattr(turn, "FRAMES", 2)
    config = trained(**changes)
    subject = Subject(config, Choices(turn="1,3 -> 4,9"))
    findings = turn.run_experiment(subject)
    sampler, rows = subject.sampler, [0, 2, 5, 6, 7, 8]
    z, y = sampler.choose_latents_and_labels(config.seed, 10)
    tiles = read_tiles(findings)
    assert (tiles[:, 4] == show(sampler.images(config.seed, 9)[rows])).all()

    vector = (z.numpy()[[4, 9]].mean(0) - z.numpy()[[1, 3]].mean(0)).astype(np.float32)
    for column, share in ((0, -1), (8, 1), (5, 0.25)):
        labels = None
        if y is not None:
            labels = (y[rows] + share * (y[[4, 9]].mean(0) - y[[1, 3]].mean(0))).clip(0, 1)
        images = show(sampler.draw(z.numpy()[rows] + share * vector, labels))
        assert np.abs(tiles[:, column].astype(int) - images).max() <= 1

    assert turn.run_experiment(subject).files == findings.files


@pytest.mark.slow
def test_the_film_goes_there_and_back(trained):
    subject = Subject(trained(), Choices(turn="1 -> 4"))
    findings = turn.run_experiment(subject)
    film = iio.imread(findings.files["turn.gif"], extension=".gif", index=None)
    assert len(film) == turn.FRAMES
    assert b"NETSCAPE2.0" in findings.files["turn.gif"]

    start, end = (LatentAndLabel(*pair) for pair in ((np.zeros(8), None), (np.ones(8), None)))
    frames = turn.draw_film(subject, [0, 2, 3], start, end)
    assert (frames[1:16] == frames[:16:-1]).all()  # back on the same way
    assert (frames[16] != frames[0]).any()
    assert {"turn.png", "groups.png", "turn.gif"} <= {*findings.files}


def test_a_turn_from_a_group_to_itself_changes_nothing(trained, monkeypatch):
    monkeypatch.setattr(turn, "FRAMES", 2)
    findings = turn.run_experiment(Subject(trained(c_dim=4), Choices(turn="1,2 -> 2,1")))
    tiles = read_tiles(findings)
    assert (tiles == tiles[:, :1]).all()
    assert findings.numbers["length"] == 0


def test_the_samples_are_none_of_the_groups():
    images = np.zeros((3, 2, 2, 1), np.uint8)
    groups = [Exemplars(Term(n), n, images, None, images) for n in ([0, 2, 2], [1, 0])]
    assert turn.choose_samples_outside_groups(groups) == [3, 4, 5, 6, 7, 8]


def test_other_shapes(trained, monkeypatch):
    monkeypatch.setattr(turn, "FRAMES", 2)
    subject = Subject(trained(output_width=24, c_dim=1), Choices(turn="0 -> 1"))
    files = turn.run_experiment(subject).files
    assert iio.imread(io.BytesIO(files["turn.png"])).shape == (6 * (64 + 12), 9 * 96, 3)
