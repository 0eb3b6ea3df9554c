"""What a run reports while it trains: TensorBoard, metrics.jsonl, a progress bar or plain lines."""

import json
import math
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import logging

from config.settings import Config
from runs.history import (
    METRICS,
    SCORES,
    SLOPES,
    cut_metrics_of_run_after_step,
    locate_metrics,
    read_seconds_of_training,
)
from runs.moved import remake_folder_in_run
from system.files import append_to_file_or_undo
from training.events import Events
from training.hparams import write_hparams_for_tensorboard
from training.progress_bar import (
    TrainingBar,
    format_step_of_total,
    format_training_time_left,
    is_total_known,
)

LEARNING_RATES = ("learning_rate", "d_learning_rate")
LOSS_SCALES = ("g_loss_scale", "d_loss_scale")  # in float16

# TensorBoard's name and explanation of each value. metrics.jsonl keeps its own names.
SCALARS = {
    "g_loss": ("loss/g", "What the generator minimizes. It fluctuates; look at the grids instead."),
    "d_loss": (
        "loss/d",
        "What the discriminator minimizes, without penalties: the sum of d_real and d_fake.",
    ),
    "d_loss_real": ("loss/d_real", "The discriminator's loss on the real images of a batch."),
    "d_loss_fake": ("loss/d_fake", "The discriminator's loss on the generator's images."),
    "r1": (
        "penalty/r1",
        "D's mean squared gradient on real images. D also minimizes r1 / 2 times this.",
    ),
    "r2": ("penalty/r2", "D's mean squared gradient on the generator's images."),
    "d_real": ("D/real", "Mean D(x): how real the discriminator finds real images, 0 to 1."),
    "d_fake": ("D/fake", "Mean D(G(z)): how real it finds the generator's, 0 to 1."),
    "epoch": ("progress/epoch", "How often each image has been shown, on average."),
    "learning_rate": (
        "learning_rate",
        "Adam's, for both networks. --lr_decay lowers it; NaN losses and --on_collapse=restore "
        "halve it.",
    ),
    "d_learning_rate": ("d_learning_rate", "The discriminator's, if it has its own."),
    "images_per_second": (
        "speed/images_per_second",
        "Real images per second, without the first step.",
    ),
    "frechet": ("score/frechet", "How far the images are from the reals: lower is better."),
    "frechet_floor": ("score/frechet_floor", "The Frechet distance of reals to other reals."),
    "coverage": ("score/coverage", "How many reals have a fake close by: higher is better."),
    "kid": ("score/kid", "Kernel distance between features of fakes and reals: lower is better."),
    "swd": ("score/swd", "Sliced Wasserstein distance to the reals, x 1000: lower is better."),
    "vendi": ("score/diversity", "How varied the images are, relative to the reals."),
    "nearest_ratio": (
        "score/nearest_ratio",
        "Distance from fakes to training images, relative to that between training images: far "
        "below 1 means copies.",
    ),
    "held_out_ratio": (
        "score/held_out_ratio",
        "Distance from fakes to training images, divided by the distance to equally many held-out "
        "images: below 1 means copies.",
    ),
    "pair_accuracy": (
        "score/pair_accuracy",
        "How often D finds a real more real than a fake: 1 is always, 0.5 is guessing.",
    ),
    "real_logit": ("score/real_logit", "D's mean logit for real images, in inference mode."),
    "held_out_logit": ("score/held_out_logit", "D's mean logit for images that it never saw."),
    "fake_logit": ("score/fake_logit", "D's mean logit for fakes; D(G(z)) is 0.01 at -4.6."),
    "real_gradient": (
        "score/real_gradient",
        "Mean norm of the gradient of D's logit with respect to a real image.",
    ),
    "fake_gradient": ("score/fake_gradient", "The same with respect to a fake: G learns from it."),
    "eval_seconds": ("speed/eval_seconds", "How long the evaluation took."),
    "g_loss_scale": ("loss_scale/g", "The generator's loss scale in float16."),
    "d_loss_scale": ("loss_scale/d", "The discriminator's loss scale in float16."),
}


OnLog = Callable[[dict], None]


class Logs:
    """A context in which the loop reports what it does.

    Drops the lines of metrics.jsonl after the start of `steps`: a killed process wrote them, and
    these steps run again.
    """

    def __init__(
        self,
        config: Config,
        steps: range,
        images: int,
        *,
        origin: int = 0,
        on_log: OnLog | None = None,
    ):
        """steps: those of this process, counted from 0; images: how many an epoch has.

        origin: where the order of the images starts, as in `data.batches.Order`. on_log: called
        with the numbers of each line of metrics.jsonl.
        """
        self.config, self.steps, self.images = config, steps, images
        self.origin, self.on_log = origin, on_log
        self.folder = config.run_dir / "logs"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.events = Events(self.folder)
        self.metrics_path = locate_metrics(config)

        self.last = (steps.start, time.monotonic())
        self.began, self.is_first_call = self.last[1], True
        cut_metrics_of_run_after_step(self.metrics_path, steps.start)
        # Seconds of training, without each process's first call: before this process, and in total.
        self.seconds_before = read_seconds_of_training(self.metrics_path, steps.start)
        self.seconds = self.seconds_before
        self.lost_lines = 0
        self.bar = TrainingBar(config, steps, images, origin)
        write_hparams_for_tensorboard(config, self.folder)

    def __enter__(self) -> "Logs":
        self.bar.__enter__()
        return self

    def __exit__(self, *_):
        self.bar.__exit__()
        self.events.close()

    def set_total_steps(self, total: int) -> None:
        self.steps = range(self.steps.start, total)
        self.bar.set_total_steps(total)

    def measure_seconds_of_training(self) -> float:
        """So far, over all processes, without the first call of each, which compiles."""
        return self.seconds_before + time.monotonic() - self.began

    def advance_progress_bar(self, steps: int) -> None:
        if self.is_first_call:
            self.is_first_call, self.began = False, time.monotonic()
        self.bar.advance_training_bar(steps)

    def log_training_step(
        self, step: int, results: dict, scores: dict | None = None, *, verdict: str = ""
    ) -> None:
        """Reports `DCGAN.train_step`'s results, and the means of D(x) and D(G(z)).

        scores: this step's, name -> float, if it was evaluated; verdict: the words about them.
        """
        values = convert_step_results_to_floats(results) | (scores or {})
        speed = self._measure_images_per_second(step, paused=values.get("eval_seconds", 0.0))
        epoch = (self.origin + step * self.config.images_per_step) / self.images

        line = {"step": step, "epoch": round(epoch, 4), "images_per_second": round(speed, 2)}
        losses = (*METRICS, *(name for name in SLOPES if name in values))
        line |= {name: _round_logged_metric(values[name]) for name in losses}
        line |= {"seconds": round(self.seconds, 3)}
        line |= {name: _round_logged_metric(values[name]) for name in SCORES if name in values}
        line |= {"verdict": verdict} if verdict else {}
        self._append_metrics_line(json.dumps(line) + "\n")

        self._write_scalars_to_tensorboard(step, epoch, values, speed)
        self._show_training_progress(step, epoch, values, speed)
        if self.on_log:
            self.on_log(line)

    def _write_scalars_to_tensorboard(
        self, step: int, epoch: float, values: dict, speed: float
    ) -> None:
        named = (*METRICS, *SLOPES, *LEARNING_RATES, *LOSS_SCALES, *SCORES)
        shown = {name: values[name] for name in named if name in values} | {"epoch": epoch}
        if not self._is_compiling_step(step):
            shown["images_per_second"] = speed

        with self.events.record_summaries_of_step(step):
            for name, value in shown.items():
                tag, description = SCALARS[name]
                tf.summary.scalar(tag, np.float32(value), description=description)

    def _is_compiling_step(self, step: int) -> bool:
        """Whether this step's speed includes the compilation, as in a process's first step."""
        return step == self.steps.start + 1

    def log_training_histograms(self, step: int, results: dict) -> None:
        with self.events.record_summaries_of_step(step):
            # Separate tags: TensorBoard gives each tag one type.
            tf.summary.histogram("histogram/z", results["z"])
            tf.summary.histogram("histogram/d_real", tf.sigmoid(results["real_logits"]))
            tf.summary.histogram("histogram/d_fake", tf.sigmoid(results["fake_logits"]))

    def log_picture_to_tensorboard(self, step: int, name: str, picture: np.ndarray) -> None:
        """picture (H, W, C) uint8."""
        with self.events.record_summaries_of_step(step):
            tf.summary.image(name, picture[None])

    def _append_metrics_line(self, line: str) -> None:
        """Adds a line, whole or not at all; warns about the first that cannot be written."""
        try:
            remake_folder_in_run(self.config.run_dir, self.folder)
            append_to_file_or_undo(self.metrics_path, line.encode())
        except OSError as error:
            self.lost_lines += 1
            if self.lost_lines == 1:
                logging.warning(
                    "%s cannot be written: %s. Training continues.",
                    *(self.metrics_path, error.strerror),
                )

    def _measure_images_per_second(self, step: int, *, paused: float) -> float:
        """Images per second since the last call, without the `paused` seconds."""
        (last_step, then), now = self.last, time.monotonic()
        self.last = (step, now)
        self.seconds = self.seconds_before + now - self.began
        seconds = max(now - then - paused, 1e-9)
        return (step - last_step) * self.config.images_per_step / seconds

    def _show_training_progress(self, step: int, epoch: float, values: dict, speed: float) -> None:
        losses = f"d_loss {values['d_loss']:.3f}  g_loss {values['g_loss']:.3f}"
        losses += f"  D(x) {values['d_real']:.2f}  D(G(z)) {values['d_fake']:.2f}"
        if self.bar.is_shown:
            self.bar.show_losses(losses)
            return

        logging.info(
            "step %s  epoch %.2f  %s%s",
            *(format_step_of_total(step, self.steps.stop, " of "), epoch, losses),
            self._format_speed_and_time_left(step, speed),
        )

    def _format_speed_and_time_left(self, step: int, speed: float) -> str:
        """The speed and the time left, for a plain line; empty after the first step."""
        if self._is_compiling_step(step):
            return ""
        images_left = (self.steps.stop - step) * self.config.images_per_step
        time_left = format_training_time_left(images_left / max(speed, 1e-9))
        return f"  {speed:,.0f} img/s" + f"  {time_left} left" * is_total_known(self.steps.stop)


def convert_step_results_to_floats(results: dict) -> dict[str, float]:
    """`DCGAN.train_step`'s scalars as Python floats, with the means of D(x) and D(G(z))."""
    values = {name: float(value) for name, value in results.items() if value.shape.rank == 0}
    values["d_real"] = float(tf.reduce_mean(tf.sigmoid(results["real_logits"])))
    values["d_fake"] = float(tf.reduce_mean(tf.sigmoid(results["fake_logits"])))
    return values


def _round_logged_metric(value: float) -> float | None:
    """None for NaN, which JSON cannot hold: a skipped float16 step has no loss."""
    return round(value, 6) if math.isfinite(value) else None
