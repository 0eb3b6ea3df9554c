"""The training step in plain Keras, as keras.io writes it: Sequential, train_step and fit."""

import math
import queue
import sys
import threading
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import ops
from config.network import NetworkConfig
from config.settings import Config

STUCK_SECONDS = 120  # after this, `fit` counts as failed


def build_generator(network: NetworkConfig) -> keras.Sequential:
    """z (B, z_dim) -> images (B, H, W, C) float32 in [-1, 1]."""
    stack = [
        keras.Input((network.z_dim,)),
        layers.Dense(math.prod(network.stem_shape), use_bias=network.bias),
        layers.Reshape(network.stem_shape),
        build_norm(network),
        layers.ReLU(),
    ]
    for width in network.generator_widths[1:]:
        stack += [
            build_conv(layers.Conv2DTranspose, network, width),
            build_norm(network),
            layers.ReLU(),
        ]

    stack += [
        build_conv(layers.Conv2DTranspose, network, network.image_shape[-1]),
        layers.Activation("tanh", dtype="float32"),
    ]
    return keras.Sequential(stack)


def build_discriminator(network: NetworkConfig) -> keras.Sequential:
    """Images (B, H, W, C) in [-1, 1] -> logits (B, 1) float32."""
    stack = [
        keras.Input(network.image_shape),
        build_conv(layers.Conv2D, network, network.discriminator_widths[0]),
        build_leaky_relu(),
    ]
    for width in network.discriminator_widths[1:]:
        stack += [
            build_conv(layers.Conv2D, network, width),
            build_norm(network),
            build_leaky_relu(),
        ]

    head = layers.Dense(1, use_bias=network.bias, dtype="float32")
    return keras.Sequential([*stack, layers.Flatten(), head])


def build_conv(kind: type[layers.Layer], network: NetworkConfig, width: int) -> layers.Layer:
    return kind(width, network.kernel_size, strides=2, padding="same", use_bias=network.bias)


def build_norm(network: NetworkConfig) -> layers.BatchNormalization:
    return layers.BatchNormalization(momentum=ops.BN_MOMENTUM, epsilon=network.bn_epsilon)


def build_leaky_relu() -> layers.LeakyReLU:
    return layers.LeakyReLU(negative_slope=ops.LEAKY_SLOPE)


class KerasDCGAN(keras.Model):
    """Both networks; `fit` takes images (d_updates * B, H, W, C) float32 in [-1, 1]."""

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.generator = build_generator(config.network_config())
        self.discriminator = build_discriminator(config.network_config())
        self.seeds = keras.random.SeedGenerator(config.seed)
        self.loss_fn = keras.losses.BinaryCrossentropy(from_logits=True)

    def compile(self):
        super().compile()  # jit_compile="auto", steps_per_execution=1
        self.g_optimizer = self.make_optimizer()
        self.d_optimizer = self.make_optimizer()

    def make_optimizer(self) -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(self.config.learning_rate, beta_1=self.config.beta1)

    def train_step(self, images):
        """Updates D `d_updates` times, then G `g_updates` times on the last z."""
        shape = (self.config.batch_size, self.config.z_dim)
        for real in tf.split(images, self.config.d_updates):
            z = keras.random.uniform(shape, -1.0, 1.0, seed=self.seeds)
            d_loss = self.update_discriminator(real, z)
        for _ in range(self.config.g_updates):
            g_loss = self.update_generator(z)
        return {"d_loss": d_loss, "g_loss": g_loss}

    def update_discriminator(self, real, z):
        fake = self.generator(z, training=True)
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(real, training=True)
            fake_logits = self.discriminator(fake, training=True)
            real_loss = self.loss_fn(tf.ones_like(real_logits), real_logits)
            fake_loss = self.loss_fn(tf.zeros_like(fake_logits), fake_logits)
            loss = real_loss + fake_loss

        weights = self.discriminator.trainable_weights
        self.d_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    def update_generator(self, z):
        with tf.GradientTape() as tape:
            logits = self.discriminator(self.generator(z, training=True), training=True)
            loss = self.loss_fn(tf.ones_like(logits), logits)

        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss


def make_program(
    config: Config, options: dict, real: np.ndarray, z: np.ndarray
) -> Callable[[int], None]:
    """A function that lets a running `fit` take `steps` more steps, and then holds it.

    options: the dtype policy. z is not used, as the step draws its own.
    """
    keras.config.set_dtype_policy(options["policy"])
    model = KerasDCGAN(config)
    model.compile()
    images = tf.data.Dataset.from_tensor_slices(real).repeat().batch(len(real)).map(ops.to_float)

    go, done = queue.SimpleQueue(), queue.SimpleQueue()
    hold = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: go.get(),
        on_train_batch_end=lambda batch, logs: done.put(logs),
    )
    settings = {"steps_per_epoch": sys.maxsize, "shuffle": False, "verbose": 0, "callbacks": [hold]}
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
