"""The three sets that an evaluation compares, in the form that each metric takes."""

import dataclasses
import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.split import Split, split_rows_for_holdout
from evaluate.features.cache import FeatureCache
from evaluate.features.inception import Logits
from evaluate.features.networks import Networks
from evaluate.features.random_conv import (
    SEEDS,
    compute_random_features,
    gather_random_features,
    name_random_network,
)
from evaluate.fid import check_enough_for_fid
from evaluate.frechet import Moments, gather_moments, split_features_into_chunks
from evaluate.metrics import CLASSES, FEATURES, IMAGES, LABELLED, LOGITS, MOMENTS, Metric
from evaluate.modes import Classified
from evaluate.neighbours import LabelledImages

RANDOM_NETWORK = f"random convolutions, seeds {', '.join(map(str, SEEDS))}"

SIDES = ("reals", "fakes", "others")  # attributes of ImageSets


class SomeImages:
    """The images at `rows` of a pack, in that order, read on demand."""

    def __init__(self, images: np.ndarray, rows: np.ndarray):
        self.images = images
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> np.ndarray:
        return self.images[self.rows[part]]


class ImageSets:
    """The three sets that are compared, n images each, and their features, computed once.

    reals: what the fakes are compared with: held-out images, if there are any. others: as many
    training images, for the floor. folder: for the features from loaded networks, in unnamed
    temporary files, so that any number fits.
    """

    def __init__(
        self,
        images: np.ndarray,
        fakes: np.ndarray,
        *,
        seed: int,
        split: Split | None = None,
        classes: tuple[np.ndarray, np.ndarray] | None = None,
        networks: Networks | None = None,
        folder: Path | None = None,
        cache: FeatureCache | None = None,
        kind_of_reals: str = "",
    ):
        """classes: of the images and of the fakes, if they have any. cache: of the images'
        features. kind_of_reals: what the images are, unless they are those of the run.
        """
        self.split = split or split_rows_for_holdout(images, 0)
        self.has_holdout = len(self.split.held_out) > 0
        self.choice = self.split.held_out if self.has_holdout else self.split.training
        real_rows, other_rows = self._choose_rows_of_reals(seed, len(fakes))
        self.reals = SomeImages(images, real_rows)
        self.others = SomeImages(images, other_rows)
        self.images, self.classes = images, classes
        self.fakes = fakes
        self.networks = networks or Networks()
        self.folder, self.cache, self.kind_of_reals = folder, cache, kind_of_reals
        self._kept = {}  # what was computed, by its key

    def _choose_rows_of_reals(self, seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the reals, and of the others: `count` each, at random."""
        generator = np.random.default_rng(seed)
        rows = generator.permutation(self.choice)
        if not self.has_holdout:
            return rows[:count], rows[count : 2 * count]
        return rows[:count], generator.permutation(self.split.training)[:count]

    def list_pairs_to_measure(self, metric: Metric) -> list[tuple]:
        """(reals, fakes, others) as the metric takes them, once for each seed of the features."""
        if metric.takes == IMAGES:
            return [(self.reals, self.fakes, self.others)]
        if metric.takes == LABELLED:
            return [self._add_classes()]
        if metric.takes == FEATURES and self.networks.own is None:
            return [self._compute_random_features(seed) for seed in SEEDS]
        if metric.takes == FEATURES:
            return [self._compute_features_to_score("own", *SIDES)]
        if metric.takes == CLASSES:
            return [self._classify_sides()]
        if metric.takes == MOMENTS:
            return [self._gather_moments()]
        if metric.takes == LOGITS:
            fakes, others = self._compute_logits("fakes", "others")
            return [(fakes, fakes, others)]  # it does not use the reals
        return [self._compute_features_to_score("inception", *SIDES)]

    def describe_metric(self, metric: Metric) -> dict[str, str]:
        """What the records of its scores say about the network, the resizing and the reals."""
        networks, split = self.networks, self.name_reals()
        if metric.takes == MOMENTS and networks.statistics:
            split = networks.statistics_name
        if metric.takes in (IMAGES, LABELLED):
            return {"split": split, "resize": "none", "network": "none"}
        if metric.takes == CLASSES:
            classifier = networks.classifier
            split = f"{split}, {len(np.unique(classifier.modes)):,} modes"
            return {"split": split, "resize": classifier.resize, "network": classifier.name}

        network = networks.own if metric.takes == FEATURES else networks.inception
        if network is None:
            return {"split": split, "resize": "none", "network": RANDOM_NETWORK}
        return {"split": split, "resize": network.resize, "network": network.name}

    def name_reals(self) -> str:
        kind = "held-out images" if self.has_holdout else "training images"
        return self.kind_of_reals or kind

    def name_others(self) -> str:
        if self.kind_of_reals:
            return "others of them"
        return "training images" if self.has_holdout else "other training images"

    def _add_classes(self) -> tuple[LabelledImages, LabelledImages, LabelledImages]:
        if self.classes is None:
            raise ValueError("it needs a class for each image. Received: none. Give the labels.")
        of_images, of_fakes = self.classes
        return (
            LabelledImages(self.reals, of_images[self.reals.rows]),
            LabelledImages(self.fakes, of_fakes),
            LabelledImages(self.others, of_images[self.others.rows]),
        )

    def _compute_random_features(self, seed: int) -> tuple[np.ndarray, ...]:
        """float32 (n, d) of the three sets, scaled by the first."""
        if seed not in self._kept:
            sets = (self.reals, self.fakes, self.others)
            self._kept[seed] = compute_random_features(
                *sets, seed=seed, gather=self.recall_random_features
            )
        return self._kept[seed]

    def recall_random_features(self, images, *, seed: int) -> np.ndarray:
        """Like `gather_random_features`, but from the cache for images of the pack."""
        compute = functools.partial(gather_random_features, images, seed=seed)
        return self._recall_or_compute(images, name_random_network(seed), compute)

    def _recall_or_compute(self, images, network: str, compute: Callable) -> np.ndarray:
        if self.cache is None or not isinstance(images, SomeImages):
            return compute()
        return self.cache.recall_or_compute(images.rows, network, compute)

    def _compute_features_to_score(self, name: str, *sides: str) -> tuple[np.ndarray, ...]:
        """float32 (n, d) for each set in `sides`: its features from a loaded network."""
        network = getattr(self.networks, name)
        for side in sides:
            if (name, side) not in self._kept:
                images = getattr(self, side)
                compute = functools.partial(
                    write_features,
                    *(network.extract, images, self.folder),
                    label=f"features of the {side}",
                )
                identity = f"{network.name}, {network.resize}"
                self._kept[name, side] = self._recall_or_compute(images, identity, compute)
        return tuple(self._kept[name, side] for side in sides)

    def _classify_sides(self) -> tuple[Classified, ...]:
        """The three sets, classified. The reals' modes are those of all images except `others`."""
        classifier = self.networks.classifier
        reals, fakes, others = (classifier.classify(getattr(self, side)) for side in SIDES)
        modes = np.delete(classifier.modes, self.others.rows)
        return dataclasses.replace(reals, modes=modes), fakes, others

    def _compute_logits(self, *sides: str) -> tuple[Logits, ...]:
        pool = self._compute_features_to_score("inception", *sides)
        return tuple(Logits(features, self.networks.inception.weights) for features in pool)

    def _gather_moments(self) -> tuple[Moments, ...]:
        """The sets' moments. Statistics from a file replace the reals', which are then not read."""
        given = self.networks.statistics
        check_enough_for_fid(len(self.fakes), len(self.networks.inception.weights))
        pool = self._compute_features_to_score("inception", *(SIDES[1:] if given else SIDES))
        found = [gather_moments(split_features_into_chunks(features)) for features in pool]
        return (given, *found) if given else tuple(found)


def write_features(extract: Callable, images, folder: Path | None, *, label: str) -> np.ndarray:
    """float32 (N, d) of a set, in an unnamed temporary file. Memory: one chunk, whatever N is."""
    with (
        tempfile.TemporaryFile(dir=folder) as file,
        tqdm(total=len(images), unit="img", desc=label, disable=None, leave=False) as bar,
    ):
        for chunk in extract(images):
            file.write(np.ascontiguousarray(chunk, np.float32).tobytes())
            bar.update(len(chunk))
        file.flush()
        return np.memmap(file, np.float32, "r", shape=(len(images), chunk.shape[1]))
