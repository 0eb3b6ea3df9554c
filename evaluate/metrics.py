"""METRICS: what `--evaluate` can measure, by name. Imports no TensorFlow."""

import dataclasses
import difflib
from collections.abc import Callable

from evaluate.checkerboard import measure_checkerboard
from evaluate.fid import measure_fid, measure_fid_coverage, measure_fid_kid
from evaluate.frechet import measure_frechet
from evaluate.inception_score import measure_inception_score
from evaluate.kid import measure_kid
from evaluate.modes import measure_modes
from evaluate.ms_ssim import measure_ms_ssim
from evaluate.neighbours import measure_duplicates, measure_nearest_distance
from evaluate.prdc import measure_prdc
from evaluate.swd import measure_sliced_wasserstein
from evaluate.vendi import measure_vendi
from system.text import shorten_for_error

# What a metric takes: the images; features of random convolutions or of the user's own network;
# what a classifier of the dataset's labels says; or, of Inception, the features, their moments, or
# the logits.
IMAGES, FEATURES, CLASSES = "images", "features", "classes"
POOL, MOMENTS, LOGITS = "pool_3", "moments of pool_3", "logits"
OF_INCEPTION = (POOL, MOMENTS, LOGITS)


@dataclasses.dataclass(frozen=True)
class Metric:
    """measure: (reals, fakes, seed=) -> name -> value. takes: of what kind these are.

    Names that end with _reals, _error or _deviation accompany a value; they are no scores.
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
    "checkerboard": Metric(measure_checkerboard),
    "nn": Metric(measure_nearest_distance),
    "duplicates": Metric(measure_duplicates),
    "modes": Metric(measure_modes, CLASSES),
    "fid": Metric(measure_fid, MOMENTS),
    "fid_kid": Metric(measure_fid_kid, POOL),
    "fid_coverage": Metric(measure_fid_coverage, POOL),
    "inception_score": Metric(measure_inception_score, LOGITS),
}
DEFAULT = "default"  # the value of a bare --evaluate: those that need no download and no labels
WITHOUT_DOWNLOAD = [name for name, metric in METRICS.items() if metric.takes in (IMAGES, FEATURES)]
HIGHER_IS_BETTER = (
    *("precision", "recall", "density", "coverage", "vendi", "modes", "modes_confidence"),
    *("fid_precision", "fid_recall", "fid_density", "fid_coverage", "inception_score"),
)


@dataclasses.dataclass(frozen=True)
class FeatureFiles:
    """The flags --features, --inception and --fid_stats: paths, or None where they are not given.

    features: a SavedModel. inception: the graph's .pb or .tgz. fid_stats: an .npz of the reals.
    """

    features: str | None = None
    inception: str | None = None
    fid_stats: str | None = None


def choose_metrics(text: str) -> list[str]:
    """The names in `text`, such as "swd,kid", each once. Raises ValueError for unknown ones."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    names = names or [DEFAULT]
    if DEFAULT in names:
        names = [*WITHOUT_DOWNLOAD, *(name for name in names if name != DEFAULT)]

    for name in names:
        if name not in METRICS:
            nearest = difflib.get_close_matches(name, METRICS, 1, cutoff=0.6)
            remedy = f" Did you mean {nearest[0]}?" if nearest else ""
            raise ValueError(
                f"--evaluate must be some of {', '.join(METRICS)}. "
                f"Received: {shorten_for_error(name)}.{remedy}"
            )
    return [*dict.fromkeys(names)]


def check_files_are_used(files: FeatureFiles, names: list[str]) -> None:
    """Raises ValueError for a file that none of the metrics `names` needs."""
    users = {"features": (FEATURES,), "inception": OF_INCEPTION, "fid_stats": (MOMENTS,)}
    for flag, kinds in users.items():
        fitting = [name for name, metric in METRICS.items() if metric.takes in kinds]
        if getattr(files, flag) is not None and not {*fitting} & {*names}:
            raise ValueError(
                f"--{flag} is used by {', '.join(fitting)}. Received: --evaluate={','.join(names)}."
                f" Add one of them, as in --evaluate={fitting[0]}."
            )
