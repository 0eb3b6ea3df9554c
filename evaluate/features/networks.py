"""Loads the networks whose features a command compares, from the files that the user has."""

import dataclasses
from pathlib import Path

from absl import logging

from config.settings import Config
from evaluate.features.inception import Inception, find_inception_file
from evaluate.features.mode_classifier import ModeClassifier, load_mode_classifier
from evaluate.features.own_network import SavedModelFeatures
from evaluate.fid import check_statistics_fit, read_fid_statistics
from evaluate.frechet import Moments
from evaluate.metrics import CLASSES, FEATURES, METRICS, MOMENTS, OF_INCEPTION, FeatureFiles
from system.files import expand_home


@dataclasses.dataclass(frozen=True)
class Networks:
    """The loaded networks. own: in place of random convolutions. statistics: in place of the reals.

    statistics_name: of their file.
    """

    own: SavedModelFeatures | None = None
    inception: Inception | None = None
    statistics: Moments | None = None
    statistics_name: str = ""
    classifier: ModeClassifier | None = None


def load_feature_networks(
    names: list[str], files: FeatureFiles, data_dir: Path, *, config: Config | None = None
) -> tuple[Networks, list[str]]:
    """(the networks that metrics `names` need, those of `names` that can be measured with them).

    If a file or labels are missing or wrong, the metrics that need them are left out, and a line
    says why. config: of the run, whose labels a classifier needs. Raises ValueError, with the last
    such line, when none are left.
    """
    loaded, faults = {}, []
    loaders = {
        "own": ((FEATURES,), lambda: _load_feature_network_of_user(files.features)),
        "inception": (OF_INCEPTION, lambda: _load_inception(files.inception, data_dir)),
        "statistics": ((MOMENTS,), lambda: _load_statistics(files.fid_stats, loaded["inception"])),
        "classifier": ((CLASSES,), lambda: load_mode_classifier(config)),
    }
    for part, (kinds, load) in loaders.items():
        concerned = [name for name in names if METRICS[name].takes in kinds]
        if not concerned:
            continue
        try:
            loaded[part] = load()
        except ValueError as error:
            faults.append((concerned, str(error).rstrip(".")))
            names = [name for name in names if name not in concerned]

    _report_metrics_left_out(faults, are_all=not names)
    if loaded.get("statistics"):
        logging.info("fid compares with %s, not with the training images.", files.fid_stats)
        loaded["statistics_name"] = Path(files.fid_stats).name
    return Networks(**loaded), names


def _load_feature_network_of_user(path: str | None) -> SavedModelFeatures | None:
    return None if path is None else SavedModelFeatures(expand_home(path))


def _load_inception(path: str | None, data_dir: Path) -> Inception:
    given = None if path is None else expand_home(path)
    return Inception(find_inception_file(given, data_dir))


def _load_statistics(path: str | None, inception: Inception) -> Moments | None:
    if path is None:
        return None
    statistics = read_fid_statistics(expand_home(path))
    check_statistics_fit(statistics, len(inception.weights))
    return statistics


def _report_metrics_left_out(faults: list[tuple[list[str], str]], *, are_all: bool) -> None:
    """Warns of each. Raises the last as an error when nothing is left to measure."""
    lines = [f"{', '.join(names)}: {error}." for names, error in faults]
    last = lines.pop() if are_all and lines else None
    for line in lines:
        logging.warning("left out: %s", line)
    if last:
        raise ValueError(last)
