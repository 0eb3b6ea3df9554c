import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from inputs import LABELLED, batch

import ops
from config.presets import apply_preset
from config.settings import Config
from gan import DCGAN
from model import Discriminator, Generator

SIZES = [(8, 8), (28, 28), (32, 32), (48, 48), (64, 64), (100, 100), (128, 128), (64, 32), (33, 47)]

# The shapes in carpedm20/DCGAN-tensorflow's 64x64 checkpoints.
ORIGINAL_GENERATOR = {
    "g_h0_lin": [(100, 8192), (8192,)],
    "g_h1": [(5, 5, 256, 512), (256,)],
    "g_h2": [(5, 5, 128, 256), (128,)],
    "g_h3": [(5, 5, 64, 128), (64,)],
    "g_h4": [(5, 5, 3, 64), (3,)],
    "g_bn": [(512,), (512,), (256,), (256,), (128,), (128,), (64,), (64,)],
}
ORIGINAL_DISCRIMINATOR = {
    "d_h0_conv": [(5, 5, 3, 64), (64,)],
    "d_h1": [(5, 5, 64, 128), (128,)],
    "d_h2": [(5, 5, 128, 256), (256,)],
    "d_h3": [(5, 5, 256, 512), (512,)],
    "d_h4_lin": [(8192, 1), (1,)],
    "d_bn": [(128,), (128,), (256,), (256,), (512,), (512,)],
}


def weights_of(dcgan):
    networks = (dcgan.generator, dcgan.discriminator)
    return [variable.numpy() for network in networks for variable in network.variables]


@pytest.mark.parametrize(
    ("network", "original", "parameters"),
    [
        (Generator, ORIGINAL_GENERATOR, 5_135_363),
        (Discriminator, ORIGINAL_DISCRIMINATOR, 4_316_545),
    ],
)
def test_64x64_networks_have_the_originals_weights(network, original, parameters):
    shapes = [
        tuple(variable.shape)
        for variable in network(Config(c_dim=3).network_config()).trainable_variables
    ]
    assert sorted(shapes) == sorted(shape for layer in original.values() for shape in layer)
    assert sum(map(math.prod, shapes)) == parameters


@pytest.mark.parametrize(
    ("height", "width", "c_dim"), [(*size, 3) for size in SIZES] + [(33, 47, 1), (33, 47, 4)]
)
def test_every_size_builds_trains_a_step_and_comes_out_exactly(height, width, c_dim):
    config = Config(
        output_height=height, output_width=width, c_dim=c_dim, stem_width=32, z_dim=5, batch_size=2
    )
    dcgan = DCGAN(config)
    before = weights_of(dcgan)
    real, z = batch(config)
    # Eager: tracing every size would take minutes
    results = dcgan.train_step.python_function(real, z)
    assert np.isfinite([results["d_loss"], results["g_loss"]]).all()
    assert dcgan.generator(z).shape == (2, height, width, c_dim)
    assert dcgan.discriminator(ops.to_float(real)).shape == (2, 1)
    assert any(not np.array_equal(a, b) for a, b in zip(before, weights_of(dcgan), strict=True))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_low_precision_trains_and_infers_in_float32(precision, tiny):
    config = tiny()
    plain, low = DCGAN(config), DCGAN(config, precision=precision)
    real, z = batch(config)
    np.testing.assert_array_equal(plain.generator(z), low.generator(z))
    a, b = (dcgan.train_step.python_function(real, z) for dcgan in (plain, low))
    assert b["real_logits"].dtype == b["d_loss"].dtype == tf.float32
    np.testing.assert_allclose(a["d_loss"], b["d_loss"], rtol=0.05)
    assert low.generator(z, training=True).dtype == tf.float32
    assert {variable.dtype for variable in low.generator.variables} == {"float32"}


def test_same_seed_same_weights(tiny):
    first, same, other = (weights_of(DCGAN(tiny(seed=seed))) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(("height", "width", "c_dim"), [(28, 28, 1), (33, 47, 4), (64, 64, 3)])
def test_networks_with_labels_take_every_size_and_tell_labels_apart(height, width, c_dim):
    shape = {
        "output_height": height,
        "output_width": width,
        "c_dim": c_dim,
        "stem_width": 32,
        "z_dim": 5,
        "fc_width": 16,
    }
    config = Config(**shape, batch_size=3, **LABELLED)
    dcgan = DCGAN(config)
    real, z = batch(config)
    y = tf.eye(3)
    assert np.isfinite(float(dcgan.train_step.python_function(real, z, y)["g_loss"]))
    images = dcgan.generator(z, y)
    assert images.shape == (3, height, width, c_dim)
    same_z = tf.repeat(z[:1], 3, 0)
    assert not np.allclose(*dcgan.generator(same_z, y)[:2])
    logits = dcgan.discriminator(tf.repeat(images[:1], 3, 0), y)
    assert len(set(logits.numpy().ravel().tolist())) == 3


def test_labels_go_to_every_layer_but_the_last_convolutions_output(tiny):
    """REFERENCES: carpedm20 joins y to z, to the dense layers and to the maps, in D also to the
    image.
    """
    config = tiny(fc_width=16, **LABELLED)
    generator, discriminator = (
        Generator(config.network_config()),
        Discriminator(config.network_config()),
    )
    inputs = {
        v.path: v.shape
        for v in (*generator.variables, *discriminator.variables)
        if "kernel" in v.path
    }
    # The discriminator's, of the same name as the generator's
    assert inputs["fc/kernel"][0] == 4 * 4 * 32 + 3
    assert inputs["logits/kernel"] == (16 + 3, 1)
    assert {v.path: v.shape for v in generator.variables}["fc/kernel"] == (8 + 3, 16)
    assert {v.path: v.shape for v in generator.variables}["stem/kernel"] == (16 + 3, 4 * 4 * 32)
    assert {v.path: v.shape for v in generator.variables}["conv1/kernel"] == (5, 5, 16, 32 + 3)
    assert inputs["conv1/kernel"] == (5, 5, 3 + 3, 16)
    assert inputs["conv2/kernel"] == (5, 5, 16 + 3, 32)
    assert generator.stem.norm.gamma.shape == (4 * 4 * 32,)  # a unit each, as in carpedm20's


def test_the_papers_networks_have_no_biases_and_a_gain_for_every_unit():
    """The shapes of Newmu/dcgan_code, faces/train_uncond_dcgan.py, with its 128 as the width of the
    last layer.
    """
    config = Config(**apply_preset({"preset": "paper"}), c_dim=3)
    generator, discriminator = (
        Generator(config.network_config()),
        Discriminator(config.network_config()),
    )
    stem, maps = (
        [(100, 16384), (16384,), (16384,)],
        [(512,), (512,), (256,), (256,), (128,), (128,)],
    )
    kernels = [(5, 5, 512, 1024), (5, 5, 256, 512), (5, 5, 128, 256), (5, 5, 3, 128)]
    assert sorted(tuple(v.shape) for v in generator.trainable_variables) == sorted(
        stem + maps + kernels
    )
    kernels = [(5, 5, 3, 128), (5, 5, 128, 256), (5, 5, 256, 512), (5, 5, 512, 1024), (16384, 1)]
    maps = [(256,), (256,), (512,), (512,), (1024,), (1024,)]
    assert sorted(tuple(v.shape) for v in discriminator.trainable_variables) == sorted(
        maps + kernels
    )


@pytest.mark.parametrize("labels", [{}, LABELLED])
@pytest.mark.parametrize("d_norm", ["spectral", "none"])
def test_without_batch_norm_the_discriminator_has_biases_and_otherwise_the_same_weights(
    d_norm, labels, tiny
):
    settings = tiny(d_norm=d_norm, bias=False, fc_width=16, **labels).network_config()
    other, batch_normed = (
        {v.path: v.numpy() for v in Discriminator(config).variables}
        for config in (settings, dataclasses.replace(settings, d_norm="batch", bias=True))
    )
    plain = {path: w for path, w in batch_normed.items() if path.endswith(("kernel", "bias"))}
    layers = {path.rpartition("/")[0] for path in plain}
    more = {f"{layer}/spectral_u" for layer in layers} if d_norm == "spectral" else set()
    assert other.keys() == plain.keys() | more
    for path, weight in plain.items():
        np.testing.assert_array_equal(other[path], weight)


def features_of(discriminator, images):
    """The last maps as units (B, n), by NumPy from the maps on."""
    for block in discriminator.blocks:
        images = block(images, None, training=False)
    return images.numpy().reshape(len(images), -1)


@pytest.mark.parametrize("d_norm", ["batch", "spectral"])
def test_a_projection_adds_to_the_logit_of_a_discriminator_without_labels(d_norm, tiny):
    """y^T V phi by NumPy, for a class, two attributes and none; V / sigma with spectral norm."""
    settings = tiny(**LABELLED, d_norm=d_norm, d_labels="projection").network_config()
    projecting = Discriminator(settings)
    plain = Discriminator(dataclasses.replace(settings, y_dim=0, d_labels="concat"))
    images = tf.random.stateless_uniform((4, 16, 16, 3), (0, 0), -1, 1)
    y = np.float32([[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]])

    projecting.embedding.kernel.assign(projecting.embedding.kernel * 100)
    weights = {v.path: v.numpy() for v in projecting.variables}
    embedding = weights["embedding/kernel"]
    assert embedding.shape == (3, settings.features)
    of_embedding = {"embedding/kernel"}
    if d_norm == "spectral":
        embedding = embedding / np.linalg.norm(embedding @ weights["embedding/spectral_u"])
        of_embedding |= {"embedding/spectral_u"}
        sigma = np.linalg.svd(embedding, compute_uv=False)[0]
        assert 1 <= sigma < 1.05  # after 15 power iterations
        # V is drawn before the vectors of the power iterations, which each iteration changes.
        for one, other in zip(plain.linear_layers, projecting.linear_layers, strict=False):
            one.spectral_u.assign(other.spectral_u)
    assert weights.keys() - {v.path for v in plain.variables} == of_embedding
    assert all(np.array_equal(weights[v.path], v) for v in plain.variables)

    added = np.sum(y @ embedding * features_of(projecting, images), 1, keepdims=True)
    expected = plain(images) + added
    np.testing.assert_allclose(projecting(images, y), expected, atol=1e-5)
    assert np.abs(added[[0, 1, 3]]).min() > 0.01


def test_every_part_of_a_projection_gets_its_gradient(tiny):
    """That of V is y^T times phi, and 0 for a label that no image has; G's labels stay as they
    were.
    """
    config = tiny(**LABELLED, d_labels="projection", d_norm="none").network_config()
    network = Discriminator(config)
    images = tf.random.stateless_uniform((2, 16, 16, 3), (0, 0), -1, 1)
    y = np.float32([[1, 0, 0], [1, 1, 0]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(network(images, y, training=True))
    gradients = tape.gradient(total, network.trainable_variables)
    by_path = {v.path: g for v, g in zip(network.trainable_variables, gradients, strict=True)}
    np.testing.assert_allclose(
        by_path["embedding/kernel"], y.T @ features_of(network, images), atol=1e-5
    )
    assert all(np.abs(gradient).max() > 0 for gradient in by_path.values())
    assert "fc/kernel" in {v.path for v in Generator(config).variables}


@pytest.mark.parametrize("stem_order", ["hwc", "chw"])
def test_the_last_layer_reads_how_much_the_images_of_a_batch_differ(stem_order, tiny):
    """Its logits by NumPy; an image's logit is another one among equal images than among different
    ones.
    """
    config = tiny(minibatch_stddev=True, stem_order=stem_order, d_norm="none").network_config()
    network = Discriminator(config)
    images = tf.random.stateless_uniform((8, 16, 16, 3), (0, 0), -1, 1)
    kernel = network.head.kernel
    assert kernel.shape == (4 * 4 * (32 + 1), 1)
    kernel.assign(kernel * 10)

    maps = features_of(network, images).reshape(8, 4, 4, 32)
    groups = maps.reshape(4, 2, 4, 4, 32)  # images 0, 2, 4, 6 and 1, 3, 5, 7
    deviations = np.sqrt(groups.var(0) + 1e-8).mean((1, 2, 3))
    more = np.broadcast_to(np.tile(deviations, 4)[:, None, None, None], (8, 4, 4, 1))
    joined = np.concatenate([maps, more], -1)
    units = joined.transpose(0, 3, 1, 2) if stem_order == "chw" else joined
    expected = units.reshape(8, -1) @ kernel.numpy()
    np.testing.assert_allclose(network(images), expected, atol=1e-5)
    alone = network(tf.repeat(images[:1], 8, 0))[0]
    assert abs(float((alone - network(images)[0])[0])) > 1e-3


@pytest.mark.parametrize("size", [(16, 16), (33, 47)])
def test_resizing_generators_have_3x3_kernels_and_the_same_sizes(size, tiny):
    height, width = size
    config = tiny(output_height=height, output_width=width, upsample="resize", kernel_size=4)
    network = Generator(config.network_config())
    shapes = {v.path: tuple(v.shape) for v in network.variables if v.path.startswith("conv")}
    plain = Generator(tiny(output_height=height, output_width=width).network_config())
    others = {v.path: tuple(v.shape) for v in plain.variables if v.path.startswith("conv")}
    assert shapes == {
        path: (3, 3, *shape[2:]) if path.endswith("kernel") else shape
        for path, shape in others.items()
    }
    assert network(tf.ones((2, 8))).shape == (2, height, width, 3)
