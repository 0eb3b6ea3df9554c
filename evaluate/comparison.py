"""Compares a run's images with real ones while it trains, and scores them."""

import numpy as np
import tensorflow as tf

from config.settings import Config
from data.batches import open_image_row_reader
from data.split import Split
from evaluate.discrimination import DiscriminatorReader, measure_pair_accuracy
from evaluate.features.random_conv import (
    DIMENSIONS,
    find_feature_mean_and_deviation,
    gather_random_features,
    standardise_features,
)
from evaluate.frechet import measure_frechet
from evaluate.image_sets import read_rgb_chunks
from evaluate.kid import measure_kid
from evaluate.neighbours import find_nearest
from evaluate.prdc import measure_prdc
from evaluate.swd import measure_sliced_wasserstein
from evaluate.vendi import measure_vendi
from model import Discriminator

IMAGES = 2000  # on each side, at most
IMAGE_BYTES = 2**28  # on each side, at most: fewer images where they are large
SLOPED_IMAGES = 128  # of the reals, and of the fakes, at which D's gradient is measured
JUDGED_IMAGES = 512  # of the reals, and of the fakes, that D judges: pair accuracy to about 0.02
HELD_OUT_IMAGES = 4 * DIMENSIONS  # the fewest that can be the reals of the Frechet distance
HELD_OUT_JUDGED = 64  # the fewest that are compared with training images
NEIGHBOUR_SIDE = 16  # pixels at most, of images when their neighbours are searched
FEATURE_SEED = 0


class Comparison:
    """Compares fakes with the same reals each time: held-out ones if there are enough of them.

    count: the fewest fakes that it takes. floor: the Frechet distance between those reals and as
    many others; None if there are too few. Memory: up to 0.8 GB for images, whatever their size and
    number.
    """

    def __init__(
        self,
        config: Config,
        images: np.ndarray,
        split: Split,
        discriminator: Discriminator | None = None,
        y: np.ndarray | None = None,
    ):
        """images: uint8 (N, H, W, C), with labels y (N, y_dim). split: the rows of training and
        held-out images.

        discriminator: the one in training; without it, its scores are missing.
        """
        self.images, self.y, self.metric = images, y, config.eval_metric
        self.reader = DiscriminatorReader(discriminator) if discriminator else None
        self.most = min(IMAGES, IMAGE_BYTES // images[0].nbytes)

        order = np.random.default_rng(config.seed)
        self.trained, self.unseen = map(order.permutation, (split.training, split.held_out))
        self.uses_held_out = len(self.unseen) >= HELD_OUT_IMAGES
        half = len(self.trained) // 2
        self.count = min(self.most, len(self.unseen) if self.uses_held_out else half)
        self.has_distance = self.count > DIMENSIONS
        if not self.has_distance:
            self.count = len(self.trained)
        self.is_ready, self.floor = False, None

    def score_fakes(self, fakes: np.ndarray, y=None) -> dict[str, float]:
        """The scores of fakes, uint8 (N, H, W, C), with labels y, as `Monitor` describes them."""
        if not self.is_ready:
            self._take_reals()
        features = self._compute_features_to_score(fakes)
        scores = self._compare_features(features) | self._measure_wanted_metric(fakes, features)
        fakes, y = fakes[:JUDGED_IMAGES], None if y is None else y[: min(len(fakes), JUDGED_IMAGES)]
        return scores | self._compare_neighbours(fakes) | self._ask_discriminator(fakes, y)

    def _take_reals(self) -> None:
        """Reads the reals, and computes their features, the features' scale, and distances."""
        reals = self.unseen if self.uses_held_out else self.trained
        others = self.trained if self.uses_held_out else self.trained[self.count :]
        with open_image_row_reader(self.images) as read_rows:
            images = read_rows(reals[: self.count])
            self.real_images = images if self.metric == "swd" else None
            features = gather_random_features(images, seed=FEATURE_SEED)
            self.scale = find_feature_mean_and_deviation(features)
            self.reals = standardise_features(features, *self.scale)
            if self.has_distance:
                other_features = self._compute_features_to_score(read_rows(others[: self.count]))
                self.floor = measure_frechet(self.reals, other_features)["frechet"]
            self._take_neighbours(read_rows)
            self._take_judged_images(read_rows)
        self.is_ready = True

    def _take_neighbours(self, read_rows) -> None:
        """Keeps small copies of training images, and their mean distance to the nearest other one.

        Also keeps small copies of held-out images, if there are enough.
        """
        self.neighbours = shrink_images_to_compare(read_rows(self.trained[: self.most]))
        nearest = find_nearest(self.neighbours, self.neighbours, skip_itself=True)
        self.spacing = nearest.distances.mean()
        self.strangers = None
        if len(self.unseen) >= HELD_OUT_JUDGED:
            self.strangers = shrink_images_to_compare(read_rows(self.unseen[: self.most]))

    def _take_judged_images(self, read_rows) -> None:
        """Keeps images and labels for D: training ones, and held-out ones if there are enough."""
        self.judged = {}
        for name, rows in (("real_logit", self.trained), ("held_out_logit", self.unseen)):
            rows = rows[: min(JUDGED_IMAGES, self.most)]
            if name == "real_logit" or len(rows) >= HELD_OUT_JUDGED:
                self.judged[name] = read_rows(rows), None if self.y is None else self.y[rows]

    def _compute_features_to_score(self, images: np.ndarray) -> np.ndarray:
        features = gather_random_features(images, seed=FEATURE_SEED)
        return standardise_features(features, *self.scale)

    def _compare_features(self, fakes: np.ndarray) -> dict[str, float]:
        """fakes: features (N, d)."""
        fakes = fakes[: self.count] if self.has_distance else fakes
        vendi = measure_vendi(self.reals, fakes[: self.count])
        scores = {"vendi": vendi["vendi"] / vendi["vendi_reals"]}
        if self.has_distance:
            scores |= measure_frechet(self.reals, fakes) | {"frechet_floor": self.floor}
        return scores

    def _measure_wanted_metric(self, fakes: np.ndarray, features: np.ndarray) -> dict[str, float]:
        """--eval_metric, unless it is measured anyway; {} if there are too few images."""
        if not self.has_distance or self.metric == "frechet":
            return {}
        if self.metric == "coverage":
            return {"coverage": measure_prdc(self.reals, features[: self.count])["coverage"]}
        if self.metric == "kid":
            return {"kid": measure_kid(self.reals, features[: self.count])["kid"]}
        return {"swd": measure_sliced_wasserstein(self.real_images, fakes[: self.count])["swd"]}

    def _compare_neighbours(self, fakes: np.ndarray) -> dict[str, float]:
        """How near fakes, uint8 (N, H, W, C), are to reals; {} if each real has a duplicate."""
        if not self.spacing:
            return {}
        fakes = shrink_images_to_compare(fakes)
        scores = {"nearest_ratio": find_mean_distance(fakes, self.neighbours) / self.spacing}
        if self.strangers is not None:
            size = min(len(self.strangers), len(self.neighbours))
            trained, unseen = self.neighbours[:size], self.strangers[:size]
            distances = [find_mean_distance(fakes, reals) for reals in (trained, unseen)]
            scores["held_out_ratio"] = distances[0] / distances[1]
        return scores

    def _ask_discriminator(self, fakes: np.ndarray, y) -> dict[str, float]:
        """D's scores for fakes, uint8 (N, H, W, C), and for reals."""
        if self.reader is None:
            return {}
        sets = self.judged | {"fake_logit": (fakes, y)}
        logits = {name: self.reader.compute_logits(*judged) for name, judged in sets.items()}
        accuracy = measure_pair_accuracy(logits["real_logit"], logits["fake_logit"])
        return {
            "pair_accuracy": accuracy,
            **{name: float(values.mean()) for name, values in logits.items()},
            "real_gradient": self._measure_slope(*sets["real_logit"]),
            "fake_gradient": self._measure_slope(fakes, y),
        }

    def _measure_slope(self, images: np.ndarray, y) -> float:
        """The mean norm of D's gradient, at up to SLOPED_IMAGES images."""
        images, y = images[:SLOPED_IMAGES], None if y is None else y[:SLOPED_IMAGES]
        return float(self.reader.compute_gradient_norms(images, y).mean())


def find_mean_distance(images: np.ndarray, reals: np.ndarray) -> float:
    """The mean distance of rows (N, d) to the nearest of others (M, d)."""
    return float(find_nearest(images, reals).distances.mean())


def shrink_images_to_compare(images: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, C) -> float32 (N, h * w * 3), 0 to 1, h and w at most NEIGHBOUR_SIDE.

    Each pixel is the mean of those that it covers.
    """
    size = [min(side, NEIGHBOUR_SIDE) for side in images.shape[1:3]]
    small = [tf.image.resize(rgb / 255, size, "area") for rgb in read_rgb_chunks(images)]
    return np.concatenate(small).reshape(len(images), -1)  # (N, h, w, 3) -> (N, h * w * 3)
