"""A trained run as a SavedModel, which plain TensorFlow loads without this code."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

import ops
from config.settings import Config
from export.card import limit_images_per_request
from export.source import Source, restore_source
from export.writing import write_formats
from kernels.convolution import trace_portable_graph
from model import Discriminator, Generator
from sample import DRAW_BATCH, pad_latents_to_draw_batches


class Exported(tf.Module):
    """The signatures of the SavedModel, all float32 in inference mode and for any batch size.

    serving_default: z (B, z_dim) -> images (B, H, W, C) float32 in [-1, 1].

    sample: seed int64, count int32 -> png_bytes (count,) encoded images, z (count, z_dim): the same
    pixels as `--sample`.

    discriminate: images (B, H, W, C) float32 in [-1, 1] -> logits (B, 1), probability (B, 1) of
    being real.

    With labels, each also takes y (B, y_dim) float32; for `sample`, y (count, y_dim). A count below
    0 or above `max_count`, a wrong shape or a wrong number of rows raises InvalidArgumentError.
    TensorFlow Serving's REST interface sends an output called ..._bytes in base64. A request to it
    for `sample` must use "inputs": "instances" needs rows, which scalars do not have.

    If batch norm uses the statistics of the batch, `discriminate` needs a batch of different
    images, as it does with `minibatch_stddev`. `sample` then fills its last batch with the first
    labels again, so only whole batches are sure to match `--sample`.
    """

    def __init__(self, generator: Generator, discriminator: Discriminator):
        super().__init__()
        # Variables, not networks: tf.saved_model would trace a Keras model at its first batch size.
        networks = (generator, discriminator)
        self.weights = [variable.value for network in networks for variable in network.variables]

        network = generator.config
        floats = tf.float32
        y = {"y": tf.TensorSpec((None, network.y_dim), floats)} if network.y_dim else {}
        z = tf.TensorSpec((None, network.z_dim), floats)
        seed, count = tf.TensorSpec((), tf.int64), tf.TensorSpec((), tf.int32)
        images = tf.TensorSpec((None, *network.image_shape), floats)

        self.generate = compile_signature(make_generate_signature(generator), z=z, **y)
        self.sample = compile_signature(
            make_sample_signature(generator), seed=seed, count=count, **y
        )
        self.discriminate = compile_signature(
            make_discriminate_signature(discriminator), images=images, **y
        )


def make_generate_signature(generator: Generator):
    """serving_default as a Python function."""

    def answer_generate_request(z, y=None):
        if generator.config.bn_statistics == "moving":
            return {"images": generator(z, y, training=False)}

        # Batch norm has only the batch's statistics: one image must not be the whole batch.
        if y is not None:
            y = check_requested_labels(y, tf.shape(z)[0])
        return {"images": answer_request_in_batches(generator, z, y, tf.identity)}

    return answer_generate_request


def make_sample_signature(generator: Generator):
    """sample as a Python function."""
    network = generator.config
    most = limit_images_per_request(network)
    rule = f"count must be from 0 to {most}. Received: {{}}. Split it over several seeds."

    def answer_sample_request(seed, count, y=None):
        count = require_of_request((count >= 0) & (count <= most), count, rule, count)
        whole = count + -count % DRAW_BATCH
        z = ops.latents(seed, whole, z_dim=network.z_dim, z_dist=network.z_dist)
        if y is not None:
            y = tf.gather(check_requested_labels(y, count), tf.range(whole) % tf.maximum(count, 1))

        images = answer_request_in_batches(generator, z, y, ops.to_uint8)[:count]
        pngs = tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)
        return {"png_bytes": pngs, "z": z[:count]}

    return answer_sample_request


def make_discriminate_signature(discriminator: Discriminator):
    """discriminate as a Python function."""

    def answer_discriminate_request(images, y=None):
        # A server's fused convolutions return their input's shape for an empty batch, so at
        # least one image goes in.
        count = tf.shape(images)[0]
        missing = tf.cast(count == 0, tf.int32)
        y = None if y is None else pad_request_to_batch(y, missing)
        logits = discriminator(pad_request_to_batch(images, missing), y, training=False)[:count]
        return {"logits": logits, "probability": tf.sigmoid(logits)}

    return answer_discriminate_request


def answer_request_in_batches(generator: Generator, z, y, finish) -> tf.Tensor:
    """`finish` of the images drawn from z (N, z_dim) and y (N, y_dim) or None: (N, H, W, C).

    Draws in batches.
    """
    count = tf.shape(z)[0]
    inputs = [part for part in pad_latents_to_draw_batches(generator, z, y) if part is not None]
    # (N padded, dim) -> (batches, DRAW_BATCH, dim)
    batches = tuple(tf.reshape(part, (-1, DRAW_BATCH, part.shape[-1])) for part in inputs)

    shape = generator.config.image_shape
    dtype = finish(tf.zeros((1, *shape))).dtype
    images = tf.map_fn(lambda batch: finish(generator(*batch)), batches, fn_output_signature=dtype)
    # (batches, DRAW_BATCH, H, W, C) -> (N, H, W, C)
    return tf.reshape(images, (-1, *shape))[:count]


def write_saved_model(config: Config, *, checkpoint: str = "last") -> Path:
    """Writes <run>/export/saved_model/ and model_card.json beside it; returns the SavedModel's
    folder.

    Raises ValueError when the run has no readable checkpoint.
    """
    return write_formats(restore_source(config, checkpoint), ["saved_model"])["saved_model"]


def fill_folder(source: Source, folder: Path) -> None:
    """Writes the SavedModel into an empty folder."""
    exported = Exported(source.generator, source.discriminator)
    signatures = list_exported_signatures(exported)
    with trace_portable_graph():
        tf.saved_model.save(exported, os.fspath(folder), signatures=signatures)
    warn_that_images_are_not_judged_alone(source.config)


def load_generator(path: Path) -> Callable[..., np.ndarray]:
    """A function z (B, z_dim), with labels y (B, y_dim) -> images (B, H, W, C), in TensorFlow."""
    draw = tf.saved_model.load(os.fspath(path)).signatures["serving_default"]

    def draw_with_signature(**inputs):
        return draw(**{name: tf.constant(one) for name, one in inputs.items()})["images"].numpy()

    return draw_with_signature


def warn_that_images_are_not_judged_alone(config: Config) -> None:
    """Warns of each reason why `discriminate` needs many images at once."""
    if config.bn_statistics == "batch":
        logging.warning(
            "Batch norm uses the statistics of the batch: the discriminator needs many images at "
            "once. --bn_statistics=moving exports networks that process each image separately."
        )
    if config.minibatch_stddev:
        logging.warning(
            "The discriminator compares the images of a batch (minibatch_stddev): it needs many at "
            "once."
        )


def list_exported_signatures(exported: Exported) -> dict:
    return {
        "serving_default": exported.generate,
        "sample": exported.sample,
        "discriminate": exported.discriminate,
    }


def compile_signature(function, **specs) -> tf.types.experimental.PolymorphicFunction:
    """`function` for inputs of these names, dtypes and shapes; others raise an error."""
    named = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()]

    @functools.wraps(function)  # for the names of its arguments
    def check_request_shapes(*inputs):
        # A loaded signature takes any shape: images four times as large would give four logits
        # each.
        specified = zip(inputs, named, strict=False)  # without labels y is None, and last
        return function(*(tf.ensure_shape(tensor, spec.shape) for tensor, spec in specified))

    return tf.function(check_request_shapes, input_signature=named, autograph=False)


def pad_request_to_batch(tensor: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """(B, ...) -> (B + rows, ...), with zeros."""
    return tf.pad(tensor, [(0, rows), *[(0, 0)] * (len(tensor.shape) - 1)])


def require_of_request(
    condition: tf.Tensor, tensor: tf.Tensor, rule: str, *received: tf.Tensor
) -> tf.Tensor:
    """`tensor` if `condition`, a bool scalar, holds; else an InvalidArgumentError with `rule`."""
    assertion = tf.debugging.Assert(condition, [tf.strings.format(rule, received)])
    with tf.control_dependencies([assertion]):
        return tf.identity(tensor)


def check_requested_labels(y: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    rows = tf.shape(y)[0]
    rule = "y must have a row for each image. Received: {} rows for {}."
    return require_of_request(rows == count, y, rule, rows, count)
