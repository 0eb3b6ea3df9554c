"""The latents whose images come closest to a goal: many are tried, the best are improved."""

import system.quiet_tensorflow  # noqa: F401  (before anything that imports TensorFlow)

# isort: split
import contextlib
import math
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from scipy import stats
from tqdm import tqdm

import ops
from data.label_choice import list_picture_labels
from explore.subject import Subject
from sample import iterate_draw_batches

CANDIDATES = 1024  # latents that are tried
STARTS = 16  # of them, the best, that are improved
STEPS = 300  # of gradient descent
# For z of about unit size. It falls to 0 along half a cosine.
LEARNING_RATE = 0.1
# Adam's, from Kingma & Ba 2015, algorithm 1.
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
LONGEST_NORMAL = 0.999  # the share of normal latents that are shorter than those allowed

# (images (B, H, W, C) float32 in [-1, 1], y (B, y_dim) or None, *goal) -> losses (B,)
Measure = Callable[..., tf.Tensor]


class LatentSearch:
    """Searches for latents whose images have the smallest loss, in inference mode.

    measure: the loss. It treats each image separately. The candidates are the first samples of the
    run's seed. Their labels are those that --label chooses, else all; they take turns, and the
    label of a latent is never changed.
    """

    def __init__(self, subject: Subject, measure: Measure):
        self.subject = subject
        self.generator = subject.sampler.generator
        self.measure = measure
        count = CANDIDATES
        if subject.config.y_dim:
            count = max(count, len(list_picture_labels(subject.config)))
        z, self.y = subject.sampler.choose_latents_and_labels(
            subject.config.seed, count, subject.choices.label
        )
        self.z = z.numpy()
        self.images = subject.sampler.draw(self.z, self.y)
        self._measure_candidates = tf.function(self._measure_batch, autograph=False)
        self._improve = tf.function(self._take_step, autograph=False)

    def find_latent(self, *goal, bar: tqdm) -> tuple[np.ndarray, np.ndarray | None]:
        """z (z_dim,) and y (y_dim,), or None without labels, of the smallest loss that was found.

        goal: arrays that `measure` also gets, of the same shapes in each call. bar: advances by
        STEPS.
        """
        goal = tuple(tf.convert_to_tensor(part) for part in goal)
        with turn_fusing_off():
            starts = choose_starts(self._measure_all_candidates(goal), self.y, STARTS)
            y = None if self.y is None else self.y[starts]
            z, losses = self._descend(self.z[starts], y, goal, bar)
        best = int(np.argmin(losses))
        return z[best], None if y is None else y[best]

    def _measure_all_candidates(self, goal: tuple) -> np.ndarray:
        """Losses (candidates,)."""
        batches = iterate_draw_batches(self.images, self.y)
        return np.concatenate([self._measure_candidates(*batch, *goal) for batch in batches])

    def _measure_batch(self, images, y, *goal):
        return self.measure(ops.to_float(images), y, *goal)

    def _descend(self, z, y, goal: tuple, bar: tqdm) -> tuple[np.ndarray, np.ndarray]:
        """The best latents (B, z_dim) on the way from each z, and their losses (B,)."""
        y = None if y is None else tf.constant(y)
        best, least = z, np.full(len(z), np.inf)
        z = tf.constant(z)
        moments = tf.zeros_like(z), tf.zeros_like(z)
        for number in range(STEPS):
            rate = LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * number / STEPS))
            moved, moments, losses = self._improve(
                z, moments, tf.constant(number + 1.0), tf.constant(rate), y, *goal
            )
            is_better = losses.numpy() < least
            best = np.where(is_better[:, None], z, best)
            least = np.where(is_better, losses, least)
            z = moved
            bar.update()
        return best, least

    def _take_step(self, z, moments, number, rate, y, *goal):
        """One step of Adam for each z separately: (the next z, its moments, the losses at z)."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            losses = self.measure(self.generator(z, y), y, *goal)
        step, moments = compute_adam_step(tape.gradient(losses, z), moments, number)
        return limit_latents(z - rate * step, self.subject.config.z_dist), moments, losses


@contextlib.contextmanager
def turn_fusing_off() -> Iterator[None]:
    """Without TensorFlow's fusing optimizer, which fails on gradients of D and says so; train.py
    does without it too. Other experiments keep it, because it can change an image's last digit.
    """
    before = tf.config.optimizer.get_experimental_options().get("remapping", True)
    tf.config.optimizer.set_experimental_options({"remapping": False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"remapping": before})


def choose_starts(losses: np.ndarray, y: np.ndarray | None, count: int) -> np.ndarray:
    """Indices of at most `count` of the candidates with these losses (N,) and labels (N, y_dim).

    First comes the best of each label, in the order of their losses, then the second best of each,
    and so on. So every label is tried if there are at most `count`, else those that come closest.
    """
    labels = np.zeros(len(losses), int)
    if y is not None:
        labels = np.unique(y, axis=0, return_inverse=True)[1].reshape(-1)  # (N,)

    better, ranks = Counter(), np.empty(len(losses), int)  # among those of the same label
    for index in np.argsort(losses, kind="stable"):
        ranks[index] = better[labels[index]]
        better[labels[index]] += 1
    return np.lexsort((losses, ranks))[:count]


def compute_adam_step(gradient, moments: tuple, number) -> tuple:
    """(m / (sqrt(v) + epsilon) without bias, (m, v)) (Kingma & Ba 2015, algorithm 1).

    number: of the step, from 1.
    """
    m = BETA1 * moments[0] + (1 - BETA1) * gradient
    v = BETA2 * moments[1] + (1 - BETA2) * tf.square(gradient)
    mean, square = m / (1 - BETA1**number), v / (1 - BETA2**number)
    return mean / (tf.sqrt(square) + EPSILON), (m, v)


def limit_latents(z: tf.Tensor, z_dist: str) -> tf.Tensor:
    """z (N, z_dim) brought back to where its distribution draws.

    Uniform: each number is clipped to the range. Normal: a z that is longer than LONGEST_NORMAL of
    all latents is shortened to that length.
    """
    if z_dist == "normal01":
        longest = stats.chi2.ppf(LONGEST_NORMAL, z.shape[1]) ** 0.5
        lengths = tf.norm(z, axis=1, keepdims=True)  # (N, 1)
        return z * tf.minimum(1.0, longest / tf.maximum(lengths, 1e-12))
    return tf.clip_by_value(z, -1.0 if z_dist == "uniform_signed" else 0.0, 1.0)
