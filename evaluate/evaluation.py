"""`--evaluate`: a run's generator against the reals, each score beside its floor."""

import contextlib
import hashlib
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import logging
from tqdm import tqdm

from config.settings import Config
from evaluate.features.random_conv import (
    SEEDS,
    extract_random_features,
    find_feature_scale,
    standardise_features,
)
from evaluate.metrics import METRICS, Metric
from evaluate.scores import Score, append_scores, format_score_table
from sample import Sampler
from system.console import print_result

FEW_IMAGES = 1000  # a side; below, the floors are high, and few differences can be seen
NETWORK = f"random convolutions, seeds {', '.join(map(str, SEEDS))}"


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

    reals: what fakes are compared with. others: as many other reals, for the floor.
    """

    def __init__(self, images: np.ndarray, fakes: np.ndarray, *, seed: int):
        rows = np.random.default_rng(seed).permutation(len(images))
        count = len(fakes)
        self.reals = SomeImages(images, rows[:count])
        self.others = SomeImages(images, rows[count : 2 * count])
        self.fakes = fakes
        self._features = {}

    def list_pairs_to_measure(self, metric: Metric) -> list[tuple]:
        """(reals, fakes, others) as images; or as features, once for each seed of these."""
        if not metric.of_features:
            return [(self.reals, self.fakes, self.others)]
        return [self._compute_features(seed) for seed in SEEDS]

    def _compute_features(self, seed: int) -> tuple[np.ndarray, ...]:
        """float32 (n, d) of the three sets, scaled by the first."""
        if seed not in self._features:
            sets = (self.reals, self.fakes, self.others)
            features = [np.concatenate(list(extract_random_features(s, seed=seed))) for s in sets]
            scale = find_feature_scale(features[0])
            self._features[seed] = tuple(standardise_features(f, *scale) for f in features)
        return self._features[seed]


def evaluate(
    config: Config, images: np.ndarray, names: list[str], *, samples: int, checkpoint: str = "last"
) -> list[Score]:
    """Scores a run's checkpoint, prints the table, and adds the scores to evaluate/scores.json.

    images: the reals, uint8 (N, H, W, C). names: of METRICS. samples: images to draw, but no more
    than half of the reals, so that reals can be compared with as many others. checkpoint: "last",
    "best" or a step. A metric that needs more images than there are is left out, with a line.
    Raises ValueError when the run has no such checkpoint, or there are fewer than 4 reals.

    Memory: 0.7 GB and 1.5 KB an image, whatever the number; the fakes are in a temporary file.
    """
    count = _choose_image_count(len(images), samples)
    sampler = Sampler(config, checkpoint=checkpoint)
    folder = config.run_dir / "evaluate"
    folder.mkdir(parents=True, exist_ok=True)

    scores = []
    with draw_fakes_to_file(sampler, count, folder) as fakes:
        sets = ImageSets(images, fakes, seed=config.seed)
        for name in names:
            with _leave_out_what_cannot_be_measured(name):
                found = _score_metric(sampler, sets, METRICS[name], len(images))
                append_scores(folder, found)
                scores += found
    _print_scores(config, sampler.step, scores, count)
    return scores


def _choose_image_count(reals: int, samples: int) -> int:
    """Images on each side of a comparison."""
    if reals < 4:
        raise ValueError(f"--evaluate needs at least 4 images. Received: {reals}. Add images.")
    count = min(samples, reals // 2)
    if count < FEW_IMAGES:
        reason = "--evaluate_samples" if count == samples else f"a dataset of {reals:,}"
        text = "only %s images on each side, for %s: look at ratios, not at scores."
        logging.warning(text, count, reason)
    return count


@contextlib.contextmanager
def draw_fakes_to_file(sampler: Sampler, count: int, folder: Path):
    """Yields uint8 (count, H, W, C), drawn from the run's seed, in a file that has no name."""
    z, y = sampler.choose_latents_and_labels(sampler.config.seed, count)
    with (
        tempfile.TemporaryFile(dir=folder) as file,
        tqdm(total=count, unit="img", desc="draw", disable=None, leave=False) as bar,
    ):
        for first, batch in sampler.draw_batches(z, y):
            file.write(batch[: count - first].tobytes())
            bar.update(min(len(batch), count - first))
        file.flush()
        yield np.memmap(file, np.uint8, "r", shape=(count, *sampler.generator.config.image_shape))


@contextlib.contextmanager
def _leave_out_what_cannot_be_measured(name: str):
    try:
        yield
    except ValueError as error:
        logging.warning("%s is left out: %s.", name, str(error).rstrip("."))


def _score_metric(sampler: Sampler, sets: ImageSets, metric: Metric, reals: int) -> list[Score]:
    start = time.monotonic()
    seed = sampler.config.seed
    triples = sets.list_pairs_to_measure(metric)
    values = [metric.measure(some, fakes, seed=seed) for some, fakes, _ in triples]
    floors = [metric.measure(some, others, seed=seed) for some, _, others in triples]
    seconds = round(time.monotonic() - start, 2)

    facts = {
        "n": len(sets.fakes),
        "reals": reals,
        "split": "training images",
        "resize": "none",
        "network": NETWORK if metric.of_features else "none",
        "seed": seed,
        "step": sampler.step,
        "weights": hash_weights(sampler.generator),
        "seconds": seconds,
    }
    names = [name for name in values[0] if not name.endswith(("_reals", "_error"))]
    return [
        _make_score(name, [v[name] for v in values], [f[name] for f in floors], facts)
        for name in names
    ]


def _make_score(name: str, values: list[float], floors: list[float], facts: dict) -> Score:
    """The means over the seeds of the features."""
    value, floor = float(np.mean(values)), float(np.mean(floors))
    ratio = value / floor if floor > 0 else None
    spread = float(np.std(values)) if len(values) > 1 else None
    return Score(metric=name, value=value, floor=floor, ratio=ratio, spread=spread, **facts)


def hash_weights(generator) -> str:
    """Twelve digits of a hash of a network's variables."""
    digest = hashlib.sha256()
    for variable in generator.variables:
        digest.update(variable.numpy().tobytes())
    return digest.hexdigest()[:12]


def _print_scores(config: Config, step: int, scores: list[Score], count: int) -> None:
    if not scores:
        raise ValueError(
            f"No metric could be measured on {count:,} images. Received: too few. Add images, or "
            "raise --evaluate_samples."
        )
    print_result(
        f"{config.run_dir}, step {step:,}: {count:,} fakes against {count:,} training images; the "
        f"floor is what other {count:,} training images get.\n{format_score_table(scores)}\n"
        f"the scores are in {config.run_dir / 'evaluate' / 'scores.json'}"
    )
