"""The parts of the networks: layers, latents, and the only place where pixels change range.

Every layer computes in the dtype of its input and keeps its weights in float32, so that one line of
a network's `call` decides its precision. Layers create their weights when they are constructed.
"""

import math

import keras
import tensorflow as tf

from distribution import (
    average_over_replicas,
    count_replicas,
    measure_shape_over_replicas,
    take_rows_of_replica,
)
from kernels import convolution
from kernels.resize import RESIZED_KERNEL, apply_conv_to_resized_maps

INIT_STDDEV = 0.02  # Radford et al. 2016, section 4
BN_MOMENTUM = 0.9  # carpedm20/DCGAN-tensorflow, ops.py
LEAKY_SLOPE = 0.2  # Radford et al. 2016, section 4
FIRST_ITERATIONS = 15  # of a new spectral norm, as in torch.nn.utils.parametrizations
SMALLEST_NORM = 1e-12  # also from there; a kernel of zeros has no direction
# Both as in the code of Karras et al. 2018, github.com/tkarras/progressive_growing_of_gans.
DEVIATION_GROUP = 4  # images that are compared
DEVIATION_EPSILON = 1e-8  # added to the variance: a root has no finite slope at 0


def normal_initializer(
    seed, mean: float = 0.0, stddev: float = INIT_STDDEV
) -> keras.initializers.Initializer:
    """N(0, 0.02): the paper's kernels, and carpedm20's dense and transposed-convolution ones."""
    return keras.initializers.RandomNormal(mean, stddev, seed=seed)


def truncated_normal_initializer(seed) -> keras.initializers.Initializer:
    """N(0, 0.02) redrawn beyond two standard deviations: carpedm20's convolution kernels."""
    return keras.initializers.TruncatedNormal(stddev=INIT_STDDEV, seed=seed)


INITIALIZERS = {"truncated": truncated_normal_initializer, "normal": normal_initializer}


class Layer(keras.Layer):
    """A layer that creates its weights when it is constructed and keeps its input's dtype."""

    def __init__(self, name: str):
        super().__init__(name=name, autocast=False, dtype="float32")
        self.built = True

    def weight(self, name, shape, initializer="zeros", trainable=True):
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=trainable)


class Linear(Layer):
    """A linear map of its input, `multiply_by_layer_weights`, plus a bias, if it has one.

    spectral_u: (outputs,) float32, a unit vector: the direction of the output that the kernel
    stretches most, as power iterations estimate it. None without spectral norm.
    """

    spectral_u = None

    def add_spectral_norm(self, seed) -> None:
        """Makes the layer divide its kernel by the kernel's largest singular value."""
        draw = normal_initializer(seed, stddev=1.0)
        self.spectral_u = self.weight("spectral_u", self.kernel.shape[-1:], draw, trainable=False)
        for _ in range(FIRST_ITERATIONS):
            self.iterate_spectral_norm()

    def iterate_spectral_norm(self) -> None:
        """One power iteration towards the largest singular value."""
        self.spectral_u.assign(iterate_power(self.kernel.value, self.spectral_u.value))

    def read_kernel(self, dtype) -> tf.Tensor:
        """The kernel in `dtype`, normalized in float32."""
        if self.spectral_u is None:
            return tf.cast(self.kernel.value, dtype)
        kernel, u = tf.identity(self.kernel.value), tf.identity(self.spectral_u.value)
        return tf.cast(divide_by_spectral_norm(kernel, u), dtype)

    def call(self, x):
        x = self.multiply_by_layer_weights(x)
        return x if self.bias is None else tf.nn.bias_add(x, tf.cast(self.bias.value, x.dtype))


class Dense(Linear):
    """x (B, inputs) -> (B, outputs)."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True, name: str, seed):
        super().__init__(name)
        self.kernel = self.weight("kernel", (inputs, outputs), normal_initializer(seed))
        self.bias = self.weight("bias", (outputs,)) if bias else None

    def multiply_by_layer_weights(self, x):
        return tf.matmul(x, self.read_kernel(x.dtype))


class Conv(Linear):
    """Stride-2 convolution: x (B, H, W, inputs) -> (B, ceil(H/2), ceil(W/2), outputs)."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel_size: int,
        padding: str = "same",
        initializer=truncated_normal_initializer,
        bias: bool = True,
        name: str,
        seed,
    ):
        super().__init__(name)
        self.padding = padding

        shape = (kernel_size, kernel_size, inputs, outputs)
        self.kernel = self.weight("kernel", shape, initializer(seed))
        self.bias = self.weight("bias", (outputs,)) if bias else None

    def multiply_by_layer_weights(self, x):
        return convolution.apply_strided_conv(x, self.read_kernel(x.dtype), self.padding)


class ConvTranspose(Linear):
    """Stride-2 transposed convolution to an explicit size: x (B, h, w, inputs) -> (B, *size,
    outputs).

    It is the gradient of `Conv` with respect to its input (Dumoulin & Visin 2016, section 4), hence
    the kernel's shape (k, k, outputs, inputs). `size` is 2h or 2h - 1 on each axis: Conv maps both
    to h. smooths: whether the result is smoothed, see `smooth_kernel`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: tuple[int, int],
        kernel_size: int,
        padding: str = "same",
        bias: bool = True,
        smooths: bool = False,
        name: str,
        seed,
    ):
        super().__init__(name)
        self.size = size
        self.padding = padding
        self.smooths = smooths

        shape = (kernel_size, kernel_size, outputs, inputs)
        self.kernel = self.weight("kernel", shape, normal_initializer(seed))
        self.bias = self.weight("bias", (outputs,)) if bias else None

    def multiply_by_layer_weights(self, x):
        if self.smooths:
            kernel = tf.cast(smooth_kernel(self.read_kernel(tf.float32)), x.dtype)
        else:
            kernel = self.read_kernel(x.dtype)
        return convolution.apply_strided_conv_transpose(x, kernel, self.size, self.padding)


class ResizeConv(Linear):
    """Nearest-neighbour resize to twice the sides, then a stride-1 convolution (Odena et al. 2016):
    x (B, h, w, inputs) -> (B, *size, outputs).

    The kernel is (3, 3, outputs, inputs); its layout and `size` are as in `ConvTranspose`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: tuple[int, int],
        bias: bool = True,
        name: str,
        seed,
    ):
        super().__init__(name)
        self.size = size

        shape = (RESIZED_KERNEL, RESIZED_KERNEL, outputs, inputs)
        self.kernel = self.weight("kernel", shape, normal_initializer(seed))
        self.bias = self.weight("bias", (outputs,)) if bias else None

    def multiply_by_layer_weights(self, x):
        return apply_conv_to_resized_maps(x, self.read_kernel(tf.float32), self.size)


def smooth_kernel(kernel):
    """The kernel whose transposed convolution is that of `kernel`, smoothed: (k, k, outputs,
    inputs) -> (k + 2, k + 2, outputs, inputs).

    Each pixel becomes a mean with its neighbours, with the weights 1, 2, 1 on each axis. That
    removes what alternates from pixel to pixel, as a checkerboard does. Karras et al. 2019 (arXiv
    1812.04948, appendix C) smooth with these weights after every layer that enlarges.
    """
    kernel = tf.pad(kernel, ((2, 2), (2, 2), (0, 0), (0, 0)))
    kernel = 0.25 * kernel[:-2] + 0.5 * kernel[1:-1] + 0.25 * kernel[2:]
    return 0.25 * kernel[:, :-2] + 0.5 * kernel[:, 1:-1] + 0.25 * kernel[:, 2:]


class BatchNorm(Layer):
    """Batch normalization over all axes but the last, in one fused op (Ioffe & Szegedy 2015).

    x (B, H, W, channels) or (B, channels), float32, bfloat16 or float16; statistics are always
    float32. Inference uses the moving statistics, or, with `statistics` "batch", those of its
    batch, as the paper's own code does. The moving variance uses the unbiased estimate, times
    n/(n-1), as TensorFlow 1's fused op did.

    synchronized: where several devices train, whether statistics are those of all their images. If
    not, each normalizes by those of its own, and the moving statistics take their mean.
    """

    def __init__(
        self,
        channels: int,
        *,
        epsilon: float = 1e-5,
        statistics: str = "moving",
        synchronized: bool = True,
        name: str,
    ):
        super().__init__(name)
        self.epsilon = epsilon
        self.statistics = statistics
        self.synchronized = synchronized
        self.gamma = self.weight("gamma", (channels,), "ones")
        self.beta = self.weight("beta", (channels,))
        self.moving_mean = self.weight("moving_mean", (channels,), "zeros", trainable=False)
        self.moving_variance = self.weight("moving_variance", (channels,), "ones", trainable=False)

    def draw_initial_gain(self, stddev: float, seed) -> None:
        """Draws the initial gain from N(1, stddev); stddev 0 leaves it at 1."""
        if stddev:
            self.gamma.assign(normal_initializer(seed, 1.0, stddev)(self.gamma.shape))

    def call(self, x, training: bool):
        if not training:
            return self._normalize_on_one_device(x, use_batch=self.statistics == "batch")[0]

        if self.synchronized and count_replicas() > 1:
            weights = self.gamma.value, self.beta.value
            maps, mean, variance = normalize_over_replicas(x, *weights, self.epsilon)
        else:
            maps, *own = self._normalize_on_one_device(x, use_batch=True)
            mean, variance = average_over_replicas(own)
        self._update_moving_statistic(self.moving_mean, mean, x.dtype)
        self._update_moving_statistic(self.moving_variance, variance, x.dtype)
        return maps

    def _normalize_on_one_device(self, x, *, use_batch: bool):
        """(x normalized by the batch's statistics or the moving ones, mean, unbiased variance)."""
        empty = tf.constant([], tf.float32)
        is_flat = len(x.shape) == 2

        maps, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x[:, None, None] if is_flat else x,  # (B, channels) -> (B, 1, 1, channels)
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=empty if use_batch else self.moving_mean.value,
            variance=empty if use_batch else self.moving_variance.value,
            epsilon=self.epsilon,
            is_training=use_batch,
        )
        maps = maps[:, 0, 0] if is_flat else maps  # (B, 1, 1, channels) -> (B, channels)
        return maps, mean, variance

    def _update_moving_statistic(self, moving, batch, dtype) -> None:
        # A step that overflows is skipped, so it must not change the statistics either.
        if dtype == tf.float16:
            batch = tf.where(tf.math.is_finite(batch), batch, moving.value)
        moving.assign(moving.value * BN_MOMENTUM + batch * (1 - BN_MOMENTUM))


def normalize_over_replicas(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float):
    """(x normalized, mean, unbiased variance): what `BatchNorm` computes from one device's images,
    from those of all replicas.

    x (B, ..., channels), gamma, beta, mean and variance (channels,); the last four are float32. The
    gradient is written out, so that it is one tensor for each input and no AddN gets a third
    summand. Both directions average two vectors over the replicas, in one all-reduce.
    """
    axes, count = [*range(len(x.shape) - 1)], count_replicas()
    images = count * tf.reduce_prod(tf.shape(x)[:-1])  # and positions

    @tf.custom_gradient
    def normalize(x, gamma, beta):
        wide = tf.cast(x, tf.float32)
        own = [tf.reduce_mean(wide, axes), tf.reduce_mean(tf.square(wide), axes)]
        mean, square = average_over_replicas(own)
        variance = tf.maximum(square - tf.square(mean), 0.0)
        scale = tf.math.rsqrt(variance + epsilon)
        normalized = (wide - mean) * scale

        def differentiate(upstream, *_):
            """For L, the sum of all replicas' losses; dL/dgamma and dL/dbeta by these images."""
            slope = tf.cast(upstream, tf.float32)
            own = [tf.reduce_mean(slope, axes), tf.reduce_mean(slope * normalized, axes)]
            shift, stretch = average_over_replicas(own)
            of_x = gamma * scale * (slope - shift - normalized * stretch)
            share = tf.cast(images, tf.float32) / count
            return tf.cast(of_x, x.dtype), own[1] * share, own[0] * share

        return (tf.cast(normalized * gamma + beta, x.dtype), mean, variance), differentiate

    maps, mean, variance = normalize(x, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta))
    others = tf.cast(tf.maximum(images - 1, 1), tf.float32)
    return maps, mean, variance * tf.cast(images, tf.float32) / others


def iterate_power(kernel: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    """A unit vector u (outputs,), closer to the first left singular vector of the kernel, seen as
    a matrix W (outputs, inputs) (Miyato et al. 2018, algorithm 1).
    """
    matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))  # (..., outputs) -> (inputs, outputs): W^T
    v = tf.math.l2_normalize(tf.linalg.matvec(matrix, u), epsilon=SMALLEST_NORM**2)
    return tf.math.l2_normalize(
        tf.linalg.matvec(matrix, v, transpose_a=True), epsilon=SMALLEST_NORM**2
    )


@tf.custom_gradient
def divide_by_spectral_norm(kernel: tf.Tensor, u: tf.Tensor):
    """W / sigma, sigma = u^T W v with v = W^T u / |W^T u| (Miyato et al. 2018, section 2.1).

    The gradient goes through sigma, with u and v as constants (equation 12 there). It is one
    tensor for each use of the kernel, so that no AddN gets a third summand.
    """
    matrix = tf.reshape(kernel, (-1, kernel.shape[-1]))  # (..., outputs) -> (inputs, outputs): W^T
    stretched = tf.linalg.matvec(matrix, u)
    sigma = tf.maximum(tf.norm(stretched), SMALLEST_NORM)
    v = stretched / sigma
    normalized = kernel / sigma

    def differentiate(upstream):
        along_sigma = tf.reduce_sum(upstream * normalized)
        outer = tf.reshape(v[:, None] * u, kernel.shape)  # (inputs, outputs) -> (..., outputs)
        return (upstream - along_sigma * outer) / sigma, None

    return normalized, differentiate


def join_labels(x: tf.Tensor, y: tf.Tensor | None) -> tf.Tensor:
    """x with the labels y (B, y_dim) appended; without labels, x as it is.

    (B, n) -> (B, n + y_dim), and (B, H, W, C) -> (B, H, W, C + y_dim), with a constant map for each
    entry of y (carpedm20's conv_cond_concat).
    """
    if y is None:
        return x
    y = tf.cast(y, x.dtype)
    if len(x.shape) == 4:
        y = tf.broadcast_to(y[:, None, None], (tf.shape(x)[0], *x.shape[1:3], y.shape[-1]))
    return tf.concat([x, y], -1)


def join_batch_deviation(maps: tf.Tensor) -> tf.Tensor:
    """The maps and one more, constant for each image: how much the images of its group differ
    (Karras et al. 2018, section 3). (B, h, w, c) -> (B, h, w, c + 1).
    """
    flat = tf.reshape(maps, (-1, math.prod(maps.shape[1:])))  # (B, h, w, c) -> (B, h * w * c)
    deviation = measure_batch_deviation(tf.cast(flat, tf.float32))
    deviation = tf.cast(deviation[:, None, None], maps.dtype)  # (B, 1) -> (B, 1, 1, 1)
    more = tf.broadcast_to(deviation, (tf.shape(maps)[0], *maps.shape[1:3], 1))
    return tf.concat([maps, more], -1)


def measure_batch_deviation(x: tf.Tensor) -> tf.Tensor:
    """x (B, n) float32 -> (B, 1): the standard deviation of each of the n numbers among the images
    of a group, averaged over the n.

    Image i is in group i mod M, with M = B // 4, as in the paper's code. So a group has 4 images,
    or more if B is not a multiple of 4; up to 7 images are one group. One matrix subtracts the
    mean, so that the gradient of x is one tensor.

    Of R replicas, each has every R-th image of the batch, so that groups are the same whatever R
    is, as long as each replica's B is a multiple of 4. Otherwise its groups are those of its own
    images.
    """
    images = tf.range(tf.shape(x)[0])
    groups = images % tf.maximum(tf.shape(x)[0] // DEVIATION_GROUP, 1)
    is_same = tf.cast(groups[:, None] == groups, x.dtype)
    average = is_same / tf.reduce_sum(is_same, 1, keepdims=True)  # (B, B): over an image's group

    centred = tf.matmul(tf.eye(tf.shape(x)[0]) - average, x)
    variance = tf.matmul(average, tf.square(centred))
    return tf.reduce_mean(tf.sqrt(variance + DEVIATION_EPSILON), 1, keepdims=True)


def drop_units(x: tf.Tensor, share: float, key: tf.Tensor) -> tf.Tensor:
    """x with each number set to 0 with probability `share`, and all others divided by 1 - share
    (Srivastava et al. 2014).

    key: (2,) int64. The choice depends on it alone, with XLA too: XLA draws the same bits with
    Philox, but turns them into other floats, so this compares the bits.
    """
    shape = measure_shape_over_replicas(x)
    bits = tf.random.stateless_uniform(shape, key, None, None, tf.uint32, alg="philox")
    bits = take_rows_of_replica(bits)
    is_kept = bits >= tf.constant(round(share * 2**32), tf.uint32)
    return x * tf.cast(is_kept, x.dtype) / (1 - share)


def leaky_relu(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.leaky_relu(x, LEAKY_SLOPE)


def latents(seed, count, *, z_dim: int, z_dist: str, stream=0) -> tf.Tensor:
    """z (count, z_dim) float32, a pure function of (seed, stream); the first rows do not depend on
    count.

    Stream 0 feeds grids, samples and exports; training step s, counted from 1, uses stream s. Do
    not call it in XLA-compiled functions, where TensorFlow's generators give other numbers.
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
