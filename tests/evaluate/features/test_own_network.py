"""A user's own network: any SavedModel from images to features."""

import numpy as np
import pytest
import tensorflow as tf

from evaluate.features.own_network import SavedModelFeatures


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (35, 8, 8, 3), np.uint8)


def save(path, function, *specs, signatures=("serving_default",)):
    module = tf.Module()
    module.call = tf.function(function, input_signature=specs)
    concrete = module.call.get_concrete_function()
    tf.saved_model.save(module, path, dict.fromkeys(signatures, concrete))
    return path


def images_of(dtype, *, size=(None, None), channels=3, count=None):
    return tf.TensorSpec((count, *size, channels), dtype, "images")


def mean_colour(images):
    return {"features": tf.reduce_mean(tf.cast(images, tf.float32), (1, 2))}


def extract(network, images):
    return np.concatenate([*network.extract(images)])


def test_bytes_are_from_0_to_255_and_floats_from_0_to_1(tmp_path, pixels):
    means = pixels.mean((1, 2))
    network = SavedModelFeatures(save(tmp_path / "bytes", mean_colour, images_of(tf.uint8)))
    np.testing.assert_allclose(extract(network, pixels), means, rtol=1e-5)
    assert network.resize == "none"

    path = save(tmp_path / "floats", mean_colour, images_of(tf.float32), signatures=("other",))
    floats = SavedModelFeatures(path)
    np.testing.assert_allclose(extract(floats, pixels), means / 255, rtol=1e-5)
    gray = extract(floats, pixels[..., :1])
    np.testing.assert_allclose(gray, np.repeat(means[:, :1], 3, 1) / 255, rtol=1e-5)

    assert floats.name.startswith("floats, sha256 ")
    assert floats.name.split()[-1] != network.name.split()[-1]


def test_images_get_the_size_that_the_network_wants(tmp_path, pixels):
    def count_rows(images):
        return tf.reshape(tf.reduce_mean(images, 2), (-1, 1, 1, 4 * 3))

    network = SavedModelFeatures(
        save(tmp_path / "m", count_rows, images_of(tf.float32, size=(4, 6)))
    )
    assert extract(network, pixels).shape == (35, 12)
    assert network.resize == "6x4, bilinear, antialiased"


def two_outputs(images):
    return {"a": images, "b": images}


@pytest.mark.parametrize(
    ("function", "spec", "signatures", "found"),
    [
        (mean_colour, images_of(tf.uint8), ("a", "b"), "it has a, b"),
        (mean_colour, images_of(tf.uint8), (), "it has no signature"),
        (two_outputs, images_of(tf.uint8), ("a",), "it has 1 inputs and 2 outputs"),
        (mean_colour, images_of(tf.int32), ("a",), r"takes int32 \(None, None, None, 3\)"),
        (mean_colour, images_of(tf.uint8, channels=2), ("a",), r"takes uint8 .*2\)"),
        (mean_colour, images_of(tf.uint8, count=1), ("a",), r"takes uint8 \(1, .*"),
    ],
)
def test_a_signature_that_cannot_be_used_is_one_line(tmp_path, function, spec, signatures, found):
    path = save(tmp_path / "m", function, spec, signatures=signatures)
    line = f"m must have a signature serving_default from images .*{found}: save it with one$"
    with pytest.raises(ValueError, match=line):
        SavedModelFeatures(path)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda images: {"f": tf.cast(images, tf.float32)}, r"gave \(32, 8, 8, 3\) for 32 images"),
        (lambda images: {"f": tf.zeros((1, 4))}, r"gave \(1, 4\) for 32 images"),
        (lambda images: {"f": mean_colour(images)["features"] / 0}, "gave values that are not"),
        (lambda images: {"f": tf.ensure_shape(images, (None, 7, 7, 3))}, "failed: "),
    ],
)
def test_features_that_cannot_be_used_are_one_line(tmp_path, pixels, function, found):
    network = SavedModelFeatures(save(tmp_path / "m", function, images_of(tf.uint8)))
    with pytest.raises(ValueError, match=f"but it {found}") as error:
        extract(network, pixels)
    assert "\n" not in str(error.value)


def test_what_is_no_saved_model_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"must be a SavedModel, but it has no saved_model\.pb"):
        SavedModelFeatures(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"broken")
    with pytest.raises(ValueError, match="it cannot be loaded: ") as error:
        SavedModelFeatures(tmp_path)
    assert "\n" not in str(error.value)
