"""Images per second from a run to PNG files, compared with its generator alone and its SavedModel.

    python -m benchmarks.sampling [--rounds=2] [--images=4096] [--processes=2] [--seed=0]

The run is an untrained network of 64x64 and stem 512 in a temporary folder. Each program draws
--images images in batches of 64. For --sample, the time of a first batch is subtracted: it goes
into loading and tracing. Separate rows give the seconds of `main.py --sample 1` in a new process,
and of importing TensorFlow alone.

Every round draws into new folders, which are deleted at the end. Wait a few minutes before the next
run: after thousands of files were deleted, ext4 creates files twenty times as slowly for that long.
"""

import dataclasses
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from absl import app, flags, logging

from benchmarks import measure

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

import ops
from config.settings import Config
from config.stored import write_config
from export.saved_model import write_saved_model
from gan import DCGAN
from runs.checkpoints import Checkpoints
from sample import DRAW_BATCH, Sampler, sample

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 2, "rounds, in which each program runs once")
flags.DEFINE_integer("images", 4096, "images that each program draws in a round")
flags.DEFINE_integer("processes", 2, "timed processes of each kind")
flags.DEFINE_integer("seed", 0, "seed of weights and latents")

ROOT = Path(__file__).parents[1]


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    with tempfile.TemporaryDirectory() as out_dir:
        config = Config(dataset="faces", c_dim=3, out_dir=out_dir, seed=FLAGS.seed).resolve()
        write_untrained_run(config)

        programs = make_programs(config)
        for program in programs.values():
            program()  # warms up
        seconds = measure.time_in_turn(programs, FLAGS.rounds)
        process_seconds = measure.time_in_turn(make_processes(out_dir), FLAGS.processes)

    rows = make_rows(seconds, process_seconds)
    measure.report("sampling", rows, seed=FLAGS.seed, bars="images_per_second")


def write_untrained_run(config: Config) -> None:
    """Writes what --sample and --export read of a run."""
    Checkpoints(DCGAN(config), config).save(0)
    write_config(config)


def make_programs(config: Config) -> dict[str, Callable[[], object]]:
    """The programs of a round. Each draws --images images; "first" draws only one batch."""
    generate = tf.function(Sampler(config).generator, autograph=False)
    saved = tf.saved_model.load(str(write_saved_model(config))).signatures
    z = ops.latents(config.seed, FLAGS.images, z_dim=config.z_dim, z_dist=config.z_dist)
    seeds = itertools.count()  # each names a new folder

    def write_files(count: int) -> None:
        sample(dataclasses.replace(config, seed=next(seeds)), count)

    def answer_request_in_batches(network: Callable) -> None:
        for start in range(0, FLAGS.images, DRAW_BATCH):
            images = network(z[start : start + DRAW_BATCH])
        images.numpy()  # waits for the device

    def draw_saved_pngs() -> None:
        seed, count = tf.constant(config.seed, tf.int64), tf.constant(FLAGS.images)
        saved["sample"](seed=seed, count=count)["png_bytes"].numpy()

    return {
        "generator": lambda: answer_request_in_batches(generate),
        "first": lambda: write_files(DRAW_BATCH),
        "files": lambda: write_files(DRAW_BATCH + FLAGS.images),
        "saved_images": lambda: answer_request_in_batches(
            lambda z: saved["serving_default"](z=z)["images"]
        ),
        "saved_pngs": draw_saved_pngs,
    }


def make_processes(out_dir: str) -> dict[str, Callable[[], object]]:
    def run(*arguments: str) -> None:
        subprocess.run([sys.executable, *arguments], check=True, cwd=ROOT, capture_output=True)

    return {
        "main.py --sample 1": lambda: run("main.py", "--sample", "1", "--out_dir", out_dir),
        "import tensorflow": lambda: run("-c", "import tensorflow"),
    }


def make_rows(
    seconds: dict[str, list[float]], process_seconds: dict[str, list[float]]
) -> list[dict]:
    """Rows of images per second, and of seconds for what users wait for once."""
    pairs = zip(seconds["files"], seconds["first"], strict=True)
    drawing = {
        "generator alone": seconds["generator"],
        "--sample, PNG files": [files - first for files, first in pairs],
        "SavedModel, images": seconds["saved_images"],
        "SavedModel, encoded PNGs": seconds["saved_pngs"],
    }
    rows = [
        {
            "program": name,
            "images_per_second": FLAGS.images / statistics.median(taken),
            "of_generator": measure.median_ratio(seconds["generator"], taken),
            "seconds": None,
        }
        for name, taken in drawing.items()
    ]

    waiting = {"--sample 64, all of it": seconds["first"], **process_seconds}
    for name, taken in waiting.items():
        rows.append(
            {
                "program": name,
                "images_per_second": None,
                "of_generator": None,
                "seconds": statistics.median(taken),
            }
        )
    return rows


if __name__ == "__main__":
    app.run(main)
