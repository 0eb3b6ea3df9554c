"""What a training step costs at least: its FLOPs, its bytes, and the rates at which this machine does either."""

import math
from collections.abc import Callable

import tensorflow as tf

from config.settings import Config
from training.cost import list_layers

MATRIX_SIDE = 4096
COPY_BYTES = 2**30
ADAM_BYTES = (
    4 * 8
)  # a weight: it and Adam's two moments read and written, its gradient written and read, in float32


def step_flops(config: Config) -> int:
    """Two for each multiplication of the passes that a step needs, taps on padding included.

    A layer's forward pass, its weights' gradient and its input's gradient take the same number. D's update: G forward;
    D on real and on fake images, all three passes but for the images' gradient. G's update: G forward, D forward, D's
    input gradients, G's gradients but for z's. Without `alternate`, G's first update reuses the fakes of D's last.
    """
    generator, discriminator = (
        [layer.flops for layer in layers]
        for layers in list_layers(config.network_config()).values()
    )
    g, d = sum(generator), sum(discriminator)
    d_update = g + 2 * (3 * d - discriminator[0])
    g_update = g + 2 * d + 2 * g - generator[0]
    shared = 0 if config.alternate else g
    return config.batch_size * (config.d_updates * d_update + config.g_updates * g_update - shared)


def step_bytes(config: Config, bytes_each: int) -> int:
    """Memory traffic of a step whose kernels fuse all they can, `bytes_each` a kept number.

    Kept tensors are each layer's output, with batch norm also what the norm and its activation make of it. Forward, one
    is written and read; backward, it is read, and its gradient written and read. An update reads and writes its weights
    and their Adam in float32. The passes are those of `step_flops`.
    """
    networks = list_layers(config.network_config()).values()
    g, d = (
        sum(math.prod(layer.output) * (2 if layer.has_norm else 1) for layer in layers)
        for layers in networks
    )
    g_weights, d_weights = (sum(layer.parameters for layer in layers) for layers in networks)
    d_update = 2 * g + 2 * (2 + 3) * d
    g_update = (2 + 3) * (g + d)
    kept = (
        config.d_updates * d_update
        + config.g_updates * g_update
        - (0 if config.alternate else 2 * g)
    )
    weights = config.d_updates * d_weights + config.g_updates * g_weights
    return config.batch_size * kept * bytes_each + weights * ADAM_BYTES


def ceilings() -> dict[str, tuple[Callable[[int], None], int]]:
    """Name -> a function that runs so many times, and what one time amounts to: FLOPs of a square matrix product in
    each dtype, and on a GPU the bytes that a copy on it reads and writes.
    """
    found = {
        dtype: (_matrix_product(dtype), 2 * MATRIX_SIDE**3) for dtype in ("float32", "bfloat16")
    }
    if tf.config.list_physical_devices("GPU"):
        source = tf.zeros(COPY_BYTES // 4)
        found["copy"] = (_repeated(lambda: tf.raw_ops.DeepCopy(x=source)[0]), 2 * COPY_BYTES)
    return found


def _matrix_product(dtype: str) -> Callable[[int], None]:
    matrix = tf.cast(tf.random.normal((MATRIX_SIDE, MATRIX_SIDE)), dtype)
    return _repeated(lambda: (matrix @ matrix)[0, 0])


def _repeated(once: Callable[[], tf.Tensor]) -> Callable[[int], None]:
    def run(times: int) -> None:
        for _ in range(times):
            result = once()
        result.numpy()  # waits for a GPU

    return run
