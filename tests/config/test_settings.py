import itertools

import pytest

from config.settings import Config, name_folder_after_dataset_setting


@pytest.mark.parametrize(
    ("height", "width", "stem", "blocks"),
    [
        (64, 64, (4, 4), 4),
        (28, 28, (4, 4), 3),
        (108, 108, (7, 7), 4),
        (128, 128, (4, 4), 5),
        (64, 32, (8, 4), 3),
        (8, 8, (4, 4), 1),
        (512, 512, (4, 4), 7),
        (33, 47, (5, 6), 3),
    ],
)
def test_stem_and_blocks_follow_from_the_size(height, width, stem, blocks):
    sizes = Config(output_height=height, output_width=width).sizes
    assert sizes[0] == stem
    assert sizes[-1] == (height, width)
    assert len(sizes) - 1 == blocks


def test_every_size_is_the_ceil_half_of_the_next():
    for height in range(8, 513):
        sizes = [h for h, _ in Config(output_height=height).sizes]
        assert all(small == -(-large // 2) for small, large in itertools.pairwise(sizes))
        assert 4 <= sizes[0] <= 7


def test_widths_halve_from_the_stem():
    assert Config().generator_widths == (512, 256, 128, 64)
    assert Config(stem_width=1024).generator_widths == (1024, 512, 256, 128)


def test_an_epoch_shows_every_image_once():
    assert Config(epoch=1).total_steps(640) == 10
    assert Config(epoch=1).total_steps(641) == 11
    assert Config(epoch=2, d_updates=5).total_steps(640) == 4
    assert Config(epoch=1).total_steps(3) == 1
    assert Config(steps=7).total_steps(10**6) == 7


def test_what_is_done_counts_in_images():
    assert Config(epoch=2).total_steps(640, step=7, images_shown=640) == 7 + 10
    assert Config(epoch=2).total_steps(640, step=10, images_shown=640) == 20
    assert Config(epoch=2).total_steps(640, step=3, images_shown=1279) == 3 + 1
    assert Config(epoch=2).total_steps(640, step=3, images_shown=1280) == 3
    assert Config(epoch=1).total_steps(640, step=3, images_shown=1280) == 3
    assert Config(steps=7).total_steps(640, step=3, images_shown=1280) == 7


@pytest.mark.parametrize(
    ("dataset", "label"),
    [
        ("celebA", "celebA"),
        ("/a/cats/", "cats"),
        ("pets/dogs.zip", "dogs"),
        ("tfds:lsun/cat", "tfds-lsun-cat"),
    ],
)
def test_dataset_label_is_one_folder_name(dataset, label):
    assert name_folder_after_dataset_setting(dataset) == label


def test_widths_as_flags_and_as_json():
    assert Config(g_widths="512,256,128,64").g_widths == (512, 256, 128, 64)
    assert Config(g_widths="8, 6,4,2").generator_widths == (8, 6, 4, 2)
    assert Config(d_widths=[1, 2, 3, 4]).discriminator_widths == (1, 2, 3, 4)
    assert Config().discriminator_widths == (64, 128, 256, 512)
    with pytest.raises(
        ValueError, match=r"--g_widths must be 4 numbers of feature maps.* Received: 8,6\."
    ):
        Config(g_widths="8,6")
    with pytest.raises(
        ValueError, match=r"--d_widths must be numbers separated by commas\. Received: wide\."
    ):
        Config(d_widths="wide")


def test_the_discriminator_may_have_a_least_width():
    assert Config(stem_width=128).discriminator_widths == (16, 32, 64, 128)
    assert Config(stem_width=128, d_min_width=64).discriminator_widths == (64, 64, 64, 128)
    assert Config(stem_width=128, d_min_width=64).generator_widths == (128, 64, 32, 16)
    assert Config(stem_width=32, d_min_width=64).discriminator_widths == (32, 32, 32, 32)
    given = Config(stem_width=128, d_min_width=64, d_widths="8,16,32,64")
    assert given.discriminator_widths == (8, 16, 32, 64)


def test_labels_need_their_names_before_networks_are_built():
    assert Config().y_dim == 0
    assert Config(labels="mnist").labels == "own"
    assert Config(labels="Smiling", label_names=("Smiling",)).y_dim == 1
    with pytest.raises(ValueError, match="Load the data first"):
        Config(labels="folder", c_dim=3).network_config()
    with pytest.raises(ValueError, match="Load the data first"):
        Config().network_config()
    assert Config(labels="folder").resolve().stem_norm == "units"
    assert Config().resolve().stem_norm == "channels"
