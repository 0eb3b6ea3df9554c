"""Guided backpropagation (Springenberg et al. 2014, arXiv 1412.6806, section 3.4): which pixels
raise a feature of the discriminator.
"""

import tensorflow as tf

import ops
from model import Discriminator


@tf.custom_gradient
def apply_guided_leaky_relu(x: tf.Tensor):
    """Forwards the leaky ReLU; backwards g * [x > 0] * [g > 0], as for a ReLU.

    The rule is Springenberg's for ReLU. The paper on DCGAN does not say what it does with its leaky
    ReLUs. Here a unit that is negative passes nothing back, although forwards it passes a fifth: it
    counts as off.
    """

    def differentiate(upstream):
        return tf.where((x > 0) & (upstream > 0), upstream, tf.zeros_like(upstream))

    return ops.leaky_relu(x), differentiate


def compute_last_responses(
    discriminator: Discriminator, images, y=None, *, activation=ops.leaky_relu
) -> tf.Tensor:
    """The maps (B, h, w, c) of the last convolution layer, before their activation, in inference.

    images: (B, H, W, C) float32 in [-1, 1]. y: (B, y_dim), with labels. activation: of the layers
    before.
    """
    joined_y = None if discriminator.embedding else y
    x = images
    for block in discriminator.blocks[:-1]:
        x = activation(block.compute_responses(x, joined_y, training=False))
    return discriminator.blocks[-1].compute_responses(x, joined_y, training=False)


def compute_guided_gradients(
    discriminator: Discriminator, images, y=None, *, feature: int
) -> tf.Tensor:
    """The guided gradient of each image's strongest response of a feature: (B, H, W, C) float32.

    images, y: as in `compute_last_responses`. feature: the number of a map of the last layer. In
    inference, images do not influence one another, so one gradient of the sum is enough.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        maps = compute_last_responses(discriminator, images, y, activation=apply_guided_leaky_relu)
        total = tf.reduce_sum(tf.reduce_max(maps[..., feature], (1, 2)))
    return tape.gradient(total, images)
