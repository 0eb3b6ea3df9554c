"""What each network minimizes. To try another loss, pass it to DCGAN: nothing else knows how one
works. An entry in LOSSES and a choice of `--loss` make it a setting.

The logits C come from the discriminator, (B, 1) float32 for a real and for a fake batch; with "bce"
its probability of "real" is D = sigmoid(C). Every loss is a float32 scalar.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class Loss(NamedTuple):
    """Both players' losses, as functions of (real_logits, fake_logits).

    discriminator returns two terms, of the real and of the fake batch, whose sum it minimizes.
    compares: whether the generator's loss looks at the real logits too (a relativistic one does),
    which costs a further forward pass; where it does not, real_logits is None. Such a
    discriminator's loss is of pairs, and its second term is 0.
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
    tensors, which TensorFlow adds in the order in which its threads finish: equal runs would differ
    in their last bits.
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
    """-E C(G(z)), of hinge too (Miyato et al. 2018, equation 17)."""
    return -tf.reduce_mean(fake_logits)


def discriminator_relativistic(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """-E log sigmoid(C(x) - C(G(z))), of pairs: RpGAN (Jolicoeur-Martineau 2018; Huang et al.
    2024, equation 2).
    """
    return tf.reduce_mean(tf.nn.softplus(fake_logits - real_logits)), tf.zeros(())


def generator_relativistic(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """-E log sigmoid(C(G(z)) - C(x)), of pairs (as `discriminator_relativistic`)."""
    return tf.reduce_mean(tf.nn.softplus(real_logits - fake_logits))


LOSSES = {
    "bce": Loss(discriminator_bce, generator_bce),
    "hinge": Loss(discriminator_hinge, generator_wasserstein),
    "lsgan": Loss(discriminator_least_squares, generator_least_squares),
    "wgan": Loss(discriminator_wasserstein, generator_wasserstein),
    "relativistic": Loss(discriminator_relativistic, generator_relativistic, compares=True),
}
