"""FID, KID and PRDC of the features of the Inception network of 2015-12-05."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from evaluate.frechet import Moments, compute_frechet_distance
from evaluate.image_sets import TooFewImagesError
from evaluate.kid import measure_kid
from evaluate.prdc import measure_prdc


def measure_fid(reals: Moments, fakes: Moments, *, seed: int = 0) -> dict[str, float]:
    """{"fid": Frechet distance} of moments of pool_3 (Heusel et al. 2017); `seed` is not used.

    Raises ValueError for moments of different sizes, or of no more images than features.
    """
    width = len(fakes.mean)
    check_statistics_fit(reals, width)
    check_enough_for_fid(fakes.count, width)
    if reals.count:  # 0 for statistics from a file, which has no count
        check_enough_for_fid(reals.count, width)
    return {"fid": compute_frechet_distance(reals, fakes)}


def check_statistics_fit(reals: Moments, width: int) -> None:
    """Raises ValueError unless the moments are of `width` features."""
    if len(reals.mean) != width:
        raise ValueError(
            f"the reals' statistics must have {width:,} features, as the network has, but have "
            f"{len(reals.mean):,}: take both from the same network"
        )


def check_enough_for_fid(count: int, width: int) -> None:
    """Raises TooFewImagesError unless images outnumber features.

    Otherwise the covariance lacks full rank.
    """
    if count <= width:
        raise TooFewImagesError(
            f"FID needs at least {width + 1:,} images of each kind but was given {count:,}"
        )


def measure_kid_of_inception(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """`measure_kid` of Inception's features; the names have the prefix fid_."""
    return _add_fid_prefix(measure_kid(reals, fakes, seed=seed))


def measure_prdc_of_inception(reals, fakes, *, seed: int = 0) -> dict[str, float]:
    """`measure_prdc` of Inception's features; the names have the prefix fid_."""
    return _add_fid_prefix(measure_prdc(reals, fakes, seed=seed))


def _add_fid_prefix(values: dict[str, float]) -> dict[str, float]:
    return {f"fid_{name}": value for name, value in values.items()}


def read_fid_statistics(path: Path) -> Moments:
    """The `mu` (d,) and `sigma` (d, d) of TTUR's fid_stats_*.npz, which has no count of images.

    Raises ValueError for a file without them.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            mean, covariance = (np.asarray(arrays[name], np.float64) for name in ("mu", "sigma"))
    except (OSError, ValueError, TypeError, LookupError, EOFError) as error:
        raise _explain_wrong_statistics(path, error) from error
    except (AttributeError, zipfile.BadZipFile, zlib.error) as error:  # a .npy; a damaged .npz
        raise _explain_wrong_statistics(path, error) from error

    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise _explain_wrong_statistics(path, f"mu {mean.shape} and sigma {covariance.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise _explain_wrong_statistics(path, "values that are not finite")
    return Moments(mean, covariance, 0)


def _explain_wrong_statistics(path: Path, found: object) -> ValueError:
    return ValueError(
        f"{path} must be an .npz with mu (d,) and sigma (d, d), such as TTUR's fid_stats_celeba.npz"
        f", but it cannot be used ({found}): download it again"
    )
