"""Training steps, several a call: images fetched, latents drawn and networks updated with no Python in between."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf
from tensorflow.python.client import device_lib

import ops
from data.batches import Order, batches
from gan import DCGAN

TABLE_SHARE = (
    0.25  # of the GPU's memory, at most, for the images; twice that while they are brought there
)
UPLOAD = 4096  # images at a time
LOG_EVERY_STEPS = 20  # and the first and the last


class Steps:
    """Trains `dcgan` on images (N, H, W, C) uint8 and, with labels, y (N, y_dim) float32.

    on_device: the images are copied to the device once, as one table from which the compiled step gathers its batch;
    else a thread gathers them in memory, or from the pack on disk, and every call brings its own. Batches and latents
    are functions of (seed, step), so neither this nor the division into calls changes a result.
    """

    def __init__(
        self,
        dcgan: DCGAN,
        images: np.ndarray,
        y: np.ndarray | None = None,
        *,
        on_device: bool = False,
    ):
        self.dcgan, self.images, self.y = dcgan, images, y
        self.batch = dcgan.config.batch_size * dcgan.config.batches_a_step
        self.table = upload(images) if on_device else None
        image = () if on_device else images.shape[1:]
        real = tf.TensorSpec((None, self.batch, *image), tf.int64 if on_device else tf.uint8)
        ys = [] if y is None else [tf.TensorSpec((None, self.batch, y.shape[-1]), tf.float32)]
        a_step = [tf.TensorSpec(spec.shape[1:], spec.dtype) for spec in (real, *ys)]
        self.results = self._result_specs(a_step[0], a_step[1] if ys else None)
        signature = [tf.TensorSpec((), tf.int64), real, *ys]
        self.call = tf.function(self._call, input_signature=signature, autograph=False)

    def run(self, calls: Iterable[range]) -> Iterator[dict]:
        """Takes the steps of each of `calls`, counted from 0, and yields the last one's results, as
        `DCGAN.train_step` has them, with its z, and with labels its y.
        """
        starts, calls = itertools.tee(calls)
        for start, inputs in zip(starts, self._inputs(calls), strict=True):
            yield self.call(
                np.int64(start.start), *inputs
            )  # TensorFlow keeps every Python number that it meets

    def _inputs(self, calls: Iterable[range]) -> Iterator[tuple[np.ndarray, ...]]:
        seed = self.dcgan.config.seed
        if self.table is None:
            return batches(self.images, self.y, batch_size=self.batch, seed=seed, calls=calls)
        order = Order(len(self.images), seed)
        rows = (order.batches(call, self.batch) for call in calls)
        return ((row,) if self.y is None else (row, self.y[row]) for row in rows)

    def _call(self, start, reals, ys=None):
        """start: the first step, counted from 0; reals, ys (n, ...): what n steps take -> the last one's results."""

        def one(k, _):
            return k + 1, self._step(
                start + tf.cast(k, tf.int64), reals[k], None if ys is None else ys[k]
            )

        nothing = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), self.results)
        return tf.while_loop(
            lambda k, _: k < tf.shape(reals)[0], one, (0, nothing), parallel_iterations=1
        )[1]

    def _step(self, step, real, y):
        config = self.dcgan.config
        # The stream of a step is its number counted from 1, and latents are drawn outside XLA, which has others.
        z = ops.latents(
            config.seed, self.batch, z_dim=config.z_dim, z_dist=config.z_dist, stream=step + 1
        )
        results = self.dcgan.train_step(real, z, y, self.table)
        return {**results, "z": z} | ({} if y is None else {"y": y})

    def _result_specs(
        self, real: tf.TensorSpec, y: tf.TensorSpec | None
    ) -> dict[str, tf.TensorSpec]:
        z = tf.TensorSpec((self.batch, self.dcgan.config.z_dim), tf.float32)
        table = None if self.table is None else tf.TensorSpec(self.table.shape, tf.uint8)
        specs = self.dcgan.train_step.get_concrete_function(real, z, y, table).structured_outputs
        return {**specs, "z": z} | ({} if y is None else {"y": y})


def split(steps: range, at_most: int, *every: int) -> Iterator[range]:
    """`steps` in ranges of `at_most`, cut where the loop has something to do: after the first, and where the number of
    steps done is a multiple of one of `every`.
    """
    start = steps.start
    while start < steps.stop:
        ends = [start + at_most, steps.stop, *(start - start % n + n for n in every)]
        stop = start + 1 if start == steps.start else min(ends)
        yield range(start, stop)
        start = stop


def upload(images: np.ndarray) -> tf.Tensor:
    """images as one tensor on the device, brought there a few at a time, as the pack may be larger than memory."""
    return tf.concat(
        [tf.constant(images[k : k + UPLOAD]) for k in range(0, len(images), UPLOAD)], 0
    )


def choose_on_device(wanted: str, images: np.ndarray) -> bool:
    """`auto` -> on a GPU whose memory the images leave mostly free."""
    if wanted != "auto":
        return wanted == "on"
    memory = [
        device.memory_limit
        for device in device_lib.list_local_devices()
        if device.device_type == "GPU"
    ]
    return bool(memory) and images.nbytes <= TABLE_SHARE * memory[0]


def choose_steps_per_call(wanted: int | None) -> int:
    """None -> as many as there are between two lines of the log on a GPU, whose steps take milliseconds; else 1."""
    return wanted or (LOG_EVERY_STEPS if tf.config.list_physical_devices("GPU") else 1)
