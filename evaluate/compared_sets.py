"""The three sets that an evaluation compares, as each metric takes them."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from evaluate.features.inception import Logits
from evaluate.features.networks import Networks
from evaluate.features.random_conv import (
    SEEDS,
    extract_random_features,
    find_feature_scale,
    standardise_features,
)
from evaluate.frechet import Moments, gather_moments, split_features
from evaluate.metrics import FEATURES, IMAGES, LOGITS, MOMENTS, Metric

RANDOM_NETWORK = f"random convolutions, seeds {', '.join(map(str, SEEDS))}"


class SomeImages:
    """The images at `rows` of a pack, in that order, read when they are asked for."""

    def __init__(self, images: np.ndarray, rows: np.ndarray):
        self.images = images
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> np.ndarray:
        return self.images[self.rows[part]]


class ImageSets:
    """The three sets that are compared, n images each, and their features, computed once.

    reals: what fakes are compared with. others: as many other reals, for the floor. folder: where
    features of networks that were loaded lie, in files without a name, so that any number fit.
    """

    def __init__(
        self,
        images: np.ndarray,
        fakes: np.ndarray,
        *,
        seed: int,
        networks: Networks | None = None,
        folder: Path | None = None,
    ):
        rows = np.random.default_rng(seed).permutation(len(images))
        count = len(fakes)
        self.reals = SomeImages(images, rows[:count])
        self.others = SomeImages(images, rows[count : 2 * count])
        self.fakes = fakes
        self.networks = networks or Networks()
        self.folder = folder
        self._kept = {}  # what was computed, by what it is

    def list_pairs_to_measure(self, metric: Metric) -> list[tuple]:
        """(reals, fakes, others) as the metric takes them, once for each seed of the features."""
        if metric.takes == IMAGES:
            return [(self.reals, self.fakes, self.others)]
        if metric.takes == FEATURES and self.networks.own is None:
            return [self._compute_random_features(seed) for seed in SEEDS]
        if metric.takes == FEATURES:
            return [self._compute_features("own")]

        pool = self._compute_features("inception")
        if metric.takes == MOMENTS:
            return [self._gather_moments(pool)]
        if metric.takes == LOGITS:
            return [tuple(Logits(side, self.networks.inception.weights) for side in pool)]
        return [pool]

    def describe_metric(self, metric: Metric) -> dict[str, str]:
        """What its scores' records say about the network, the resizing and the reals."""
        networks, split = self.networks, "training images"
        if metric.takes == MOMENTS and networks.statistics:
            split = networks.statistics_name
        if metric.takes == IMAGES:
            return {"split": split, "resize": "none", "network": "none"}

        network = networks.own if metric.takes == FEATURES else networks.inception
        if network is None:
            return {"split": split, "resize": "none", "network": RANDOM_NETWORK}
        return {"split": split, "resize": network.resize, "network": network.name}

    def _compute_random_features(self, seed: int) -> tuple[np.ndarray, ...]:
        """float32 (n, d) of the three sets, scaled by the first."""
        if seed not in self._kept:
            sets = (self.reals, self.fakes, self.others)
            features = [np.concatenate(list(extract_random_features(s, seed=seed))) for s in sets]
            scale = find_feature_scale(features[0])
            self._kept[seed] = tuple(standardise_features(f, *scale) for f in features)
        return self._kept[seed]

    def _compute_features(self, name: str) -> tuple[np.ndarray, ...]:
        """float32 (n, d) of the three sets, as a network that was loaded gives them."""
        if name not in self._kept:
            network = getattr(self.networks, name)
            sets = {"reals": self.reals, "fakes": self.fakes, "others": self.others}
            self._kept[name] = tuple(
                write_features(network.extract, images, self.folder, label=f"features of {key}")
                for key, images in sets.items()
            )
        return self._kept[name]

    def _gather_moments(self, pool: tuple[np.ndarray, ...]) -> tuple[Moments, ...]:
        """Of the three sets; the statistics that were given stand for the reals."""
        if "moments" not in self._kept:
            found = [gather_moments(split_features(side)) for side in pool]
            self._kept["moments"] = (self.networks.statistics or found[0], *found[1:])
        return self._kept["moments"]


def write_features(extract: Callable, images, folder: Path | None, *, label: str) -> np.ndarray:
    """float32 (N, d) of a set, in a file without a name: memory for a chunk, whatever N is."""
    with (
        tempfile.TemporaryFile(dir=folder) as file,
        tqdm(total=len(images), unit="img", desc=label, disable=None, leave=False) as bar,
    ):
        for chunk in extract(images):
            file.write(np.ascontiguousarray(chunk, np.float32).tobytes())
            bar.update(len(chunk))
        file.flush()
        return np.memmap(file, np.float32, "r", shape=(len(images), chunk.shape[1]))
