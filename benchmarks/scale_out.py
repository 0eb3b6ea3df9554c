"""What it costs to share a training step among devices and processes, and what it would in a
cluster.

    python -m benchmarks.scale_out [--rounds=20] [--seed=0]
    python -m benchmarks.scale_out --model     prints the model's tables alone, and measures nothing

All devices and processes are on this machine, on the same cores. So a step cannot become faster:
what it takes longer than with one device is the cost of sharing. The whole batch stays the same.

benchmarks/cluster_model.py says what a cluster would do. Its reductions are compared with those in
the graph of the step, and its time with that of two processes here, by the bandwidth and latency
that are measured between them.
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import socket
import statistics
import time

import numpy as np
from absl import app, flags

from config.presets import apply_preset
from config.settings import Config

# A worker's process imports this file too: functions import TensorFlow and plotting themselves.

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 20, "timed steps of each row", lower_bound=1)
flags.DEFINE_integer("seed", 0, "seed of weights and images")
flags.DEFINE_bool("model", False, "print what the model says of clusters, and measure nothing")

COUNTS = (1, 2, 4)
WAIT_SECONDS = 600  # for workers, to start and to measure
BATCH = 64  # images of all devices together
MEASURED = {"output_height": 32, "stem_width": 128, "c_dim": 3}
REDUCED = (2**10, 2**16, 2**20, 2**24)  # bytes, to measure bandwidth and latency
NETWORKS = {  # name -> gigabits a second, microseconds a message
    "25 Gb/s": (25, 20),
    "100 Gb/s": (100, 20),
    "400 Gb/s": (400, 20),
    "NVLink": (3600, 5),  # inside one machine
}
DEVICE_FLOPS = 100e12  # a second, in training: a tenth of an H100's bfloat16 matrix rate
SIZES = (32, 64, 128, 256)
SHARED_BATCHES = (64, 512, 4096)
DEVICES = (8, 64, 1024)


def main(_) -> None:
    from benchmarks import measure

    if FLAGS.model:
        print_model()
        return
    rows = [
        measure_sharing(preset, how, count)
        for preset in ("reference", "modern")
        for how in ("processes", "devices")
        for count in COUNTS
        if how == "processes" or count > 1
    ]
    add_overheads(rows)
    reductions = run_workers(2, time_reductions, FLAGS.rounds)
    print(measure.format_table(rows))
    print(measure.format_table([{"bytes": n, "ms": ms} for n, ms in reductions.items()]))
    checks = [compare_with_model(row, reductions) for row in rows if is_pair(row)]
    print(measure.format_table(checks))
    content = {"seed": FLAGS.seed, "rows": rows, "reductions": reductions, "model": checks}
    measure.append_record("scale_out", content)
    print_model()


def configure(preset: str, **changes) -> Config:
    return Config(**apply_preset({"preset": preset, **MEASURED, "batch_size": BATCH} | changes))


def measure_sharing(preset: str, how: str, count: int) -> dict:
    """A row: the time of a step that so many processes, or virtual devices, share."""
    shared = {"batch_size": BATCH // count}
    if how == "processes" and count > 1:
        config = configure(preset, **shared, distribute="multiworker")
        times = run_workers(count, time_shared_step, config, FLAGS.rounds, FLAGS.seed)
    else:
        config = configure(preset, **shared, virtual_devices=count)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            times = pool.apply(time_shared_step, (config, FLAGS.rounds, FLAGS.seed))
    return {"preset": preset, "shared by": "one" if count == 1 else f"{count} {how}", **times}


def run_workers(count: int, function, *arguments):
    """function(*arguments) in so many workers; returns what the first does."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [
        context.Process(target=run_as_worker, args=(environment, results, function, *arguments))
        for environment in make_tf_configs(count)
    ]
    for process in processes:
        process.start()
    try:
        return dict(results.get(timeout=WAIT_SECONDS) for _ in processes)[0]
    finally:
        for process in processes:
            process.kill()  # TensorFlow has taken over what a worker does when asked to stop


def make_tf_configs(count: int) -> list[str]:
    """TF_CONFIG for each of so many workers on this machine, on ports that are free now."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in held]
    tasks = [{"type": "worker", "index": index} for index in range(count)]
    return [json.dumps({"cluster": {"worker": addresses}, "task": task}) for task in tasks]


def run_as_worker(tf_config: str, results, function, *arguments) -> None:
    os.environ["TF_CONFIG"] = tf_config
    index = json.loads(tf_config)["task"]["index"]
    results.put((index, function(*arguments)))
    time.sleep(WAIT_SECONDS)  # until it is killed: none may leave while others still compute


def time_shared_step(config: Config, rounds: int, seed: int) -> dict:
    """Milliseconds of a step, and the all-reduces that it waits for."""
    tf = import_tensorflow()
    import ops
    from benchmarks import measure
    from distribution import join_workers, settle_replicas
    from system.cluster import find_workers

    workers = find_workers(config.distribute)
    config = settle_replicas(config).resolve()
    tf.config.optimizer.set_experimental_options({"remapping": False})  # as in train.py
    if workers:
        join_workers(workers)
    dcgan = measure.build_dcgan_as_train(config)
    images = config.batch_size * (1 if workers else config.replicas)
    shape = (images, *config.network_config().image_shape)
    real = tf.constant(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))
    z = ops.latents(seed, images, z_dim=config.z_dim, z_dist=config.z_dist)

    step = dcgan.train_step.get_concrete_function(real, z)
    seconds = time_rounds(lambda: step(real, z)["g_loss"].numpy(), rounds)
    sizes = list_collectives(step.graph)
    return {
        "ms": statistics.median(seconds) * 1e3,
        "all-reduces": len(sizes) if workers else None,
        "MB reduced": sum(sizes) / 1e6 if workers else None,
    }


def import_tensorflow():
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import tensorflow as tf

    return tf


def time_rounds(function, rounds: int) -> list[float]:
    """Seconds of each call but the first, which traces."""
    seconds = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begin)
    return seconds[1:]


def list_collectives(graph) -> list[int]:
    """The bytes of each tensor that a graph reduces, in all of its functions."""
    definition = graph.as_graph_def(add_shapes=True)
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    reductions = [node for node in nodes if node.op.startswith("CollectiveReduce")]
    return [count_bytes(node) for node in reductions]


def count_bytes(node) -> int:
    import tensorflow as tf

    (shape,) = node.attr["_output_shapes"].list.shape
    return tf.TensorShape(shape).num_elements() * tf.DType(node.attr["T"].type).size


def time_reductions(rounds: int) -> dict[int, float]:
    """Bytes -> milliseconds of an all-reduce over all workers."""
    tf = import_tensorflow()
    from distribution import average_over_replicas, join_workers
    from system.cluster import find_workers

    strategy = join_workers(find_workers("multiworker"))
    times = {}
    for size in REDUCED:

        def reduce_in_replica(count=size // 4):
            return average_over_replicas([tf.ones(count) + 1])[0][0]

        reduce = tf.function(lambda one=reduce_in_replica: strategy.run(one), autograph=False)
        seconds = time_rounds(lambda reduce=reduce: reduce().numpy(), rounds)
        times[size] = statistics.median(seconds) * 1e3
    return times


def add_overheads(rows: list[dict]) -> None:
    """The share of each step that one device would not need."""
    alone = {row["preset"]: row["ms"] for row in rows if row["shared by"] == "one"}
    for row in rows:
        row["overhead, %"] = 100 * (1 - alone[row["preset"]] / row["ms"])
        row["alone"] = alone[row["preset"]]


def is_pair(row: dict) -> bool:
    return row["shared by"] == "2 processes"


def compare_with_model(row: dict, reductions: dict[int, float]) -> dict:
    """What the model says of two processes here, beside what was measured."""
    from benchmarks.cluster_model import Network, list_reductions

    small, large = min(reductions), max(reductions)
    # Of two devices: time = bytes / bandwidth + 2 latency, in a ring.
    bandwidth = (large - small) / (reductions[large] - reductions[small]) * 1e3
    latency = max(reductions[small] / 1e3 - small / bandwidth, 0) / 2
    here = Network(bandwidth, latency)
    sizes = list_reductions(configure(row["preset"], batch_size=BATCH // 2))
    reducing = sum(here.time_ring(size, 2) for size in sizes) * 1e3
    return {
        "preset": row["preset"],
        "MB by the model": sum(sizes) / 1e6,
        "MB in the graph": row["MB reduced"],
        "bandwidth, GB/s": bandwidth / 1e9,
        "latency, us": latency * 1e6,
        "ms by the model": row["alone"] + reducing,
        "ms measured": row["ms"],
    }


def print_model() -> None:
    """Efficiencies with 64 images a device, and the most devices that pay for a batch."""
    from benchmarks import measure
    from benchmarks.cluster_model import Network, count_paying_devices, measure_efficiency

    networks = {
        name: Network(gigabits / 8 * 1e9, microseconds / 1e6)
        for name, (gigabits, microseconds) in NETWORKS.items()
    }
    print(f"\n{DEVICE_FLOPS / 1e12:g} TFLOP/s a device; gigabits and microseconds: {NETWORKS}")
    for preset in ("reference", "modern"):
        rows = []
        for size, name in itertools.product(SIZES, networks):
            config = configure(preset, output_height=size, stem_width=512)
            asked = (networks[name], DEVICE_FLOPS)
            efficiencies = {
                f"% at {count:,}": 100 * measure_efficiency(config, count, *asked)
                for count in DEVICES
            }
            paying = {
                f"pays for {images:,}": count_paying_devices(config, images, *asked)
                for images in SHARED_BATCHES
            }
            rows.append({preset: size, "network": name, **efficiencies, **paying})
        print("\n" + measure.format_table(rows))


if __name__ == "__main__":
    app.run(main)
