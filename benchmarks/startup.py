"""Seconds from the command to the end of the first training step, and where they go.

    python -m benchmarks.startup [--rounds=3] [--images=1000] [--seed=0]

Every timing starts a new process of main.py --train with its defaults (64x64, stem 512, batch 64)
on a folder of synthetic JPEGs: first without a pack of them, then with it.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

from benchmarks import measure, synthetic

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 3, "timed processes of each kind")
flags.DEFINE_integer("images", 1000, "images in the folder")
flags.DEFINE_integer("seed", 0, "seed of the images and of the training")


def main(_) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder = synthetic.write_jpegs(Path(root) / "images", FLAGS.images, FLAGS.seed)
        # Brings the libraries' files into the page cache.
        time_first_step(folder, Path(root) / "unmeasured", "first")

        cold, warm = [], []
        for number in range(FLAGS.rounds):
            place = Path(root) / str(number)
            cold.append(time_first_step(folder, place, "first"))
            warm.append(time_first_step(folder, place, "again"))

    rows = [
        {"part": part, "pack_to_make": find_median(cold, part), "packed": find_median(warm, part)}
        for part in warm[0]
    ]
    measure.report("startup", rows, seed=FLAGS.seed, bars="packed")


def time_first_step(dataset: Path, place: Path, run: str) -> dict[str, float]:
    """Seconds by part of one new process, with its packs in `place` and its own run there."""
    command = [sys.executable, "-m", "benchmarks.first_step", str(time.time())]
    command += [f"--dataset={dataset}", f"--data_dir={place}", f"--out_dir={place / run}"]
    command += [f"--seed={FLAGS.seed}", "--train", "--steps=9"]

    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return json.loads(done.stdout)


def find_median(processes: list[dict[str, float]], part: str) -> float:
    return statistics.median(spent[part] for spent in processes)


if __name__ == "__main__":
    app.run(main)
