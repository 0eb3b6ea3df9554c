"""Seconds from the command to the end of the first training step, and what they are made of.

  python -m benchmarks.startup

New processes of main.py --train at its defaults (64x64, stem 512, batch 64), on a folder of synthetic JPEGs: once where
they have yet to be packed, once where they are packed already.
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
flags.DEFINE_integer("rounds", 3, "processes of each kind")
flags.DEFINE_integer("images", 1000, "images in the folder")
flags.DEFINE_integer("seed", 0, "of the images and of the training")


def main(_) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder = synthetic.jpegs(Path(root) / "images", FLAGS.images, FLAGS.seed)
        first_step(folder, Path(root) / "unmeasured")  # brings the libraries' files into memory
        places = [Path(root) / str(number) for number in range(FLAGS.rounds)]
        processes = [
            (first_step(folder, place), first_step(folder, place, run="again")) for place in places
        ]
    cold, warm = zip(*processes, strict=True)
    rows = [
        {"part": part, "pack_to_make": median(cold, part), "packed": median(warm, part)}
        for part in warm[0]
    ]
    measure.report("startup", rows, seed=FLAGS.seed, bars="packed")


def first_step(dataset: Path, place: Path, run: str = "run") -> dict[str, float]:
    """Seconds by part of one new process, whose packs are in `place`."""
    flags_given = [
        f"--dataset={dataset}",
        f"--data_dir={place}",
        f"--out_dir={place / run}",
        f"--seed={FLAGS.seed}",
    ]
    command = [
        sys.executable,
        "-m",
        "benchmarks.first_step",
        str(time.time()),
        *flags_given,
        "--train",
        "--steps=9",
    ]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return json.loads(done.stdout)


def median(processes: list[dict[str, float]], part: str) -> float:
    return statistics.median(spent[part] for spent in processes)


if __name__ == "__main__":
    app.run(main)
