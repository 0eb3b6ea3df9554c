"""Defaults of other implementations; tests/test_docs.py checks the documents' table."""

import pytest

from config.presets import MNIST_PRESETS, PRESETS, apply_preset
from config.settings import SETTINGS, Config


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
            {"preset": "modern"},
            {"kernel_size": 4, "d_norm": "spectral", "loss": "hinge", "stem_width": 512},
        ),
        (
            {"dataset": "mnist", "preset": "modern"},
            {
                "labels": "own",
                "blocks": 2,
                "stem_width": 128,
                "g_widths": None,
                "d_labels": "projection",
            },
        ),
        ({"preset": "modern", "labels": "folder"}, {"d_labels": "projection"}),
        ({"preset": "modern", "labels": "own", "d_labels": "concat"}, {"d_labels": "concat"}),
        ({"preset": "modern", "labels": "none"}, {"d_labels": "concat"}),
        ({"preset": "reference", "labels": "own"}, {"d_labels": "concat"}),
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
            {"dataset": "Stacked-MNIST", "preset": "paper"},
            {"output_height": 28, "labels": "none", "blocks": None, "stem_width": 1024},
        ),
        ({"dataset": "stacked_mnist", "output_height": 32}, {"output_height": 32}),
        (
            {"dataset": "mnist", "preset": "paper"},
            {"stem_width": 128, "l2": 2.5e-5, "blocks": 2, "d_widths": None},
        ),
    ],
)
def test_presets_are_defaults_and_any_flag_wins(given, expected):
    config = Config(**apply_preset(given))
    assert {name: getattr(config, name) for name in expected} == expected


def test_mnists_own_shape_gives_way_to_any_shape_that_is_asked_for():
    for shape in ({"stem_width": 64}, {"blocks": 3}, {"d_widths": "8,8,8"}):
        config = Config(**apply_preset({"dataset": "mnist", **shape}))
        assert (config.g_widths, config.labels) == (None, "own")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_differs_from_the_defaults_in_all_that_it_names(preset):
    for settings in (PRESETS[preset], MNIST_PRESETS[preset]):
        assert set(settings) <= set(SETTINGS)
        for name, value in settings.items():
            assert value != getattr(Config, name), name


def test_what_was_given_is_not_changed():
    given = {"preset": "paper", "dataset": "mnist"}
    apply_preset(given)
    assert given == {"preset": "paper", "dataset": "mnist"}


def test_an_unknown_preset_is_one_line():
    with pytest.raises(ValueError, match=r"^--preset must be one of .*, modern\..* paper\?"):
        apply_preset({"preset": "papers"})
    with pytest.raises(ValueError, match=r"Received: x\. Leave it out\."):
        apply_preset({"preset": "x"})
