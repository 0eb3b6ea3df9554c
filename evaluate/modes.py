"""How many modes a generator covers, and how evenly, according to a classifier.

The field's protocol (Metz et al. 2017; Lin et al. 2018, fjxmlzn/PacGAN): each image counts for the
mode that the classifier finds likeliest, whatever its confidence. One image covers a mode.
"""

import dataclasses

import numpy as np

from evaluate.frechet import measure_frechet
from evaluate.image_sets import check_set_sizes


@dataclasses.dataclass(frozen=True)
class Classified:
    """What a classifier says about a set of images.

    modes: (N,) whole numbers. features: float (n, d), of its last hidden layer. confidence: mean
    probability of its likeliest answers, 0 to 1. For the reals, `modes` may cover more images than
    `features`.
    """

    modes: np.ndarray
    features: np.ndarray
    confidence: float = 1.0

    def __len__(self) -> int:
        return len(self.features)


def measure_modes(reals: Classified, fakes: Classified, *, seed: int = 0) -> dict[str, float]:
    """{"modes", "modes_kl", "modes_confidence", "modes_frechet"}; `seed` is not used.

    They are `count_covered_modes`, `compute_reverse_kl`, the fakes' confidence and the Frechet
    distance of the features. The last is left out unless images outnumber features.
    """
    check_set_sizes(reals, fakes, metric="modes", least=2)
    scores = {
        "modes": float(count_covered_modes(reals.modes, fakes.modes)),
        "modes_kl": compute_reverse_kl(reals.modes, fakes.modes),
        "modes_confidence": fakes.confidence,
    }
    if min(len(reals), len(fakes)) > fakes.features.shape[1]:
        scores["modes_frechet"] = measure_frechet(reals.features, fakes.features)["frechet"]
    return scores


def count_covered_modes(reals: np.ndarray, fakes: np.ndarray) -> int:
    """How many of the modes of `reals` (N,) occur in `fakes` (n,)."""
    return len(np.intersect1d(reals, fakes))


def compute_reverse_kl(reals: np.ndarray, fakes: np.ndarray) -> float:
    """KL(fakes || reals) in nats, between the shares of modes in `reals` (N,) and `fakes` (n,).

    A mode that only fakes have counts as if one real had it, which keeps the divergence finite.
    Reals in place of fakes get about (modes - 1) / 2 * (1 / n + 1 / N).
    """
    modes = np.union1d(reals, fakes)
    counts = [
        np.bincount(np.searchsorted(modes, side), minlength=len(modes)) for side in (reals, fakes)
    ]
    in_reals, in_fakes = np.maximum(counts[0], counts[1] > 0), counts[1]
    q = in_reals / in_reals.sum()
    p = in_fakes / in_fakes.sum()
    return float(np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0])))


def number_modes_of_digits(digits: np.ndarray) -> np.ndarray:
    """Classes (N, k), each from 0 to 9 -> modes (N,): the first class is the leading digit."""
    return digits @ 10 ** np.arange(digits.shape[1])[::-1]


def number_modes_of_attributes(on: np.ndarray) -> np.ndarray:
    """Attributes (N, k), on or off -> modes (N,), one for each combination.

    Raises ValueError for more than 62 attributes.
    """
    if on.shape[1] > 62:
        raise ValueError(
            f"modes takes at most 62 attributes. Received: {on.shape[1]}. Train a run with fewer"
        )
    return on.astype(np.int64) @ 2 ** np.arange(on.shape[1], dtype=np.int64)
