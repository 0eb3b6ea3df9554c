"""From files on disk to a trained model: seconds, images per second, and where a step's time goes.

    python -m benchmarks.end_to_end [--images=3000] [--steps=40] [--seed=0]

This runs the real `data.load` and `train`, with the defaults except for the number of steps.
Pictures and checkpoints are written twice; the table spreads their cost over the 200 steps between
two of them by default. The step alone, on one batch, is timed before and after the run, because
nothing may run at the same time.
"""

import contextlib
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from absl import app, flags, logging

from benchmarks import measure, synthetic
from config.settings import Config

FLAGS = flags.FLAGS
flags.DEFINE_integer("images", 3000, "number of JPEGs in the folder")
flags.DEFINE_integer("steps", 40, "training steps")
flags.DEFINE_integer(
    "stem_width",
    Config.stem_width,
    "width of the stems; small networks show the overhead around a step",
)
flags.DEFINE_integer("seed", 0, "seed of the images and of the training")

STEP = "step"
WAIT = "waiting for images"
LOG = "log"
PICTURES = "pictures"
CHECKPOINTS = "checkpoints"
PARTS = (STEP, WAIT, LOG, PICTURES, CHECKPOINTS)


def main(_) -> None:
    logging.set_verbosity(logging.WARNING)
    with tempfile.TemporaryDirectory() as place:
        folder = synthetic.write_jpegs(Path(place) / "images", FLAGS.images, FLAGS.seed)
        config = Config(
            dataset=str(folder),
            data_dir=place,
            out_dir=place,
            stem_width=FLAGS.stem_width,
            steps=FLAGS.steps,
            sample_freq=FLAGS.steps // 2,
            ckpt_freq=FLAGS.steps // 2,
            seed=FLAGS.seed,
        )
        rows, note = time_run(config)
    measure.report("end_to_end", rows, seed=FLAGS.seed, bars="share of the time, %", note=note)


def time_run(config: Config) -> tuple[list[dict], str]:
    """A row for each part of the loop at the default frequencies, and a note on the whole."""
    begin = time.perf_counter()
    from data.load import load_dataset

    images = load_dataset(config).images
    packing = time.perf_counter() - begin
    import train

    alone = [time_step_alone(config, images)]
    with record_parts() as spent:
        begin = time.perf_counter()
        train.train(config, images)
        training = time.perf_counter() - begin
    alone.append(time_step_alone(config, images))

    rows = spread_over_steps(spent)
    loop = sum(row["ms per step"] for row in rows) / 1e3
    rest = training - sum(map(sum, spent.values()))
    note = (
        f"{len(images):,} JPEGs, {config.batch_size * config.steps:,} images trained on: "
        f"{packing + training:.1f} s, of which {packing:.1f} s packing and {rest:.1f} s building, "
        f"tracing and ending. {config.batch_size / loop:.1f} images/s. A step alone takes "
        f"{alone[0] * 1e3:,.0f} ms before the run and {alone[1] * 1e3:,.0f} ms after it, on "
        f"average {statistics.mean(alone) / loop:.1%} of a step in the loop."
    )
    return rows, note


def spread_over_steps(spent: dict[str, list[float]]) -> list[dict]:
    """Rows of milliseconds per step: each part's median over the steps between two runs of it."""
    from training.steps import LOG_EVERY_STEPS

    steps_between = {
        LOG: LOG_EVERY_STEPS,
        PICTURES: Config.sample_freq,
        CHECKPOINTS: Config.ckpt_freq,
    }
    seconds = {}
    for part in PARTS:
        warm = spent[part][1:] or spent[part]  # the first time is slower
        seconds[part] = statistics.median(warm) / steps_between.get(part, 1)

    total = sum(seconds.values())
    return [
        {"part": part, "ms per step": each * 1e3, "share of the time, %": 100 * each / total}
        for part, each in seconds.items()
    ]


def time_step_alone(config: Config, images) -> float:
    """Seconds per step on one batch that is already a tensor: the median of ten, once warm."""
    import tensorflow as tf

    import ops

    tf.config.optimizer.set_experimental_options({"remapping": False})  # as in train.py
    config = Config(c_dim=3, stem_width=config.stem_width, seed=config.seed).resolve()
    dcgan = measure.build_dcgan_as_train(config)
    real = tf.constant(images[: config.batch_size])
    z = ops.latents(0, config.batch_size, z_dim=config.z_dim, z_dist=config.z_dist)

    seconds = []
    for _ in range(12):
        begin = time.perf_counter()
        dcgan.train_step(real, z)["g_loss"].numpy()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[2:])


@contextlib.contextmanager
def record_parts():
    """Yields a dictionary that the training loop fills within the block: part -> seconds."""
    import train
    from runs.checkpoints import Checkpoints
    from training.logs import Logs
    from training.pictures import Pictures

    spent = defaultdict(list)

    class TimedSteps(train.Steps):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.call = record_seconds(self.call, spent[STEP])

        def _gather_batches_of_calls(self, calls):
            return record_waits(super()._gather_batches_of_calls(calls), spent[WAIT])

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(train, "Steps", TimedSteps))
        for owner, method, part in (
            (Logs, "log_training_step", LOG),
            (Pictures, "write_grid_of_fakes", PICTURES),
            (Checkpoints, "save", CHECKPOINTS),
        ):
            timed = record_seconds(getattr(owner, method), spent[part])
            stack.enter_context(mock.patch.object(owner, method, timed))
        yield spent


def record_seconds(function: Callable, seconds: list[float]) -> Callable:
    """Wraps `function`: each call also appends the seconds that it took."""

    def call_and_record(*arguments, **options):
        begin = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            seconds.append(time.perf_counter() - begin)

    return call_and_record


def record_waits(items: Iterator, seconds: list[float]) -> Iterator:
    """Yields the same items; appends the seconds that the caller waited for each."""
    while True:
        begin = time.perf_counter()
        item = next(items, None)
        seconds.append(time.perf_counter() - begin)
        if item is None:
            return
        yield item


if __name__ == "__main__":
    app.run(main)
