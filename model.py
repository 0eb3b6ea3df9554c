"""The generator and the discriminator."""

import functools
import math
import types

import keras
import tensorflow as tf

import ops
from config.settings import Config


class Generator(keras.Model):
    """Maps latents to images (Radford et al. 2016, section 3 and figure 1).

    z (B, z_dim) -> (B, H, W, C) float32 in [-1, 1]. The stem is a dense layer to (B, h, w, stem_width) with
    h = ceil(H / 2**blocks); each block doubles the side and halves the width. With labels y (B, y_dim) float32 in
    [0, 1], a dense layer comes before the stem, and y is joined to the input of every layer, as in carpedm20's network
    for MNIST. Training computes in `train_dtype`, inference always in float32.
    """

    def __init__(self, config: Config, train_dtype: str = "float32"):
        super().__init__(name="generator", autocast=False)
        self.config = config = config.settled()
        self.train_dtype = train_dtype
        make = _makers(config, keras.random.SeedGenerator(config.seed))
        widths, y_dim = config.generator_widths, config.y_dim
        self.stem_shape = (*config.sizes[0], widths[0])
        inputs, units = config.z_dim + y_dim, math.prod(self.stem_shape)
        self.fc = self.fc_norm = None
        if y_dim:
            self.fc = make.dense(inputs, config.fc_width, name="fc")
            self.fc_norm = make.norm(config.fc_width, name="fc_norm")
            inputs = config.fc_width + y_dim
        self.stem = make.dense(inputs, units, name="stem")
        outputs = [*widths[1:], config.image_shape[-1]]
        self.convs = [
            make.conv_transpose(i + y_dim, o, size=size, name=f"conv{k}")
            for k, (i, o, size) in enumerate(zip(widths, outputs, config.sizes[1:], strict=True), 1)
        ]
        # On every layer but the last (section 3): norms[k] follows the stem for k = 0, else convs[k - 1].
        by_unit = config.stem_norm == "units"
        normed = [units if by_unit else widths[0], *widths[1:]]
        self.norms = [make.norm(channels, name=f"norm{k}") for k, channels in enumerate(normed)]
        self.built = True  # every weight exists by now

    def call(self, z, y=None, training: bool = False):
        x = ops.join(tf.cast(z, self.train_dtype if training else "float32"), y)
        if self.fc is not None:
            x = ops.join(tf.nn.relu(self.fc_norm(self.fc(x), training=training)), y)
        x = tf.nn.relu(self._normed_stem(x, training))
        for conv, norm in zip(self.convs[:-1], self.norms[1:], strict=True):
            x = tf.nn.relu(norm(conv(ops.join(x, y)), training=training))
        x = self.convs[-1](ops.join(x, y))
        return tf.tanh(tf.cast(x, tf.float32))

    def _normed_stem(self, x, training: bool):
        """The stem's units (B, h * w * stem_width) as normalised maps (B, h, w, stem_width)."""
        if self.config.stem_norm == "units":
            return self._maps(self.norms[0](self.stem(x), training=training))
        return self.norms[0](self._maps(self.stem(x)), training=training)

    def _maps(self, x):
        height, width, channels = self.stem_shape
        if self.config.stem_order == "hwc":
            return tf.reshape(x, (-1, height, width, channels))  # (B, h * w * c) -> (B, h, w, c)
        x = tf.reshape(
            x, (-1, channels, height, width)
        )  # (B, c * h * w) -> (B, c, h, w), as Theano and PyTorch
        return tf.transpose(x, (0, 2, 3, 1))  # -> (B, h, w, c)

    def plan(self) -> list[tuple]:
        """(layer, its batch norm or None, output shape) in order."""
        first = [(self.fc, self.fc_norm, (self.config.fc_width,))] if self.fc is not None else []
        shapes = [self.stem_shape, *(conv.shape_out for conv in self.convs)]
        return first + list(zip([self.stem, *self.convs], [*self.norms, None], shapes, strict=True))


class Discriminator(keras.Model):
    """Tells real images from generated ones (Radford et al. 2016, section 3): the generator's mirror image.

    images (B, H, W, C) float32 in [-1, 1], with labels also y (B, y_dim) -> logits (B, 1) float32; probability of
    "real" = sigmoid(logits).
    """

    def __init__(self, config: Config, train_dtype: str = "float32"):
        super().__init__(name="discriminator", autocast=False)
        self.config = config = config.settled()
        self.train_dtype = train_dtype
        make = _makers(config, keras.random.SeedGenerator(config.seed + 1))
        outputs, y_dim = config.discriminator_widths, config.y_dim
        inputs = [config.image_shape[-1], *outputs[:-1]]
        self.convs = [
            make.conv(i + y_dim, o, name=f"conv{k}")
            for k, (i, o) in enumerate(zip(inputs, outputs, strict=True), 1)
        ]
        # On every layer but the first (section 3): norms[k] follows convs[k + 1].
        self.norms = [
            make.norm(channels, name=f"norm{k}") for k, channels in enumerate(outputs[1:], 2)
        ]
        self.sizes = config.sizes[-2::-1]
        features = math.prod(self.sizes[-1]) * outputs[-1]
        self.fc = self.fc_norm = None
        if y_dim:
            self.fc = make.dense(features + y_dim, config.fc_width, name="fc")
            self.fc_norm = make.norm(config.fc_width, name="fc_norm")
            features = config.fc_width
        self.head = make.dense(features + y_dim, 1, name="logits")
        self.built = True

    def call(self, images, y=None, training: bool = False):
        x = tf.cast(images, self.train_dtype if training else "float32")
        x = ops.leaky_relu(self.convs[0](ops.join(x, y)))
        for conv, norm in zip(self.convs[1:], self.norms, strict=True):
            x = ops.leaky_relu(norm(conv(ops.join(x, y)), training=training))
        x = self._flat(x)
        if self.fc is not None:
            x = ops.leaky_relu(self.fc_norm(self.fc(ops.join(x, y)), training=training))
        return self.head(ops.join(tf.cast(x, tf.float32), y))

    def _flat(self, x):
        if self.config.stem_order == "chw":
            x = tf.transpose(x, (0, 3, 1, 2))  # (B, h, w, c) -> (B, c, h, w)
        return tf.reshape(x, (-1, math.prod(x.shape[1:])))  # -> (B, h * w * c)

    def plan(self) -> list[tuple]:
        """(layer, its batch norm or None, output shape) in order."""
        shapes = [
            (*size, conv.kernel.shape[-1])
            for size, conv in zip(self.sizes, self.convs, strict=True)
        ]
        rows = list(zip(self.convs, [None, *self.norms], shapes, strict=True))
        if self.fc is not None:
            rows.append((self.fc, self.fc_norm, (self.config.fc_width,)))
        return [*rows, (self.head, None, (1,))]


def _makers(config: Config, seed) -> types.SimpleNamespace:
    """The constructors of the layers with what all layers of a network share."""
    every = {"seed": seed, "bias": config.bias}
    convs = {**every, "kernel_size": config.kernel_size, "padding": config.padding}
    initializer = {"truncated": ops.truncated_normal, "normal": ops.normal}[config.conv_init]
    norms = {
        "epsilon": config.bn_epsilon,
        "gain_stddev": config.gain_stddev,
        "statistics": config.bn_statistics,
    }
    return types.SimpleNamespace(
        dense=functools.partial(ops.Dense, **every),
        conv=functools.partial(ops.Conv, initializer=initializer, **convs),
        conv_transpose=functools.partial(ops.ConvTranspose, **convs),
        norm=functools.partial(ops.BatchNorm, seed=seed, **norms),
    )
