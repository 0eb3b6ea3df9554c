"""METRICS: what `--evaluate` can measure, by name. Imports no TensorFlow."""

import dataclasses
from collections.abc import Callable

from absl import logging

from config.settings import Config
from data.labels import Labels, take_labels_of_run
from evaluate.checkerboard import measure_checkerboard_of_fakes
from evaluate.fid import measure_fid, measure_kid_of_inception, measure_prdc_of_inception
from evaluate.frechet import measure_frechet
from evaluate.inception_score import measure_inception_score
from evaluate.kid import measure_kid
from evaluate.modes import measure_modes
from evaluate.ms_ssim import measure_ms_ssim
from evaluate.neighbours import (
    measure_duplicates,
    measure_memorisation,
    measure_nearest_fake_distance,
    measure_nearest_fake_label_accuracy,
)
from evaluate.prdc import measure_prdc
from evaluate.swd import measure_sliced_wasserstein
from evaluate.vendi import measure_vendi
from system.text import explain_unknown_name

# What a metric takes: images; images with their classes; all training and all held-out images;
# features of random convolutions or of the user's own network; the answers of a classifier of the
# dataset's labels; or Inception's features, their moments, or its logits.
IMAGES, LABELLED, SPLIT, FEATURES = "images", "images and classes", "both splits", "features"
CLASSES = "classes"
POOL, MOMENTS, LOGITS = "pool_3", "moments of pool_3", "logits"
OF_INCEPTION = (POOL, MOMENTS, LOGITS)


@dataclasses.dataclass(frozen=True)
class Metric:
    """measure: (reals, fakes, seed=) -> name -> value. takes: the kind of these inputs.

    For SPLIT, measure is (training, held_out, fakes) -> `neighbours.Memorisation`. Names that end
    with _reals, _error or _deviation accompany a value and are not scores.
    """

    measure: Callable[..., dict[str, float]]
    takes: str = IMAGES


METRICS = {
    "swd": Metric(measure_sliced_wasserstein),
    "frechet": Metric(measure_frechet, FEATURES),
    "kid": Metric(measure_kid, FEATURES),
    "coverage": Metric(measure_prdc, FEATURES),
    "vendi": Metric(measure_vendi, FEATURES),
    "ms_ssim": Metric(measure_ms_ssim),
    "checkerboard": Metric(measure_checkerboard_of_fakes),
    "nn": Metric(measure_nearest_fake_distance),
    "duplicates": Metric(measure_duplicates),
    "nnc": Metric(measure_nearest_fake_label_accuracy, LABELLED),
    "memorisation": Metric(measure_memorisation, SPLIT),
    "modes": Metric(measure_modes, CLASSES),
    "fid": Metric(measure_fid, MOMENTS),
    "fid_kid": Metric(measure_kid_of_inception, POOL),
    "fid_coverage": Metric(measure_prdc_of_inception, POOL),
    "inception_score": Metric(measure_inception_score, LOGITS),
}
DEFAULT = "default"  # for a bare --evaluate: those that need neither a download nor a classifier
WITHOUT_DOWNLOAD = [
    name for name, metric in METRICS.items() if metric.takes not in (CLASSES, *OF_INCEPTION)
]
HIGHER_IS_BETTER = (
    *("precision", "recall", "density", "coverage", "vendi", "modes", "modes_confidence", "nnc"),
    *("memorisation_pixels_p", "memorisation_features_p"),
    *("fid_precision", "fid_recall", "fid_density", "fid_coverage", "inception_score"),
)


@dataclasses.dataclass(frozen=True)
class FeatureFiles:
    """The flags --features, --inception and --fid_stats: paths, or None if not given.

    features: a SavedModel. inception: the graph's .pb or .tgz. fid_stats: an .npz of the reals.
    """

    features: str | None = None
    inception: str | None = None
    fid_stats: str | None = None


def choose_metrics(text: str) -> list[str]:
    """The names in `text`, such as "swd,kid", each once. Raises ValueError for unknown ones."""
    names = _split_metric_names(text)
    if DEFAULT in names:
        names = [*WITHOUT_DOWNLOAD, *(name for name in names if name != DEFAULT)]

    for name in names:
        if name not in METRICS:
            rule = f"--evaluate must be some of {', '.join(METRICS)}."
            raise ValueError(explain_unknown_name(rule, name, [*METRICS]))
    return [*dict.fromkeys(names)]


def choose_metrics_of_run(text: str, config: Config) -> list[str]:
    """The metrics in `text` that can be measured on a run.

    If `text` itself names one that cannot, a warning says what the run lacks for it. Raises
    ValueError, with the last such line, when none are left.
    """
    names = choose_metrics(text)
    faults = {name: explain_what_metric_lacks(METRICS[name], config) for name in names}
    left = [name for name in names if not faults[name]]
    asked = dict.fromkeys(_split_metric_names(text))
    lines = [f"{name} {faults[name]}." for name in asked if faults.get(name)]
    if not left:
        raise ValueError(lines[-1])
    for line in lines:
        logging.warning("left out: %s", line)
    return left


def choose_metrics_for_labels(
    text: str, names: list[str], config: Config, labels: Labels | None
) -> list[str]:
    """Those of `names`, as `choose_metrics_of_run` gives them for `text`, for the dataset's labels.

    If the labels are not the run's, the default does without those that compare classes, with a
    warning. Raises ValueError if `text` itself names one.
    """
    compared = [name for name in names if METRICS[name].takes == LABELLED]
    if not compared:
        return names
    try:
        take_labels_of_run(config, labels)
    except ValueError as error:
        if {*compared} & {*_split_metric_names(text)}:
            raise
        logging.warning("left out: %s: %s", ", ".join(compared), error)
        return [name for name in names if name not in compared]
    return names


def explain_what_metric_lacks(metric: Metric, config: Config) -> str:
    """Why a metric cannot be measured on a run, and what to do; "" if it can."""
    if metric.takes == SPLIT and not config.holdout:
        return (
            f"needs images that were not trained on, but {config.run_dir} has none: "
            "train a run with --holdout=0.05"
        )
    if metric.takes == LABELLED and not config.one_hot:
        return (
            f"needs a class for each image, but {config.run_dir} has labels={config.labels}: train "
            "a run with --labels=own or --labels=folder"
        )
    return ""


def _split_metric_names(text: str) -> list[str]:
    return [name.strip().lower() for name in text.split(",") if name.strip()] or [DEFAULT]


def check_metrics_use_files(files: FeatureFiles, names: list[str]) -> None:
    """Raises ValueError for a file that none of the metrics `names` needs."""
    users = {"features": (FEATURES,), "inception": OF_INCEPTION, "fid_stats": (MOMENTS,)}
    for flag, kinds in users.items():
        fitting = [name for name, metric in METRICS.items() if metric.takes in kinds]
        if getattr(files, flag) is not None and not {*fitting} & {*names}:
            raise ValueError(
                f"--{flag} is used by {', '.join(fitting)}. Received: --evaluate={','.join(names)}."
                f" Add one of them, as in --evaluate={fitting[0]}."
            )
