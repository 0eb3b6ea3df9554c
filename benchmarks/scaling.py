"""Seconds and memory as the batch, the images' size and the dataset grow.

    python -m benchmarks.scaling [--rounds=2] [--seed=0]

Every point has a process of its own, for its memory's sake. A training step at the defaults but for what grows; and
batches gathered from a pack of random pixels on disk.
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

# A process imports this file too: what imports TensorFlow or plots stays inside the functions.

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 2, "timed steps a point", lower_bound=1)
flags.DEFINE_integer("seed", 0, "of weights, images and order")

BATCHES = (16, 32, 64, 128, 256)
SIZES = (32, 64, 128, 256)
DATASETS = (1_000, 10_000, 50_000, 200_000)
GATHERED = 20_000  # images


def main(_) -> None:
    from benchmarks import measure

    rows = []
    for batch in BATCHES:
        rows.append(
            in_a_process(f"batch {batch}", batch, training_step, Config(c_dim=3, batch_size=batch))
        )
    for size in SIZES:
        rows.append(
            in_a_process(f"size {size}", size, training_step, Config(c_dim=3, output_height=size))
        )
    for images in DATASETS:
        rows.append(in_a_process(f"dataset {images:,}", images, gathering, images))
    print(measure.table(rows))
    measure.record("scaling", {"seed": FLAGS.seed, "rows": rows})
    draw(rows)


def in_a_process(title: str, amount: int, function, argument) -> dict:
    """A row: what `function` returns in a new process, and that process's peak memory."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        found, megabytes = pool.apply(with_memory, (function, argument, FLAGS.rounds, FLAGS.seed))
    return {"point": title, "amount": amount, **found, "peak RSS, MB": megabytes}


def with_memory(function, *arguments) -> tuple[dict, int]:
    found = function(*arguments)
    return found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def training_step(config: Config, rounds: int, seed: int) -> dict:
    """Milliseconds a step, and a GFLOP of it."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import tensorflow as tf

    import ops
    from benchmarks.floor import step_flops
    from gan import DCGAN
    from system.devices import choose_jit, choose_precision

    tf.config.optimizer.set_experimental_options({"remapping": False})  # as train.py has it
    config = config.resolve()
    dcgan = DCGAN(config, precision=choose_precision("auto"), jit=choose_jit("auto"))
    rng, shape = (
        np.random.default_rng(seed),
        (config.batch_size, *config.network_config().image_shape),
    )
    real = tf.constant(rng.integers(0, 256, shape, dtype=np.uint8))
    z = ops.latents(seed, config.batch_size, z_dim=config.z_dim, z_dist=config.z_dist)
    seconds = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        dcgan.train_step(real, z)["g_loss"].numpy()
        seconds.append(time.perf_counter() - begin)
    step = statistics.median(seconds[1:])
    gflop = step_flops(config) / 1e9
    return {
        "ms": step * 1e3,
        "ms an image": step * 1e3 / config.batch_size,
        "GFLOP/s": gflop / step,
    }


def gathering(images: int, rounds: int, seed: int) -> dict:
    """Milliseconds for a batch of 64 from a pack of so many 64x64 images on disk."""
    from data.batches import prefetch_batches

    with tempfile.TemporaryDirectory() as place:
        write_pack(Path(place) / "pack.npy", images, seed)
        pack = np.load(Path(place) / "pack.npy", mmap_mode="r")
        calls = [range(step, step + 1) for step in range(GATHERED // 64)]
        begin = time.perf_counter()
        for _ in prefetch_batches(pack, batch_size=64, seed=seed, calls=calls):
            pass
        batch = (time.perf_counter() - begin) / len(calls)
    return {"ms": batch * 1e3, "ms an image": batch * 1e3 / 64, "GFLOP/s": None}


def write_pack(path: Path, count: int, seed: int) -> None:
    """An .npy of random pixels, written a thousand images at a time: mapped, they would count as our memory."""
    some = np.random.default_rng(seed).integers(0, 256, (1000, 64, 64, 3), dtype=np.uint8)
    with open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, 64, 64, 3)}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(count // 1000):
            file.write(some.tobytes())


def draw(rows: list[dict]) -> None:
    """Milliseconds and megabytes over the batch, the size and the dataset, on logarithmic axes of these."""
    from benchmarks import measure
    from benchmarks.measure import plt

    figure, axes = plt.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for column, kind in enumerate(("batch", "size", "dataset")):
        points = [row for row in rows if row["point"].startswith(kind)]
        for line, quantity in enumerate(("ms", "peak RSS, MB")):
            axis = axes[line, column]
            amounts = [row["amount"] for row in points]
            axis.plot(amounts, [row[quantity] for row in points], "o-", color="#4878a8")
            axis.set(
                xlabel={"dataset": "images in the pack", "size": "pixels a side"}.get(kind, kind),
                ylabel=quantity,
            )
            axis.set_xscale("log")
            axis.set_xticks(amounts, [f"{amount:,}" for amount in amounts])
            axis.minorticks_off()
            axis.set_ylim(0)
            axis.grid(True, alpha=0.3)
    axes[0, 2].set_ylabel("ms to gather 64")
    measure.save(figure, "scaling")


if __name__ == "__main__":
    app.run(main)
