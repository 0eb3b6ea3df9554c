import numpy as np
import pytest

from evaluate import image_sets


class Drawn:
    """Images that exist only when they are requested, like a generator's."""

    def __init__(self, images):
        self.images = images
        self.most = 0

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        part = self.images[rows]
        self.most = max(self.most, len(part))
        return part


def images(count=4, side=8, channels=3):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def test_chunks_are_rgb_and_never_all_of_the_set(monkeypatch):
    monkeypatch.setattr(image_sets, "CHUNK_IMAGES", 3)
    drawn = Drawn(images(10, channels=1))
    chunks = list(image_sets.read_rgb_chunks(drawn))
    assert [len(chunk) for chunk in chunks] == [3, 3, 3, 1]
    assert drawn.most == 3
    np.testing.assert_array_equal(np.concatenate(chunks), np.tile(drawn.images, 3))


def test_large_images_come_in_smaller_chunks():
    assert image_sets.list_chunks_of_compared_images(600, (8, 8, 3)) == [
        (0, 256),
        (256, 512),
        (512, 600),
    ]
    assert image_sets.list_chunks_of_compared_images(2, (2000, 2000, 3)) == [(0, 1), (1, 2)]


def test_transparent_pixels_are_white_and_opaque_ones_their_colour():
    pixels = np.array([[10, 20, 30, 0], [10, 20, 30, 255], [0, 100, 200, 51]], np.uint8)
    shown = image_sets.lay_compared_images_on_background(pixels.reshape(1, 1, 3, 4))
    np.testing.assert_allclose(
        shown[0, 0], [[255] * 3, [10, 20, 30], [204, 224, 244]], atol=1e-4
    )  # alpha 51 is a fifth


@pytest.mark.parametrize("wrap", [np.asarray, Drawn])
def test_take_keeps_the_order(wrap):
    some = images(6)
    taken = image_sets.take_compared_images(wrap(some), np.array([4, 0, 4]))
    np.testing.assert_array_equal(taken, some[[4, 0, 4]])


@pytest.mark.parametrize(
    ("reals", "fakes", "message"),
    [
        (images(1), images(), "M needs at least 2 images of each kind but was given 1 reals and 4"),
        (images(), images(side=9), "the reals are 8 wide x 8 high with 3 channels and the fakes 9"),
        (images(channels=1), images(), "8 wide x 8 high with 1 channel and the fakes"),
        (images(side=7), images(side=7), "needs images of 8x8 pixels or more"),
        (images() / 255, images(), "this one is float64, and its first image is"),
        (images(channels=2), images(channels=2), "with C = 1, 3 or 4"),
    ],
)
def test_sets_that_do_not_fit_are_refused_in_one_line(reals, fakes, message):
    with pytest.raises(ValueError, match=message) as error:
        image_sets.check_image_sets(reals, fakes, metric="M", least=2)
    assert "\n" not in str(error.value)


def test_features_of_two_networks_are_refused():
    with pytest.raises(ValueError, match=r"one real has features \(1, 3\) and one fake \(1, 4\)"):
        image_sets.check_feature_sets(np.ones((5, 3)), np.ones((5, 4)), metric="M", least=2)
    assert image_sets.check_feature_sets(np.ones((5, 3)), np.ones((2, 3)), metric="M", least=2) == 3
