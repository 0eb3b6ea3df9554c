"""METRICS: what `--evaluate` can measure, by name. Imports no TensorFlow."""

import dataclasses
import difflib
from collections.abc import Callable

from evaluate.checkerboard import measure_checkerboard
from evaluate.frechet import measure_frechet
from evaluate.kid import measure_kid
from evaluate.ms_ssim import measure_ms_ssim
from evaluate.neighbours import measure_duplicates, measure_nearest_distance
from evaluate.prdc import measure_prdc
from evaluate.swd import measure_sliced_wasserstein
from evaluate.vendi import measure_vendi
from system.text import shorten_for_error


@dataclasses.dataclass(frozen=True)
class Metric:
    """measure: (reals, fakes, seed=) -> name -> value. of_features: it takes features, not images.

    Names that end with _reals or _error accompany a value; they are not scores of their own.
    """

    measure: Callable[..., dict[str, float]]
    of_features: bool = False


METRICS = {
    "swd": Metric(measure_sliced_wasserstein),
    "frechet": Metric(measure_frechet, of_features=True),
    "kid": Metric(measure_kid, of_features=True),
    "coverage": Metric(measure_prdc, of_features=True),
    "vendi": Metric(measure_vendi, of_features=True),
    "ms_ssim": Metric(measure_ms_ssim),
    "checkerboard": Metric(measure_checkerboard),
    "nn": Metric(measure_nearest_distance),
    "duplicates": Metric(measure_duplicates),
}
DEFAULT = "default"  # the value of a bare --evaluate: all of METRICS
HIGHER_IS_BETTER = ("precision", "recall", "density", "coverage", "vendi")


def choose_metrics(text: str) -> list[str]:
    """The names in `text`, such as "swd,kid", each once. Raises ValueError for unknown ones."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if DEFAULT in names or not names:
        return [*METRICS]

    for name in names:
        if name not in METRICS:
            nearest = difflib.get_close_matches(name, METRICS, 1, cutoff=0.6)
            remedy = f" Did you mean {nearest[0]}?" if nearest else ""
            raise ValueError(
                f"--evaluate must be some of {', '.join(METRICS)}. "
                f"Received: {shorten_for_error(name)}.{remedy}"
            )
    return [*dict.fromkeys(names)]
