"""How good a generator is during training: scores it now and then, in a small share of the time."""

import time

import numpy as np
from absl import logging

from config.settings import Config
from data.split import Split
from evaluate.comparison import HELD_OUT_IMAGES, Comparison
from evaluate.features.random_conv import DIMENSIONS
from model import Discriminator
from runs.best import find_best_scored_entry, keep_best_checkpoint
from runs.changes import find_last_step_of_other_images
from runs.history import locate_metrics, read_metrics
from sample import DRAW_BATCH, Sampler

SHARE_OF_TIME = 0.05  # that evaluations may take
FEWEST_IMAGES = 2  # so that each image has a neighbour


class Monitor:
    """Scores a generator in training: always the same latents against the same reals.

    history: the entries of metrics.jsonl that have scores, including those of this process, without
    those of other images that the run had before. The monitor changes nothing: training is the
    same, bit for bit, without it.
    """

    def __init__(
        self,
        config: Config,
        images: np.ndarray,
        sampler: Sampler,
        split: Split | None = None,
        *,
        discriminator: Discriminator | None = None,
        y: np.ndarray | None = None,
    ):
        """images: uint8 (N, H, W, C), with labels y (N, y_dim). sampler: draws with the generator
        in training.

        split: which of the images are trained on, and which are held out. discriminator: the one in
        training; without it, its scores are missing.
        """
        self.config, self.sampler = config, sampler
        everything = np.arange(len(images))
        split = split or Split(everything, everything[:0])
        self.comparison = Comparison(config, images, split, discriminator, y)
        self.is_on = config.eval_freq != 0 and len(split.training) >= FEWEST_IMAGES
        scored = [e for e in read_metrics(locate_metrics(config)) if "vendi" in e]
        since = find_last_step_of_other_images(config.run_dir)
        self.history = [entry for entry in scored if entry["step"] > since]
        self.began = time.monotonic()
        self.seconds = self.seconds_of_last = 0.0  # of all evaluations since then, and of the last

        if self.is_on and self.history:  # a kill may have come after its checkpoint, before best/
            self.keep_best_scored_checkpoint(self.history[-1]["step"])
        if self.is_on and scored and not self.history:
            text = "scores up to step %s are of other images and do not count for the best."
            logging.info(text, f"{since:,}")
        if self.is_on:
            self._warn_of_too_few_images_to_score(split)

    def is_evaluation_due(self, step: int, *, is_last: bool) -> bool:
        """Whether to evaluate after `step` steps, when a checkpoint is due.

        is_last: whether it is the run's last step. Without --eval_freq, evaluations take up to
        SHARE_OF_TIME, not counting the first and the last.
        """
        if not self.is_on or is_last:
            return self.is_on
        if self.config.eval_freq:
            return step % self.config.eval_freq == 0
        expected = self.seconds + self.seconds_of_last
        return expected <= SHARE_OF_TIME * (time.monotonic() - self.began)

    def estimate_share_of_time(self) -> float:
        """The share of the remaining time that evaluations will take, without the last one."""
        most = 1.0 if self.config.eval_freq else SHARE_OF_TIME
        if not self.seconds:
            return SHARE_OF_TIME * self.is_on
        return min(most, self.seconds / (time.monotonic() - self.began))

    def score_fakes_against_reals(self, step: int) -> dict[str, float]:
        """The scores of both networks as they are after `step` steps, with "eval_seconds".

        frechet: the distance to the reals; lower is better. frechet_floor: that of other reals.
        Both are missing if there are too few images. coverage, kid, swd: the --eval_metric.
        vendi: the fakes' diversity, divided by the reals'. nearest_ratio: how far fakes are from
        the nearest training image, divided by how far training images are from each other.
        held_out_ratio: the same distance, divided by that to as many held-out images.
        pair_accuracy: how often D tells a training image from a fake. real_logit, fake_logit,
        held_out_logit: D's mean logits. real_gradient, fake_gradient: the mean norm of the gradient
        of D's logit with respect to the image.
        """
        start = time.monotonic()
        z, y = self.sampler.choose_latents_and_labels(self.config.seed, self.comparison.count)
        fakes = self.sampler.draw(z, y)[: max(self.comparison.count, DRAW_BATCH)]
        scores = self.comparison.score_fakes(fakes, y)

        self.seconds_of_last = time.monotonic() - start
        self.seconds += self.seconds_of_last
        self.history.append({"step": step, **scores})
        return scores | {"eval_seconds": self.seconds_of_last}

    def keep_best_scored_checkpoint(self, step: int) -> None:
        """Keeps the checkpoint of `step` in best/ if it was evaluated and none had a better score.

        Call it once the checkpoint is saved.
        """
        best = find_best_scored_entry(self.history, self.config.eval_metric)
        if best and best["step"] == step:
            evaluated = {entry["step"] for entry in self.history}
            keep_best_checkpoint(self.config, step, evaluated)

    def _warn_of_too_few_images_to_score(self, split: Split) -> None:
        held_out, config = len(split.held_out), self.config
        if held_out and not self.comparison.uses_held_out:
            logging.info(
                "scores during training compare with training images: only %s images are held out, "
                "and %s are needed to compare with them.",
                *(held_out, HELD_OUT_IMAGES),
            )
        if self.comparison.has_distance:
            return
        if not config.eval_freq and config.on_collapse == "warn":
            logging.info(
                "a Frechet distance needs %s images: without it, training writes no best/ or "
                "report.png.",
                2 * DIMENSIONS + 2,
            )
        else:
            logging.warning(
                "The Frechet distance needs at least %s images. Received: %s. Without it, nothing "
                "is kept in best/, and collapse is not detected.",
                *(2 * DIMENSIONS + 2, len(split.training)),
            )
