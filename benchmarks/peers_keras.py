"""The training step in plain Keras, as keras.io writes it: Sequential networks, a train_step of its own, and fit."""

import queue
import sys
import threading
from collections.abc import Callable
from itertools import pairwise

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import ops
from config.settings import Config

STUCK_SECONDS = 120  # then `fit` has failed


def generator(config: Config) -> keras.Sequential:
    """z (B, z_dim) -> images (B, H, W, C) float32 in [-1, 1]."""
    (height, width), widths = config.sizes[0], config.generator_widths
    stem = layers.Dense(height * width * widths[0], use_bias=config.bias)
    stack = [
        keras.Input((config.z_dim,)),
        stem,
        layers.Reshape((height, width, widths[0])),
        *_norm_relu(config),
    ]
    for outputs in widths[1:]:
        stack += [_conv(layers.Conv2DTranspose, config, outputs), *_norm_relu(config)]
    stack += [
        _conv(layers.Conv2DTranspose, config, config.c_dim),
        layers.Activation("tanh", dtype="float32"),
    ]
    return keras.Sequential(stack)


def discriminator(config: Config) -> keras.Sequential:
    """Images (B, H, W, C) in [-1, 1] -> logits (B, 1) float32."""
    stack = [
        keras.Input(config.network_config().image_shape),
        _conv(layers.Conv2D, config, config.discriminator_widths[0]),
    ]
    for _, outputs in pairwise(config.discriminator_widths):
        stack += [_leaky(), _conv(layers.Conv2D, config, outputs), _norm(config)]
    head = layers.Dense(1, use_bias=config.bias, dtype="float32")
    return keras.Sequential([*stack, _leaky(), layers.Flatten(), head])


def _conv(kind, config: Config, outputs: int):
    return kind(outputs, config.kernel_size, strides=2, padding="same", use_bias=config.bias)


def _norm(config: Config) -> layers.BatchNormalization:
    return layers.BatchNormalization(momentum=ops.BN_MOMENTUM, epsilon=config.bn_epsilon)


def _norm_relu(config: Config) -> list:
    return [_norm(config), layers.ReLU()]


def _leaky() -> layers.LeakyReLU:
    return layers.LeakyReLU(negative_slope=ops.LEAKY_SLOPE)


class KerasDCGAN(keras.Model):
    """Both networks; `fit` takes a dataset of images (d_updates * B, H, W, C) float32 in [-1, 1]."""

    def __init__(self, config: Config):
        super().__init__()
        self.config, self.generator, self.discriminator = (
            config,
            generator(config),
            discriminator(config),
        )
        self.seeds = keras.random.SeedGenerator(config.seed)
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    def compile(self):
        super().compile()  # jit_compile="auto", steps_per_execution=1
        self.g_optimizer, self.d_optimizer = (
            keras.optimizers.Adam(self.config.learning_rate, beta_1=self.config.beta1)
            for _ in range(2)
        )

    def train_step(self, images):
        """D `d_updates` times, then G `g_updates` times on the last z."""
        for real in tf.split(images, self.config.d_updates):
            z = keras.random.uniform(
                (self.config.batch_size, self.config.z_dim), -1.0, 1.0, seed=self.seeds
            )
            d_loss = self._update_discriminator(real, z)
        for _ in range(self.config.g_updates):
            g_loss = self._update_generator(z)
        return {"d_loss": d_loss, "g_loss": g_loss}

    def _update_discriminator(self, real, z):
        fake = self.generator(z, training=True)
        with tf.GradientTape() as tape:
            on_real, on_fake = (
                self.discriminator(images, training=True) for images in (real, fake)
            )
            loss = self.loss_fn(tf.ones_like(on_real), on_real) + self.loss_fn(
                tf.zeros_like(on_fake), on_fake
            )
        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    def _update_generator(self, z):
        with tf.GradientTape() as tape:
            logits = self.discriminator(self.generator(z, training=True), training=True)
            loss = self.loss_fn(tf.ones_like(logits), logits)
        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss


def program(
    config: Config, options: dict, real: np.ndarray, z: np.ndarray
) -> Callable[[int], None]:
    """A function that lets one `fit`, held between calls, do so many steps. options: the dtype policy.

    z is not used: the step draws its own.
    """
    keras.config.set_dtype_policy(options["policy"])
    model = KerasDCGAN(config)
    model.compile()
    images = tf.data.Dataset.from_tensor_slices(real).repeat().batch(len(real)).map(ops.to_float)
    go, done = queue.SimpleQueue(), queue.SimpleQueue()
    turns = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: go.get(),
        on_train_batch_end=lambda batch, logs: done.put(logs),
    )
    settings = {
        "steps_per_epoch": sys.maxsize,
        "shuffle": False,
        "verbose": 0,
        "callbacks": [turns],
    }
    threading.Thread(
        target=model.fit, args=[images.prefetch(tf.data.AUTOTUNE)], kwargs=settings, daemon=True
    ).start()

    def run(steps: int) -> None:
        for _ in range(steps):
            go.put(None)
        for _ in range(steps):
            logs = done.get(timeout=STUCK_SECONDS)
        float(logs["g_loss"])  # waits for a GPU

    return run
