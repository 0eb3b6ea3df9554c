"""What the networks are made of: layers, losses, latents, and the one place where pixels change range.

Every layer computes in the dtype of its input and keeps its weights in float32, so that a network's precision is
decided in one line of its `call`. Layers create their weights when they are constructed: none is ever "unbuilt".
"""

import keras
import tensorflow as tf

INIT_STDDEV = 0.02  # Radford et al. 2016, section 4
BN_EPSILON = 1e-5  # carpedm20/DCGAN-tensorflow, ops.py
BN_MOMENTUM = 0.9  # same
LEAKY_SLOPE = 0.2  # Radford et al. 2016, section 4


def normal(seed) -> keras.initializers.Initializer:
    """N(0, 0.02): carpedm20's dense and transposed-convolution kernels."""
    return keras.initializers.RandomNormal(stddev=INIT_STDDEV, seed=seed)


def truncated_normal(seed) -> keras.initializers.Initializer:
    """N(0, 0.02) redrawn beyond two standard deviations: carpedm20's convolution kernels."""
    return keras.initializers.TruncatedNormal(stddev=INIT_STDDEV, seed=seed)


class Layer(keras.Layer):
    """A layer whose weights exist from construction on and which leaves its input's dtype alone."""

    def __init__(self, name: str):
        super().__init__(name=name, autocast=False, dtype="float32")
        self.built = True

    def weight(self, name, shape, initializer="zeros", trainable=True):
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=trainable)


class Dense(Layer):
    """x (B, inputs) -> (B, outputs)."""

    def __init__(self, inputs: int, outputs: int, *, name: str, seed):
        super().__init__(name)
        self.kernel = self.weight("kernel", (inputs, outputs), normal(seed))
        self.bias = self.weight("bias", (outputs,))

    def call(self, x):
        return tf.matmul(x, tf.cast(self.kernel.value, x.dtype)) + tf.cast(self.bias.value, x.dtype)


class Conv(Layer):
    """Stride-2 SAME convolution: x (B, H, W, inputs) -> (B, ceil(H/2), ceil(W/2), outputs).

    Dumoulin & Visin 2016, relationship 6, with TensorFlow's padding (one pixel more at the bottom and right for 5x5).
    """

    def __init__(self, inputs: int, outputs: int, *, kernel_size: int, name: str, seed):
        super().__init__(name)
        self.kernel = self.weight("kernel", (kernel_size, kernel_size, inputs, outputs), truncated_normal(seed))
        self.bias = self.weight("bias", (outputs,))

    def call(self, x):
        x = tf.nn.conv2d(x, tf.cast(self.kernel.value, x.dtype), strides=2, padding="SAME")
        return tf.nn.bias_add(x, tf.cast(self.bias.value, x.dtype))


class ConvTranspose(Layer):
    """Stride-2 SAME transposed convolution to an explicit size: x (B, h, w, inputs) -> (B, *size, outputs).

    The gradient of `Conv` with respect to its input (Dumoulin & Visin 2016, section 4), hence the kernel's
    (k, k, outputs, inputs). `size` is 2h or 2h - 1 on each axis: both are halved to h.
    """

    def __init__(self, inputs: int, outputs: int, *, size: tuple[int, int], kernel_size: int, name: str, seed):
        super().__init__(name)
        self.shape_out = (*size, outputs)
        self.kernel = self.weight("kernel", (kernel_size, kernel_size, outputs, inputs), normal(seed))
        self.bias = self.weight("bias", (outputs,))

    def call(self, x):
        shape = (tf.shape(x)[0], *self.shape_out)
        x = tf.nn.conv2d_transpose(x, tf.cast(self.kernel.value, x.dtype), shape, strides=2, padding="SAME")
        return tf.nn.bias_add(x, tf.cast(self.bias.value, x.dtype))


class BatchNorm(Layer):
    """Batch normalisation over (B, H, W) with moving statistics for inference, in one fused op (Ioffe & Szegedy 2015).

    x (B, H, W, channels), float32, bfloat16 or float16; statistics are float32 in every case. The moving variance
    takes the unbiased estimate n/(n-1), as TensorFlow 1's fused op did.
    """

    def __init__(self, channels: int, *, name: str):
        super().__init__(name)
        self.gamma = self.weight("gamma", (channels,), "ones")
        self.beta = self.weight("beta", (channels,))
        self.moving_mean = self.weight("moving_mean", (channels,), "zeros", trainable=False)
        self.moving_variance = self.weight("moving_variance", (channels,), "ones", trainable=False)

    def call(self, x, training: bool):
        none = tf.constant([], tf.float32)
        x, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=none if training else self.moving_mean.value,
            variance=none if training else self.moving_variance.value,
            epsilon=BN_EPSILON,
            is_training=training,
        )
        if training:
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                moving.assign(moving.value * BN_MOMENTUM + batch * (1 - BN_MOMENTUM))
        return x


def leaky_relu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.leaky_relu(x, LEAKY_SLOPE)


def bce(logits: tf.Tensor, *, real: bool) -> tf.Tensor:
    """Mean binary cross-entropy of logits (B, 1) against "real" (1) or "fake" (0): a float32 scalar.

    -log(sigmoid(x)) = softplus(-x) and -log(1 - sigmoid(x)) = softplus(x). tf.nn.sigmoid_cross_entropy_with_logits says
    the same, but its gradient is a sum of several tensors, which TensorFlow adds in an order that depends on its
    threads: two equal runs would differ in their last bits.
    """
    return tf.reduce_mean(tf.nn.softplus(-logits if real else logits))


def latents(seed, count, *, z_dim: int, z_dist: str, stream=0) -> tf.Tensor:
    """z (count, z_dim) float32, a pure function of (seed, stream); the first rows do not depend on `count`.

    Stream 0 feeds grids, samples and exports; training step s uses stream s. Call it outside XLA-compiled functions,
    where TensorFlow's generators give other numbers.
    """
    key = tf.stack([tf.cast(seed, tf.int64), tf.cast(stream, tf.int64)])
    shape = (count, z_dim)
    if z_dist == "normal01":
        return tf.random.stateless_normal(shape, key)
    low = -1.0 if z_dist == "uniform_signed" else 0.0
    return tf.random.stateless_uniform(shape, key, low, 1.0)


def to_float(images: tf.Tensor) -> tf.Tensor:
    """uint8 -> float32 in [-1, 1] (Radford et al. 2016, section 4: scaled to the range of tanh)."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """float32 in [-1, 1] -> uint8, rounded to the nearest level; the inverse of `to_float`."""
    return tf.cast(tf.clip_by_value(tf.round((images + 1.0) * 127.5), 0.0, 255.0), tf.uint8)
