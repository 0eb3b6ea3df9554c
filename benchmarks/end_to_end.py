"""From files on disk to a trained model: wall seconds, images a second, and what the time between two steps goes into.

    python -m benchmarks.end_to_end [--images=3000] [--steps=40] [--seed=0]

`data.load` and `train` themselves, at the defaults but for the number of steps and how often pictures and checkpoints
are written: twice here, and their cost is spread over the 200 steps that lie between two of them by default. The step
alone is timed before and after, on one batch, as nothing may run beside it.
"""

import contextlib
import functools
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from unittest import mock

from absl import app, flags, logging

from benchmarks import measure, synthetic
from config.settings import Config

FLAGS = flags.FLAGS
flags.DEFINE_integer("images", 3000, "JPEGs in the folder")
flags.DEFINE_integer("steps", 40, "training steps")
flags.DEFINE_integer(
    "stem_width", Config.stem_width, "of the networks; small ones show what a step has around it"
)
flags.DEFINE_integer("seed", 0, "of images and training")

PARTS = ("step", "waiting for images", "log", "pictures", "checkpoints")


def main(_) -> None:
    logging.set_verbosity(logging.WARNING)
    with tempfile.TemporaryDirectory() as place:
        folder = synthetic.jpegs(Path(place) / "images", FLAGS.images, FLAGS.seed)
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
        rows, note = measured(config)
    measure.report("end_to_end", rows, seed=FLAGS.seed, bars="share of the time, %", note=note)


def measured(config: Config) -> tuple[list[dict], str]:
    """A row a part of the loop's time at the default frequencies, and a line about the whole."""
    begin = time.perf_counter()
    from data.load import load_dataset

    images = load_dataset(config).images
    packed = time.perf_counter() - begin
    import train

    alone = [step_alone(config, images)]
    with timed_parts() as spent:
        begin = time.perf_counter()
        train.train(config, images)
        trained = time.perf_counter() - begin
    alone.append(step_alone(config, images))
    rows = at_default_frequencies(config, spent)
    loop, step = sum(row["ms a step"] for row in rows) / 1e3, statistics.mean(alone)
    rest = trained - sum(map(sum, spent.values()))
    note = (
        f"{len(images):,} JPEGs, {config.batch_size * config.steps:,} images trained on: {packed + trained:.1f} s, of "
        f"which {packed:.1f} s packing and {rest:.1f} s building, tracing and ending. {config.batch_size / loop:.1f} "
        f"images/s. The step alone takes {alone[0] * 1e3:,.0f} ms before and {alone[1] * 1e3:,.0f} ms after: "
        f"{step / loop:.1%} of a step with all that is around it."
    )
    return rows, note


def at_default_frequencies(config: Config, spent: dict[str, list[float]]) -> list[dict]:
    """Rows of milliseconds a step: the medians, each as often as it comes in Config's default number of steps."""
    from training.steps import LOG_EVERY_STEPS

    every = {
        "log": LOG_EVERY_STEPS,
        "pictures": Config.sample_freq,
        "checkpoints": Config.ckpt_freq,
    }
    means = {
        part: statistics.median(spent[part][1:] or spent[part]) / every.get(part, 1)
        for part in PARTS
    }
    total = sum(means.values())
    return [
        {"part": part, "ms a step": seconds * 1e3, "share of the time, %": 100 * seconds / total}
        for part, seconds in means.items()
    ]


def step_alone(config: Config, images) -> float:
    """Seconds a step on one batch that is already a tensor, the median of ten or so."""
    import tensorflow as tf

    import ops
    from gan import DCGAN
    from system.devices import choose_jit, choose_precision

    config = Config(c_dim=3, stem_width=config.stem_width, seed=config.seed).resolve()
    tf.config.optimizer.set_experimental_options({"remapping": False})  # as train.py has it
    dcgan = DCGAN(config, precision=choose_precision("auto"), jit=choose_jit("auto"))
    real = tf.constant(images[: config.batch_size])
    z = ops.latents(0, config.batch_size, z_dim=config.z_dim, z_dist=config.z_dist)
    seconds = []
    for _ in range(12):
        begin = time.perf_counter()
        dcgan.train_step(real, z)["g_loss"].numpy()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[2:])


@contextlib.contextmanager
def timed_parts():
    """Within the block the parts of the training loop note their seconds in the dictionary that is yielded."""
    import train
    from runs.checkpoints import Checkpoints
    from training.logs import Logs
    from training.steps import Steps

    spent = defaultdict(list)

    def noting(original, part):
        def noted(*arguments, **named):
            begin = time.perf_counter()
            try:
                return original(*arguments, **named)
            finally:
                spent[part].append(time.perf_counter() - begin)

        return noted

    def make_steps(*arguments, **named):
        steps = Steps(*arguments, **named)
        steps.call = noting(steps.call, "step")
        inputs = steps._inputs
        steps._inputs = lambda calls: iter(
            noting(functools.partial(next, inputs(calls)), "waiting for images"), None
        )
        return steps

    with contextlib.ExitStack() as patches:
        for owner, name, part in (
            (Logs, "step", "log"),
            (train.Pictures, "fakes", "pictures"),
            (Checkpoints, "save", "checkpoints"),
        ):
            patches.enter_context(
                mock.patch.object(owner, name, noting(getattr(owner, name), part))
            )
        patches.enter_context(mock.patch.object(train, "Steps", make_steps))
        yield spent


if __name__ == "__main__":
    app.run(main)
