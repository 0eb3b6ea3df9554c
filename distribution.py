"""Several devices that take each training step together, by tf.distribute: those of one process by
MirroredStrategy, those of several by MultiWorkerMirroredStrategy.

Each device is a replica: it has a copy of all weights, and takes its share of the step's images,
latents and random changes. These are drawn for all replicas at once, so that they do not depend on
their number. With one device, every function here returns what it was given and adds no op.

A process of several is a worker, with one replica. All compute the whole order of the images and
all latents, which are functions of (seed, step), and each takes its rows of them.
"""

import contextlib
import dataclasses
import functools
import re
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import logging

from config.settings import Config
from system.cluster import Workers, explain_used_port, find_workers, meet_workers
from system.deadline import end_process_after
from system.devices import (
    count_gpus,
    find_device_type,
    hold_stderr_until_error,
    list_devices_for_replicas,
    split_cpu_for_trials,
)

CONNECT_SECONDS = 300  # takes a second or two; longer on a busy machine, or for CUDA


def settle_replicas(config: Config) -> Config:
    """The settings with the number of replicas on this machine and the batch that each takes.

    Call it before TensorFlow's first op, after which `config.virtual_devices` cannot be set. Raises
    ValueError when the settings do not fit the machine.
    """
    if workers := find_workers(config.distribute):
        _check_worker_has_one_device(config)
        replicas = workers.count
    else:
        split_cpu_for_trials(config.virtual_devices)
        shares = config.distribute in ("auto", "mirrored")
        replicas = (count_gpus() or config.virtual_devices) if shares else 1
    size = config.batch_size
    if config.global_batch_size:
        size = _divide_global_batch(config.global_batch_size, replicas)
    config = dataclasses.replace(config, replicas=replicas, batch_size=size)
    if config.is_distributed:
        _announce_replicas(config, workers)
    return config


def _check_worker_has_one_device(config: Config) -> None:
    if config.virtual_devices > 1:
        raise ValueError(
            "--virtual_devices splits the CPU of one process. "
            f"Received: {config.virtual_devices}, with several workers. Drop it, or add "
            "--distribute=mirrored."
        )
    if (count := count_gpus()) > 1:
        logging.warning(
            "This worker sees %s GPUs and uses the first. Start one for each GPU, each with its "
            "own CUDA_VISIBLE_DEVICES.",
            count,
        )


def _divide_global_batch(images: int, replicas: int) -> int:
    """How many images each replica takes. Raises ValueError unless all take equally many."""
    if images % replicas:
        fitting = max(images // replicas, 1) * replicas
        raise ValueError(
            f"--global_batch_size must be a multiple of the number of devices, {replicas}. "
            f"Received: {images}. Try --global_batch_size={fitting}."
        )
    return images // replicas


def _announce_replicas(config: Config, workers: Workers | None) -> None:
    kind, count = find_device_type(), config.replicas
    if workers:
        logging.info(
            "distributed over %s workers, by %s: this is %s, with one %s: %s images each, %s in a "
            "batch.",
            *(count, workers.source, workers.name_worker(workers.index), kind),
            *(config.batch_size, config.images_per_batch),
        )
        return
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

    count: how many there are, as in `config.replicas`. workers: the processes that they are in;
    None if it is this one alone.
    """

    def __init__(self, config: Config):
        self.count, self.strategy = config.replicas, None
        self.workers = find_workers(config.distribute) if config.is_distributed else None
        if self.workers:
            self.strategy = join_workers(self.workers)
        elif config.is_distributed:
            self.strategy = _build_strategy(config.replicas)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's files: alone, or as the first worker."""
        return self.workers is None or self.workers.is_chief

    @property
    def rows_of_process(self) -> slice:
        """Which of a step's images this process takes, if there are several processes."""
        return slice(self.workers.index, None, self.count) if self.workers else slice(None)

    def scope(self) -> contextlib.AbstractContextManager:
        """Within it, variables are created, and assigned, on all replicas."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def take_rows_of_process(self, z: tf.Tensor, drawn: dict) -> tuple[tf.Tensor, dict]:
        """What belongs to this process's images, of z (N, z_dim) and drawn, tensors (M, N, ...)."""
        if self.workers is None:
            return z, drawn
        mine = self.rows_of_process
        return z[mine], {name: part[:, mine] for name, part in drawn.items()}

    def run(self, step: Callable, batches: tuple, drawn: dict[str, tf.Tensor]) -> dict:
        """step(*batches, drawn) on every replica, each with its share; returns the results of all.

        batches: tensors (N, ...), or None, and drawn: tensors (M, N, ...), for the N images of this
        process, a multiple of its number of replicas, R. Replica r takes the images r, r + R,
        r + 2R, ..., so that a step of several batches leaves it a share of each. step returns a
        dict of means over its images, which are averaged, and of rows, one per image, which are put
        in order; both over all processes.
        """
        if self.strategy is None:
            return step(*batches, drawn)
        if self.workers:
            results = self.strategy.run(step, (*batches, drawn))
        else:
            shares = self._share_among_replicas(batches, drawn)
            results = self.strategy.run(step, shares)
        return {name: self._join_results(result) for name, result in results.items()}

    def _share_among_replicas(self, batches: tuple, drawn: dict[str, tf.Tensor]):
        def take_share(replica: tf.distribute.experimental.ValueContext):
            mine = slice(replica.replica_id_in_sync_group, None, self.count)
            parts = (None if part is None else part[mine] for part in batches)
            return *parts, {name: part[:, mine] for name, part in drawn.items()}

        return self.strategy.experimental_distribute_values_from_function(take_share)

    def _join_results(self, result) -> tf.Tensor:
        """Means () of the replicas -> their mean (); rows (B, n) -> (R * B, n)."""
        values = self._collect_from_replicas(result)
        if not values[0].shape.rank:
            return _add_in_order(values) / self.count
        rows = tf.stack(values, 1)  # R tensors (B, n) -> (B, R, n)
        return tf.reshape(rows, (-1, *rows.shape[2:]))  # -> (B * R, n)

    def _collect_from_replicas(self, result) -> list[tf.Tensor]:
        """What a step returned on each of them, of all processes, as a list."""
        if self.workers is None:
            return self.strategy.experimental_local_results(result)
        (mine,) = self.strategy.experimental_local_results(result)
        gathered = self.strategy.gather(mine[None], axis=0)
        return tf.unstack(tf.ensure_shape(gathered, (self.count, *mine.shape)))

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
    in_order = tf.distribute.ReductionToOneDevice(accumulation_fn=_add_in_order)
    return tf.distribute.MirroredStrategy(
        devices[:count], cross_device_ops=in_order if is_on_cpu else None
    )


def _add_in_order(summands: list[tf.Tensor]) -> tf.Tensor:
    """Their sum, in float32 always with the same bits.

    An AddN, TensorFlow's default, starts with the first summand whose memory nothing else holds at
    that moment: with three, threads would choose the order.
    """
    return functools.reduce(tf.add, summands)


@functools.cache
def join_workers(workers: Workers) -> tf.distribute.Strategy:
    """The strategy of all workers; waits until they have started. Call it before TensorFlow's first
    op. Raises ValueError when they do not come, or when this one's port is in use.

    TensorFlow runs a service in the first worker to which all send signs of life, from threads that
    neither Python nor a long evaluation delays. After some 10 seconds without them, it ends with an
    error whatever waits for the lost worker: no watchdog of our own is needed. Only for a worker
    that has never signed in, it waits an hour.
    """
    meet_workers(workers)
    cluster = tf.train.ClusterSpec({"worker": workers.addresses})
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        cluster,
        task_type="worker",
        task_id=workers.index,
        num_accelerators={"GPU": min(count_gpus(), 1)},
        rpc_layer="grpc",
    )
    missing = (
        f"All workers must connect within {CONNECT_SECONDS} seconds once their ports answer. "
        "Received: one that does not. It has ended, or waits for others: start all again, with the "
        f"same addresses in {workers.source} and each with its own index."
    )
    try:
        with end_process_after(CONNECT_SECONDS, missing), hold_stderr_until_error():
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except tf.errors.UnknownError as error:  # another program took the port after we had met
        raise ValueError(explain_used_port(workers, error.message)) from error


def gather_from_workers(workers: Workers, numbers: np.ndarray) -> np.ndarray:
    """What each worker calls this with, int64 (n,) -> (workers, n). All must call it.

    It waits for all of them, however long they take; if one is lost, it raises OpError.
    """
    gather = _compile_gathering(join_workers(workers), len(numbers))
    return gather(tf.constant(numbers, tf.int64)).numpy()


def gather_texts_from_workers(workers: Workers, text: str) -> list[str]:
    """What each worker calls this with, in their order. All must call it."""
    mine = np.frombuffer(text.encode(), np.uint8).astype(np.int64)
    lengths = gather_from_workers(workers, np.array([len(mine)], np.int64))[:, 0]
    padded = np.pad(mine, (0, lengths.max() - len(mine)))
    rows = gather_from_workers(workers, padded).astype(np.uint8)
    return [row[:size].tobytes().decode() for row, size in zip(rows, lengths, strict=True)]


@functools.cache
def _compile_gathering(strategy: tf.distribute.Strategy, count: int) -> Callable:
    """A function: int64 (count,) of each worker -> those of all, (workers, count)."""

    def gather_in_replica(numbers: tf.Tensor) -> tf.Tensor:
        return tf.distribute.get_replica_context().all_gather(numbers[None], axis=0)

    @tf.function(input_signature=[tf.TensorSpec((count,), tf.int64)], autograph=False)
    def gather(numbers: tf.Tensor) -> tf.Tensor:
        gathered = strategy.run(gather_in_replica, (numbers,))
        return strategy.experimental_local_results(gathered)[0]

    return gather


def explain_lost_worker(error: Exception, workers: Workers | None) -> str | None:
    """What to tell the user if `error` means that another worker is gone; else None."""
    kinds = (tf.errors.UnavailableError, tf.errors.DeadlineExceededError)
    kinds += (tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError)
    if workers is None or not isinstance(error, kinds):
        return None
    told = [int(task) for task in re.findall(r"/task:(\d+)", str(error))]
    told = [task for task in told if task != workers.index]
    name = "A worker"  # the service in the first worker would know which one
    if told or not workers.is_chief:
        name = workers.name_worker(told[0] if told else 0).capitalize()
    return (
        f"{name} has ended or no longer answers, and the others cannot go on alone. Its own last "
        "line may say why. The checkpoints are intact: the same command on all workers continues."
    )


@contextlib.contextmanager
def translate_lost_worker(workers: Workers | None):
    """Turns what TensorFlow raises in this block for a lost worker into a ValueError."""
    try:
        yield
    except tf.errors.OpError as error:
        if told := explain_lost_worker(error, workers):
            raise ValueError(told) from error
        raise


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
