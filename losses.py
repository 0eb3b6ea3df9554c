"""What each network minimizes. To try another loss, pass it to DCGAN: no other code depends on how
it works. To make it a setting, add it to LOSSES and to the choices of `--loss`.

The logits C come from the discriminator, (B, 1) float32 for a real and for a fake batch; with "bce"
its probability of "real" is D = sigmoid(C). Every loss is a float32 scalar. PENALTIES are further
terms of the discriminator's loss. They depend on how steep C is: on its gradient with respect to
the pixels of an image.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

# The discriminator while it trains: (images, y) -> logits.
Judge = Callable[[tf.Tensor, tf.Tensor | None], tf.Tensor]


class Loss(NamedTuple):
    """Both players' losses, as functions of (real_logits, fake_logits).

    discriminator returns two terms, for the real and the fake batch; it minimizes their sum.
    compares: whether the generator's loss uses the real logits too, which costs another forward
    pass; if not, its real_logits is None. Only a relativistic loss uses them; its
    discriminator compares pairs and returns 0 as the second term.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    generator: Callable[[tf.Tensor | None, tf.Tensor], tf.Tensor]
    compares: bool = False


def discriminator_bce(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """-E log D(x) and -E log(1 - D(G(z))) (Goodfellow et al. 2014, equation 1).

    -log sigmoid(x) = softplus(-x), and -log(1 - sigmoid(x)) = softplus(x).
    tf.nn.sigmoid_cross_entropy_with_logits computes the same, but its gradient is a sum of several
    tensors, which TensorFlow adds in the order in which its threads finish, so equal runs would
    differ in their last bits.
    """
    return tf.reduce_mean(tf.nn.softplus(-real_logits)), tf.reduce_mean(tf.nn.softplus(fake_logits))


def generator_bce(_, fake_logits: tf.Tensor) -> tf.Tensor:
    """-E log D(G(z)): the non-saturating form (Goodfellow et al. 2014, section 3)."""
    return tf.reduce_mean(tf.nn.softplus(-fake_logits))


def discriminator_hinge(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """E max(0, 1 - C(x)) and E max(0, 1 + C(G(z))) (Miyato et al. 2018, equation 16)."""
    return tf.reduce_mean(tf.nn.relu(1 - real_logits)), tf.reduce_mean(tf.nn.relu(1 + fake_logits))


def discriminator_least_squares(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """E (C(x) - 1)^2 / 2 and E C(G(z))^2 / 2 (Mao et al. 2017, equation 9)."""
    return (
        tf.reduce_mean(tf.square(real_logits - 1)) / 2,
        tf.reduce_mean(tf.square(fake_logits)) / 2,
    )


def generator_least_squares(_, fake_logits: tf.Tensor) -> tf.Tensor:
    """E (C(G(z)) - 1)^2 / 2 (Mao et al. 2017, equation 9)."""
    return tf.reduce_mean(tf.square(fake_logits - 1)) / 2


def discriminator_wasserstein(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """-E C(x) and E C(G(z)), for a C of bounded slope (Arjovsky et al. 2017, equation 2)."""
    return -tf.reduce_mean(real_logits), tf.reduce_mean(fake_logits)


def generator_wasserstein(_, fake_logits: tf.Tensor) -> tf.Tensor:
    """-E C(G(z)), also used with hinge (Miyato et al. 2018, equation 17)."""
    return -tf.reduce_mean(fake_logits)


def discriminator_relativistic(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """-E log sigmoid(C(x) - C(G(z))) over pairs: RpGAN (Jolicoeur-Martineau 2018; Huang et al.
    2024, equation 2).
    """
    return tf.reduce_mean(tf.nn.softplus(fake_logits - real_logits)), tf.zeros(())


def generator_relativistic(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """-E log sigmoid(C(G(z)) - C(x)) over pairs (see `discriminator_relativistic`)."""
    return tf.reduce_mean(tf.nn.softplus(real_logits - fake_logits))


LOSSES = {
    "bce": Loss(discriminator_bce, generator_bce),
    "hinge": Loss(discriminator_hinge, generator_wasserstein),
    "lsgan": Loss(discriminator_least_squares, generator_least_squares),
    "wgan": Loss(discriminator_wasserstein, generator_wasserstein),
    "relativistic": Loss(discriminator_relativistic, generator_relativistic, compares=True),
}


def choose_loss(name: str, label_smoothing: float = 0.0) -> Loss:
    """The entry `name` of LOSSES, with smoothed labels if label_smoothing is not 0 ("bce" only)."""
    return smooth_real_labels(LOSSES[name], label_smoothing) if label_smoothing else LOSSES[name]


def smooth_real_labels(loss: Loss, smoothing: float) -> Loss:
    """`loss`, which must be bce, with 1 - smoothing instead of 1 as the target of real images
    (Salimans et al. 2016, section 3.4: fake ones keep the target 0).

    -(1 - s) log D - s log(1 - D) = -log D + s C, as log D - log(1 - D) = C.
    """

    def discriminate(real_logits, fake_logits):
        of_real, of_fake = loss.discriminator(real_logits, fake_logits)
        return of_real + smoothing * tf.reduce_mean(real_logits), of_fake

    return loss._replace(discriminator=discriminate)


def measure_squared_slope(gradients: tf.Tensor) -> tf.Tensor:
    """E |grad_x C(x)|^2: squares summed over pixels and channels; gradients (B, H, W, C)."""
    return tf.reduce_mean(tf.reduce_sum(tf.square(gradients), (1, 2, 3)))


def penalize_slope(gamma: float | tf.Tensor, squared_slope: tf.Tensor) -> tf.Tensor:
    """gamma / 2 * E |grad_x C(x)|^2 (Mescheder et al. 2018, section 4.1)."""
    return gamma / 2 * squared_slope


# By the setting that holds gamma. Mescheder et al. call them R1, on real images, and R2, on fakes.
PENALTIES = {"r1": penalize_slope, "r2": penalize_slope}


def decay_penalty(share: tf.Tensor, last: float) -> tf.Tensor:
    """The factor of gamma when this share of a run is done: 1 up to a tenth, then along half a
    cosine to `last` at one half, and `last` from there.

    R3GAN's gamma also falls to a tenth along a cosine (Huang et al. 2024).
    """
    fallen = tf.clip_by_value((share - 0.1) / (0.5 - 0.1), 0.0, 1.0)
    return last + (1 - last) * 0.5 * (1 + tf.cos(math.pi * fallen))


def judge_with_slopes(
    judge: Judge, real: tf.Tensor, fake: tf.Tensor, y: tf.Tensor | None, counts: dict[str, int]
) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
    """(real_logits, fake_logits, squared slopes by name).

    counts: how many of the first images each slope is measured on: real ones for "r1", fake ones
    for "r2". These go through `judge` in one pass, all others in a second. The first pass gives
    each weight a gradient from the logits and one from the slopes; the second pass is added to
    their sum, so that no AddN gets a third summand. `judge` must treat each image separately, which
    batch norm does not do.
    """
    reals, fakes = counts.get("r1", 0), counts.get("r2", 0)
    steep = [_cut_batch(real, y, 0, reals), _cut_batch(fake, y, 0, fakes)]
    images = [batch for batch, _ in steep]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        logits = _judge_in_one_pass(judge, steep)
    gradients = zip(("r1", "r2"), tape.gradient(logits, images), strict=True)
    slopes = {name: measure_squared_slope(part) for name, part in gradients if name in counts}

    if reals == fakes == real.shape[0]:
        return *logits, slopes
    others = [_cut_batch(real, y, reals, None), _cut_batch(fake, y, fakes, None)]
    pairs = zip(logits, _judge_in_one_pass(judge, others), strict=True)
    return *(tf.concat(pair, 0) for pair in pairs), slopes


def _cut_batch(images, y, start: int, stop: int | None) -> tuple[tf.Tensor, tf.Tensor | None]:
    return images[start:stop], None if y is None else y[start:stop]


def _judge_in_one_pass(judge: Judge, batches: list[tuple]) -> list[tf.Tensor]:
    """The logits (B, 1) of each of `batches`, which are (images, y); a batch may be empty."""
    images, ys = zip(*batches, strict=True)
    logits = judge(tf.concat(images, 0), None if ys[0] is None else tf.concat(ys, 0))
    return tf.split(logits, [batch.shape[0] for batch in images])
