"""Everything that only a GPU can show, in 25 minutes: is it right, how fast, and what it draws.

    python -m benchmarks.gpu --work=DIR [--data_dir=./data] [--only=agreement ...] [--quick]

Its parts, each in a process of its own, so that one that fails leaves the others:

- agreement: twenty steps in each precision, with XLA, the images on the device, and twenty steps in
  one call, from the same seed; how far the losses are from those of plain float32.
- speed: milliseconds of a step in all of these ways, and its share of the matrix rate.
- peers: `benchmarks.train_step`'s default row, beside Keras and PyTorch.
- epochs: as many images as CelebA has, on the device; the minutes that 25 epochs would take.
- faces: main.py itself, for some minutes each: reference and modern at 64x64, modern at 128x128.

Each part prints as it goes, and appends a line to results/gpu.jsonl; runs and grids are in --work.
--quick: tiny networks and a few steps, to try the script itself, on a CPU too.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from absl import app, flags

from benchmarks import measure
from config.settings import Config

# Functions import TensorFlow themselves: the process that starts the parts leaves the GPU to them.

FLAGS = flags.FLAGS
flags.DEFINE_string("work", None, "folder for the runs and their grids", required=True)
flags.DEFINE_string("data_dir", "./data", "folder with celebA")
flags.DEFINE_float("minutes", 3.0, "minutes of training for each run of faces", lower_bound=0.1)
flags.DEFINE_bool("quick", False, "tiny networks and a few steps: only shows that it works")
flags.DEFINE_integer("seed", 0, "seed of weights, images and latents")

ROOT = Path(__file__).parents[1]
QUICK = {"output_height": 16, "stem_width": 32, "batch_size": 8, "z_dim": 8}
STEPS = 20  # of agreement, and in one call
CELEBA_IMAGES, CELEBA_EPOCHS = 202_599, 25
PRECISIONS = ("float32", "bfloat16", "float16")
WAYS = {  # name -> whether XLA compiles, whether the images are on the device, steps in a call
    "plain": (False, False, 1),
    "XLA": (True, False, 1),
    "on the device": (False, True, 1),
    "20 a call": (False, False, STEPS),
    "XLA, on the device, 20 a call": (True, True, STEPS),
}
FACES = {
    "reference-64": "--preset reference --output_height 64",
    "modern-64": "--preset modern --output_height 64",
    "modern-128": "--preset modern --output_height 128",
}
PART_SECONDS = 900  # after which one is given up


def main(_) -> None:
    if FLAGS.part:
        PARTS[FLAGS.part]()
        return
    Path(FLAGS.work).mkdir(parents=True, exist_ok=True)
    failed = [name for name in FLAGS.only or PARTS if not run_part(name)]
    if failed:
        sys.exit(f"These parts failed: {', '.join(failed)}. Their messages are above.")


def run_part(name: str) -> bool:
    """Whether the part ended well, in a process of its own."""
    print(f"\n== {name}", flush=True)
    begin = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.gpu", *sys.argv[1:], f"--part={name}"]
    try:
        code = subprocess.run(command, cwd=ROOT, timeout=PART_SECONDS).returncode
    except subprocess.TimeoutExpired:
        code = f"given up after {PART_SECONDS} s"
    print(f"== {name}: exit {code}, {time.perf_counter() - begin:.0f} s", flush=True)
    return code == 0


def measure_agreement() -> None:
    """Of the last step's losses, relative to those of plain float32. bfloat16 and float16 differ by
    their rounding.
    """
    rows, expected = [], None
    for precision in PRECISIONS:
        for name in WAYS:
            losses, _ = train_some_steps(precision, name, STEPS)
            expected = losses if expected is None else expected
            off = np.abs(losses[-1] - expected[-1]) / np.maximum(np.abs(expected[-1]), 0.1)
            last = {"d_loss": losses[-1, 0], "g_loss": losses[-1, 1], "off by": off.max()}
            row = {"step": f"{precision}, {name}"}
            rows.append(row | {key: float(value) for key, value in last.items()})
    report("agreement", rows)


def measure_speed() -> None:
    ceilings = measure_ceilings()
    rows = []
    for precision in PRECISIONS:
        for name in WAYS:
            _, milliseconds = train_some_steps(precision, name, 4 * STEPS if FLAGS.quick else 400)
            rate = count_flops() / milliseconds * 1e3
            # float16 products have the rate of bfloat16's.
            ceiling = ceilings["float32" if precision == "float32" else "bfloat16"]
            row = {"step": f"{precision}, {name}", "ms": milliseconds}
            row |= {"images/s": make_config().batch_size / milliseconds * 1e3}
            rows.append(row | {"% of matrix rate": 100 * rate / ceiling})
    report("speed", rows, ceilings=ceilings)


def compare_with_peers() -> None:
    quick = ["--quick"] if FLAGS.quick else []
    run_python("-m", "benchmarks.train_step", "--only=default", *quick)


def measure_epochs() -> None:
    steps = 4 * STEPS if FLAGS.quick else 4000
    images = 1000 if FLAGS.quick else CELEBA_IMAGES
    rows = []
    for preset in ("reference", "modern"):
        way = "XLA, on the device, 20 a call"
        _, milliseconds = train_some_steps("bfloat16", way, steps, images, preset=preset)
        total = CELEBA_EPOCHS * CELEBA_IMAGES / make_config().batch_size
        row = {"preset": preset, "images": images, "steps": steps, "ms": milliseconds}
        rows.append(row | {"minutes for 25 epochs": total * milliseconds / 60e3})
    report("epochs", rows)


def draw_faces() -> None:
    """main.py as users start it; what it says goes to the output, its grids to --work."""
    size = "--output_height 16 --stem_width 32" if FLAGS.quick else ""
    places = f"--data_dir={FLAGS.data_dir}", f"--out_dir={FLAGS.work}"
    for name, recipe in FACES.items():
        run = "main.py", *places, f"--out_name={name}"
        recipe = f"--dataset celebA {recipe} {size} --minutes {FLAGS.minutes}".split()
        run_python(*run, *recipe, "--train")
        run_python(*run, "--evaluate", "swd,frechet", "--evaluate_samples", "500")


def run_python(*arguments: str) -> None:
    print(*arguments, flush=True)
    if subprocess.run([sys.executable, *arguments], cwd=ROOT).returncode:
        sys.exit(f"This failed: {' '.join(arguments)}")


PARTS = {
    "agreement": measure_agreement,
    "speed": measure_speed,
    "peers": compare_with_peers,
    "epochs": measure_epochs,
    "faces": draw_faces,
}
flags.DEFINE_multi_enum("only", None, list(PARTS), "only this part; can be repeated")
flags.DEFINE_enum("part", None, list(PARTS), "carry out this part here; for the script itself")


def make_config(preset: str = "reference") -> Config:
    from config.presets import apply_preset

    size = QUICK if FLAGS.quick else {}
    return Config(**apply_preset({"preset": preset, "c_dim": 3, "seed": FLAGS.seed} | size))


def count_flops() -> int:
    from benchmarks.floor import count_step_flops

    return count_step_flops(make_config())


def measure_ceilings() -> dict[str, float]:
    """FLOP/s of large matrix products by dtype, and bytes/s of a copy on a GPU."""
    from benchmarks import floor

    times, rates = 1 if FLAGS.quick else 50, {}
    for name, (run, amount) in floor.make_ceilings().items():
        run(times)  # warms up
        begin = time.perf_counter()
        run(times)
        rates[name] = times * amount / (time.perf_counter() - begin)
    return rates


def train_some_steps(
    precision: str, way: str, steps: int, images: int = 4096, *, preset: str = "reference"
) -> tuple[np.ndarray, float]:
    """((n, 2), milliseconds): the losses of D and G after each call, and the time of a step. The
    first quarter of the calls is not timed. Images are random numbers, the same each time.
    """
    import tensorflow as tf

    from gan import DCGAN
    from training.steps import Steps

    jit, on_device, per_call = WAYS[way]
    tf.config.optimizer.set_experimental_options({"remapping": False})  # as in train.py
    config = make_config(preset)
    shape = (images, *config.network_config().image_shape)
    pixels = np.random.default_rng(FLAGS.seed).integers(0, 256, shape, dtype=np.uint8)
    dcgan = DCGAN(config, precision=precision, jit=jit)
    trainer = Steps(dcgan, pixels, on_device=on_device)
    calls = [range(first, first + per_call) for first in range(0, steps, per_call)]

    warm, results = len(calls) // 4, []
    for number, result in enumerate(trainer.run(iter(calls))):
        results.append(result)
        if number == warm:
            read_losses(result)  # waits for a GPU
            begin = time.perf_counter()
    read_losses(results[-1])
    seconds = time.perf_counter() - begin
    losses = np.array([read_losses(result) for result in results])
    return losses, seconds * 1e3 / per_call / max(len(calls) - 1 - warm, 1)


def read_losses(results: dict) -> list[float]:
    return [float(results[name].numpy()) for name in ("d_loss", "g_loss")]


def report(part: str, rows: list[dict], **more) -> None:
    import tensorflow as tf

    print(measure.format_table(rows), flush=True)
    for name, value in more.items():
        print(name, value, flush=True)
    gpus = tf.config.list_physical_devices("GPU")
    devices = [tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus]
    measure.append_record("gpu", {"part": part, "devices": devices, "rows": rows, **more})


if __name__ == "__main__":
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    app.run(main)
