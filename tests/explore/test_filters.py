"""The pictures of features: which images they choose, and how they show gradients."""

import io

import imageio.v3 as iio
import numpy as np
import pytest

from explore import filters
from explore.captions import CAPTION_HEIGHT
from explore.subject import Subject


def test_signed_numbers_are_gray_at_zero_and_full_at_the_largest():
    values = np.zeros((3, 1, 3, 4))
    values[0, 0, :, 0] = [0.5, -1.0, 0]
    values[0, 0, 0, 3] = 9  # alpha
    values[1, 0, 0, 1] = 1e-6
    shown = filters.show_signed(values)
    assert shown.shape == (3, 1, 3, 3)
    assert shown[0, 0, :, 0].tolist() == [192, 1, 128]
    assert shown[1, 0, 0].tolist() == [128, 255, 128]
    assert (shown[2] == 128).all()


def test_selectivity_by_hand():
    """One image in nine responds with 9, the others with 0: mean 1, variance 8."""
    responses = np.zeros((9, 2))
    responses[3, 0] = 9  # feature 1 never varies
    strongest = 9 / filters.COLUMNS
    assert filters.measure_selectivity(responses) == pytest.approx((strongest - 1) / 8**0.5)
    assert filters.measure_selectivity(np.ones((9, 2))) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [{}, {"c_dim": 1, "d_norm": "spectral"}, {"c_dim": 4, "output_width": 24, "d_norm": "none"}],
)
def test_pictures_of_a_run(trained, image_folder, changes):
    image_folder(12)
    config = trained(dataset="faces", **changes)
    findings = filters.run_experiment(Subject(config))
    picture = iio.imread(io.BytesIO(findings.files["responses.png"]))
    height, width = (4 * config.height, 4 * config.width)  # enlarged to 64
    rows, half = 2 * filters.FEATURES, filters.COLUMNS * width
    assert picture.shape == (CAPTION_HEIGHT + rows * height, 2 * half + filters.GAP, 3)
    assert set(findings.files) == {"responses.png", "kernels.png"}
    if not changes:
        assert filters.run_experiment(Subject(config)).files == findings.files


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["concat", "projection"])
def test_labels_are_used(trained, mnist_digits, kind):
    config = trained(
        dataset="mnist", c_dim=1, labels="own", label_names=tuple("0123456789"), d_labels=kind
    )
    subject = Subject(config)
    images, y = filters.choose_images(subject)
    assert y.shape == (len(images), 10)
    assert set(filters.run_experiment(subject).files) == {"responses.png", "kernels.png"}


def test_the_images_shown_respond_most(trained, image_folder):
    image_folder(12)
    subject = Subject(trained(dataset="faces"))
    images, y = filters.choose_images(subject)
    responses = filters.measure_responses(subject.discriminator, images, y, "trained")
    picture = filters.draw_strongest(subject.discriminator, images, y, responses)
    first = picture[:64:4, :64:4]  # the image at the top left, 16x16
    assert (first == images[responses[:, 0].argmax()]).all()


def test_each_image_shown_keeps_its_label_where_a_class_is_gone(trained, image_folder):
    folder = image_folder(3, "shapes/square").parent
    image_folder(3, "shapes/triangle")
    names = ("circle", "square", "triangle")
    config = trained(dataset=str(folder), labels="folder", label_names=names)
    _, y = filters.choose_images(Subject(config))
    assert y.argmax(1).tolist() == [1, 1, 1, 2, 2, 2] and y.shape == (6, 3)

    image_folder(3, "shapes/cross")
    with pytest.raises(ValueError, match=r"^The labels are fixed .* Give them their old names"):
        filters.choose_images(Subject(config))
