"""The Adams, each in one fused op, with a loss scaler around it."""

import keras
import tensorflow as tf

from config.settings import Config

ADAM_EPSILON = 1e-8  # TensorFlow 1's and Theano's and PyTorch's default; Keras' own is 1e-7


def scaled_adam(config: Config, network: keras.Model) -> keras.optimizers.LossScaleOptimizer:
    """Adam in a loss scaler, both built, since an unbuilt scaler would scale by a constant."""
    form = {"tensorflow": Adam, "kingma": KingmaAdam}[config.adam_form]
    adam = form(config.learning_rate_now, beta_1=config.beta1, epsilon=ADAM_EPSILON, name="adam")
    scaler = keras.optimizers.LossScaleOptimizer(adam)
    scaler.build(network.trainable_variables)
    return scaler


class Adam(keras.optimizers.Adam):
    """Keras' Adam with its update in one fused op, as TensorFlow 1 had it: lr * sqrt(1 - beta_2**t) / (1 - beta_1**t)
    * m / (sqrt(v) + epsilon).
    """

    def update_step(self, gradient, variable, learning_rate):  # variable: a tf.Variable by now
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
            epsilon=self._epsilon_at(step),
            grad=gradient,
        )

    def _epsilon_at(self, step):
        return self.epsilon


class KingmaAdam(Adam):
    """Adam as Kingma & Ba 2015 write Algorithm 1, lr * m^ / (sqrt(v^) + epsilon), and as Theano and PyTorch have it.

    Keras and TensorFlow 1 add epsilon to the root of the uncorrected v; here it shrinks with sqrt(1 - beta_2**t), so
    that it comes out beside the corrected one.
    """

    def _epsilon_at(self, step):
        return self.epsilon * tf.sqrt(1 - self.beta_2**step)
