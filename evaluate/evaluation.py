"""`--evaluate`: compares a run's generator with the reals, and gives each score with its floor."""

import contextlib
import hashlib
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import logging
from tqdm import tqdm

from config.settings import Config, name_folder_after_dataset_setting
from data.label_choice import repeat_dataset_label_vectors
from data.labels import Labels, take_labels_of_run
from data.split import Split, split_rows_for_holdout
from evaluate.compared_sets import ImageSets
from evaluate.features.cache import FeatureCache
from evaluate.features.networks import load_feature_networks
from evaluate.image_sets import TooFewImagesError
from evaluate.memorisation import (
    FEATURE_SEED,
    measure_memorisation_of_run,
    write_picture_of_nearest_images,
)
from evaluate.metrics import LABELLED, METRICS, SPLIT, FeatureFiles, Metric
from evaluate.neighbours import MOST_FAKES
from evaluate.report import write_report_of_run
from evaluate.scores import Score, append_scores, format_score_table
from runs.dataset import warn_of_images_not_trained_on
from sample import Sampler
from system.console import print_result
from system.errors import add_path_to_errors

FEW_IMAGES = 1000  # on each side; with fewer, the floors are high and hide most differences
NO_FILES = FeatureFiles()


def evaluate(
    config: Config,
    images: np.ndarray,
    names: list[str],
    *,
    samples: int,
    labels: Labels | None = None,
    checkpoint: str = "last",
    files: FeatureFiles = NO_FILES,
    cache: FeatureCache | None = None,
    place: str | None = None,
) -> list[Score]:
    """Scores a run's checkpoint: a table, evaluate/scores.json and evaluate/report.png.

    images: the reals, uint8 (N, H, W, C). names: keys of METRICS. samples: how many images to draw,
    but at most half of the reals, so that reals can be compared with as many others; with a
    holdout, at most as many as are held out. labels: of the images. checkpoint: "last", "best" or a
    step. files: of networks. cache: of the images' features. place: where the images are, which a
    warning and the scores name if the run was trained on others. A metric is left out, with a
    warning, if there are too few images or its file cannot be used. Raises ValueError when the run
    has no such checkpoint, no metric can be measured, there are too few reals, or a metric needs
    labels and they are not the run's. Raises OSError when a score cannot be written; the earlier
    ones are kept.

    Memory: 0.7 GB, and 1.5 KB an image. With Inception 2.2 GB, and for fid_coverage 32 KB an image.
    """
    split = split_rows_for_holdout(images, config.holdout)
    count = _choose_image_count(split, samples)
    data_dir = Path(config.data_dir).expanduser()
    networks, names = load_feature_networks(names, files, data_dir, config=config)
    sampler = Sampler(config, checkpoint=checkpoint)
    folder = config.run_dir / "evaluate"
    options = {"split": split, "networks": networks, "folder": folder, "cache": cache}
    if any(METRICS[name].takes == LABELLED for name in names):
        options["classes"] = _find_classes_to_score(config, labels, count)
    if place and warn_of_images_not_trained_on(config, images, place):
        options["kind_of_reals"] = f"images of {name_folder_after_dataset_setting(place)}"

    drawn = _choose_count_to_draw(names, count, samples)
    with draw_fakes_to_file(sampler, drawn, folder) as fakes:
        sets = ImageSets(images, fakes[:count], seed=config.seed, **options)
        remedy = _choose_remedy_for_few_images(split, count, samples)
        scores = _score_metrics(sampler, sets, fakes, names, remedy=remedy)
    _print_scores(config, describe_scored_checkpoint(sampler), scores, sets)
    if report := write_report_of_run(config):
        print_result(f"a picture of the whole run is in {report}")
    return scores


def _choose_image_count(split: Split, samples: int) -> int:
    """Images on each side of a comparison."""
    training, held_out = len(split.training), len(split.held_out)
    if held_out == 1:
        raise ValueError(
            "--evaluate needs at least 2 held-out images. Received: 1. "
            "Add images, or train a run with a larger --holdout."
        )
    if held_out + training < 4:
        raise ValueError(f"--evaluate needs at least 4 images. Received: {training}. Add images.")

    count = min(samples, training, held_out) if held_out else min(samples, training // 2)
    if count < FEW_IMAGES:
        most = f"{held_out:,} are held out" if held_out else f"the dataset has {training:,}"
        reason = "of --evaluate_samples" if count == samples else most
        text = "only %s real and as many generated images are compared, because %s: %s."
        logging.warning(text, count, reason, "trust ratios, not scores")
    return count


def _choose_remedy_for_few_images(split: Split, count: int, samples: int) -> str:
    """What to do where the `count` images on each side are too few for a metric."""
    if count == samples:
        return "raise --evaluate_samples"
    has_holdout = len(split.held_out) > 0
    return "add images" + ", or train a run with a larger --holdout" * has_holdout


def _choose_count_to_draw(names: list[str], count: int, samples: int) -> int:
    """How many fakes to draw: memorisation takes more than `count`, and so finds more copies."""
    needs_more = any(METRICS[name].takes == SPLIT for name in names)
    return max(count, min(samples, MOST_FAKES)) if needs_more else count


def _find_classes_to_score(
    config: Config, labels: Labels | None, count: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """The classes of the images and of the first `count` fakes; None unless each image has one.

    Raises ValueError when the images have other classes than the run.
    """
    if labels is None or not config.one_hot:
        return None
    labels = take_labels_of_run(config, labels)
    return labels.y.argmax(1), repeat_dataset_label_vectors(config, count).argmax(1)


@contextlib.contextmanager
def draw_fakes_to_file(sampler: Sampler, count: int, folder: Path):
    """Yields uint8 (count, H, W, C), drawn from the run's seed, in an unnamed temporary file.

    folder: for the file; it is created.
    """
    folder.mkdir(parents=True, exist_ok=True)
    z, y = sampler.choose_latents_and_labels(sampler.config.seed, count)
    with (
        add_path_to_errors(folder),
        tempfile.TemporaryFile(dir=folder) as file,
        tqdm(total=count, unit="img", desc="draw", disable=None, leave=False) as bar,
    ):
        for first, batch in sampler.draw_batches(z, y):
            file.write(batch[: count - first].tobytes())
            bar.update(min(len(batch), count - first))
        file.flush()
        yield np.memmap(file, np.uint8, "r", shape=(count, *sampler.generator.config.image_shape))


@contextlib.contextmanager
def _leave_out_what_cannot_be_measured(name: str, remedy: str):
    """remedy: what to do if the images are too few."""
    try:
        yield
    except TooFewImagesError as error:
        logging.warning("%s is left out: %s: %s.", name, error, remedy)
    except ValueError as error:
        logging.warning("%s is left out: %s.", name, str(error).rstrip("."))


def _score_metrics(
    sampler: Sampler, sets: ImageSets, fakes: np.ndarray, names: list[str], *, remedy: str
) -> list[Score]:
    """The scores of the metrics `names`, each appended to the file as soon as it is measured.

    fakes: all that were drawn. remedy: what to do if they are too few. If writing fails, the scores
    measured so far are printed.
    """
    scores = []
    try:
        for name in names:
            with _leave_out_what_cannot_be_measured(name, remedy):
                is_of_both = METRICS[name].takes == SPLIT
                found = (
                    _score_memorisation(sampler, sets, fakes)
                    if is_of_both
                    else _score_metric(sampler, sets, METRICS[name])
                )
                scores += found
                append_scores(sets.folder, found)
    except OSError:
        if scores:
            print_result(format_score_table(scores))
        raise
    return scores


def _score_metric(sampler: Sampler, sets: ImageSets, metric: Metric) -> list[Score]:
    start = time.monotonic()
    seed = sampler.config.seed
    triples = sets.list_pairs_to_measure(metric)
    values = [metric.measure(some, fakes, seed=seed) for some, fakes, _ in triples]
    floors = [metric.measure(some, others, seed=seed) for some, _, others in triples]
    facts = {"n": len(sets.fakes), "reals": len(sets.choice), **sets.describe_metric(metric)}
    facts |= _gather_facts_of_score(sampler, start)
    names = [name for name in values[0] if not name.endswith(("_reals", "_error", "_deviation"))]
    return [_summarize_metric_over_seeds(name, values, floors, facts) for name in names]


def _score_memorisation(sampler: Sampler, sets: ImageSets, fakes: np.ndarray) -> list[Score]:
    """The scores of "memorisation"; also writes its picture.

    Without memorisation, the share of fakes that are nearest to a training image is expected to be
    the training images' share of the dataset, and p-values are 0.5 on average: these are the
    floors. (Held-out images in place of fakes would give the same, with noise.)
    """
    start = time.monotonic()
    found = measure_memorisation_of_run(sets, fakes)
    write_picture_of_nearest_images(sets, fakes, found)

    networks = {"pixels": "none", "features": f"random convolutions, seed {FEATURE_SEED}"}
    split = sets.kind_of_reals or "training and held-out images"
    facts = {"reals": len(sets.images), "split": split, "resize": "none"}
    facts |= _gather_facts_of_score(sampler, start)
    scores = []
    for space, result in found.items():
        name, n = f"memorisation_{space}", len(result.training.indices)
        of_space = facts | {"n": n, "network": networks[space]}
        values = {name: result.share, f"{name}_p": result.p_value}
        floors = {name: result.expected, f"{name}_p": 0.5}
        scores += [
            _summarize_metric_over_seeds(each, [values], [floors], of_space) for each in values
        ]
    return scores


def _gather_facts_of_score(sampler: Sampler, start: float) -> dict:
    """What the record of each score says about the generator, and the seconds since `start`."""
    return {
        "seed": sampler.config.seed,
        "step": sampler.step,
        "weights": hash_weights(sampler.generator),
        "seconds": round(time.monotonic() - start, 2),
    }


def _summarize_metric_over_seeds(
    name: str, values: list[dict], floors: list[dict], facts: dict
) -> Score:
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


def describe_scored_checkpoint(sampler: Sampler) -> str:
    """Such as: step 600, averaged weights. Only the step if the run has no averaged weights."""
    kind = "averaged" if sampler.weights == "ema" else "live"
    has_average = sampler.weights == "ema" or sampler.config.ema_half_life
    return f"step {sampler.step:,}" + f", {kind} weights" * bool(has_average)


def _print_scores(config: Config, checkpoint: str, scores: list[Score], sets: ImageSets) -> None:
    count, reals = len(sets.fakes), sets.name_reals()
    if not scores:
        raise ValueError(
            f"No metric could be measured on {count:,} images, for the reasons above. Add images "
            "or fix what they name."
        )
    of_pairs = ""
    if any(score.metric == "duplicates" for score in scores):
        compared = min(count, MOST_FAKES)
        of_pairs = f"duplicates counts the pairs of near-duplicates among {compared:,} images.\n"
    print_result(
        f"{config.run_dir}, {checkpoint}: {count:,} fakes against {count:,} {reals}; the "
        f"floor is the score of {count:,} {sets.name_others()}.\n"
        f"{format_score_table(scores)}\n{of_pairs}"
        f"the scores are in {config.run_dir / 'evaluate' / 'scores.json'}"
    )
