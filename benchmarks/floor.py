"""The least that a training step costs, in FLOPs and bytes, and this machine's rates of both."""

import math
from collections.abc import Callable

import tensorflow as tf

from config.settings import Config
from training.cost import list_layer_costs

MATRIX_SIDE = 4096
COPY_BYTES = 2**30
# For a weight in float32: it and Adam's two moments are read and written, its gradient is written
# and read.
ADAM_BYTES = 4 * 8


def count_step_flops(config: Config) -> int:
    """FLOPs of the passes that a step needs: two for each multiplication, padding included.

    A layer's forward pass, the gradient of its weights and that of its input take equally many.

    D's update: G forward; D on real and on fake images, three passes each, without the images'
    gradient. G's update: G and D forward, D's input gradients, and G's gradients, without that of
    z. Without `alternate`, G's first update reuses the fakes of D's last one.
    """
    layers = list_layer_costs(config.network_config())
    generator = [layer.flops for layer in layers["generator"]]
    discriminator = [layer.flops for layer in layers["discriminator"]]
    g, d = sum(generator), sum(discriminator)

    d_update = g + 2 * (3 * d - discriminator[0])
    g_update = g + 2 * d + 2 * g - generator[0]
    shared = 0 if config.alternate else g
    return config.batch_size * (config.d_updates * d_update + config.g_updates * g_update - shared)


def count_step_bytes(config: Config, bytes_each: int) -> int:
    """Memory traffic of a step whose kernels fuse all they can; a kept number takes `bytes_each`.

    The kept tensors are each layer's output and, if there is a batch norm, the result of norm and
    activation. The forward pass writes and reads each; the backward pass reads it, and writes and
    reads its gradient. An update reads and writes its weights and their Adam moments in float32.
    The passes are those of `count_step_flops`.
    """
    layers = list_layer_costs(config.network_config())
    g, d = (
        sum(math.prod(layer.output) * (2 if layer.has_norm else 1) for layer in network)
        for network in layers.values()
    )
    g_weights, d_weights = (
        sum(layer.parameters for layer in network) for network in layers.values()
    )

    forward, backward = 2, 3  # reads and writes of a kept tensor
    d_update = forward * g + 2 * (forward + backward) * d
    g_update = (forward + backward) * (g + d)
    shared = 0 if config.alternate else forward * g
    kept = config.d_updates * d_update + config.g_updates * g_update - shared
    weights = config.d_updates * d_weights + config.g_updates * g_weights
    return config.batch_size * kept * bytes_each + weights * ADAM_BYTES


def make_ceilings() -> dict[str, tuple[Callable[[int], None], int]]:
    """Name -> (function, FLOPs or bytes); function(n) runs an operation n times.

    For each dtype, the operation is a product of square matrices. On a GPU there is also a copy,
    whose bytes are both read and written.
    """
    flops = 2 * MATRIX_SIDE**3
    ceilings = {dtype: (make_matrix_product(dtype), flops) for dtype in ("float32", "bfloat16")}
    if tf.config.list_physical_devices("GPU"):
        source = tf.zeros(COPY_BYTES // 4)
        copy = repeat(lambda: tf.raw_ops.DeepCopy(x=source)[0])
        ceilings["copy"] = (copy, 2 * COPY_BYTES)
    return ceilings


def make_matrix_product(dtype: str) -> Callable[[int], None]:
    matrix = tf.cast(tf.random.normal((MATRIX_SIDE, MATRIX_SIDE)), dtype)
    return repeat(lambda: (matrix @ matrix)[0, 0])


def repeat(compute: Callable[[], tf.Tensor]) -> Callable[[int], None]:
    """run(times): computes that many times, and returns when the device is done."""

    def run(times: int) -> None:
        for _ in range(times):
            result = compute()
        result.numpy()  # waits for a GPU

    return run
