"""The generator and the discriminator: mirror images, each a row of blocks.

Without labels, at 64x64:

    z 100 -> Stem 4x4x512 -> UpBlock 8x8x256 -> 16x16x128 -> 32x32x64 -> 64x64x3
    64x64x3 -> DownBlock 32x32x64 -> 16x16x128 -> 8x8x256 -> 4x4x512 -> logit

Both compute in `train_dtype` while they train and in float32 otherwise; their output is float32.
"""

import math

import keras
import tensorflow as tf

import ops
from config.network import NetworkConfig


class Generator(keras.Model):
    """Maps latents to images (Radford et al. 2016, section 3 and figure 1).

    z (B, z_dim) -> (B, H, W, C) float32 in [-1, 1]; with labels also y (B, y_dim) float32 in [0,
    1]. The stem is a dense layer to (B, h, w, stem_width); each block doubles the side and halves
    the number of maps. With labels, a dense block comes before the stem, and y is joined to the
    input of every layer, as in carpedm20's network for MNIST.
    """

    def __init__(self, config: NetworkConfig, train_dtype: str = "float32"):
        super().__init__(name="generator", autocast=False)
        self.config = config
        self.train_dtype = train_dtype
        seed = keras.random.SeedGenerator(config.seed)

        inputs = config.z_dim + config.y_dim
        self.label_block = None
        if config.y_dim:
            self.label_block = DenseBlock(config, inputs, tf.nn.relu, seed)
            inputs = config.fc_width + config.y_dim
        self.stem = Stem(config, inputs, seed)

        channels = [*config.generator_widths, config.image_shape[-1]]
        self.blocks = [
            UpBlock(config, number, channels, seed) for number in range(1, len(channels))
        ]
        for norm in (self.stem.norm, *(block.norm for block in self.blocks[:-1])):
            norm.draw_initial_gain(config.gain_stddev, seed)  # seeded weights depend on this order
        self.built = True  # every weight exists by now

    def call(self, z, y=None, training: bool = False):
        x = tf.cast(z, self.train_dtype if training else "float32")
        if self.label_block:
            x = self.label_block(x, y, training=training)
        x = self.stem(x, y, training=training)
        for block in self.blocks:
            x = block(x, y, training=training)
        return tf.tanh(tf.cast(x, tf.float32))


class Discriminator(keras.Model):
    """Tells real images from generated ones (Radford et al. 2016, section 3).

    images (B, H, W, C) float32 in [-1, 1], with labels also y (B, y_dim) -> logits (B, 1) float32;
    sigmoid(logits) is the probability of "real". dropout_key (2,) int64, for training only: the
    key for drawing `d_dropout`; without it, nothing is dropped.
    """

    def __init__(self, config: NetworkConfig, train_dtype: str = "float32"):
        super().__init__(name="discriminator", autocast=False)
        self.config = config
        self.train_dtype = train_dtype
        seed = keras.random.SeedGenerator(config.seed + 1)

        y_dim = config.joined_y_dim
        channels = [config.image_shape[-1], *config.discriminator_widths]
        self.blocks = [
            DownBlock(config, number, channels, seed) for number in range(1, len(channels))
        ]
        for block in self.blocks:
            if block.norm:
                block.norm.draw_initial_gain(config.gain_stddev, seed)

        features = config.features
        self.label_block = None
        if y_dim:
            inputs = features + y_dim
            self.label_block = DenseBlock(
                config, inputs, ops.leaky_relu, seed, norm=config.d_norm == "batch"
            )
            features = config.fc_width
        self.head = ops.Dense(
            features + y_dim, 1, bias=config.discriminator_bias, name="logits", seed=seed
        )
        self.embedding = None
        if config.d_labels == "projection":
            self.embedding = ops.Dense(
                config.y_dim, features, bias=False, name="embedding", seed=seed
            )
        if config.d_norm == "spectral":
            for layer in self.linear_layers:  # last, so that it changes no other weights
                layer.add_spectral_norm(seed)
        self.built = True

    @property
    def linear_layers(self) -> list[ops.Linear]:
        """Every layer with a kernel, in order."""
        of_labels = [self.label_block.dense] if self.label_block else []
        embedding = [self.embedding] if self.embedding else []
        return [*(block.conv for block in self.blocks), *of_labels, self.head, *embedding]

    def iterate_spectral_norms(self) -> None:
        """One power iteration of every layer that has spectral norm; call it before each update.

        `call` never iterates, so the real and fake images of an update see the same kernels, as
        does the generator afterwards. (PyTorch iterates in each call in training mode.)
        """
        for layer in self.linear_layers:
            if layer.spectral_u is not None:
                layer.iterate_spectral_norm()

    def call(self, images, y=None, training: bool = False, dropout_key=None):
        joined_y = None if self.embedding else y
        x = tf.cast(images, self.train_dtype if training else "float32")
        for block in self.blocks:
            x = block(x, joined_y, training=training)
        if self.config.minibatch_stddev:
            x = ops.join_batch_deviation(x)

        x = flatten_last_maps(x, self.config.stem_order)
        if self.label_block:
            x = self.label_block(x, joined_y, training=training)
        x = tf.cast(x, tf.float32)
        if dropout_key is not None:
            x = ops.drop_units(x, self.config.d_dropout, dropout_key)
        logits = self.head(ops.join_labels(x, joined_y))
        return logits + self.project_labels(x, y) if self.embedding else logits

    def project_labels(self, phi, y):
        """y^T V phi (Miyato & Koyama 2018, section 3): phi (B, n), y (B, y_dim) -> (B, 1).

        phi is the input of the last layer, the flattened maps. In the paper it is their sum over
        positions, but the positions of a digit's strokes tell a 6 from a 9.
        """
        return tf.reduce_sum(self.embedding(y) * phi, 1, keepdims=True)


class Stem(ops.Layer):
    """The generator's first maps: x (B, inputs) -> (B, h, w, stem_width), normalized, ReLU."""

    def __init__(self, config: NetworkConfig, inputs: int, seed):
        super().__init__("stem_block")
        self.config = config
        units = math.prod(config.stem_shape)
        self.dense = ops.Dense(inputs, units, bias=config.bias, name="stem", seed=seed)

        self.by_unit = config.stem_norm == "units"
        self.norm = make_batch_norm(
            config, units if self.by_unit else config.stem_shape[-1], "norm0"
        )

    def call(self, x, y, training: bool):
        x = self.dense(ops.join_labels(x, y))
        if self.by_unit:
            x = reshape_stem_units_to_maps(self.norm(x, training=training), self.config)
        else:
            x = self.norm(reshape_stem_units_to_maps(x, self.config), training=training)
        return tf.nn.relu(x)


class UpBlock(ops.Layer):
    """Doubles the side: transposed convolution, or resize and convolution, batch norm, ReLU; the
    last block only convolves.

    x (B, h, w, channels[number - 1]) -> (B, H, W, channels[number]), with H, W = sizes[number].
    """

    def __init__(self, config: NetworkConfig, number: int, channels: list[int], seed):
        super().__init__(f"up{number}")
        inputs = channels[number - 1] + config.y_dim
        self.conv = make_enlarging_conv(config, number, inputs, channels[number], seed)
        is_last = number == len(channels) - 1
        self.norm = None if is_last else make_batch_norm(config, channels[number], f"norm{number}")

    def call(self, x, y, training: bool):
        x = self.conv(ops.join_labels(x, y))
        return tf.nn.relu(self.norm(x, training=training)) if self.norm else x


class DownBlock(ops.Layer):
    """Halves the side: convolution, batch norm (not in the first block), leaky ReLU.

    Unless `d_norm` is "batch", it has no batch norm and always has a bias.

    x (B, H, W, channels[number - 1]) -> (B, ceil(H/2), ceil(W/2), channels[number]).
    """

    def __init__(self, config: NetworkConfig, number: int, channels: list[int], seed):
        super().__init__(f"down{number}")
        self.conv = ops.Conv(
            channels[number - 1] + config.joined_y_dim,
            channels[number],
            kernel_size=config.kernel_size,
            padding=config.padding,
            initializer=ops.INITIALIZERS[config.conv_init],
            bias=config.discriminator_bias,
            name=f"conv{number}",
            seed=seed,
        )
        has_norm = number > 1 and config.d_norm == "batch"
        self.norm = make_batch_norm(config, channels[number], f"norm{number}") if has_norm else None

    def call(self, x, y, training: bool):
        return ops.leaky_relu(self.compute_responses(x, y, training=training))

    def compute_responses(self, x, y, training: bool):
        """What the leaky ReLU is applied to, in the same shape as the block's output."""
        x = self.conv(ops.join_labels(x, y))
        return self.norm(x, training=training) if self.norm else x


class DenseBlock(ops.Layer):
    """Added to networks with labels: dense layer, batch norm unless `norm` is False, activation.

    x (B, inputs - y_dim), y (B, y_dim) -> (B, fc_width).
    """

    def __init__(self, config: NetworkConfig, inputs: int, activation, seed, *, norm: bool = True):
        super().__init__("label_block")
        self.activation = activation
        bias = config.bias or not norm
        self.dense = ops.Dense(inputs, config.fc_width, bias=bias, name="fc", seed=seed)
        self.norm = make_batch_norm(config, config.fc_width, "fc_norm") if norm else None
        if self.norm:
            self.norm.draw_initial_gain(config.gain_stddev, seed)

    def call(self, x, y, training: bool):
        x = self.dense(ops.join_labels(x, y))
        return self.activation(self.norm(x, training=training) if self.norm else x)


def make_enlarging_conv(
    config: NetworkConfig, number: int, inputs: int, outputs: int, seed
) -> ops.Linear:
    """The layer that enlarges the maps of the generator's block `number`."""
    common = {"size": config.sizes[number], "bias": config.bias, "name": f"conv{number}"}
    if config.upsample == "resize":
        return ops.ResizeConv(inputs, outputs, seed=seed, **common)
    kernel = {"kernel_size": config.kernel_size, "padding": config.padding}
    smooths = config.upsample == "smooth" and number == len(config.sizes) - 1
    return ops.ConvTranspose(inputs, outputs, seed=seed, smooths=smooths, **kernel, **common)


def make_batch_norm(config: NetworkConfig, channels: int, name: str) -> ops.BatchNorm:
    return ops.BatchNorm(
        channels,
        epsilon=config.bn_epsilon,
        statistics=config.bn_statistics,
        synchronized=config.sync_batch_norm,
        name=name,
    )


def reshape_stem_units_to_maps(x, config: NetworkConfig):
    """The stem's units as maps (B, h, w, stem_width)."""
    height, width, channels = config.stem_shape
    if config.stem_order == "hwc":
        return tf.reshape(x, (-1, height, width, channels))  # (B, h * w * c) -> (B, h, w, c)
    x = tf.reshape(x, (-1, channels, height, width))  # (B, c * h * w) -> (B, c, h, w)
    return tf.transpose(x, (0, 2, 3, 1))  # -> (B, h, w, c)


def flatten_last_maps(x, stem_order: str):
    """Maps as units: (B, h, w, c) -> (B, h * w * c)."""
    if stem_order == "chw":
        x = tf.transpose(x, (0, 3, 1, 2))  # (B, h, w, c) -> (B, c, h, w)
    return tf.reshape(x, (-1, math.prod(x.shape[1:])))
