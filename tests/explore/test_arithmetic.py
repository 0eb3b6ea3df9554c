"""Sums of latents and of pixels, against sums made here."""

import io

import imageio.v3 as iio
import numpy as np
import pytest

from explore import arithmetic
from explore.captions import CAPTION_HEIGHT, SYMBOL_WIDTH, enlarge, make_rgb
from explore.choices import Choices
from explore.exemplars import TILE_SIDE, Exemplars, LatentAndLabel
from explore.expressions import Term
from explore.subject import Subject


def read_tile(findings, columns_before, symbols_before, row) -> np.ndarray:
    """The tile of square images after so many columns and symbols, below a heading: (h, w, 3)."""
    picture = iio.imread(io.BytesIO(findings.files["arithmetic.png"]))
    left = columns_before * TILE_SIDE + symbols_before * SYMBOL_WIDTH
    top = CAPTION_HEIGHT + row * (TILE_SIDE + CAPTION_HEIGHT) + CAPTION_HEIGHT
    return picture[top : top + TILE_SIDE, left : left + TILE_SIDE]


def show(image):
    return enlarge(make_rgb(image), TILE_SIDE)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{}, {"labels": "own", "label_names": ("a", "b", "c"), "c_dim": 1}, {"c_dim": 4}]
)
def test_the_picture_holds_exemplars_means_and_the_result(trained, changes):
    config = trained(**changes)
    subject = Subject(config, Choices(arithmetic="4,0 - 7 + 2,3"))
    findings = arithmetic.run_experiment(subject)
    sampler = subject.sampler
    z, y = sampler.choose_latents_and_labels(config.seed, 8)
    z, images = z.numpy(), sampler.images(config.seed, 8)

    assert (read_tile(findings, 0, 0, 0) == show(images[4])).all()
    assert (read_tile(findings, 0, 0, 1) == show(images[0])).all()
    assert (read_tile(findings, 1, 1, 0) == show(images[7])).all()
    assert (read_tile(findings, 1, 1, 1) == 255).all()
    assert (read_tile(findings, 1, 1, 2) == show(images[7])).all()  # the mean of one

    wanted = (z[4] + z[0]) / 2 - z[7] + (z[2] + z[3]) / 2
    label = None
    if y is not None:
        label = ((y[4] + y[0]) / 2 - y[7] + (y[2] + y[3]) / 2).clip(0, 1)[None]
    result = show(sampler.draw(wanted[None], label)[0]).astype(int)
    assert np.abs(read_tile(findings, 4, 3, 1) - result).max() <= 1

    pixels = images[4].astype(int) - images[7] + images[2]
    assert (read_tile(findings, 6, 4, 0) == show(pixels.clip(0, 255).astype(np.uint8))).all()
    assert arithmetic.run_experiment(subject).files == findings.files
    assert findings.lines[0].startswith(f"the result is {findings.numbers['length']:.2f} times")


def test_a_minus_a_plus_c_draws_c(trained):
    subject = Subject(trained(), Choices(arithmetic="1,2 - 2,1 + 5"))
    findings = arithmetic.run_experiment(subject)
    assert (read_tile(findings, 4, 3, 1) == show(subject.sampler.images(0, 6)[5])).all()


def test_other_shapes_and_one_term(trained):
    config = trained(output_height=12, output_width=24)
    findings = arithmetic.run_experiment(Subject(config, Choices(arithmetic="3,4")))
    picture = iio.imread(io.BytesIO(findings.files["arithmetic.png"]))
    tile_height, tile_width = 12 * 11, 24 * 11  # the shorter side has at least 128 pixels
    width = 5 * tile_width + 2 * SYMBOL_WIDTH
    assert picture.shape == (12 + 3 * (tile_height + 12), width, 3)


def test_noise_is_around_the_result_and_within_its_bounds(tiny):
    result = LatentAndLabel(np.linspace(-2, 2, 500, dtype=np.float32), None)
    points = arithmetic.list_points_around(Subject(tiny()), result)
    noise = np.stack([point.z - result.z for point in points])
    assert len(noise) == 9
    assert not noise[4].any()
    others = np.delete(noise, 4, 0)
    assert 0.24 < np.abs(others).max() <= 0.25 + 1e-6
    assert others.std() == pytest.approx(0.25 / 3**0.5, rel=0.05)
    again = arithmetic.list_points_around(Subject(tiny()), result)
    assert all((a.z == b.z).all() for a, b in zip(points, again, strict=True))


def test_sums_of_pixels_by_hand():
    def make_group(numbers, values):
        images = np.array(values, np.uint8).reshape(-1, 1, 1, 1)
        return Exemplars(Term(tuple(numbers)), numbers, np.zeros((1, 1)), None, images)

    groups = [make_group([0, 1], [100, 200]), make_group([2, 3, 4], [50, 250, 60])]
    sums = arithmetic.add_pixels_of_exemplars(groups, [1, -1])
    assert np.ravel(sums).tolist() == [50, 0]
    assert arithmetic.add_pixels_of_means(groups, [1, -1]).item() == 30
    assert arithmetic.add_pixels_of_means(groups, [1, 1]).item() == 255


def test_what_leaves_the_range_is_said():
    assert arithmetic.describe_result(1.234, 0.08) == (
        "the result is 1.23 times as long as a typical latent; 8% of its values lie outside the "
        "usual range and are not clipped"
    )
    assert arithmetic.describe_result(1, 0).endswith("a typical latent")
