"""What a run tells while it trains: TensorBoard, metrics.jsonl, a progress bar, or plain lines where no terminal is."""

import dataclasses
import json
import math
import time

import numpy as np
import tensorflow as tf
from absl import logging
from tensorboard.plugins.hparams import api as hparams
from tqdm import tqdm

from config.settings import Config
from system.files import append, write_atomic
from training.events import Events

METRICS = ("d_loss", "g_loss", "d_loss_real", "d_loss_fake", "d_real", "d_fake")
LEFT_OUT_HPARAMS = {
    "data_dir",
    "out_dir",
    "checkpoint_dir",
    "sample_dir",
    "max_to_keep",
    "sample_freq",
    "ckpt_freq",
}

WINNING_BELOW, WINNING_STEPS = 0.01, 500  # mean D(G(z)), and for how long


class Logs:
    """A context for the loop: `step` reports scalars, `histograms` distributions, `images` pictures.

    Steps after `start` that an earlier, killed process wrote to metrics.jsonl are dropped, since they run again.
    """

    def __init__(self, config: Config, *, start: int, total: int, images: int):
        self.config = config
        self.folder = config.run_dir / "logs"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.images_a_step = config.batch_size * config.batches_a_step
        self.epoch_images = images
        self.start = self.fooled_at = start
        self.last = (start, time.monotonic())
        self.seconds = self._keep_metrics(start)  # of training, over all processes
        self.events = Events(self.folder)
        self.lost = 0  # lines of metrics
        self.bar = tqdm(
            total=total,
            initial=start,
            unit="step",
            dynamic_ncols=True,
            mininterval=0.2,
            disable=None,
        )
        if start == 0:
            self._write_hparams()

    def __enter__(self) -> "Logs":
        return self

    def __exit__(self, *_):
        self.bar.close()
        self.events.close()

    def step(self, step: int, results: dict) -> None:
        """One line of metrics, from `DCGAN.train_step`'s results; d_real and d_fake are mean D(x) and mean D(G(z))."""
        values = scalars(results)
        speed = self._speed(step)
        epoch = step * self.images_a_step / self.epoch_images
        line = {"step": step, "epoch": round(epoch, 4), "images_per_second": round(speed, 2)}
        line |= {name: _number(values[name]) for name in METRICS} | {
            "seconds": round(self.seconds, 3)
        }
        self._append(json.dumps(line) + "\n")
        with self.events.at(step):
            for name in METRICS:
                tf.summary.scalar(name, np.float32(values[name]))
            tf.summary.scalar("images_per_second", np.float32(speed))
            for name in ("g_loss_scale", "d_loss_scale"):
                if name in values:
                    tf.summary.scalar(name, np.float32(values[name]))
        self._show(step, epoch, values, speed)
        self._warn_if_winning(step, values["d_fake"])

    def histograms(self, step: int, results: dict) -> None:
        with self.events.at(step):
            # Tags of their own: TensorBoard shows a tag as what it was first.
            tf.summary.histogram("histogram/z", results["z"])
            tf.summary.histogram("histogram/d_real", tf.sigmoid(results["real_logits"]))
            tf.summary.histogram("histogram/d_fake", tf.sigmoid(results["fake_logits"]))

    def image(self, step: int, name: str, picture: np.ndarray) -> None:
        """picture (H, W, C) uint8."""
        with self.events.at(step):
            tf.summary.image(name, picture[None])

    def advance(self, steps: int) -> None:
        self.bar.update(steps)

    @property
    def _metrics_path(self):
        return self.folder / "metrics.jsonl"

    def _append(self, line: str) -> None:
        """Adds a line to metrics.jsonl, whole or not at all; what cannot be written is counted and said once."""
        try:
            append(self._metrics_path, line.encode())
        except OSError as error:
            self.lost += 1
            if self.lost == 1:
                logging.warning(
                    "%s cannot be written: %s. Training goes on.",
                    self._metrics_path,
                    error.strerror,
                )

    def _speed(self, step: int) -> float:
        (before, then), now = self.last, time.monotonic()
        self.last = (step, now)
        self.seconds += now - then
        return (step - before) * self.images_a_step / max(now - then, 1e-9)

    def _show(self, step, epoch, values, speed) -> None:
        losses = f"d_loss {values['d_loss']:.3f}  g_loss {values['g_loss']:.3f}"
        if not self.bar.disable:
            self.bar.set_postfix_str(f"{losses}  {speed:,.0f} img/s", refresh=False)
            return
        seconds_left = (self.bar.total - step) * self.images_a_step / max(speed, 1e-9)
        # The first step's speed is that of the compilation.
        left = (
            "" if step == self.start + 1 else f"  {speed:,.0f} img/s  {_clock(seconds_left)} left"
        )
        logging.info(
            "step %s of %s  epoch %.2f  %s  D(x) %.2f  D(G(z)) %.2f%s",
            *(
                f"{step:,}",
                f"{self.bar.total:,}",
                epoch,
                losses,
                values["d_real"],
                values["d_fake"],
                left,
            ),
        )

    def _warn_if_winning(self, step: int, d_fake: float) -> None:
        """Says once when the discriminator has told every fake for long: the generator then learns nothing more."""
        if not d_fake < WINNING_BELOW:  # also where it is no number
            self.fooled_at = step
        if step - self.fooled_at >= WINNING_STEPS:
            self.fooled_at = math.inf
            logging.warning(
                "D(G(z)) has been below %s for %s steps: the discriminator is winning. If the grids no longer change, "
                "start another run with --g_updates=%s or half the --learning_rate.",
                *(WINNING_BELOW, WINNING_STEPS, self.config.g_updates + 1),
            )

    def _keep_metrics(self, start: int) -> float:
        """Drops the lines after `start` and returns the training seconds until then."""
        if not self._metrics_path.exists():
            return 0.0
        kept = []
        for line in self._metrics_path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # cut short by a kill
                continue
            if (
                isinstance(entry, dict)
                and isinstance(entry.get("step"), int)
                and entry["step"] <= start
            ):
                kept.append(entry)
        write_atomic(
            self._metrics_path, "".join(json.dumps(entry) + "\n" for entry in kept).encode()
        )
        seconds = kept[-1].get("seconds") if kept else 0.0
        return seconds if isinstance(seconds, float) else 0.0

    def _write_hparams(self) -> None:
        settings = dataclasses.asdict(self.config)
        shown = {
            name: value
            for name, value in settings.items()
            if name not in LEFT_OUT_HPARAMS and value is not None
        }
        shown = {
            name: ",".join(map(str, v)) if isinstance(v, tuple) else v for name, v in shown.items()
        }
        with self.events.at(0):
            hparams.hparams(shown, trial_id=self.config.name)


def scalars(results: dict) -> dict[str, float]:
    """`DCGAN.train_step`'s results as Python floats, with mean D(x) and mean D(G(z)) from the logits."""
    values = {name: float(value) for name, value in results.items() if value.shape.rank == 0}
    values["d_real"] = float(tf.reduce_mean(tf.sigmoid(results["real_logits"])))
    values["d_fake"] = float(tf.reduce_mean(tf.sigmoid(results["fake_logits"])))
    return values


def _number(value: float) -> float | None:
    """For JSON, which has no NaN: a float16 step that overflowed, and was skipped, has no loss."""
    return round(value, 6) if math.isfinite(value) else None


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
