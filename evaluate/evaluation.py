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
from evaluate.compared_sets import ImageSets
from evaluate.features.networks import load_networks
from evaluate.metrics import METRICS, FeatureFiles, Metric
from evaluate.report import write_report_of_run
from evaluate.scores import Score, append_scores, format_score_table
from sample import Sampler
from system.console import print_result

FEW_IMAGES = 1000  # a side; below, the floors are high, and few differences can be seen
NO_FILES = FeatureFiles()


def evaluate(
    config: Config,
    images: np.ndarray,
    names: list[str],
    *,
    samples: int,
    checkpoint: str = "last",
    files: FeatureFiles = NO_FILES,
) -> list[Score]:
    """Scores a run's checkpoint, prints the table, adds the scores to evaluate/scores.json, and
    draws evaluate/report.png.

    images: the reals, uint8 (N, H, W, C). names: of METRICS. samples: images to draw, but no more
    than half of the reals, so that reals can be compared with as many others. checkpoint: "last",
    "best" or a step. files: of networks. A metric that needs more images than there are, or a file
    that is missing or wrong, is left out, with a line. Raises ValueError when the run has no such
    checkpoint, nothing can be measured, or there are fewer than 4 reals.

    Memory: 0.7 GB, and 1.5 KB for each image; the fakes are in a temporary file. With
    Inception 2.2 GB, and its features in temporary files; fid_coverage takes 32 KB an image more.
    """
    count = _choose_image_count(len(images), samples)
    data_dir = Path(config.data_dir).expanduser()
    networks, names = load_networks(names, files, data_dir, config=config)
    sampler = Sampler(config, checkpoint=checkpoint)
    folder = config.run_dir / "evaluate"
    folder.mkdir(parents=True, exist_ok=True)

    scores = []
    with draw_fakes_to_file(sampler, count, folder) as fakes:
        sets = ImageSets(images, fakes, seed=config.seed, networks=networks, folder=folder)
        for name in names:
            with _leave_out_what_cannot_be_measured(name):
                found = _score_metric(sampler, sets, METRICS[name], len(images))
                append_scores(folder, found)
                scores += found
    _print_scores(config, sampler.step, scores, count)
    if report := write_report_of_run(config):
        print_result(f"the run in one picture is {report}")
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
        **sets.describe_metric(metric),
        "seed": seed,
        "step": sampler.step,
        "weights": hash_weights(sampler.generator),
        "seconds": seconds,
    }
    names = [name for name in values[0] if not name.endswith(("_reals", "_error", "_deviation"))]
    return [_make_score(name, values, floors, facts) for name in names]


def _make_score(name: str, values: list[dict], floors: list[dict], facts: dict) -> Score:
    """The means over the seeds of the features, and their spread; or the metric's own deviation."""
    found = [value[name] for value in values]
    value, floor = float(np.mean(found)), float(np.mean([floor[name] for floor in floors]))
    ratio = value / floor if floor > 0 else None
    spread = float(np.std(found)) if len(found) > 1 else values[0].get(f"{name}_deviation")
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
            f"No metric could be measured on {count:,} images. Received: the reasons above. Add "
            "images, or mend what they name."
        )
    print_result(
        f"{config.run_dir}, step {step:,}: {count:,} fakes against {count:,} training images; the "
        f"floor is what other {count:,} training images get.\n{format_score_table(scores)}\n"
        f"the scores are in {config.run_dir / 'evaluate' / 'scores.json'}"
    )
