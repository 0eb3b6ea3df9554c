"""How the discriminator judges images: its logits, their gradients, and how it tells sets apart."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

import ops
from model import Discriminator
from sample import iterate_draw_batches
from system.quiet_tensorflow import compile_for_instance


class DiscriminatorReader:
    """Runs a discriminator in inference mode, which does not change it.

    Images are uint8 (N, H, W, C), with labels y (N, y_dim), and results float64 (N,).
    """

    def __init__(self, discriminator: Discriminator):
        self.discriminator = discriminator
        self._compute_logits = compile_for_instance(self._compute_logits_of_batch)
        self._compute_norms = compile_for_instance(self._compute_norms_of_batch)

    def compute_logits(self, images, y=None) -> np.ndarray:
        return gather_from_batches(self._compute_logits, images, y)

    def compute_gradient_norms(self, images, y=None) -> np.ndarray:
        """|grad_x C(x)| for each image x in [-1, 1]: how much a small change in x moves the logit.

        R1 and R2 penalize its square (Mescheder et al. 2018, equation 9).
        """
        return gather_from_batches(self._compute_norms, images, y)

    def _compute_logits_of_batch(self, images, y):
        return self.discriminator(ops.to_float(images), y)[:, 0]  # (B, 1) -> (B,)

    def _compute_norms_of_batch(self, images, y):
        x = ops.to_float(images)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(self.discriminator(x, y))
        return tf.norm(tf.reshape(tape.gradient(total, x), (tf.shape(x)[0], -1)), axis=1)


def gather_from_batches(compute: Callable, images, y=None) -> np.ndarray:
    """compute(images, y), batch by batch, concatenated: float64 (N,)."""
    parts = [compute(*batch) for batch in iterate_draw_batches(images, y)]
    return np.concatenate(parts).astype(np.float64)


def measure_pair_accuracy(real_logits: np.ndarray, fake_logits: np.ndarray) -> float:
    """P(D(real) > D(fake)) over all pairs of logits (N,) and (M,), 0 to 1; a tie counts half.

    1: every real looks more real than every fake; 0.5: D cannot tell them apart; 0: every fake
    looks more real than every real.
    """
    return float(np.mean(np.sign(real_logits[:, None] - fake_logits) + 1) / 2)
