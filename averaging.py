"""The generator's weights, averaged over training: the average draws steadier and better images
than the weights themselves (Yazici et al. 2019).
"""

import math

import tensorflow as tf

from config.settings import Config
from model import Generator

RAMP = 0.05  # the longest half-life, as a share of the images shown (StyleGAN2-ADA's train.py)
NO_HALF_LIFE = 1e-8  # images: the half-life before any are shown (StyleGAN2-ADA, training_loop.py)


class AveragedGenerator:
    """A generator whose variables follow those of `live`: an exponential moving average.

    Batch norm's moving statistics are averaged like the weights, all in float32. generator: the
    average. images: int64, how many were shown since the average started.
    """

    def __init__(self, live: Generator, config: Config):
        self.live, self.config = live, config
        self.generator = Generator(live.config)
        self.images = tf.Variable(0, dtype=tf.int64)

    def restart(self) -> None:
        """Starts over from the current weights."""
        for averaged, live in zip(self.generator.variables, self.live.variables, strict=True):
            averaged.assign(live)
        self.images.assign(0)

    def follow(self) -> None:
        """w_averaged <- lerp(w, w_averaged, 0.5^(images of a step / half-life)), once a step.

        Apart from the subtraction, this is one op per variable, because reading weights takes most
        of the time.
        """
        shown, step = tf.cast(self.images, tf.float32), self.config.images_per_step
        half_life = tf.minimum(self.config.ema_half_life, RAMP * shown)
        # 1 - 0.5^(...), without rounding a small number to a multiple of float32's epsilon.
        share = -tf.math.expm1(-math.log(2) * step / tf.maximum(half_life, NO_HALF_LIFE))
        for averaged, live in zip(self.generator.variables, self.live.variables, strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(
                var=averaged.value.handle, alpha=share, delta=averaged.value - live.value
            )
        self.images.assign_add(step)
