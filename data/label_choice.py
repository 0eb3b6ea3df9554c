"""The labels that a conditional network draws: turns --label names into vectors y, and back."""

import difflib
import itertools

import numpy as np

from config.settings import Config
from data import limits
from system.text import join_names_for_error, shorten_for_error

COMBINED_ATTRIBUTES = 3  # for up to three, pictures show every combination: 8 rows
NO_ATTRIBUTE = "none"  # in --label: every attribute is off
MAX_PICTURE_ROWS = 16  # labels that a picture shows


def list_picture_labels(config: Config) -> np.ndarray:
    """y (K, y_dim) float32: the labels that pictures show, one per row.

    Every class; or every combination of up to three attributes; for more attributes, first none of
    them, then each alone.
    """
    count = config.y_dim
    alone = np.eye(count, dtype=np.float32)
    if config.one_hot:
        return alone
    if count > COMBINED_ATTRIBUTES:
        return np.concatenate([np.zeros((1, count), np.float32), alone])

    combinations = np.array(list(itertools.product((0, 1), repeat=count)), np.float32)
    return combinations[:, ::-1].copy()  # so that the first attribute changes fastest


def repeat_dataset_label_vectors(config: Config, count: int) -> np.ndarray | None:
    """y (count, y_dim): `list_picture_labels`, repeated; None for a network without labels."""
    if not config.y_dim:
        return None
    return np.resize(list_picture_labels(config), (count, config.y_dim))


def encode_dataset_labels_by_name(
    config: Config, label: str | None, count: int
) -> np.ndarray | None:
    """y (count, y_dim) for --label; without one, as `repeat_dataset_label_vectors`.

    label: classes, separated by commas, which take turns; or the attributes that are on; or "none".
    Raises ValueError, which lists the known labels, when one is unknown or the run has no labels.
    """
    if label is None:
        return repeat_dataset_label_vectors(config, count)

    if not isinstance(label, str | int | np.integer):  # from Python, where a digit may be a number
        raise ValueError(
            f"label must be text. Received: {shorten_for_error(repr(label))}. "
            "Write several as 'cat,dog'."
        )
    indices = _find_label_indices(config, str(label))
    y = np.eye(config.y_dim, dtype=np.float32)[indices]  # (labels, y_dim)
    if not config.one_hot:
        y = y.max(0, initial=0)  # (y_dim,): all of them on together
    return np.resize(y, (count, config.y_dim))


def has_dataset_label(config: Config, label: str) -> bool:
    """Whether the run knows every name in --label."""
    try:
        _find_label_indices(config, label)
    except ValueError:
        return False
    return True


def spell_label_names(config: Config, label: str) -> str:
    """A --label with every name spelled as the run spells it."""
    return _join_label_names(config, _find_label_indices(config, label))


def name_label_vector(config: Config, y: np.ndarray) -> str:
    """The --label for a label vector y (y_dim,)."""
    return _join_label_names(config, np.flatnonzero(y))


def _join_label_names(config: Config, indices) -> str:
    return ",".join(config.label_names[index] for index in indices) or NO_ATTRIBUTE


def _find_label_indices(config: Config, label: str) -> list[int]:
    """The positions of the names in --label, in any case; [] for "none"."""
    if not config.y_dim:
        raise ValueError(
            f"--label needs a run with labels. Received: {config.run_dir}, which has none. "
            "Drop the flag."
        )
    known = config.label_names
    names = [label] if label in known else [name.strip() for name in label.split(",")]
    if not config.one_hot and [name.lower() for name in names] == [NO_ATTRIBUTE]:
        return []

    lower = [name.lower() for name in known]
    _check_label_names(config, [name for name in names if name.lower() not in lower])
    # Two labels may differ only in case: an exact match comes first.
    return [known.index(name) if name in known else lower.index(name.lower()) for name in names]


def _check_label_names(config: Config, unknown: list[str]) -> None:
    """Raises ValueError for the first unknown name in --label."""
    if not unknown:
        return
    alone = "" if config.one_hot else f", or {NO_ATTRIBUTE} alone"
    listed = join_names_for_error(config.label_names, limits.MAX_ATTRIBUTES_LISTED)
    raise ValueError(
        f"--label must be one or more of {listed}{alone}. "
        f"Received: {shorten_for_error(unknown[0]) or 'nothing'}. "
        f"{_suggest_label(config, unknown[0].lower())}"
    )


def _suggest_label(config: Config, name: str) -> str:
    """What to do about an unknown --label; name: the label in lower case."""
    if name == NO_ATTRIBUTE:
        return "Every image of this run has a class: leave out --label to draw all classes in turn."
    known = {known.lower(): known for known in config.label_names}
    begun = [one for one in known if name and one.startswith(name)]
    nearest = begun or ([] if name.isdecimal() else difflib.get_close_matches(name, known, 1))
    return f"Did you mean {known[nearest[0]]}?" if nearest else "Pick one or more."
