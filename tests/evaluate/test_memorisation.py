"""Samples that copy training images are reported, and the picture shows them."""

import numpy as np
import pytest
from disks import limit

from data.split import split_rows_for_holdout
from evaluate.compared_sets import ImageSets
from evaluate.memorisation import (
    ABOVE,
    BELOW,
    GAP,
    GAP_OF_HALVES,
    TILE,
    draw_nearest_images,
    measure_memorisation_of_run,
    write_picture_of_nearest_images,
)


@pytest.fixture
def make():
    """(sets, fakes): 40 of the training images, or of the held-out ones, changed a little."""

    def make_sets(*, of_training, channels=3):
        images = np.random.default_rng(0).integers(0, 256, (200, 16, 16, channels), np.uint8)
        split = split_rows_for_holdout(images, 0.3)
        rows = (split.training if of_training else split.held_out)[:40]
        fakes = images[rows] ^ 1
        return ImageSets(images, fakes, seed=0, split=split), fakes

    return make_sets


def test_copies_are_found_in_pixels_and_in_features(make):
    for of_training in (True, False):
        sets, fakes = make(of_training=of_training)
        found = measure_memorisation_of_run(sets, fakes)
        assert [*found] == ["pixels", "features"]
        for memorisation in found.values():
            assert memorisation.share == float(of_training)
            assert memorisation.expected == len(sets.split.training) / 200
            assert memorisation.p_value < 0.01 if of_training else memorisation.p_value > 0.99
            nearest = memorisation.training if of_training else memorisation.held_out
            np.testing.assert_array_equal(nearest.indices, np.arange(40))


@pytest.mark.parametrize("channels", [1, 4])
def test_the_picture_has_the_closest_sample_beside_its_nearest_images(make, channels):
    sets, fakes = make(of_training=True, channels=channels)
    fakes[5] = sets.images[sets.split.training[5]]  # an exact copy, in both spaces
    if channels == 4:
        sets.images[..., 3] = fakes[..., 3] = 255
    picture = draw_nearest_images(sets, fakes, measure_memorisation_of_run(sets, fakes))
    width = 3 * TILE + 4 * GAP
    assert picture.shape == (ABOVE + 8 * (TILE + BELOW), 2 * width + GAP_OF_HALVES, 3)
    for left in (0, width + GAP_OF_HALVES):
        corners = [left + GAP + column * (TILE + GAP) for column in range(3)]
        sample, training, held_out = (picture[ABOVE : ABOVE + TILE, x : x + TILE] for x in corners)
        shown = np.broadcast_to(fakes[5][..., : max(1, channels - channels // 4)], (16, 16, 3))
        np.testing.assert_array_equal(sample[3::6, 3::6], shown)
        np.testing.assert_array_equal(training, sample)
        assert (held_out != sample).any()


def test_a_picture_that_cannot_be_written_is_one_line_and_anothers_is_put_aside(
    make, tmp_path, messages
):
    sets, fakes = make(of_training=True)
    sets.folder, path = tmp_path, tmp_path / "memorisation.png"
    found = measure_memorisation_of_run(sets, fakes)
    with limit(1000):
        write_picture_of_nearest_images(sets, fakes, found)
    assert messages == [f"{path} cannot be written: File too large."]
    assert not path.exists()

    path.write_bytes(b"a user's")
    write_picture_of_nearest_images(sets, fakes, found)
    assert (tmp_path / "memorisation.1.png").read_bytes() == b"a user's"
    assert messages[-1].endswith(f"training images are in {path}")
