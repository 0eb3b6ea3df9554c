"""DCGAN: the pair of networks, their optimizers, and the train step."""

import dataclasses
import itertools
import threading

import tensorflow as tf

import ops
from augmentation import Augmenter, vary_real_batches
from averaging import AveragedGenerator
from config.checks import check_training_settings
from config.settings import MAX_COUNT, Config
from distribution import Replicas, average_over_replicas
from kernels.adam import LEARNING_RATE_DECAYS, build_scaled_one_op_adam
from kernels.convolution import use_kernel_forms
from losses import PENALTIES, Loss, choose_loss, decay_penalty, judge_with_slopes
from model import Discriminator, Generator

# The upper half of the seed that dropout is drawn from; the latents' key has 0 there.
FIRST_DROPOUT = 2**16


class DCGAN:
    """Both networks, their optimizers with loss scalers, and `train_step`, compiled.

    precision: float32, bfloat16 or float16, the dtype of the convolutions while training. Weights,
    statistics, logits, tanh and losses are float32 in all three. float16 gets a dynamic loss scaler
    for each optimizer. loss: replaces `config.loss` and its label smoothing. average: the averaged
    generator, or None without `ema_half_life`.

    With several devices, each of `replicas` has a copy of both networks and their optimizers, and
    takes its share of each batch. The results are those of one device with the whole batch, up to
    rounding, unless `sync_batch_norm` is off.

    steps_done, total_steps: int64 variables that drive what changes over a run, such as the
    learning rate. `training.steps` sets steps_done before each step; the training loop sets
    total_steps, which is MAX_COUNT until then.
    """

    def __init__(
        self,
        config: Config,
        *,
        precision: str = "float32",
        jit: bool = False,
        loss: Loss | None = None,
    ):
        check_training_settings(dataclasses.replace(config, mixed_precision=precision))
        self.config = config
        self.network = config.network_config()
        self.loss = loss or choose_loss(config.loss, config.label_smoothing)
        self.gammas = {name: gamma for name, gamma in config.penalties.items() if gamma}
        self.replicas = Replicas(config)
        with self.replicas.scope():
            self.generator = Generator(self.network, precision)
            self.discriminator = Discriminator(self.network, precision)
            self.g_scaler = build_scaled_one_op_adam(
                config, self.generator, config.current_learning_rate
            )
            self.d_scaler = build_scaled_one_op_adam(
                config, self.discriminator, config.current_d_learning_rate
            )
        self.average = AveragedGenerator(self.generator, config) if config.ema_half_life else None

        self.precision, self.jit = precision, jit
        # The scalers always exist, so that a run may change its precision and keep its checkpoints.
        self.uses_scalers = precision == "float16"
        self.g_optimizer = self.g_scaler if self.uses_scalers else self.g_scaler.inner_optimizer
        self.d_optimizer = self.d_scaler if self.uses_scalers else self.d_scaler.inner_optimizer

        self.steps_done = tf.Variable(0, dtype=tf.int64)
        self.total_steps = tf.Variable(MAX_COUNT, dtype=tf.int64)
        self.draws = StepDraws()

        # From here on `train_step` is the method of this name, compiled.
        self.train_step = tf.function(self.train_step, jit_compile=jit or None, autograph=False)

    def train_step(self, real, z, y=None, table=None, drawn=None) -> dict[str, tf.Tensor]:
        """Updates D `d_updates` times, then G `g_updates` times.

        real (N * B, H, W, C) uint8, or their rows (N * B,) in `table` (M, H, W, C) uint8; z (N * B,
        z_dim) float32; with labels y (N * B, y_dim) float32; N = config.batches_per_step. drawn: as
        from `augmentation.draw_changes`; without it, images stay as they are. Returns the losses,
        float32 scalars, and the logits that D gave before its last update.

        Each update of D takes a new batch. G's first update uses the last fakes that D saw; the
        others draw new ones from the same z. carpedm20 updates G twice "to make sure that d_loss
        does not go to zero", the paper once.
        """
        drawn = drawn or {}
        self.set_learning_rates_of_step()
        if table is not None:
            real = tf.gather(table, real)
        results = self.replicas.run(self.update_networks, (real, z, y), drawn)
        if self.average:
            self.average.follow()
        return results

    def update_networks(self, real, z, y, drawn) -> dict[str, tf.Tensor]:
        """The step of one replica, with its share of what `train_step` takes."""
        self.draws.restart(drawn.get("augmented"))
        batches = self.split_batches(real, z, y, drawn)
        update = self.alternate_updates if self.config.alternate else self.update_in_turn
        with use_kernel_forms(self.config.kernel_forms):
            return update(batches)

    def set_learning_rates_of_step(self) -> None:
        """Sets them from (steps_done, total_steps) alone; without --lr_decay, nothing changes."""
        if self.config.lr_decay == "none":
            return
        factor = LEARNING_RATE_DECAYS[self.config.lr_decay](self.measure_share_done())
        with self.replicas.scope():
            g_adam, d_adam = self.g_scaler.inner_optimizer, self.d_scaler.inner_optimizer
            g_adam.learning_rate = self.config.current_learning_rate * factor
            d_adam.learning_rate = self.config.current_d_learning_rate * factor

    def measure_share_done(self) -> tf.Tensor:
        """How much of the run was done before this step: a float32 scalar in [0, 1)."""
        done, total = (tf.cast(n, tf.float32) for n in (self.steps_done, self.total_steps))
        return done / total

    def update_in_turn(self, batches: list[tuple]) -> dict[str, tf.Tensor]:
        """D on every batch, then G on the last one."""
        for real, z, y in batches:
            fake, tape = self.draw_fakes(z, y)
            results = self.update_discriminator(real, fake, y)

        g_loss = self.update_generator(tape, real, fake, y)
        for _ in range(self.config.g_updates - 1):
            fake, tape = self.draw_fakes(z, y)
            g_loss = self.update_generator(tape, real, fake, y)
        return {**results, "g_loss": g_loss}

    def alternate_updates(self, batches: list[tuple]) -> dict[str, tf.Tensor]:
        """Every update has its own batch, and G comes first, as in the paper's code.

        (G's updates ignore their real images, unless `Loss.compares`.)
        """
        g_updates = self.config.g_updates
        for real, z, y in batches[:g_updates]:
            fake, tape = self.draw_fakes(z, y)
            g_loss = self.update_generator(tape, real, fake, y)

        for real, z, y in batches[g_updates:]:
            fake, _ = self.draw_fakes(z, y)
            results = self.update_discriminator(real, fake, y)
        return {**results, "g_loss": g_loss}

    def split_batches(self, real, z, y, drawn: dict | None = None) -> list[tuple]:
        """(real, z, y) for each batch of the step; real images become floats, like fake ones."""
        count = self.config.batches_per_step
        reals = [ops.to_float(part) for part in tf.split(real, count)]
        reals = vary_real_batches(reals, drawn or {})
        ys = [None] * count if y is None else tf.split(y, count)
        return list(zip(reals, tf.split(z, count), ys, strict=True))

    def draw_fakes(self, z, y) -> tuple[tf.Tensor, tf.GradientTape]:
        """Fake images, and the tape that recorded how the generator drew them."""
        with tf.GradientTape() as tape:
            fake = self.generator(z, y, training=True)
        return fake, tape

    def update_discriminator(self, real, fake, y) -> dict[str, tf.Tensor]:
        """One update on a real and a fake batch, each normalized by its own statistics."""
        self.discriminator.iterate_spectral_norms()
        # Outside the tape: no weight of D is involved, and slopes are taken at augmented images.
        real, fake = self.draws.augment(real), self.draws.augment(fake)
        with tf.GradientTape() as tape:
            real_logits, fake_logits, slopes = self.judge(real, fake, y)
            d_loss_real, d_loss_fake = self.loss.discriminator(real_logits, fake_logits)
            d_loss = d_loss_real + d_loss_fake
            scaled_loss = self.d_optimizer.scale_loss(self.add_penalties(d_loss, slopes))

        self.update_network_weights(self.d_optimizer, tape, scaled_loss, self.discriminator)
        return {
            "d_loss": d_loss,
            "d_loss_real": d_loss_real,
            "d_loss_fake": d_loss_fake,
            **slopes,
            "real_logits": real_logits,
            "fake_logits": fake_logits,
        }

    def judge(self, real, fake, y) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
        """(real_logits, fake_logits, E |grad_x C(x)|^2 by the name of its penalty, if it is on)."""
        if not self.gammas:
            return self.judge_in_training(real, y), self.judge_in_training(fake, y), {}
        counts = dict.fromkeys(self.gammas, self.config.images_per_penalty)
        return judge_with_slopes(self.judge_in_training, real, fake, y, counts)

    def add_penalties(self, d_loss: tf.Tensor, slopes: dict[str, tf.Tensor]) -> tf.Tensor:
        """What D minimizes: its loss and, for each slope, a penalty with the current gamma."""
        for name, slope in slopes.items():
            share_left = decay_penalty(self.measure_share_done(), self.config.penalty_decay)
            d_loss += PENALTIES[name](self.gammas[name] * share_left, slope)
        return d_loss

    def update_generator(self, tape: tf.GradientTape, real, fake, y) -> tf.Tensor:
        """One update from D's verdict on `fake`, whose drawing `tape` recorded."""
        with tape:  # resumes recording
            real_logits = None
            if self.loss.compares:
                real_logits = self.judge_in_training(self.draws.augment(real), y)
            fake_logits = self.judge_in_training(self.draws.augment(fake), y)
            g_loss = self.loss.generator(real_logits, fake_logits)
            scaled_loss = self.g_optimizer.scale_loss(g_loss)

        self.update_network_weights(self.g_optimizer, tape, scaled_loss, self.generator)
        return g_loss

    def judge_in_training(self, images, y) -> tf.Tensor:
        """D's logits, with a new draw of its dropout, if it has any."""
        key = self.make_dropout_key() if self.config.d_dropout else None
        return self.discriminator(images, y, training=True, dropout_key=key)

    def make_dropout_key(self) -> tf.Tensor:
        """(2,) int64: a function of the seed, the step and the number of this pass through D."""
        seed = self.config.seed + (FIRST_DROPOUT + next(self.draws.d_passes) << 32)
        return tf.stack([tf.constant(seed, tf.int64), self.steps_done + 1])

    def update_network_weights(self, optimizer, tape, scaled_loss, network) -> None:
        weights = network.trainable_variables
        gradients = average_over_replicas(tape.gradient(scaled_loss, weights))
        if self.config.l2:
            # Not a term of the loss: an AddN would get a third summand, and its order varies.
            factor = optimizer.scale_loss(tf.constant(self.config.l2))  # like the gradients
            gradients = [g + factor * w.value for g, w in zip(gradients, weights, strict=True)]
        optimizer.apply(gradients, weights)

    @property
    def drawn_generator(self) -> Generator:
        """The generator that draws the pictures and is scored."""
        is_live = self.average is None or self.config.weights == "live"
        return self.generator if is_live else self.average.generator

    def read_learning_rates(self) -> dict[str, tf.Variable]:
        """The last step's learning rates by name, scalars; the discriminator's if it has one."""
        rates = {"learning_rate": self.g_scaler.inner_optimizer.learning_rate.value}
        if self.config.d_learning_rate:
            rates["d_learning_rate"] = self.d_scaler.inner_optimizer.learning_rate.value
        return {name: self.replicas.read(rate) for name, rate in rates.items()}

    def read_loss_scales(self) -> dict[str, tf.Tensor]:
        """The dynamic loss scales by name, scalars; empty unless training in float16."""
        if not self.uses_scalers:
            return {}
        return {
            "g_loss_scale": self.replicas.read(self.g_scaler.dynamic_scale.value),
            "d_loss_scale": self.replicas.read(self.d_scaler.dynamic_scale.value),
        }


class StepDraws(threading.local):
    """What the step being traced has not used yet: the changes for its next batches, and the number
    of its next pass through D, which has dropout of its own.

    Local to a thread, because TensorFlow traces each replica's step in one.
    """

    def __init__(self):
        self.restart()

    def restart(self, augmented: tf.Tensor | None = None) -> None:
        """For a new step. augmented: as in `augmentation.draw_changes`; None: no changes."""
        self.augment, self.d_passes = Augmenter(augmented), itertools.count()
