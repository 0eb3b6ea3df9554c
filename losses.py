"""What each network minimizes. To try another loss, add it to LOSSES and pass it to DCGAN: nothing
else knows how one works.

The logits come from the discriminator, (B, 1) float32 for a real and for a fake batch; its
probability of "real" is D = sigmoid(logit). Every loss is a float32 scalar.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class Loss(NamedTuple):
    """Both players' losses, as functions of (real_logits, fake_logits).

    discriminator returns two terms, of the real and of the fake batch, whose sum it minimizes.
    compares: whether the generator's loss looks at the real logits too (a relativistic one does),
    which costs a further forward pass; where it does not, real_logits is None.
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


LOSSES = {"bce": Loss(discriminator_bce, generator_bce)}
