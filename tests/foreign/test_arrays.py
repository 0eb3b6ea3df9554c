"""Settings derived from shapes that are written out here by hand."""

import numpy as np
import pytest

from config.settings import Config
from foreign.arrays import check_foreign_arrays_complete, infer_settings_from_arrays


def zeros(**shapes):
    return {name.replace("_", "/"): np.zeros(shape) for name, shape in shapes.items()}


# z of 6 -> 5x5x32 -> 10x10x16 -> 20x20x3 and back.
GENERATOR = zeros(
    stem_kernel=(6, 5 * 5 * 32),
    stem_bias=(5 * 5 * 32,),
    conv1_kernel=(4, 4, 16, 32),
    conv2_kernel=(4, 4, 3, 16),
)
DISCRIMINATOR = zeros(
    conv1_kernel=(4, 4, 3, 16), conv2_kernel=(4, 4, 16, 32), logits_kernel=(800, 1)
)


def test_settings_follow_from_the_shapes():
    settings, stem_area = infer_settings_from_arrays(GENERATOR, DISCRIMINATOR)
    assert stem_area == 25
    assert settings == {
        "kernel_size": 4,
        "blocks": 2,
        "z_dim": 6,
        "c_dim": 3,
        "bias": True,
        "stem_width": 32,  # halving it gives all other widths
    }
    config = Config(**settings, output_height=20)
    assert (config.generator_widths, config.discriminator_widths) == ((32, 16), (16, 32))


def test_widths_that_do_not_halve_are_told():
    generator = GENERATOR | zeros(conv1_kernel=(4, 4, 12, 32), conv2_kernel=(4, 4, 3, 12))
    settings, _ = infer_settings_from_arrays(generator, DISCRIMINATOR)
    assert (settings["stem_width"], settings["g_widths"]) == (32, (32, 12))
    assert "d_widths" not in settings
    odd = GENERATOR | zeros(stem_kernel=(6, 25 * 7), conv1_kernel=(4, 4, 16, 7))
    settings, stem_area = infer_settings_from_arrays(odd, None)
    assert (settings["g_widths"], stem_area) == ((7, 16), 25)
    assert settings["stem_width"] == Config.stem_width  # 7 is not valid


def test_with_labels_the_maps_beside_them_count():
    """y of 10 joins z, the dense layers and the maps: 6 + 10 in, 32 + 10 and 16 + 10 maps."""
    labelled = zeros(
        fc_kernel=(16, 64),
        stem_kernel=(64 + 10, 25 * 32),
        conv1_kernel=(4, 4, 16, 32 + 10),
        conv2_kernel=(4, 4, 3, 16 + 10),
    )
    settings, stem_area = infer_settings_from_arrays(labelled, None)
    assert (settings["y_dim"], settings["z_dim"], settings["fc_width"]) == (10, 6, 64)
    assert (settings["stem_width"], settings["bias"], stem_area) == (32, False, 25)


@pytest.mark.parametrize("inputs", [16, 10])
def test_labels_without_maps_of_their_own_are_refused(inputs):
    labelled = GENERATOR | zeros(fc_kernel=(16, 64), conv2_kernel=(4, 4, 3, inputs))
    with pytest.raises(ValueError) as error:
        infer_settings_from_arrays(labelled, None)
    assert str(error.value) == (
        "With labels, conv2/kernel must take more maps than conv1/kernel gives, one more for each "
        f"label. Received: {inputs} after 16. Check that all files belong to one DCGAN."
    )


@pytest.mark.parametrize(("units", "maps"), [(25 * 32, 33), (16, 32), (5, 10)])
def test_a_stem_of_no_whole_maps_is_refused(units, maps):
    odd = GENERATOR | zeros(stem_kernel=(6, units), conv1_kernel=(4, 4, 16, maps))
    with pytest.raises(ValueError) as error:
        infer_settings_from_arrays(odd, None)
    assert str(error.value) == (
        f"stem/kernel must give a multiple of the {maps} maps that conv1/kernel takes. "
        f"Received: {units} units. Check that all files belong to one DCGAN."
    )


def test_a_stem_with_more_labels_than_maps_is_refused():
    labelled = zeros(
        fc_kernel=(16, 64),
        stem_kernel=(64 + 10, 25 * 32),
        conv1_kernel=(4, 4, 16, 10),
        conv2_kernel=(4, 4, 3, 16 + 10),
    )
    with pytest.raises(ValueError, match="a multiple of the 0 maps that conv1/kernel takes"):
        infer_settings_from_arrays(labelled, None)


@pytest.mark.parametrize(
    "wrong",
    [
        zeros(conv1_kernel=(16, 32)),
        zeros(stem_bias=(800, 1)),
        zeros(conv2_kernel=(4, 4, 0, 16)),
        {"conv1/kernel": np.zeros((4, 4, 16, 32), complex)},
    ],
)
def test_arrays_of_other_dimensions_are_refused(wrong):
    with pytest.raises(
        ValueError, match=rf"{next(iter(wrong))} must have \d dimensions\. Received: "
    ):
        infer_settings_from_arrays(GENERATOR | wrong, None)


def test_what_is_missing_is_named():
    check_foreign_arrays_complete("theirs", {"a": 0, "b": 0}, ["a"])
    with pytest.raises(ValueError, match=r"Missing: c, d\. Received: a, b\.$"):
        check_foreign_arrays_complete("theirs", {"b": 0, "a": 0}, ["a", "c", "d"])
