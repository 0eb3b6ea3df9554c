"""The generator, the discriminator, and DCGAN: the pair with its optimizers and its train step."""

import functools
import math
import types

import keras
import tensorflow as tf

import ops
from config import Config
from optimizers import scaled_adam

BF16_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}


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
        x = tf.reshape(x, (-1, channels, height, width))  # (B, c * h * w) -> (B, c, h, w), as Theano and PyTorch
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
            make.conv(i + y_dim, o, name=f"conv{k}") for k, (i, o) in enumerate(zip(inputs, outputs, strict=True), 1)
        ]
        # On every layer but the first (section 3): norms[k] follows convs[k + 1].
        self.norms = [make.norm(channels, name=f"norm{k}") for k, channels in enumerate(outputs[1:], 2)]
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
        shapes = [(*size, conv.kernel.shape[-1]) for size, conv in zip(self.sizes, self.convs, strict=True)]
        rows = list(zip(self.convs, [None, *self.norms], shapes, strict=True))
        if self.fc is not None:
            rows.append((self.fc, self.fc_norm, (self.config.fc_width,)))
        return [*rows, (self.head, None, (1,))]


def _makers(config: Config, seed) -> types.SimpleNamespace:
    """The constructors of the layers with what all layers of a network share."""
    every = {"seed": seed, "bias": config.bias}
    convs = {**every, "kernel_size": config.kernel_size, "padding": config.padding}
    initializer = {"truncated": ops.truncated_normal, "normal": ops.normal}[config.conv_init]
    norms = {"epsilon": config.bn_epsilon, "gain_stddev": config.gain_stddev, "statistics": config.bn_statistics}
    return types.SimpleNamespace(
        dense=functools.partial(ops.Dense, **every),
        conv=functools.partial(ops.Conv, initializer=initializer, **convs),
        conv_transpose=functools.partial(ops.ConvTranspose, **convs),
        norm=functools.partial(ops.BatchNorm, seed=seed, **norms),
    )


class DCGAN:
    """Both networks, their Adams and loss scalers, and `train_step`, compiled once.

    precision: float32, bfloat16 or float16, the dtype of the convolutions while training; weights, statistics, logits,
    tanh and losses are float32 in all three. float16 gets one dynamic loss scaler an optimizer.
    """

    def __init__(self, config: Config, *, precision: str = "float32", jit: bool = False):
        self.config = config
        self.generator = Generator(config, precision)
        self.discriminator = Discriminator(config, precision)
        self.g_scaler = scaled_adam(config, self.generator)
        self.d_scaler = scaled_adam(config, self.discriminator)
        # The scalers always exist, so that a run may change its precision and keep its checkpoints.
        scaled = precision == "float16"
        self.g_optimizer = self.g_scaler if scaled else self.g_scaler.inner_optimizer
        self.d_optimizer = self.d_scaler if scaled else self.d_scaler.inner_optimizer
        self.train_step = tf.function(self._train_step, jit_compile=jit or None, autograph=False)

    def loss_scales(self) -> dict:
        """The dynamic loss scales by name, scalars; empty unless training in float16."""
        if self.g_optimizer is not self.g_scaler:
            return {}
        return {"g_loss_scale": self.g_scaler.dynamic_scale.value, "d_loss_scale": self.d_scaler.dynamic_scale.value}

    def _train_step(self, real, z, y=None, table=None):
        """One step. real (N * B, H, W, C) uint8, or their rows (N * B,) in `table` (M, H, W, C) uint8; z (N * B, z_dim)
        float32; with labels y (N * B, y_dim) float32; N = config.batches_a_step -> a dict of float32 scalars and of the
        last update's logits, before its step.

        D `d_updates` times, each on a real and a fake batch apart, then G `g_updates` times on the last z; the last
        fake batch of D is that of G's first update. carpedm20 updates G twice "to make sure that d_loss does not go to
        zero"; the paper once. With `alternate` every update has a batch of its own and G is first, as in the paper's
        code; the real images of G's batches go unused there.
        """
        if table is not None:
            real = tf.gather(table, real)
        batches = list(zip(self._parts(real), self._parts(z), self._parts(y), strict=True))
        g_updates = self.config.g_updates
        if self.config.alternate:
            for batch in batches[:g_updates]:
                g_loss = self._update_generator(*batch[1:])
            for batch in batches[g_updates:]:
                results = self._update_discriminator(*batch)
            return {**results, "g_loss": g_loss}
        for batch in batches[:-1]:
            self._update_discriminator(*batch)
        results, g_loss = self._update_both(*batches[-1])
        for _ in range(g_updates - 1):
            g_loss = self._update_generator(*batches[-1][1:])
        return {**results, "g_loss": g_loss}

    def _parts(self, batch) -> list:
        """(N * B, ...) -> N times (B, ...); N times None for None."""
        count = self.config.batches_a_step
        return [None] * count if batch is None else tf.split(batch, count)

    def _update_both(self, real, z, y):
        """D, then G, on one fake batch."""
        with tf.GradientTape() as tape:
            fake = self.generator(z, y, training=True)
            with tape.stop_recording():
                results = self._judge(real, fake, y)
            g_loss, scaled = self._generator_loss(fake, y)
        self._apply(self.g_optimizer, tape, scaled, self.generator)
        return results, g_loss

    def _update_generator(self, z, y):
        with tf.GradientTape() as tape:
            g_loss, scaled = self._generator_loss(self.generator(z, y, training=True), y)
        self._apply(self.g_optimizer, tape, scaled, self.generator)
        return g_loss

    def _update_discriminator(self, real, z, y):
        return self._judge(real, self.generator(z, y, training=True), y)

    def _judge(self, real, fake, y):
        """Updates D on a real batch, uint8, and a fake one, float32, apart."""
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(ops.to_float(real), y, training=True)
            fake_logits = self.discriminator(fake, y, training=True)
            d_loss_real = ops.bce(real_logits, real=True)
            d_loss_fake = ops.bce(fake_logits, real=False)
            d_loss = d_loss_real + d_loss_fake
            scaled = self.d_optimizer.scale_loss(d_loss)
        self._apply(self.d_optimizer, tape, scaled, self.discriminator)
        return {
            "d_loss": d_loss,
            "d_loss_real": d_loss_real,
            "d_loss_fake": d_loss_fake,
            "real_logits": real_logits,
            "fake_logits": fake_logits,
        }

    def _generator_loss(self, fake, y):
        logits = self.discriminator(fake, y, training=True)
        g_loss = ops.bce(logits, real=True)  # non-saturating, as in the original
        return g_loss, self.g_optimizer.scale_loss(g_loss)

    def _apply(self, optimizer, tape, scaled_loss, network) -> None:
        weights = network.trainable_variables
        gradients = tape.gradient(scaled_loss, weights)
        if self.config.l2:
            # Scaled as the gradients are, and not a term of the loss: that would be a third summand in one AddN.
            factor = optimizer.scale_loss(tf.constant(self.config.l2))
            gradients = [g + factor * w.value for g, w in zip(gradients, weights, strict=True)]
        optimizer.apply(gradients, weights)


def choose_precision(wanted: str) -> str:
    """`auto` -> bfloat16 where the GPU (compute capability 8 and up) or the CPU has it natively, else float32."""
    if wanted != "auto":
        return wanted
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get("compute_capability", (0, 0))
        return "bfloat16" if capability >= (8, 0) else "float32"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:  # not Linux
        return "float32"
    return "bfloat16" if BF16_CPU_FLAGS & set(flags.split()) else "float32"


def choose_jit(wanted: str) -> bool:
    """`auto` -> on a GPU only: XLA makes the convolutions of a CPU ten times slower."""
    return wanted == "on" or (wanted == "auto" and bool(tf.config.list_physical_devices("GPU")))
