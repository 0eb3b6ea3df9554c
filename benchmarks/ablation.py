"""What each optimization of the training step gains: times the step with and without each.

    python -m benchmarks.ablation [--rounds=5] [--precision=auto] [--seed=0]

Not part of `make bench`: it shows why the step is written as it is. results.md holds its figures.
"""

import contextlib
import os
import statistics
from collections.abc import Callable
from unittest import mock

from absl import app, flags

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import gan
import ops
from benchmarks import measure
from config.settings import Config
from kernels import adam, convolution
from system import devices

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 5, "rounds, in which each step runs once", lower_bound=1)
flags.DEFINE_string("precision", "auto", "float32, bfloat16 or float16")
flags.DEFINE_integer("seed", 0, "seed of weights, images and latents")


def draw_fakes_for_each_update(self, real, z, y=None, table=None):
    """DCGAN.train_step for one update of D; G draws its own fakes instead of sharing D's."""
    [(real, z, y)] = self.split_batches(real, z, y)
    fake, _ = self.draw_fakes(z, y)
    results = self.update_discriminator(real, fake, y)

    for _ in range(self.config.g_updates):
        fake, tape = self.draw_fakes(z, y)
        g_loss = self.update_generator(tape, real, fake, y)
    return {**results, "g_loss": g_loss}


# Name -> patches: each is an object, the name of its attribute, and the plain replacement.
PLAIN_STEPS = {
    "as it is": [],
    "no matrix products": [(devices, "MATRIX_UNIT_FLAG", "none")],
    "TensorFlow's kernel gradients": [(convolution, "SMALL_MAP", 0)],
    "TensorFlow's enlarging to few channels": [(convolution, "FEW_CHANNELS", 0)],
    "Keras' Adam, op by op": [(adam, "Adam", keras.optimizers.Adam)],
    "a fake batch drawn for each network": [(gan.DCGAN, "train_step", draw_fakes_for_each_update)],
}
PLAIN_STEPS["all of these"] = [patch for patches in PLAIN_STEPS.values() for patch in patches]


def main(_) -> None:
    tf.config.optimizer.set_experimental_options({"remapping": False})  # as in train.py
    config = Config(c_dim=3, seed=FLAGS.seed).resolve()
    precision = devices.choose_precision_for_device(FLAGS.precision)
    shape = (config.batch_size, *config.network_config().image_shape)
    real = tf.constant(np.random.default_rng(FLAGS.seed).integers(0, 256, shape, dtype=np.uint8))
    z = ops.latents(FLAGS.seed, config.batch_size, z_dim=config.z_dim, z_dist=config.z_dist)

    steps = {
        name: make_patched_step(config, precision, patches, real, z)
        for name, patches in PLAIN_STEPS.items()
    }
    seconds = measure.time_in_turn(steps, FLAGS.rounds)

    rows = [
        {
            "step": f"{name}, {precision}",
            "ms": statistics.median(taken) * 1e3,
            "times as it is": measure.median_ratio(taken, seconds["as it is"]),
        }
        for name, taken in seconds.items()
    ]
    measure.report("ablation", rows, seed=FLAGS.seed, bars="times as it is")


def make_patched_step(
    config: Config, precision: str, patches: list, real, z
) -> Callable[[], object]:
    """A function that takes a training step, which is traced with the patches in place."""
    with contextlib.ExitStack() as stack:
        for owner, name, plain in patches:
            stack.enter_context(mock.patch.object(owner, name, plain))
        dcgan = measure.build_dcgan_as_train(config, precision)
        dcgan.train_step(real, z)

    return lambda: dcgan.train_step(real, z)["g_loss"].numpy()


if __name__ == "__main__":
    app.run(main)
