"""The training loop: data in, networks updated, everything worth keeping written to the run folder."""

import contextlib
import dataclasses
import math
import shlex
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

import ops
from config.settings import Config
from data import label_choice as conditions
from data.batches import Order
from data.labels import Labels
from gan import DCGAN
from runs.checkpoints import Checkpoints, DivergedError
from sample import drawer, whole_batches
from system.devices import choose_jit, choose_precision
from system.files import remove_leftovers, write_atomic
from system.memory import available_bytes
from system.signals import stop_signals
from training.dry_run import tables_of, training_bytes
from training.logs import Logs
from training.steps import LOG_EVERY_STEPS, Steps, choose_on_device, choose_steps_per_call, split
from utils import image_grid, png, write_film

MAX_HALVINGS = 3  # of the learning rate in a run: to an eighth
# How TensorFlow says that memory ran out when it is not its own allocator that says so: oneDNN, CUDA, the runtime.
NO_MEMORY = (
    "could not create a primitive",
    "out of memory",
    "OUT_OF_MEMORY",
    "Dst tensor is not initialized",
    "bad_alloc",
)
BOILERPLATE = (
    "Graph execution error",
    "Detected at node",
    "<stack traces",
    "[[{{",
)  # lines of its errors
MIN_LOSS_SCALE = 1.0  # below it float16's scaler has nothing left to try


def train(config: Config, images: np.ndarray, labels: Labels | None = None) -> Config | None:
    """Trains until `config.total_steps`, going on from the run's newest checkpoint; returns the run's settled config.

    images (N, H, W, C) uint8 and labels, as from `data.load(config)`. Ctrl-C, SIGTERM and SIGHUP end it early with
    everything saved, and None is returned. When losses or weights are no finite numbers any more, it goes back to the
    newest checkpoint with half the learning rate, MAX_HALVINGS times in a run. Raises ValueError after that, when no
    checkpoint of the run can be read, when the labels are not those of the run, and when memory runs out; OSError when
    a checkpoint cannot be written. One process at a time may train a run: `locks.run_lock`.
    """
    config = _with_labels(dataclasses.replace(config, c_dim=images.shape[-1]), labels).settled()
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    # TensorFlow's fusing optimiser stumbles over some networks (one block, labels) and gains none of them a thing.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    while True:
        try:
            return _train(config, images, labels)
        except DivergedError as error:
            config = _halved(config, error)


def _train(config: Config, images: np.ndarray, labels: Labels | None) -> Config | None:
    total = config.total_steps(len(images))
    precision, jit = choose_precision(config.mixed_precision), choose_jit(config.jit)
    dcgan = DCGAN(config, precision=precision, jit=jit)
    checkpoints = Checkpoints(dcgan, config)
    start = checkpoints.restore()
    if start >= total:
        logging.info(
            "%s is at step %s of %s: raise --epoch or --steps.",
            config.run_dir,
            f"{start:,}",
            f"{total:,}",
        )
        return config
    for folder in (config.run_dir, config.sample_path):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (
        config.run_dir,
        config.sample_path,
        config.checkpoint_path,
        *config.run_dir.glob("*/"),
    ):
        remove_leftovers(folder)
    write_atomic(config.run_dir / "config.json", config.to_json().encode())
    needed = training_bytes(config, tables_of(dcgan.generator, dcgan.discriminator), precision)
    _announce(config, start, total, precision, jit, needed)
    try:
        finished = _loop(config, images, labels, dcgan, checkpoints, range(start, total))
    except (tf.errors.OpError, MemoryError) as error:
        raise ValueError(_failed(error, config, needed, images)) from error
    return config if finished else None


def _halved(config: Config, error: DivergedError) -> Config:
    """The settings to go on with; raises ValueError when they were changed often enough."""
    if config.halvings >= MAX_HALVINGS:
        raise ValueError(
            f"{error} {config.halvings} halvings of the learning rate, to {config.learning_rate_now:g}, did not help. "
            f"What was saved is intact: go on with --learning_rate={config.learning_rate_now / 10:g} (the default is "
            f"{Config.learning_rate:g}) or with --mixed_precision=float32."
        ) from error
    config = dataclasses.replace(config, halvings=config.halvings + 1)
    logging.warning(
        "%s Going back to the last checkpoint with half the learning rate: %g.",
        error,
        config.learning_rate_now,
    )
    if config.run_dir.is_dir():
        write_atomic(config.run_dir / "config.json", config.to_json().encode())
    return config


def _failed(error: Exception, config: Config, needed: float, images: np.ndarray) -> str:
    """What to say when TensorFlow could not take a step."""
    text = str(error)
    if not isinstance(error, MemoryError | tf.errors.ResourceExhaustedError) and not any(
        map(text.count, NO_MEMORY)
    ):
        lines = filter(None, map(str.strip, text.splitlines()))
        reason = next(
            (line for line in lines if not line.startswith(BOILERPLATE)), type(error).__name__
        )[:200]
        return (
            f"TensorFlow must be able to take a step. Received: {reason}. "
            "What was saved is intact; --verbosity=1 tells more."
        )
    saved = (
        f" --data_on_device=off saves {images.nbytes / 1e9:.2f} GB."
        if config.data_on_device != "off"
        else ""
    )
    return (
        f"A step must fit into memory. Received: too little for about {needed / 1e9:.1f} GB. "
        f"Lower --batch_size={config.batch_size} or --stem_width={config.stem_width}.{saved}"
    )


def _with_labels(config: Config, labels: Labels | None) -> Config:
    names = labels.names if labels else None
    if config.label_names and names != config.label_names:
        raise ValueError(
            f"The labels are fixed once a run has started: {config.run_dir} has {', '.join(config.label_names)}. "
            f"Received: {', '.join(names or ()) or 'none'}. Start another run with --out_name=NAME."
        )
    return dataclasses.replace(config, label_names=names)


def _loop(
    config: Config, images: np.ndarray, labels, dcgan: DCGAN, checkpoints: Checkpoints, steps: range
) -> bool:
    """Trains for `steps`, counted from 0; False when a signal stopped it."""
    start, total = steps.start, steps.stop
    pictures = Pictures(config, dcgan, start)
    y = labels.y if labels else None
    on_device = choose_on_device(config.data_on_device, images)
    at_most = choose_steps_per_call(config.steps_per_call)
    calls = list(split(steps, at_most, LOG_EVERY_STEPS, config.ckpt_freq, config.sample_freq))
    trained = Steps(dcgan, images, y, on_device=on_device).run(calls)
    with stop_signals() as stop, Logs(config, start=start, total=total, images=len(images)) as logs:
        pictures.reals(logs, images, y)
        for call, results in zip(calls, trained, strict=True):
            step = call.stop  # as many are done
            logs.advance(len(call))
            stopping = (
                stop.is_set()
            )  # read once: a signal that comes from here on ends the next step
            last = step == total or stopping
            to_log = last or step == start + 1 or step % LOG_EVERY_STEPS == 0
            to_save = last or step % config.ckpt_freq == 0
            to_draw = last or step % config.sample_freq == 0
            if to_log or to_save or to_draw:
                to_save &= finite(step, {**results, **dcgan.loss_scales()})
            if to_log:
                logs.step(step, {**results, **dcgan.loss_scales()})
            if to_draw:
                logs.histograms(step, results)
                pictures.fakes(logs, step, results)
            if step == total:
                pictures.film()
            if (
                to_save
            ):  # after all else of this step, so that what a kill takes with it is done again
                checkpoints.save(step)
            if stopping:
                break
    if step < total:
        logging.info(
            "stopped and saved at step %s; the same command goes on from there.", f"{step:,}"
        )
        return False
    logging.info("the pictures are in %s", config.sample_path)
    return True


def finite(step: int, results: dict) -> bool:
    """Whether the losses are finite, as they must be for a state that is worth going back to.

    Raises DivergedError when they are not, but for a step in float16 that overflowed, and was skipped, as long as the
    loss scales can still shrink.
    """
    losses = {name: float(results[name]) for name in ("d_loss", "g_loss")}
    scales = [float(value) for name, value in results.items() if name.endswith("_loss_scale")]
    for name, value in losses.items():
        if not math.isfinite(value) and min(scales, default=0) < MIN_LOSS_SCALE:
            raise DivergedError(
                f"The losses must stay finite. Received: {name} = {value} at step {step:,}."
            )
    return all(map(math.isfinite, losses.values()))


class Pictures:
    """The run's pictures: the preprocessed input, fixed latents as training goes on, and a film of those.

    With labels a row shows one label and a column one z.
    """

    def __init__(self, config: Config, dcgan: DCGAN, start: int):
        self.config = config
        self.failed = False
        for path in (
            self._grids()
        ):  # of a process that was killed after its last checkpoint: they are drawn again
            if int(path.stem.removeprefix("train_")) > start:
                path.unlink()
        self.draw = drawer(dcgan.generator)
        self.columns = 8 if max(config.height, config.width) <= 128 else 4
        rows = conditions.rows(config)[: conditions.ROWS] if config.y_dim else None
        self.count = self.columns * (self.columns if rows is None else len(rows))
        z = ops.latents(
            config.seed, whole_batches(self.count), z_dim=config.z_dim, z_dist=config.z_dist
        )
        self.inputs = (
            [z]
            if rows is None
            else [tf.tile(z[: self.columns], (len(rows), 1)), rows.repeat(self.columns, 0)]
        )

    def reals(self, logs: Logs, images: np.ndarray, y: np.ndarray | None) -> None:
        """samples/reals.png: what the discriminator will see, so that a wrong crop shows before the first step."""
        chosen = Order(len(images), self.config.seed).indices(0, self.count)
        if y is not None:
            chosen = self._by_row(y)
        grid = image_grid(images[chosen], self.columns)
        self._write("reals.png", grid)
        logs.image(0, "reals", grid)

    def _by_row(self, y: np.ndarray) -> np.ndarray:
        """The first images with the labels of each row; where there are none, any."""
        rows = self.inputs[1][:: self.columns]
        alike = [np.flatnonzero((y == row).all(1)) for row in rows]
        return np.concatenate(
            [
                np.resize(places if len(places) else np.arange(len(y)), self.columns)
                for places in alike
            ]
        )

    def fakes(self, logs: Logs, step: int, results: dict) -> None:
        """samples/train_<step>.png from the fixed latents, and with --G_img_sum the step's own to TensorBoard."""
        grid = image_grid(self.draw(*self.inputs)[: self.count], self.columns)
        self._write(f"train_{step:08d}.png", grid)
        logs.image(step, "samples", grid)
        if self.config.G_img_sum:
            inputs = [results[name][: self.count] for name in ("z", "y") if name in results]
            logs.image(step, "G", image_grid(self.draw(*inputs), self.columns))

    def film(self) -> None:
        with self._or_warn():
            write_film(self._grids(), self.config.sample_path / "training.gif")

    def _write(self, name: str, grid: np.ndarray) -> None:
        with self._or_warn():
            write_atomic(self.config.sample_path / name, png(grid))

    @contextlib.contextmanager
    def _or_warn(self):
        """Says once that pictures cannot be written: the training is worth more than they are."""
        try:
            yield
        except OSError as error:
            if not self.failed:
                logging.warning(
                    "%s cannot be written: %s. Training goes on.", error.filename, error.strerror
                )
            self.failed = True

    def _grids(self) -> list[Path]:
        return sorted(self.config.sample_path.glob("train_" + "[0-9]" * 8 + ".png"))


def _announce(
    config: Config, start: int, total: int, precision: str, jit: bool, needed: float
) -> None:
    devices = tf.config.list_physical_devices("GPU") or tf.config.list_physical_devices("CPU")
    begin = f"going on at step {start:,}" if start else "starting"
    logging.info(
        "%s: %s, until step %s, on %s in %s%s.",
        *(
            config.run_dir,
            begin,
            f"{total:,}",
            devices[0].device_type,
            precision,
            " with XLA" if jit else "",
        ),
    )
    if devices[0].device_type == "CPU" and Path("/proc/driver/nvidia").exists():
        logging.warning(
            "TensorFlow cannot use the NVIDIA GPU here: pip install 'tensorflow[and-cuda]==2.21.*'"
        )
    free = available_bytes()
    if devices[0].device_type == "CPU" and free is not None and needed > free:
        logging.warning(
            "a step needs about %.1f GB of memory, and %.1f GB are free. If the system ends the program, lower "
            "--batch_size=%s or --stem_width=%s.",
            *(needed / 1e9, free / 1e9, config.batch_size, config.stem_width),
        )
    logging.info(
        "watch it with: tensorboard --logdir %s", shlex.quote(str(config.run_dir / "logs"))
    )
