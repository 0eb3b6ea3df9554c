"""A trained run for others: a SavedModel that plain TensorFlow loads without this code, or frozen graphs."""

import dataclasses
import functools
import json
import math
import os
from pathlib import Path

import tensorflow as tf
from absl import logging
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

import ops
from config.settings import Config
from model import Discriminator, Generator
from runs.checkpoints import restore_networks, tensorflow_writes
from sample import draw, in_batches, whole_batches
from system.files import replaced_folder, write_atomic

# What one request may ask `sample` for, so that no caller can use up a server's memory: images, and bytes of their
# pixels, which the PNGs may take once more. 4,096 images of up to 209x209 in colour, 682 of 512x512.
MAX_COUNT = 4096
MAX_BYTES = 2**29


class Exported(tf.Module):
    """The signatures of the SavedModel, all float32 in inference mode and for any batch size.

    serving_default: z (B, z_dim) -> images (B, H, W, C) float32 in [-1, 1].
    sample: seed int64, count int32 -> png_bytes (count,) encoded images, z (count, z_dim); the pixels of `--sample`.
    discriminate: images (B, H, W, C) float32 in [-1, 1] -> logits (B, 1), probability (B, 1) of being real.

    A count below 0 or above `max_count`, other shapes and a y of other rows are InvalidArgumentErrors. TensorFlow
    Serving's REST sends an output that is called ..._bytes as base64; `sample` takes its "inputs", as scalars have no
    rows for its "instances".

    With labels each takes y (B, y_dim) float32 as well, `sample` y (count, y_dim). Where batch norm goes by the
    statistics of the batch, `discriminate` needs a batch of different images, and `sample` fills up its last batch with
    y from the beginning, so that only whole batches are sure to be those of `--sample`.
    """

    def __init__(self, config: Config, generator: Generator, discriminator: Discriminator):
        super().__init__()
        # The variables rather than the networks: tf.saved_model would trace a Keras model at its first batch size.
        self.weights = [
            variable.value
            for network in (generator, discriminator)
            for variable in network.variables
        ]

        # Where batch norm has no statistics but those of its batch, a batch of one image must not be all of it.
        alone = config.bn_statistics == "moving"

        def generate(z, y=None):
            if alone:
                return {"images": generator(z, y, training=False)}
            return {
                "images": in_batches(
                    generator, z, None if y is None else _a_row_each(y, tf.shape(z)[0])
                )
            }

        most = max_count(config)

        def sample(seed, count, y=None):
            rule = f"count must be from 0 to {most}. Received: {{}}. Ask for fewer at a time, with other seeds."
            count = _checked(count, (count >= 0) & (count <= most), rule, count)
            z = ops.latents(seed, whole_batches(count), z_dim=config.z_dim, z_dist=config.z_dist)
            if y is not None:
                y = tf.gather(
                    _a_row_each(y, count), tf.range(tf.shape(z)[0]) % tf.maximum(count, 1)
                )
            images = draw(generator, z, y)[:count]
            return {
                "png_bytes": tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string),
                "z": z[:count],
            }

        def discriminate(images, y=None):
            # Fused as a server runs them, convolutions give no images the shape of their input.
            count = tf.shape(images)[0]
            images, y = (_more(tensor, tf.cast(count == 0, tf.int32)) for tensor in (images, y))
            logits = discriminator(images, y, training=False)[:count]
            return {"logits": logits, "probability": tf.sigmoid(logits)}

        floats = tf.float32
        y = {"y": tf.TensorSpec((None, config.y_dim), floats)} if config.y_dim else {}
        self.generate = _function(generate, z=tf.TensorSpec((None, config.z_dim), floats), **y)
        self.sample = _function(
            sample, seed=tf.TensorSpec((), tf.int64), count=tf.TensorSpec((), tf.int32), **y
        )
        self.discriminate = _function(
            discriminate, images=tf.TensorSpec((None, *config.image_shape), floats), **y
        )


def max_count(config: Config) -> int:
    """How many images one request may ask `sample` for."""
    return min(MAX_COUNT, MAX_BYTES // math.prod(config.image_shape))


def export(config: Config) -> Path:
    """Writes <run>/export/saved_model/ and model_card.json beside it; returns the SavedModel's folder.

    Raises ValueError when the run has no readable checkpoint.
    """
    module, step = _restored(config)
    signatures = {
        "serving_default": module.generate,
        "sample": module.sample,
        "discriminate": module.discriminate,
    }
    folder = config.run_dir / "export"
    with (
        replaced_folder(folder / "saved_model") as temporary,
        tensorflow_writes(folder / "saved_model"),
    ):
        tf.saved_model.save(module, os.fspath(temporary), signatures=signatures)
    write_atomic(folder / "model_card.json", json.dumps(_card(config, step), indent=2).encode())
    if config.bn_statistics == "batch":
        logging.warning(
            "batch norm uses the statistics of the batch: the discriminator needs many images at once. "
            "--bn_statistics=moving exports networks that look at each image alone."
        )
    logging.info("the SavedModel of step %s is in %s", f"{step:,}", folder / "saved_model")
    return folder / "saved_model"


def freeze(config: Config) -> Path:
    """Writes <run>/export/generator.pb and discriminator.pb, with constants for weights; returns the folder.

    tf.compat.v1.import_graph_def loads them, for any batch: z:0 to images:0, images:0 to logits:0 and probability:0,
    both with y:0 if there are labels. Raises ValueError when the run has no readable checkpoint.
    """
    module, step = _restored(config)
    folder = config.run_dir / "export"
    folder.mkdir(parents=True, exist_ok=True)
    for name, function in (("generator", module.generate), ("discriminator", module.discriminate)):
        frozen = convert_variables_to_constants_v2(_named(function).get_concrete_function())
        write_atomic(folder / f"{name}.pb", frozen.graph.as_graph_def().SerializeToString())
    write_atomic(folder / "model_card.json", json.dumps(_card(config, step), indent=2).encode())
    logging.info(
        "the frozen graphs of step %s, generator.pb and discriminator.pb, are in %s",
        f"{step:,}",
        folder,
    )
    return folder


def _restored(config: Config) -> tuple[Exported, int]:
    """The signatures with the weights of the run's newest checkpoint, and its step."""
    generator, discriminator = Generator(config), Discriminator(config)
    step = restore_networks(config, generator=generator, discriminator=discriminator)
    return Exported(config, generator, discriminator), step


def _named(function) -> tf.types.experimental.PolymorphicFunction:
    """The function with outputs that have their names in the graph too, where freezing calls them Identity."""

    def named(*inputs):
        return {name: tf.identity(tensor, name=name) for name, tensor in function(*inputs).items()}

    return tf.function(named, input_signature=function.input_signature, autograph=False)


def _function(python_function, **specs) -> tf.types.experimental.PolymorphicFunction:
    """The function for inputs of these names, dtypes and shapes, an InvalidArgumentError for others."""
    named = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()]

    @functools.wraps(python_function)  # for the names of its arguments
    def checked(*inputs):
        # A loaded signature takes any shape: images four times as large would give four logits each.
        specified = zip(inputs, named, strict=False)  # without labels y is None, and last
        return python_function(*(tf.ensure_shape(one, spec.shape) for one, spec in specified))

    return tf.function(checked, input_signature=named, autograph=False)


def _more(tensor: tf.Tensor | None, rows: tf.Tensor) -> tf.Tensor | None:
    """(B, ...) -> (B + rows, ...), with zeros; None for None."""
    return (
        None if tensor is None else tf.pad(tensor, [(0, rows), *[(0, 0)] * (len(tensor.shape) - 1)])
    )


def _checked(tensor: tf.Tensor, holds: tf.Tensor, rule: str, *received: tf.Tensor) -> tf.Tensor:
    """`tensor`, and what is made of it, only where `holds`, a bool scalar; else an InvalidArgumentError with `rule`."""
    with tf.control_dependencies([tf.debugging.Assert(holds, [tf.strings.format(rule, received)])]):
        return tf.identity(tensor)


def _a_row_each(y: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    rows = tf.shape(y)[0]
    return _checked(
        y, rows == count, "y must have a row for each image. Received: {} rows for {}.", rows, count
    )


def _card(config: Config, step: int) -> dict:
    height, width, channels = config.image_shape
    z, images = "z (B, z_dim) float32", "images (B, height, width, channels) float32"
    y = f", y (B, {config.y_dim}) float32" if config.y_dim else ""
    return {
        "labels": config.label_names,
        "y": _describe_y(config),
        "batch_norm": config.bn_statistics,
        "z_dim": config.z_dim,
        "z_dist": config.z_dist,
        "height": height,
        "width": width,
        "channels": channels,
        "value_range": [-1.0, 1.0],
        "max_count": max_count(config),
        "step": step,
        "signatures": {
            "serving_default": f"{z}{y} -> {images}",
            "sample": f"seed int64, count int32{y} -> png_bytes (count,) encoded images, z (count, z_dim) float32",
            "discriminate": f"{images}{y} -> logits (B, 1), probability (B, 1) float32",
        },
        "frozen_graphs": {
            "generator.pb": f"z:0{y and ', y:0'} -> images:0",
            "discriminator.pb": f"images:0{y and ', y:0'} -> logits:0, probability:0",
        },
        "flags": dataclasses.asdict(config),
    }


def _describe_y(config: Config) -> str | None:
    if not config.y_dim:
        return None
    kind = (
        "exactly one 1" if config.one_hot else "a 1 for each attribute that is on, all 0 for none"
    )
    return f"(B, {config.y_dim}) float32, a row an image; column i stands for labels[i]; {kind}"
