import itertools
import json

import pytest

from config.presets import with_preset
from config.settings import Config, dataset_label
from config.stored import change_settings, from_dict, read_config, read_json


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"output_height": 5},
            "--output_height must be at least 8. Received: 5. Try --output_height=16.",
        ),
        (
            {"output_width": 513},
            "--output_width must be at most 512. Received: 513. Try --output_width=512.",
        ),
        (
            {"stem_width": 500},
            "--stem_width must be a multiple of 16. Received: 500. Try --stem_width=496.",
        ),
        (
            {"kernel_size": 3},
            "--kernel_size must be one of 5, 4. Received: 3. Try --kernel_size=5.",
        ),
        (
            {"z_dist": "normal"},
            "--z_dist must be one of uniform_signed, uniform_unsigned, normal01. Received: normal. "
            "Try --z_dist=uniform_signed.",
        ),
        ({"dataset": ""}, "--dataset must not be empty. Received: nothing. Try --dataset=digits."),
        ({"batch_size": 0}, "--batch_size must be at least 1. Received: 0. Try --batch_size=64."),
        (
            {"learning_rate": float("nan")},
            "--learning_rate must be at most 1. Received: nan. Try --learning_rate=0.0002.",
        ),
        ({"batch_size": "64"}, "--batch_size must be of type int. Received: '64'."),
        (
            {"out_name": "a/b"},
            "--out_name must be a plain name, without folders. Received: a/b. Folders go to "
            "--out_dir.",
        ),
        ({"epoch": True}, "--epoch must be of type int. Received: True."),
    ],
)
def test_one_value_out_of_range(settings, message):
    with pytest.raises(ValueError) as error:
        Config(**settings)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"crop": False, "input_height": 108}, "--nocrop squashes"),
        ({"blocks": 7, "output_height": 64}, "Try --blocks=4"),
    ],
)
def test_contradictions(settings, words):
    with pytest.raises(ValueError, match=words):
        Config(**settings)


def test_json_round_trip(tmp_path):
    config = Config(dataset="celeba", output_width=32, c_dim=3).resolve()
    path = tmp_path / "config.json"
    path.write_text(config.to_json())
    assert read_config(path) == config
    assert config.dataset == "celebA"
    assert (config.blocks, config.out_name) == (3, "celebA-64x32")


def test_json_errors_name_the_file(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"bad.json is not JSON"):
        read_json(path)
    with pytest.raises(ValueError, match=r"missing.json cannot be read"):
        read_json(tmp_path / "missing.json")
    with pytest.raises(ValueError, match=r"Did you mean batch_size\?"):
        from_dict(json.loads('{"batchsize": 3}'), "x.json")
    with pytest.raises(ValueError, match="one JSON object"):
        from_dict([], "x.json")


def test_a_run_keeps_its_networks_and_takes_new_lengths():
    stored = Config(c_dim=3, steps=100).resolve()
    longer = change_settings(
        stored, {"epoch": 50, "batch_size": 32, "c_dim": "auto", "blocks": None}
    )
    assert (longer.epoch, longer.steps, longer.batch_size, longer.c_dim) == (50, None, 32, 3)
    assert change_settings(stored, {"seed": 7}).seed == 7  # for sampling
    with pytest.raises(ValueError, match="--seed is fixed"):
        change_settings(stored, {"seed": 7}, for_training=True)
    with pytest.raises(ValueError) as error:
        change_settings(stored, {"stem_width": 1024})
    assert str(error.value) == (
        "--stem_width is fixed once a run has started: out/digits-64x64 has 512. Received: 1024. "
        "Drop the flag, or start another run with --out_name=NAME."
    )


def test_an_epoch_shows_every_image_once():
    assert Config(epoch=1).total_steps(640) == 10
    assert Config(epoch=1).total_steps(641) == 11
    assert Config(epoch=2, d_updates=5).total_steps(640) == 4
    assert Config(epoch=1).total_steps(3) == 1
    assert Config(steps=7).total_steps(10**6) == 7


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
    assert dataset_label(dataset) == label


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {},
            {
                "stem_width": 512,
                "bias": True,
                "batch_size": 64,
                "alternate": False,
                "z_dist": "uniform_signed",
            },
        ),
        ({"preset": "reference"}, {"stem_width": 512, "g_updates": 2, "labels": "none"}),
        (
            {"preset": "paper"},
            {"stem_width": 1024, "bias": False, "batch_size": 128, "alternate": True, "l2": 1e-5},
        ),
        ({"preset": "paper", "stem_width": 64}, {"stem_width": 64, "bias": False}),
        (
            {"preset": "tutorial"},
            {"kernel_size": 4, "z_dist": "normal01", "g_updates": 1, "batch_size": 64},
        ),
        (
            {"dataset": "MNIST"},
            {"output_height": 28, "labels": "own", "blocks": 2, "g_widths": (128, 128)},
        ),
        (
            {"dataset": "mnist", "output_height": 64},
            {"labels": "own", "blocks": None, "g_widths": None},
        ),
        (
            {"dataset": "mnist", "labels": "none"},
            {"output_height": 28, "labels": "none", "blocks": None},
        ),
        (
            {"dataset": "mnist", "preset": "paper"},
            {"stem_width": 128, "l2": 2.5e-5, "blocks": 2, "d_widths": None},
        ),
    ],
)
def test_presets_are_defaults_and_any_flag_wins(given, expected):
    config = Config(**with_preset(given))
    assert {name: getattr(config, name) for name in expected} == expected


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
        ValueError, match=r"--d_widths must be numbers with commas between\. Received: wide\."
    ):
        Config(d_widths="wide")


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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": 5}, "--dataset must be of type str. Received: 5."),
        (
            {"preset": ["paper"]},
            "--preset must be one of reference, paper, tutorial. Received: ['paper']. Leave it "
            "out.",
        ),
        (
            {"dataset": "mnist", "output_height": [1]},
            "--output_height must be of type int. Received: [1].",
        ),
        (
            {"g_widths": ["a", "b", "c", "d"]},
            "--g_widths must be a list of int. Received: ['a', 'b', 'c', 'd'].",
        ),
        (
            {"g_widths": [1.5, 2, 3, 4]},
            "--g_widths must be a list of int. Received: [1.5, 2, 3, 4].",
        ),
        (
            {"label_names": "cat,dog"},
            "--label_names must be of type tuple or null. Received: 'cat,dog'.",
        ),
    ],
)
def test_json_of_the_wrong_types_is_one_line(given, message):
    with pytest.raises(ValueError) as error:
        Config(**with_preset(given))
    assert str(error.value) == message


def test_mnists_own_shape_gives_way_to_any_shape_that_is_asked_for():
    for shape in ({"stem_width": 64}, {"blocks": 3}, {"d_widths": "8,8,8"}):
        config = Config(**with_preset({"dataset": "mnist", **shape}))
        assert (config.g_widths, config.labels) == (None, "own")
