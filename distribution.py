"""Several devices that take each training step together, by TensorFlow's MirroredStrategy.

Each device is a replica: it has a copy of all weights, and takes its share of the step's images,
latents and random changes. These are drawn for all replicas at once, so that they do not depend on
their number. With one device, every function here returns what it was given and adds no op.
"""

import contextlib
import dataclasses
from collections.abc import Callable

import tensorflow as tf
from absl import logging

from config.settings import Config
from system.devices import (
    count_gpus,
    find_device_type,
    list_devices_for_replicas,
    split_cpu_for_trials,
)


def settle_replicas(config: Config) -> Config:
    """The settings with the number of replicas on this machine and the batch that each takes.

    Call it before TensorFlow's first op, after which `config.virtual_devices` cannot be set. Raises
    ValueError when the settings do not fit the machine.
    """
    split_cpu_for_trials(config.virtual_devices)
    replicas = 1 if config.distribute == "off" else count_gpus() or config.virtual_devices
    size = config.batch_size
    if config.global_batch_size:
        size = _divide_global_batch(config.global_batch_size, replicas)
    config = dataclasses.replace(config, replicas=replicas, batch_size=size)
    if config.is_distributed:
        _announce_replicas(config)
    return config


def _divide_global_batch(images: int, replicas: int) -> int:
    """How many images each replica takes. Raises ValueError unless all take equally many."""
    if images % replicas:
        fitting = max(images // replicas, 1) * replicas
        raise ValueError(
            f"--global_batch_size must be a multiple of the number of devices, {replicas}. "
            f"Received: {images}. Try --global_batch_size={fitting}."
        )
    return images // replicas


def _announce_replicas(config: Config) -> None:
    kind, count = find_device_type(), config.replicas
    devices = f"one {kind}" if count == 1 else f"{count} {kind}s"
    if kind == "GPU":
        devices += ", without XLA"
    elif count > 1:
        devices = f"{count} virtual devices on one CPU, for trials"
    logging.info(
        "distributed over %s: %s images each, %s in a batch.",
        *(devices, config.batch_size, config.images_per_batch),
    )


class Replicas:
    """The devices that take a step together; `strategy` is None unless the run is distributed.

    count: how many there are, as in `config.replicas`.
    """

    def __init__(self, config: Config):
        self.count, self.strategy = config.replicas, None
        if config.is_distributed:
            self.strategy = _build_strategy(config.replicas)

    def scope(self) -> contextlib.AbstractContextManager:
        """Within it, variables are created, and assigned, on all replicas."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def run(self, step: Callable, batches: tuple, drawn: dict[str, tf.Tensor]) -> dict:
        """step(*batches, drawn) on every replica, each with its share; returns the results of all.

        batches: tensors (N, ...), or None, and drawn: tensors (M, N, ...), for N images; N is a
        multiple of R, the number of replicas. Replica r takes the images r, r + R, r + 2R, ...,
        so that a step of several batches leaves it a share of each. step returns a dict of means
        over its images, which are averaged, and of rows, one per image, which are put in order.
        """
        if self.strategy is None:
            return step(*batches, drawn)

        def take_share(replica: tf.distribute.experimental.ValueContext):
            mine = slice(replica.replica_id_in_sync_group, None, self.count)
            parts = (None if part is None else part[mine] for part in batches)
            return *parts, {name: part[:, mine] for name, part in drawn.items()}

        shares = self.strategy.experimental_distribute_values_from_function(take_share)
        results = self.strategy.run(step, shares)
        return {name: self._join_results(result) for name, result in results.items()}

    def _join_results(self, result) -> tf.Tensor:
        """Means () of the replicas -> their mean (); rows (B, n) -> (R * B, n)."""
        values = self.strategy.experimental_local_results(result)
        if not values[0].shape.rank:
            return sum(values[1:], values[0]) / self.count  # in a fixed order, unlike an AddN
        rows = tf.stack(values, 1)  # R tensors (B, n) -> (B, R, n)
        return tf.reshape(rows, (-1, *rows.shape[2:]))  # -> (B * R, n)

    def read(self, variable: tf.Variable) -> tf.Variable:
        """The variable as one device has it: all have the same."""
        if self.strategy is None:
            return variable
        return self.strategy.experimental_local_results(variable)[0]


def _build_strategy(count: int) -> tf.distribute.Strategy:
    devices = list_devices_for_replicas()
    if len(devices) < count:
        raise ValueError(
            f"replicas must be at most the number of devices, {len(devices)}. Received: {count}. "
            "Call distribution.settle_replicas first."
        )
    is_on_cpu = find_device_type() == "CPU"  # where TensorFlow's default reduces nothing
    return tf.distribute.MirroredStrategy(
        devices[:count],
        cross_device_ops=tf.distribute.ReductionToOneDevice() if is_on_cpu else None,
    )


# For layers and losses, which know neither the strategy nor its devices.


def count_replicas() -> int:
    """How many replicas take this step; 1 outside a step, and with one device."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def average_over_replicas(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """The mean of each of them over all replicas, at once. Every replica must call it."""
    if count_replicas() == 1:
        return tensors
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, tensors)


def measure_shape_over_replicas(x: tf.Tensor) -> tf.Tensor:
    """The shape of x (B, ...), if B counted the rows of all replicas."""
    count = count_replicas()
    return tf.shape(x) if count == 1 else tf.concat([[tf.shape(x)[0] * count], tf.shape(x)[1:]], 0)


def take_rows_of_replica(x: tf.Tensor) -> tf.Tensor:
    """Those of the rows x (R * B, ...) that belong to this replica's images, (B, ...)."""
    if count_replicas() == 1:
        return x
    context = tf.distribute.get_replica_context()
    return x[context.replica_id_in_sync_group :: context.num_replicas_in_sync]
