"""Training steps, several per call: batches, latents and updates without any Python in between."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf
from tensorflow.python.client import device_lib

import ops
from augmentation import draw_changes
from data.batches import Order, prefetch_batches
from gan import DCGAN
from system.quiet_tensorflow import compile_for_instance
from training.schedule import LOG_EVERY_STEPS

TABLE_SHARE = 0.25  # of the GPU's memory, at most, for the images; the upload takes twice that
UPLOAD = 4096  # images at a time


class Steps:
    """Trains `dcgan` on images (N, H, W, C) uint8 and, with labels, y (N, y_dim) float32.

    on_device: the images are copied to the device once, as a table from which the compiled step
    gathers its batch. Otherwise a thread gathers batches in memory, or from the pack on disk, and
    passes them to each call. Batches and latents are functions of (seed, step), so neither this
    nor the division into calls changes a result. origin: where the order of the images starts, as
    in `data.batches.Order`. shown: images shown before step 0, if it differs from origin. rows:
    int64, of the images to train on; default: all.

    If several processes share each step, this one gathers only the images of its own share.
    """

    def __init__(
        self,
        dcgan: DCGAN,
        images: np.ndarray,
        y: np.ndarray | None = None,
        *,
        on_device: bool = False,
        origin: int = 0,
        shown: int | None = None,
        rows: np.ndarray | None = None,
    ):
        self.dcgan, self.images, self.y = dcgan, images, y
        self.rows = np.arange(len(images)) if rows is None else rows
        self.batch, self.origin = dcgan.config.images_per_step, origin
        self.share = dcgan.replicas.rows_of_process  # of the batch
        self.shown = origin if shown is None else shown
        self.table = upload_images_for_training_steps(images) if on_device else None

        specs = self._list_step_input_specs()
        self.results = self._trace_step_results(*specs)
        first_step = tf.TensorSpec((), tf.int64)
        stacked = [tf.TensorSpec((None, *spec.shape), spec.dtype) for spec in specs]
        signature = [first_step, *stacked]
        self.call = compile_for_instance(self._run_steps_of_call, input_signature=signature)

    def _list_step_input_specs(self) -> list[tf.TensorSpec]:
        """What each step takes: images, or their rows in the table, and y."""
        image, dtype = (self.images.shape[1:], tf.uint8) if self.table is None else ((), tf.int64)
        count = len(range(self.batch)[self.share])
        specs = [tf.TensorSpec((count, *image), dtype)]
        if self.y is not None:
            specs.append(tf.TensorSpec((count, self.y.shape[-1]), tf.float32))
        return specs

    def run(self, calls: Iterable[range]) -> Iterator[dict]:
        """Takes the steps of each of `calls`, counted from 0, and yields the results of the last
        step of each.

        These are the results of `DCGAN.train_step`, with the step's z and, with labels, its y.
        """
        starts, calls = itertools.tee(calls)
        for call, inputs in zip(starts, self._gather_batches_of_calls(calls), strict=True):
            # np.int64: TensorFlow caches every Python int, without limit.
            yield self.call(np.int64(call.start), *inputs)

    def _gather_batches_of_calls(self, calls: Iterable[range]) -> Iterator[tuple[np.ndarray, ...]]:
        seed = self.dcgan.config.seed
        if self.table is None:
            how = {"batch_size": self.batch, "seed": seed}
            how |= {"origin": self.origin, "rows": self.rows, "share": self.share}
            return prefetch_batches(self.images, self.y, calls=calls, **how)

        order = Order(self.rows, seed, self.origin)
        rows = (order.pick_shuffled_batches(call, self.batch)[:, self.share] for call in calls)
        return ((row,) if self.y is None else (row, self.y[row]) for row in rows)

    def _run_steps_of_call(self, start, reals, ys=None):
        """start: the first step, counted from 0; reals, ys (n, ...): what n steps take."""

        def run_step_of_call(k, _):
            y = None if ys is None else ys[k]
            return k + 1, self._run_training_step(start + tf.cast(k, tf.int64), reals[k], y)

        nothing = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), self.results)
        _, results = tf.while_loop(
            lambda k, _: k < tf.shape(reals)[0],
            run_step_of_call,
            (0, nothing),
            parallel_iterations=1,
        )
        return results

    def _run_training_step(self, step, real, y):
        config = self.dcgan.config
        self.dcgan.steps_done.assign(step)
        # Drawn outside XLA, which gives other numbers. A step's stream is its number, from 1.
        z = ops.latents(
            config.seed, self.batch, z_dim=config.z_dim, z_dist=config.z_dist, stream=step + 1
        )
        drawn = draw_changes(config, step + 1, self.shown + step * self.batch)
        z, drawn = self.dcgan.replicas.take_rows_of_process(z, drawn)
        results = self.dcgan.train_step(real, z, y, self.table, drawn)
        return {**results, "z": z} | ({} if y is None else {"y": y})

    def _trace_step_results(self, real: tf.TensorSpec, y: tf.TensorSpec | None = None) -> dict:
        """What a step returns, as TensorSpecs."""
        z = tf.TensorSpec((real.shape[0], self.dcgan.config.z_dim), tf.float32)
        table = None if self.table is None else tf.TensorSpec(self.table.shape, tf.uint8)
        drawn = draw_changes(self.dcgan.config, 1, 0)
        _, drawn = self.dcgan.replicas.take_rows_of_process(tf.zeros((self.batch, 1)), drawn)
        drawn = tf.nest.map_structure(tf.TensorSpec.from_tensor, drawn)
        traced = self.dcgan.train_step.get_concrete_function(real, z, y, table, drawn)
        return {**traced.structured_outputs, "z": z} | ({} if y is None else {"y": y})


def upload_images_for_training_steps(images: np.ndarray) -> tf.Tensor:
    """images as one tensor on the device, sent in pieces: the pack may be larger than memory."""
    pieces = range(0, len(images), UPLOAD)
    return tf.concat([tf.constant(images[first : first + UPLOAD]) for first in pieces], 0)


def should_train_from_device_memory(wanted: str, images: np.ndarray) -> bool:
    """For "auto": whether a GPU is used, and the images leave most of its memory free."""
    if wanted != "auto":
        return wanted == "on"
    devices = device_lib.list_local_devices()
    memory = [device.memory_limit for device in devices if device.device_type == "GPU"]
    return bool(memory) and images.nbytes <= TABLE_SHARE * memory[0]


def choose_steps_per_call(wanted: int | None) -> int:
    """None -> 1 on a CPU; on a GPU, where steps take milliseconds, as many as between log lines."""
    return wanted or (LOG_EVERY_STEPS if tf.config.list_physical_devices("GPU") else 1)
