"""The generator, the discriminator, and DCGAN: the pair with its optimizers and its train step."""

import math

import keras
import tensorflow as tf

import ops
from config import Config

ADAM_EPSILON = 1e-8  # TensorFlow 1's default, which carpedm20 used; Keras' own is 1e-7
BF16_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}


class Generator(keras.Model):
    """Maps latents to images (Radford et al. 2016, section 3 and figure 1).

    z (B, z_dim) -> (B, H, W, C) float32 in [-1, 1]. The stem is a dense layer to (B, h, w, stem_width) with
    h = ceil(H / 2**blocks); each block doubles the side and halves the width. Training computes in `train_dtype`,
    inference always in float32.
    """

    def __init__(self, config: Config, train_dtype: str = "float32"):
        super().__init__(name="generator", autocast=False)
        seed = keras.random.SeedGenerator(config.seed)
        self.train_dtype = train_dtype
        self.stem_shape = (*config.sizes[0], config.widths[0])
        height, width, channels = self.stem_shape
        self.stem = ops.Dense(config.z_dim, height * width * channels, name="stem", seed=seed)
        outputs = [*config.widths[1:], config.image_shape[-1]]
        self.convs = [
            ops.ConvTranspose(i, o, size=size, kernel_size=config.kernel_size, name=f"conv{k}", seed=seed)
            for k, (i, o, size) in enumerate(zip(config.widths, outputs, config.sizes[1:], strict=True), 1)
        ]
        # On every layer but the last (section 3): norms[k] follows the stem for k = 0, else convs[k - 1].
        self.norms = [ops.BatchNorm(channels, name=f"norm{k}") for k, channels in enumerate(config.widths)]
        self.built = True  # every weight exists by now

    def call(self, z, training: bool = False):
        x = tf.cast(z, self.train_dtype if training else "float32")
        x = tf.reshape(self.stem(x), (-1, *self.stem_shape))  # (B, h * w * stem_width) -> (B, h, w, stem_width)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = conv(tf.nn.relu(norm(x, training=training)))
        return tf.tanh(tf.cast(x, tf.float32))

    def plan(self) -> list[tuple]:
        """(layer, its batch norm or None, output shape) in order."""
        shapes = [self.stem_shape, *(conv.shape_out for conv in self.convs)]
        return list(zip([self.stem, *self.convs], [*self.norms, None], shapes, strict=True))


class Discriminator(keras.Model):
    """Tells real images from generated ones (Radford et al. 2016, section 3): the generator's mirror image.

    images (B, H, W, C) float32 in [-1, 1] -> logits (B, 1) float32; probability of "real" = sigmoid(logits).
    """

    def __init__(self, config: Config, train_dtype: str = "float32"):
        super().__init__(name="discriminator", autocast=False)
        seed = keras.random.SeedGenerator(config.seed + 1)
        self.train_dtype = train_dtype
        outputs = config.widths[::-1]
        inputs = [config.image_shape[-1], *outputs[:-1]]
        self.convs = [
            ops.Conv(i, o, kernel_size=config.kernel_size, name=f"conv{k}", seed=seed)
            for k, (i, o) in enumerate(zip(inputs, outputs, strict=True), 1)
        ]
        # On every layer but the first (section 3): norms[k] follows convs[k + 1].
        self.norms = [ops.BatchNorm(channels, name=f"norm{k}") for k, channels in enumerate(outputs[1:], 2)]
        self.sizes = config.sizes[-2::-1]
        height, width = self.sizes[-1]
        self.features = height * width * outputs[-1]
        self.head = ops.Dense(self.features, 1, name="logits", seed=seed)
        self.built = True

    def call(self, images, training: bool = False):
        x = tf.cast(images, self.train_dtype if training else "float32")
        x = ops.leaky_relu(self.convs[0](x))
        for conv, norm in zip(self.convs[1:], self.norms, strict=True):
            x = ops.leaky_relu(norm(conv(x), training=training))
        x = tf.reshape(x, (-1, self.features))  # (B, h, w, stem_width) -> (B, h * w * stem_width)
        return self.head(tf.cast(x, tf.float32))

    def plan(self) -> list[tuple]:
        """(layer, its batch norm or None, output shape) in order."""
        shapes = [(*size, conv.bias.shape[0]) for size, conv in zip(self.sizes, self.convs, strict=True)]
        return list(zip([*self.convs, self.head], [None, *self.norms, None], [*shapes, (1,)], strict=True))


class DCGAN:
    """Both networks, their Adams and loss scalers, and `train_step`, compiled once.

    precision: float32, bfloat16 or float16, the dtype of the convolutions while training; weights, statistics, logits,
    tanh and losses are float32 in all three. float16 gets one dynamic loss scaler an optimizer.
    """

    def __init__(self, config: Config, *, precision: str = "float32", jit: bool = False):
        self.config = config
        self.generator = Generator(config, precision)
        self.discriminator = Discriminator(config, precision)
        self.g_scaler = _scaled_adam(config, self.generator)
        self.d_scaler = _scaled_adam(config, self.discriminator)
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

    def _train_step(self, real, z):
        """D `d_updates` times, each on a real and a fake batch apart, then G `g_updates` times on the last z.

        real (d_updates * B, H, W, C) uint8, z (d_updates * B, z_dim) float32 -> a dict of float32 scalars and of the
        last update's logits, before its step. carpedm20 updates G twice "to make sure that d_loss does not go to
        zero"; the paper once (--g_updates=1).
        """
        real = ops.to_float(real)
        for real_part, z_part in zip(self._parts(real), self._parts(z), strict=True):
            results = self._update_discriminator(real_part, z_part)
        for _ in range(self.config.g_updates):
            g_loss = self._update_generator(z_part)
        return {**results, "g_loss": g_loss}

    def _parts(self, batch):
        return tf.split(batch, self.config.d_updates)  # (d_updates * B, ...) -> d_updates times (B, ...)

    def _update_discriminator(self, real, z):
        fake = self.generator(z, training=True)
        with tf.GradientTape() as tape:
            real_logits = self.discriminator(real, training=True)
            fake_logits = self.discriminator(fake, training=True)
            d_loss_real = ops.bce(real_logits, real=True)
            d_loss_fake = ops.bce(fake_logits, real=False)
            d_loss = d_loss_real + d_loss_fake
            scaled = self.d_optimizer.scale_loss(d_loss)
        weights = self.discriminator.trainable_variables
        self.d_optimizer.apply(tape.gradient(scaled, weights), weights)
        return {
            "d_loss": d_loss,
            "d_loss_real": d_loss_real,
            "d_loss_fake": d_loss_fake,
            "real_logits": real_logits,
            "fake_logits": fake_logits,
        }

    def _update_generator(self, z):
        with tf.GradientTape() as tape:
            logits = self.discriminator(self.generator(z, training=True), training=True)
            g_loss = ops.bce(logits, real=True)  # non-saturating, as in the original
            scaled = self.g_optimizer.scale_loss(g_loss)
        weights = self.generator.trainable_variables
        self.g_optimizer.apply(tape.gradient(scaled, weights), weights)
        return g_loss


def _scaled_adam(config: Config, network: keras.Model) -> keras.optimizers.LossScaleOptimizer:
    """Adam in a loss scaler, both built, since an unbuilt scaler would scale by a constant."""
    adam = keras.optimizers.Adam(config.learning_rate, beta_1=config.beta1, epsilon=ADAM_EPSILON, name="adam")
    scaler = keras.optimizers.LossScaleOptimizer(adam)
    scaler.build(network.trainable_variables)
    return scaler


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


def layer_table(network: Generator | Discriminator) -> list[tuple[str, tuple[int, ...], int]]:
    """(layer, output shape without the batch, trainable parameters with its batch norm's) a row, in order."""
    rows = []
    for layer, norm, shape in network.plan():
        weights = layer.trainable_variables + (norm.trainable_variables if norm else [])
        rows.append((layer.name, tuple(shape), sum(math.prod(weight.shape) for weight in weights)))
    return rows
