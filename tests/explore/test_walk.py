"""Walks start and end exactly at samples, and stay where latents are."""

import io

import imageio.v3 as iio
import numpy as np
import pytest

from explore import walk
from explore.choices import Choices
from explore.subject import Subject
from sample import Sampler


@pytest.mark.slow
@pytest.mark.parametrize("labels", [{}, {"labels": "own", "label_names": ("a", "b", "c")}])
def test_rows_start_and_end_at_samples_to_the_byte(trained, labels):
    config = trained(**labels)
    findings = walk.run_experiment(Subject(config, Choices(walk_seeds="4,0,7")))
    samples = Sampler(config).images(config.seed, 8)[[4, 0, 7]]
    for name in ("linear.png", "great_circle.png"):
        rows = tiles_of(findings.files[name], 3, walk.COLUMNS)
        assert (rows[:, 0] == samples).all()
        assert (rows[:, -1] == samples[[1, 2, 0]]).all()

    again = walk.run_experiment(Subject(config, Choices(walk_seeds="4,0,7")))
    assert again.files == findings.files


def tiles_of(png: bytes, rows: int, columns: int) -> np.ndarray:
    """(rows, columns, h, w, C) of a grid."""
    grid = iio.imread(io.BytesIO(png))
    height, width, channels = grid.shape
    tiles = grid.reshape(rows, height // rows, columns, width // columns, channels)
    return tiles.swapaxes(1, 2)


def test_great_circles_keep_the_length_and_lines_do_not():
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(2, 100)).astype(np.float32)
    middle = walk.interpolate_on_circle(start, end, 3)[1]
    mean = (np.linalg.norm(start) + np.linalg.norm(end)) / 2
    assert np.linalg.norm(middle) == pytest.approx(mean, rel=1e-5)
    assert np.linalg.norm(walk.interpolate_linearly(start, end, 3)[1]) < 0.8 * mean
    # A quarter of a circle, by hand.
    axes = np.eye(2, dtype=np.float32)
    assert walk.interpolate_on_circle(*axes, 3)[1] == pytest.approx([0.5**0.5, 0.5**0.5])


def test_parallel_and_empty_latents_are_walked_in_a_line():
    start = np.array([1, 2], np.float32)
    for end in (2 * start, -start, 0 * start, start):
        points = walk.interpolate_on_circle(start, end, 5)
        assert (points == walk.interpolate_linearly(start, end, 5)).all()
