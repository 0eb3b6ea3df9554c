"""Our training step compared with Keras' and PyTorch's, and its share of the machine's FLOP rate.

    python -m benchmarks.train_step [--rounds=5] [--seed=0] [--only=default ...] [--quick]

That rate is the rate of a large matrix product. Our step and the matrix products share this
process; Keras and PyTorch have one each, and while one works the others wait. Each uses its default
number of threads. Keras' `fit` runs one step per execution, its default.

The machine must be idle: PyTorch's threads spin while they wait for each other. With another
program on one of two cores, PyTorch's smallest step took twenty times as long, TensorFlow's at most
twice as long.
"""

import dataclasses
import functools
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

# A worker's process imports this file too. Functions import TensorFlow themselves, so that PyTorch
# has its process to itself.

FLAGS = flags.FLAGS
flags.DEFINE_integer("seed", 0, "Seed of the weights, the images and the latents.")
flags.DEFINE_integer(
    "rounds", 5, "Rounds of the default configuration; the others take half as many.", lower_bound=1
)
flags.DEFINE_bool(
    "quick", False, "Narrow networks and one round: only shows that the script works."
)

CONFIGURATIONS = {
    "default": {},
    "D:G 1:1": {"g_updates": 1},
    "kernel 4": {"kernel_size": 4},
    "stem 1024": {"stem_width": 1024},
    "batch 128": {"batch_size": 128},
}
flags.DEFINE_multi_enum(
    "only", None, list(CONFIGURATIONS), "Only this configuration; can be repeated."
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
# On a CPU. The compiled one is as fast, but takes half a minute to compile.
BEST_TORCH = "PyTorch bfloat16 channels_last"
ROUND_SECONDS = 0.5  # long enough for the clock and the pipe


def main(argv) -> None:
    if argv[1:]:
        raise app.UsageError(f"Unknown: {' '.join(argv[1:])}")
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"remapping": False})  # as in train.py
    rows, notes = [], []
    for title in FLAGS.only or list(CONFIGURATIONS)[: 2 if FLAGS.quick else None]:
        some_rows, note = time_configuration(title)
        print(measure.format_table(some_rows), note, sep="\n", flush=True)
        rows += some_rows
        notes.append(note)

    measure.report(
        "train_step", rows, seed=FLAGS.seed, bars="% of matrix rate", note="\n".join(notes)
    )


def time_configuration(title: str) -> tuple[list[dict], str]:
    """The rows of one of CONFIGURATIONS, and a note on its FLOPs and the ceilings."""
    from benchmarks import floor

    settings = (QUICK if FLAGS.quick else {}) | CONFIGURATIONS[title]
    config = Config(c_dim=3, seed=FLAGS.seed, **settings).resolve()
    is_default = title == "default"
    rounds = FLAGS.rounds if is_default else -(-FLAGS.rounds // 2)

    keras = Worker(make_keras_program)
    torch = Worker(make_torch_program) if importlib.util.find_spec("torch") else None
    programs = make_programs(config, keras, torch, all_variants=is_default)
    ceilings = floor.make_ceilings()
    runs = {name: program.run for name, program in programs.items() if program.run}
    runs |= {name: run for name, (run, _) in ceilings.items()}

    seconds = time_steps(runs, 1 if FLAGS.quick else rounds)
    for worker in filter(None, (keras, torch)):
        worker.close()

    best_rates = {name: amount / min(seconds[name]) for name, (_, amount) in ceilings.items()}
    note = f"{title}: {floor.count_step_flops(config) / 1e9:,.0f} GFLOP a step; "
    note += ", ".join(f"{name} {rate / 1e9:,.0f} G/s" for name, rate in best_rates.items())
    return make_rows(title, config, programs, seconds, best_rates), note


@dataclasses.dataclass
class Program:
    """run(steps) trains for `steps` steps; None for PyTorch if it is not installed."""

    dtype: str
    run: Callable[[int], object] | None


def make_programs(
    config: Config, keras: "Worker", torch: "Worker | None", *, all_variants: bool
) -> dict[str, Program]:
    """Ours and its peers by name, ours first. all_variants: whether to add all variants of each."""
    from system.devices import choose_precision_for_device

    precision = choose_precision_for_device("auto")
    batch = config.batch_size * config.batches_per_step
    rng = np.random.default_rng(FLAGS.seed)
    real = rng.integers(0, 256, (batch, *config.network_config().image_shape), dtype=np.uint8)
    z = rng.uniform(-1, 1, (batch, config.z_dim)).astype(np.float32)

    programs = {f"ours {precision}": make_our_program(config, precision, real, z)}
    if all_variants and precision != "float32":
        programs["ours float32"] = make_our_program(config, "float32", real, z)

    name = f"Keras fit {precision}"
    policy = precision if precision == "float32" else f"mixed_{precision}"
    keras.make(name, config, {"policy": policy}, real, z)
    programs[name] = Program(precision, functools.partial(keras.run, name))

    for name, options in TORCH.items():
        if name != BEST_TORCH and not all_variants:
            continue
        run = None
        if torch:
            torch.make(name, config, options, real, z)
            run = functools.partial(torch.run, name)
        programs[name] = Program("bfloat16" if options.get("autocast") else "float32", run)
    return programs


def make_our_program(config: Config, precision: str, real: np.ndarray, z: np.ndarray) -> Program:
    dcgan = measure.build_dcgan_as_train(config, precision)

    def run(steps: int) -> None:
        for _ in range(steps):
            results = dcgan.train_step(real, z)
        results["g_loss"].numpy()  # waits for a GPU

    return Program(precision, run)


def make_keras_program(*arguments) -> Callable[[int], None]:
    from benchmarks import peers_keras

    return peers_keras.make_program(*arguments)


def make_torch_program(*arguments) -> Callable[[int], None]:
    from benchmarks import peers_torch

    return peers_torch.make_program(*arguments)


class Worker:
    """A process for a peer's programs, so that nobody shares its threads and settings."""

    def __init__(self, make_program: Callable[..., Callable[[int], None]]):
        """make_program(config, options, real, z) -> run(steps), a function that can be imported."""
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, make_program), daemon=True)
        self.process.start()
        theirs.close()  # else we would not notice that the worker ended

    def make(self, name: str, config: Config, options: dict, real: np.ndarray, z: np.ndarray):
        self._send((name, (config, options, real, z)))

    def run(self, name: str, steps: int) -> None:
        self._send((name, steps))

    def _send(self, message: tuple) -> None:
        """Returns when the worker has done what the message says."""
        self.pipe.send(message)
        self.pipe.recv()

    def close(self) -> None:
        self.pipe.send(None)
        self.process.join()


def _serve(pipe, make_program) -> None:
    """The worker's process: makes programs and runs them, until it receives None."""
    programs = {}
    while (message := pipe.recv()) is not None:
        name, argument = message
        if isinstance(argument, int):
            programs[name](argument)
        else:
            programs[name] = make_program(*argument)
        pipe.send(name)


def time_steps(runs: dict[str, Callable[[int], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds per step of each program in each round.

    A round has as many steps as the first program, ours, does in ROUND_SECONDS; at least one.
    """
    for run in runs.values():
        run(1)  # traces and compiles

    begin = time.perf_counter()
    next(iter(runs.values()))(1)
    steps = max(1, round(ROUND_SECONDS / (time.perf_counter() - begin)))
    programs = {name: functools.partial(run, steps) for name, run in runs.items()}
    seconds = measure.time_in_turn(programs, rounds)
    return {name: [each / steps for each in taken] for name, taken in seconds.items()}


def make_rows(
    title: str,
    config: Config,
    programs: dict[str, Program],
    seconds: dict[str, list[float]],
    best_rates: dict[str, float],
) -> list[dict]:
    """One row per program, ours first. best_rates: FLOP/s by dtype, and bytes/s of a copy."""
    from benchmarks.floor import count_step_bytes, count_step_flops

    rows, ours = [], seconds[next(iter(programs))]
    for name, program in programs.items():
        if program.run is None:
            rows.append(dict.fromkeys(rows[0]) | {"program": f"{title}: {name} (absent)"})
            continue

        step = statistics.median(seconds[name])
        row = {
            "program": f"{title}: {name}",
            "ms per step": step * 1e3,
            "images/s": config.batch_size * config.d_updates / step,
            "ours / it": measure.median_ratio(ours, seconds[name]),
            "% of matrix rate": 100 * count_step_flops(config) / step / best_rates[program.dtype],
        }
        if "copy" in best_rates:
            moved = count_step_bytes(config, 4 if program.dtype == "float32" else 2)
            row["% of copy rate"] = 100 * moved / step / best_rates["copy"]
        rows.append(row)
    return rows


if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # several processes share the GPU
    app.run(main)
