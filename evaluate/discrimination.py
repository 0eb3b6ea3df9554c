"""What the discriminator makes of a set of images: its logits, and how well it tells sets apart."""

import numpy as np
import tensorflow as tf

import ops
from model import Discriminator
from sample import DRAW_BATCH


class LogitReader:
    """Reads a discriminator's logits in inference mode, which changes nothing of it."""

    def __init__(self, discriminator: Discriminator):
        self._compute_batch = tf.function(
            lambda images, y: discriminator(ops.to_float(images), y), autograph=False
        )

    def compute_logits(self, images, y=None) -> np.ndarray:
        """images uint8 (N, H, W, C), with labels y (N, y_dim) -> logits float64 (N,)."""
        logits = [
            self._compute_batch(
                tf.constant(images[first : first + DRAW_BATCH]),
                None if y is None else tf.constant(y[first : first + DRAW_BATCH]),
            )
            for first in range(0, len(images), DRAW_BATCH)
        ]
        return np.concatenate(logits)[:, 0].astype(np.float64)  # (N, 1) -> (N,)


def measure_pair_accuracy(real_logits: np.ndarray, fake_logits: np.ndarray) -> float:
    """P(D(real) > D(fake)) over all pairs of logits (N,) and (M,), 0 to 1; a tie is half.

    1: every real looks more real than every fake; 0.5: D cannot tell; 0: it takes each for the
    other.
    """
    return float(np.mean(np.sign(real_logits[:, None] - fake_logits) + 1) / 2)
