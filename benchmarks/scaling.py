"""Seconds and memory as the batch, the images' size and the dataset grow.

    python -m benchmarks.scaling [--rounds=2] [--seed=0]

It times a training step with the defaults, except for what grows, and gathering batches from a pack
of random pixels on disk. Every point has its own process, so that its peak memory can be measured.
"""

import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

from config.settings import Config

# A point's process imports this file too: functions import TensorFlow and plotting themselves.

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 2, "timed steps per point", lower_bound=1)
flags.DEFINE_integer("seed", 0, "seed of weights, images and order")

BATCHES = (16, 32, 64, 128, 256)
SIZES = (32, 64, 128, 256)
DATASETS = (1_000, 10_000, 50_000, 200_000)
IMAGES_GATHERED = 20_000
BATCH, SIDE = 64, 64  # of the batches that are gathered


def main(_) -> None:
    from benchmarks import measure

    rows = []
    for batch in BATCHES:
        config = Config(c_dim=3, batch_size=batch)
        rows.append(measure_point(f"batch {batch}", batch, time_step, config))
    for size in SIZES:
        config = Config(c_dim=3, output_height=size)
        rows.append(measure_point(f"size {size}", size, time_step, config))
    for images in DATASETS:
        rows.append(measure_point(f"dataset {images:,}", images, time_gathering, images))

    print(measure.format_table(rows))
    measure.append_record("scaling", {"seed": FLAGS.seed, "rows": rows})
    draw_curves(rows)


def measure_point(title: str, amount: int, function, argument) -> dict:
    """A row: what `function` returns in a new process, and that process's peak memory."""
    context = multiprocessing.get_context("spawn")
    arguments = (function, argument, FLAGS.rounds, FLAGS.seed)
    with context.Pool(1) as pool:
        times, megabytes = pool.apply(add_peak_memory, arguments)
    return {"point": title, "amount": amount, **times, "peak RSS, MB": megabytes}


def add_peak_memory(function, *arguments) -> tuple[dict, int]:
    """(what the function returns, the process's peak memory in MB)."""
    times = function(*arguments)
    return times, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def time_step(config: Config, rounds: int, seed: int) -> dict:
    """Milliseconds per training step, and GFLOP/s."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import tensorflow as tf

    import ops
    from benchmarks import measure
    from benchmarks.floor import count_step_flops

    tf.config.optimizer.set_experimental_options({"remapping": False})  # as in train.py
    config = config.resolve()
    dcgan = measure.build_dcgan_as_train(config)
    shape = (config.batch_size, *config.network_config().image_shape)
    real = tf.constant(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))
    z = ops.latents(seed, config.batch_size, z_dim=config.z_dim, z_dist=config.z_dist)

    seconds = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        dcgan.train_step(real, z)["g_loss"].numpy()
        seconds.append(time.perf_counter() - begin)

    step = statistics.median(seconds[1:])  # the first one traces
    return {
        "ms": step * 1e3,
        "ms per image": step * 1e3 / config.batch_size,
        "GFLOP/s": count_step_flops(config) / 1e9 / step,
    }


def time_gathering(images: int, rounds: int, seed: int) -> dict:
    """Milliseconds to gather a batch from a pack of `images` images on disk."""
    from data.batches import prefetch_batches

    with tempfile.TemporaryDirectory() as place:
        write_pack(Path(place) / "pack.npy", images, seed)
        pack = np.load(Path(place) / "pack.npy", mmap_mode="r")
        calls = [range(step, step + 1) for step in range(IMAGES_GATHERED // BATCH)]

        begin = time.perf_counter()
        for _ in prefetch_batches(pack, batch_size=BATCH, seed=seed, calls=calls):
            pass
        seconds = (time.perf_counter() - begin) / len(calls)

    return {"ms": seconds * 1e3, "ms per image": seconds * 1e3 / BATCH, "GFLOP/s": None}


def write_pack(path: Path, count: int, seed: int) -> None:
    """Writes an .npy file of random pixels, a thousand images at a time.

    A mapped array would count as this process's memory.
    """
    shape = (1000, SIDE, SIDE, 3)
    some = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape[1:])}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(count // len(some)):
            file.write(some.tobytes())


def draw_curves(rows: list[dict]) -> None:
    """Draws milliseconds and megabytes over the batch, the size and the dataset."""
    from benchmarks import measure

    figure, axes = measure.create_figure(2, 3, figsize=(11, 6), layout="constrained")
    labels = {"batch": "batch", "size": "pixels a side", "dataset": "images in the pack"}
    for column, (kind, label) in enumerate(labels.items()):
        points = [row for row in rows if row["point"].startswith(kind)]
        amounts = [row["amount"] for row in points]
        for line, quantity in enumerate(("ms", "peak RSS, MB")):
            axis = axes[line, column]
            axis.plot(amounts, [row[quantity] for row in points], "o-", color=measure.COLOUR)
            axis.set(xlabel=label, ylabel=quantity)
            axis.set_xscale("log")
            axis.set_xticks(amounts, [f"{amount:,}" for amount in amounts])
            axis.minorticks_off()
            axis.set_ylim(0)
            axis.grid(True, alpha=0.3)

    axes[0, 2].set_ylabel(f"ms to gather {BATCH}")
    measure.save_figure(figure, "scaling")


if __name__ == "__main__":
    app.run(main)
