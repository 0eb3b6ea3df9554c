"""Adam's two forms, each in one fused op with a loss scaler around it, and learning rate decay."""

import math

import keras
import tensorflow as tf

from config.settings import Config
from distribution import count_replicas

ADAM_EPSILON = 1e-8  # TensorFlow 1's, Theano's and PyTorch's default; Keras' own is 1e-7


def decay_linearly(share: tf.Tensor) -> tf.Tensor:
    """1 in the first half of a run, then down to 0 in a straight line.

    The paper's code for MNIST does so, after each epoch (Newmu/dcgan_code, train_cond_dcgan.py).
    """
    return tf.minimum(1.0, 2 * (1 - share))


def decay_along_cosine(share: tf.Tensor) -> tf.Tensor:
    """From 1 to 0 along half a cosine (Loshchilov & Hutter 2017, equation 5, no restarts)."""
    return 0.5 * (1 + tf.cos(math.pi * share))


# Factors of the learning rate, as functions of the share of the run's steps done, 0 to 1.
LEARNING_RATE_DECAYS = {"linear": decay_linearly, "cosine": decay_along_cosine}


def build_scaled_one_op_adam(
    config: Config, network: keras.Model, learning_rate: float
) -> keras.optimizers.LossScaleOptimizer:
    """Adam in a loss scaler, both built: an unbuilt scaler would scale by a constant."""
    form = KingmaAdam if config.adam_form == "kingma" else Adam
    adam = form(
        learning_rate, beta_1=config.beta1, beta_2=config.beta2, epsilon=ADAM_EPSILON, name="adam"
    )
    scaler = keras.optimizers.LossScaleOptimizer(adam)
    scaler.build(network.trainable_variables)
    return scaler


class Adam(keras.optimizers.Adam):
    """Keras' Adam with its update in one fused op, as TensorFlow 1 had it.

    w -= lr * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)
    """

    def update_step(self, gradient, variable, learning_rate):
        place = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.adam_epsilon_at(step),
            grad=gradient,
        )

    def adam_epsilon_at(self, step):
        return self.epsilon

    def _all_reduce_sum_gradients(self, grads_and_vars):
        """Keras would add up the gradients of all replicas, but `DCGAN` has averaged them."""
        if count_replicas() > 1:
            return grads_and_vars
        return super()._all_reduce_sum_gradients(grads_and_vars)


class KingmaAdam(Adam):
    """Adam as Algorithm 1 of Kingma & Ba 2015 writes it, and as Theano and PyTorch have it.

    w -= lr * m^ / (sqrt(v^) + epsilon). Keras and TensorFlow 1 add epsilon to the root of the
    uncorrected v; here it shrinks with sqrt(1 - beta_2**t), which is the same as adding it to the
    root of the corrected v.
    """

    def adam_epsilon_at(self, step):
        return self.epsilon * tf.sqrt(1 - self.beta_2**step)
