"""Our training step beside PyTorch's and plain Keras', and the time that its FLOPs take in a large matrix product.

    python -m benchmarks.train_step [--rounds=5] [--seed=0] [--quick]

Ours and the matrix products share this process, Keras and PyTorch have one each; while one works the others wait in
their pipes. Threads are everybody's own default. `fit` makes one step an execution, its default.

The machine must be idle: PyTorch's threads wait for each other spinning, and a stranger on one of two cores made its
smallest step twenty times as long, TensorFlow's at most twice.
"""

import dataclasses
import functools
import importlib
import importlib.util
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable

import numpy as np
from absl import app, flags

from benchmarks import measure
from config.settings import Config

# A worker imports this file too: what imports TensorFlow stays inside the functions, so that PyTorch is alone in its.

FLAGS = flags.FLAGS
flags.DEFINE_integer("seed", 0, "Of the weights, the images and the latents.")
flags.DEFINE_integer(
    "rounds", 5, "Of the default configuration; the others take half as many.", lower_bound=1
)
flags.DEFINE_bool(
    "quick", False, "Narrow networks and one round: shows that the script works, and nothing else."
)

CONFIGURATIONS = {
    "default": {},
    "D:G 1:1": {"g_updates": 1},
    "kernel 4": {"kernel_size": 4},
    "stem 1024": {"stem_width": 1024},
    "batch 128": {"batch_size": 128},
}
flags.DEFINE_multi_enum(
    "only", None, list(CONFIGURATIONS), "This configuration; may be given again."
)

QUICK = {"output_height": 32, "stem_width": 64, "batch_size": 16}
TORCH = {
    "PyTorch float32": {},
    "PyTorch float32 channels_last": {"channels_last": True},
    "PyTorch bfloat16 channels_last": {"channels_last": True, "autocast": True},
    "PyTorch bfloat16 channels_last compiled": {
        "channels_last": True,
        "autocast": True,
        "compiled": True,
    },
}
BEST_TORCH = (
    "PyTorch bfloat16 channels_last"  # on a CPU; compiled it is as fast, but half a minute late
)
ROUND_SECONDS = 0.5  # long enough for the clock and the pipe


class Worker:
    """A module's programs in a process of its own, so that its threads and settings are nobody else's."""

    def __init__(self, module: str):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, module), daemon=True)
        self.process.start()
        theirs.close()  # else the worker's end would not be noticed

    def __call__(self, name: str, argument: tuple | int):
        """Makes a program of (config, options, real, z), or runs it for so many steps; returns when that is done."""
        self.pipe.send((name, argument))
        self.pipe.recv()

    def close(self):
        self.pipe.send(None)
        self.process.join()


def _serve(pipe, module: str) -> None:
    make, programs = importlib.import_module(module).program, {}
    while (message := pipe.recv()) is not None:
        name, argument = message
        if isinstance(argument, int):
            programs[name](argument)
        else:
            programs[name] = make(*argument)
        pipe.send(name)


@dataclasses.dataclass
class Program:
    """run(steps) trains; without PyTorch there is none."""

    dtype: str
    run: Callable[[int], object] | None


def ours(config: Config, precision: str, real: np.ndarray, z: np.ndarray) -> Program:
    from gan import DCGAN
    from system.devices import choose_jit

    dcgan = DCGAN(config, precision=precision, jit=choose_jit("auto"))

    def run(steps: int) -> None:
        for _ in range(steps):
            results = dcgan.train_step(real, z)
        results["g_loss"].numpy()  # waits for a GPU

    return Program(precision, run)


def peer(worker: Worker | None, name: str, dtype: str, *arguments) -> Program:
    if worker is None:
        return Program(dtype, None)
    worker(name, arguments)
    return Program(dtype, functools.partial(worker, name))


def programs_of(
    config: Config, workers: dict[str, Worker | None], *, all_of_them: bool
) -> dict[str, Program]:
    from system.devices import choose_precision

    rng = np.random.default_rng(FLAGS.seed)
    batch, precision = config.batch_size * config.batches_a_step, choose_precision("auto")
    real = rng.integers(0, 256, (batch, *config.network_config().image_shape), dtype=np.uint8)
    z = rng.uniform(-1, 1, (batch, config.z_dim)).astype(np.float32)
    programs = {f"ours {precision}": ours(config, precision, real, z)}
    if all_of_them and precision != "float32":
        programs["ours float32"] = ours(config, "float32", real, z)
    policy = precision if precision == "float32" else f"mixed_{precision}"
    name = f"Keras fit {precision}"
    programs[name] = peer(
        workers["peers_keras"], name, precision, config, {"policy": policy}, real, z
    )
    for name, options in TORCH.items():
        if name == BEST_TORCH or all_of_them:
            dtype = "bfloat16" if options.get("autocast") else "float32"
            programs[name] = peer(workers["peers_torch"], name, dtype, config, options, real, z)
    return programs


def timed(runs: dict[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds a step of each in every round; a round is as many steps as ours takes ROUND_SECONDS for, or one."""
    for run in runs.values():
        run(1)  # traces and compiles
    begin = time.perf_counter()
    next(iter(runs.values()))(1)
    steps = max(1, round(ROUND_SECONDS / (time.perf_counter() - begin)))
    seconds = measure.in_turn(
        {name: functools.partial(run, steps) for name, run in runs.items()}, rounds
    )
    return {name: [s / steps for s in several] for name, several in seconds.items()}


def rates(ceilings: dict, seconds: dict[str, list[float]]) -> dict[str, float]:
    """The best round's FLOP/s or bytes/s. ceilings: name -> (program, amount)."""
    return {name: amount / min(seconds[name]) for name, (_, amount) in ceilings.items()}


def rows_of(
    title: str, config: Config, programs: dict[str, Program], seconds: dict, best: dict
) -> list[dict]:
    from benchmarks.floor import step_bytes, step_flops

    rows, reference = [], seconds[next(iter(programs))]
    for name, program in programs.items():
        if program.run is None:
            rows.append(dict.fromkeys(rows[0]) | {"program": f"{title}: {name} (absent)"})
            continue
        step = statistics.median(seconds[name])
        row = {
            "program": f"{title}: {name}",
            "ms a step": step * 1e3,
            "images/s": config.batch_size * config.d_updates / step,
            "ours / it": measure.median_ratio(reference, seconds[name]),
            "% of matrix rate": 100 * step_flops(config) / step / best[program.dtype],
        }
        if "copy" in best:
            bytes_each = 4 if program.dtype == "float32" else 2
            row["% of copy rate"] = 100 * step_bytes(config, bytes_each) / step / best["copy"]
        rows.append(row)
    return rows


def measured(
    title: str, config: Config, rounds: int, *, all_of_them: bool
) -> tuple[list[dict], str]:
    """The rows of one configuration and a line about its ceilings."""
    from benchmarks import floor

    there = {"peers_keras": True, "peers_torch": importlib.util.find_spec("torch") is not None}
    workers = {module: Worker(module) if found else None for module, found in there.items()}
    programs = programs_of(config, workers, all_of_them=all_of_them)
    ceilings = floor.ceilings()
    runs = {name: program.run for name, program in programs.items() if program.run}
    runs |= {name: run for name, (run, _) in ceilings.items()}
    seconds = timed(runs, rounds)
    for worker in filter(None, workers.values()):
        worker.close()
    best = rates(ceilings, seconds)
    line = f"{title}: {floor.step_flops(config) / 1e9:,.0f} GFLOP a step; "
    line += ", ".join(f"{name} {rate / 1e9:,.0f} G/s" for name, rate in best.items())
    return rows_of(title, config, programs, seconds, best), line


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unknown: {' '.join(argv[1:])}")
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"remapping": False})  # as train.py has it
    rows, lines = [], []
    chosen = FLAGS.only or list(CONFIGURATIONS)[: 2 if FLAGS.quick else None]
    for title in chosen:
        changes = CONFIGURATIONS[title]
        config = Config(
            c_dim=3, seed=FLAGS.seed, **(QUICK if FLAGS.quick else {}) | changes
        ).resolve()
        default = title == "default"
        rounds = 1 if FLAGS.quick else FLAGS.rounds if default else -(-FLAGS.rounds // 2)
        some, line = measured(title, config, rounds, all_of_them=default)
        print(measure.table(some), line, sep="\n", flush=True)
        rows += some
        lines.append(line)
    measure.report(
        "train_step", rows, seed=FLAGS.seed, bars="% of matrix rate", note="\n".join(lines)
    )


if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # several processes share the GPU
    app.run(main)
