"""Inputs of a training step."""

import numpy as np
import tensorflow as tf

import ops

LABELLED = {"labels": "own", "label_names": ("a", "b", "c")}


def batch(config, seed=0):
    rng = np.random.default_rng(seed)
    count = config.batch_size * config.batches_per_step
    real = tf.constant(
        rng.integers(0, 256, (count, *config.network_config().image_shape), dtype=np.uint8)
    )
    return real, ops.latents(seed, count, z_dim=config.z_dim, z_dist=config.z_dist)
