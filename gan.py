"""DCGAN: the pair of networks with its optimizers and its train step."""

import tensorflow as tf

import ops
from config.settings import Config
from kernels.adam import scaled_adam
from model import Discriminator, Generator


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
        return {
            "g_loss_scale": self.g_scaler.dynamic_scale.value,
            "d_loss_scale": self.d_scaler.dynamic_scale.value,
        }

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
