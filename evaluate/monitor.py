"""How good a generator is while it trains: a score now and then, from a small share of the time."""

import time

import numpy as np
from absl import logging

from config.settings import Config
from data.batches import open_image_row_reader
from data.split import Split
from evaluate.features.random_conv import (
    DIMENSIONS,
    find_feature_scale,
    gather_random_features,
    standardise_features,
)
from evaluate.frechet import measure_frechet
from evaluate.vendi import measure_vendi
from runs.best import keep_best_checkpoint
from runs.history import locate_metrics, read_metrics
from sample import Sampler

IMAGES = 2000  # on each side, at most
IMAGE_BYTES = 2**28  # on each side, at most: fewer images where they are large
SHARE_OF_TIME = 0.05  # that evaluations may take
FEATURE_SEED = 0


class Monitor:
    """Scores a generator in training: always the same latents against the same reals.

    Memory: up to 0.8 GB for images, whatever their size and number.

    history: the entries of metrics.jsonl that have scores, those of this process included. It only
    looks: training is the same bit for bit without it.
    """

    def __init__(
        self, config: Config, images: np.ndarray, sampler: Sampler, split: Split | None = None
    ):
        """images: the reals, uint8 (N, H, W, C). sampler: draws with the generator in training.

        split: which of the images are trained on, and which are held out.
        """
        self.config, self.images, self.sampler = config, images, sampler
        self.rows = split.training if split else np.arange(len(images))
        self.count = min(IMAGES, len(self.rows) // 2, IMAGE_BYTES // images[0].nbytes)
        self.is_on = config.eval_freq != 0 and self.count > DIMENSIONS
        self.history = [e for e in read_metrics(locate_metrics(config)) if "frechet" in e]
        self.reals = None  # their features, scaled, once they are needed
        self.floor = None  # the distance between reals and as many others
        self.seconds, self.finished = 0.0, time.monotonic()  # of the last evaluation

        if self.is_on and self.history:  # a kill may have come between its checkpoint and best/
            self.keep_best(self.history[-1]["step"])
        if config.eval_freq and not self.is_on:
            logging.warning(
                "--eval_freq needs at least %s images. Received: %s. The run is not evaluated.",
                *(2 * DIMENSIONS + 2, len(self.rows)),
            )

    def is_due(self, step: int, *, is_last: bool) -> bool:
        """Whether to evaluate after `step` steps, when a checkpoint is due.

        is_last: of the run. Without --eval_freq, evaluations take up to SHARE_OF_TIME.
        """
        if not self.is_on or is_last:
            return self.is_on
        if self.config.eval_freq:
            return step % self.config.eval_freq == 0
        return self.seconds < SHARE_OF_TIME * (time.monotonic() - self.finished)

    def score_generator(self, step: int) -> dict[str, float]:
        """{"frechet", "frechet_floor", "vendi", "eval_seconds"} of the generator as it is after
        `step` steps.

        frechet: the distance to the reals; lower is better. frechet_floor: what other reals get.
        vendi: the fakes' diversity, over that of the reals.
        """
        start = time.monotonic()
        if self.reals is None:
            self._take_reals()
        z, y = self.sampler.choose_latents_and_labels(self.config.seed, self.count)
        fakes = self._compute_features(self.sampler.draw(z, y)[: self.count])
        vendi = measure_vendi(self.reals, fakes)
        scores = {
            "frechet": measure_frechet(self.reals, fakes)["frechet"],
            "frechet_floor": self.floor,
            "vendi": vendi["vendi"] / vendi["vendi_reals"],
        }

        self.finished = time.monotonic()
        self.seconds = self.finished - start
        self.history.append({"step": step, **scores})
        return scores | {"eval_seconds": self.seconds}

    def keep_best(self, step: int) -> None:
        """Keeps the checkpoint of `step` in best/ if it was evaluated and none had a better score.

        To be called once it is saved.
        """
        best = min(self.history, key=lambda entry: entry["frechet"], default={"step": None})
        if best["step"] == step:
            evaluated = {entry["step"] for entry in self.history}
            keep_best_checkpoint(self.config, step, evaluated)

    def _take_reals(self) -> None:
        """Reads the reals, and computes what they set: features, their scale and the floor."""
        rows = np.random.default_rng(self.config.seed).permutation(self.rows)
        with open_image_row_reader(self.images) as read_rows:
            reals, others = read_rows(rows[: 2 * self.count].reshape(2, -1))
        features = gather_random_features(reals, seed=FEATURE_SEED)
        self.scale = find_feature_scale(features)
        self.reals = standardise_features(features, *self.scale)
        self.floor = measure_frechet(self.reals, self._compute_features(others))["frechet"]

    def _compute_features(self, images: np.ndarray) -> np.ndarray:
        features = gather_random_features(images, seed=FEATURE_SEED)
        return standardise_features(features, *self.scale)
