"""The formats of --export: how far their pixels are from the network's, their size and their speed.

    python -m benchmarks.exports out/digits-64x64,out/mnist-28x28 [--images=256] [--rounds=100]

Every format is written from the last checkpoint of each run, into its export/, with float32 and,
where there is a choice, float16 weights. The differences are those of --images images. The time is
that of one image, drawn alone with the runtime's own number of threads; it is the best of --rounds,
because a busy machine only adds to it. safetensors hold only weights, so they have none.
"""

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags, logging

from benchmarks import measure

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

import ops
from config.stored import read_config
from export.formats import DTYPES, FLOAT32, FORMATS
from export.read_back import choose_inputs_to_check, draw_with_network
from export.source import Source, restore_source
from export.writing import read_card_entries, write_formats

FLAGS = flags.FLAGS
flags.DEFINE_integer("images", 256, "images to compare")
flags.DEFINE_integer("rounds", 100, "rounds, in which each format draws one image")


def main(argv: list[str]) -> None:
    if len(argv) != 2:
        sys.exit("error: Give the folders of runs, separated by commas. Try out/digits-64x64.")
    logging.set_verbosity(logging.ERROR)
    rows = [row for folder in argv[1].split(",") for row in measure_run(Path(folder))]
    measure.report("exports", rows, seed=0, bars="ms_per_image")


def measure_run(folder: Path) -> list[dict]:
    """A row for each format and dtype that can be read back."""
    config = read_config(folder / "config.json")
    rows, programs = {}, {}
    for name, dtype in list_formats_to_measure():
        source = restore_source(config, dtype=dtype)
        path = write_formats(source, [name])[name]
        draw = importlib.import_module(f"export.{name}").load_generator(path)
        label = f"{folder.name}: {name} {dtype}"
        size = read_card_entries(source.folder)[path.name]["bytes"]
        rows[label] = {"format": label, "bytes": size} | compare_images(source, draw)
        if name != "safetensors":
            programs[label] = make_program(draw, choose_inputs_to_check(source, 1))

    seconds = measure.time_in_turn(programs, FLAGS.rounds)
    best = {label: 1e3 * min(taken) for label, taken in seconds.items()}
    return [row | {"ms_per_image": best.get(label)} for label, row in rows.items()]


def list_formats_to_measure() -> list[tuple[str, str]]:
    """(format, dtype) pairs."""
    return [
        (name, dtype)
        for name, one in FORMATS.items()
        for dtype in (DTYPES if one.takes_dtype else [FLOAT32])
        if hasattr(importlib.import_module(f"export.{name}"), "load_generator")
    ]


def make_program(draw: Callable, inputs: dict[str, np.ndarray]) -> Callable[[], np.ndarray]:
    """Draws one image; has warmed up."""
    draw(**inputs)
    return lambda: draw(**inputs)


def compare_images(source: Source, draw: Callable) -> dict:
    """Differences between the images of a format and of the network, in [-1, 1] and in levels."""
    inputs = choose_inputs_to_check(source, FLAGS.images)
    images = [draw(**inputs), draw_with_network(source, inputs)]
    pixels = [ops.to_uint8(one).numpy().astype(int) for one in images]
    levels = np.abs(pixels[0] - pixels[1])
    return {
        "largest_difference": float(np.abs(images[0] - images[1]).max()),
        "largest_in_levels": int(levels.max()),
        "pixels_off_percent": 100 * float((levels > 0).mean()),
    }


if __name__ == "__main__":
    app.run(main)
