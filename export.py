"""A trained run as a SavedModel that plain TensorFlow loads without this code, and a card that describes it."""

import dataclasses
import json
import os
from pathlib import Path

import tensorflow as tf
from absl import logging

import ops
from checkpoint import restore_networks
from config import Config
from model import Discriminator, Generator
from sample import draw
from utils import replaced_folder, write_atomic


class Exported(tf.Module):
    """The signatures of the SavedModel, all float32 in inference mode and for any batch size.

    serving_default: z (B, z_dim) -> images (B, H, W, C) float32 in [-1, 1].
    sample: seed int64, count int32 -> png (count,) encoded images, z (count, z_dim); the pixels of `--sample`.
    discriminate: images (B, H, W, C) float32 in [-1, 1] -> logits (B, 1), probability (B, 1) of being real.
    """

    def __init__(self, config: Config, generator: Generator, discriminator: Discriminator):
        super().__init__()
        # The variables rather than the networks: tf.saved_model would trace a Keras model at its first batch size.
        self.weights = [variable.value for network in (generator, discriminator) for variable in network.variables]

        def generate(z):
            return {"images": generator(z, training=False)}

        def sample(seed, count):
            z = ops.latents(seed, count, z_dim=config.z_dim, z_dist=config.z_dist)
            return {"png": tf.map_fn(tf.io.encode_png, draw(generator, z), fn_output_signature=tf.string), "z": z}

        def discriminate(images):
            logits = discriminator(images, training=False)
            return {"logits": logits, "probability": tf.sigmoid(logits)}

        floats = tf.float32
        self.generate = _function(generate, z=tf.TensorSpec((None, config.z_dim), floats))
        self.sample = _function(sample, seed=tf.TensorSpec((), tf.int64), count=tf.TensorSpec((), tf.int32))
        self.discriminate = _function(discriminate, images=tf.TensorSpec((None, *config.image_shape), floats))


def export(config: Config) -> Path:
    """Writes <run>/export/saved_model/ and model_card.json beside it; returns the SavedModel's folder.

    Raises ValueError when the run has no readable checkpoint.
    """
    generator, discriminator = Generator(config), Discriminator(config)
    step = restore_networks(config, generator=generator, discriminator=discriminator)
    module = Exported(config, generator, discriminator)
    signatures = {"serving_default": module.generate, "sample": module.sample, "discriminate": module.discriminate}
    folder = config.run_dir / "export"
    with replaced_folder(folder / "saved_model") as temporary:
        tf.saved_model.save(module, os.fspath(temporary), signatures=signatures)
    write_atomic(folder / "model_card.json", json.dumps(_card(config, step), indent=2).encode())
    logging.info("the SavedModel of step %s is in %s", f"{step:,}", folder / "saved_model")
    return folder / "saved_model"


def _function(python_function, **specs) -> tf.types.experimental.PolymorphicFunction:
    named = [tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()]
    return tf.function(python_function, input_signature=named, autograph=False)


def _card(config: Config, step: int) -> dict:
    height, width, channels = config.image_shape
    return {
        "z_dim": config.z_dim,
        "z_dist": config.z_dist,
        "height": height,
        "width": width,
        "channels": channels,
        "value_range": [-1.0, 1.0],
        "step": step,
        "signatures": {
            "serving_default": "z (B, z_dim) float32 -> images (B, height, width, channels) float32",
            "sample": "seed int64, count int32 -> png (count,) encoded images, z (count, z_dim) float32",
            "discriminate": "images (B, height, width, channels) float32 -> logits (B, 1), probability (B, 1) float32",
        },
        "flags": dataclasses.asdict(config),
    }
