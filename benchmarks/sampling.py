"""Images a second from a run to PNG files, against what its generator alone and its SavedModel draw.

  python -m benchmarks.sampling

The run is a freshly initialised network of 64x64 and stem 512 in a temporary folder. Each program draws the same number
of images in batches of 64; of --sample the time that --sample 64 takes is taken off, which is that of loading and
tracing. Beside them the seconds of `main.py --sample 1` in a new process, and of importing TensorFlow alone.

Every round draws into new folders, deleted at the end: ext4 creates files twenty times as slowly for minutes after
thousands were deleted. For the same reason, wait for that long before running it again.
"""

import dataclasses
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from absl import app, flags, logging

from benchmarks import measure

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow as tf

import ops
from config.settings import Config
from export.saved_model import export
from gan import DCGAN
from runs.checkpoints import Checkpoints
from sample import DRAW_BATCH, Sampler, sample

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 2, "rounds, in which each program runs once")
flags.DEFINE_integer("images", 4096, "images a program draws in a round")
flags.DEFINE_integer("processes", 2, "new processes of each kind")
flags.DEFINE_integer("seed", 0, "of weights and latents")


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    with tempfile.TemporaryDirectory() as out_dir:
        config = fresh_run(
            Config(dataset="faces", c_dim=3, out_dir=out_dir, seed=FLAGS.seed).resolve()
        )
        seconds = measure.in_turn(warmed(programs(config)), FLAGS.rounds)
        first = measure.in_turn(processes(out_dir), FLAGS.processes)
    measure.report("sampling", rows(seconds, first), seed=FLAGS.seed, bars="images_per_second")


def fresh_run(config: Config) -> Config:
    """Writes what --sample and --export read of a run, with untrained weights."""
    Checkpoints(DCGAN(config), config).save(0)
    (config.run_dir / "config.json").write_text(config.to_json(), encoding="utf-8")
    return config


def programs(config: Config) -> dict:
    """What a round runs, each drawing --images; "first" is --sample's first batch alone."""
    generator = Sampler(config).generator
    generate = tf.function(generator, autograph=False)
    z = ops.latents(config.seed, FLAGS.images, z_dim=config.z_dim, z_dist=config.z_dist)
    saved = tf.saved_model.load(str(export(config))).signatures

    seeds = itertools.count()

    def files(count):
        return sample(dataclasses.replace(config, seed=next(seeds)), count)

    def in_batches(network):
        for start in range(0, FLAGS.images, DRAW_BATCH):
            images = network(z[start : start + DRAW_BATCH])
        images.numpy()  # waits for the device

    return {
        "generator": lambda: in_batches(generate),
        "first": lambda: files(DRAW_BATCH),
        "files": lambda: files(DRAW_BATCH + FLAGS.images),
        "saved_images": lambda: in_batches(lambda z: saved["serving_default"](z=z)["images"]),
        "saved_pngs": lambda: saved["sample"](
            seed=tf.constant(config.seed, tf.int64), count=tf.constant(FLAGS.images)
        )["png_bytes"].numpy(),
    }


def warmed(called: dict) -> dict:
    for program in called.values():
        program()
    return called


def processes(out_dir: str) -> dict:
    def run(*arguments):
        subprocess.run(
            [sys.executable, *arguments],
            check=True,
            cwd=Path(__file__).parents[1],
            capture_output=True,
        )

    return {
        "main.py --sample 1": lambda: run("main.py", "--sample", "1", "--out_dir", out_dir),
        "import tensorflow": lambda: run("-c", "import tensorflow"),
    }


def rows(seconds: dict, first: dict) -> list[dict]:
    files = [many - few for many, few in zip(seconds["files"], seconds["first"], strict=True)]
    drawn = {
        "generator alone": seconds["generator"],
        "--sample, PNG files": files,
        "SavedModel, images": seconds["saved_images"],
        "SavedModel, encoded PNGs": seconds["saved_pngs"],
    }
    table = [
        {
            "program": name,
            "images_per_second": FLAGS.images / statistics.median(taken),
            "of_generator": measure.median_ratio(seconds["generator"], taken),
            "seconds": None,
        }
        for name, taken in drawn.items()
    ]
    waits = {"--sample 64, all of it": seconds["first"], **first}
    none = {"images_per_second": None, "of_generator": None}
    return table + [
        {"program": name, **none, "seconds": statistics.median(taken)}
        for name, taken in waits.items()
    ]


if __name__ == "__main__":
    app.run(main)
