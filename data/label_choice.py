"""What the labels of a conditional network are called, and which ones to draw: names to vectors y."""

import itertools

import numpy as np

from config.settings import Config

COMBINED = 3  # attributes of which pictures show every combination: 8 rows
NOTHING = "none"  # of the attributes
ROWS = 16  # classes that a picture shows, at most


def rows(config: Config) -> np.ndarray:
    """y (K, y_dim) float32: the labels that pictures show, one a row.

    The classes; or of attributes every combination, and from four on none and each alone.
    """
    count = config.y_dim
    if config.one_hot or count > COMBINED:
        alone = np.eye(count, dtype=np.float32)
        return (
            alone if config.one_hot else np.concatenate([np.zeros((1, count), np.float32), alone])
        )
    return np.array(list(itertools.product((0, 1), repeat=count)), np.float32)[:, ::-1].copy()


def in_turn(config: Config, count: int) -> np.ndarray | None:
    """y (count, y_dim): the rows of `rows`, over and over; None for a network without labels."""
    return np.resize(rows(config), (count, config.y_dim)) if config.y_dim else None


def chosen(config: Config, label: str | None, count: int) -> np.ndarray | None:
    """y (count, y_dim) for --label: classes with commas between, drawn in turn; or the attributes that are on, none for
    none of them. Without a label, as `in_turn`.

    Raises ValueError naming the labels that there are when one is unknown, or when the network has none.
    """
    if label is None:
        return in_turn(config, count)
    picked = np.zeros((1, config.y_dim), np.float32)
    if numbers := _numbers(config, label):
        picked = np.eye(config.y_dim, dtype=np.float32)[numbers]
    return np.resize(picked if config.one_hot else picked.max(0), (count, config.y_dim))


def canonical(config: Config, label: str) -> str:
    """A --label in the names' own spelling."""
    return ",".join(config.label_names[number] for number in _numbers(config, label)) or NOTHING


def name(config: Config, y: np.ndarray) -> str:
    """What a label vector (y_dim,) stands for."""
    return ",".join(config.label_names[number] for number in np.flatnonzero(y)) or NOTHING


def _numbers(config: Config, label: str) -> list[int]:
    """The places of the labels in --label, in any case; none of them for "none"."""
    if not config.y_dim:
        raise ValueError(
            f"--label needs a run with labels. Received: {config.run_dir}, which has none. Drop the flag."
        )
    names = [label] if label in config.label_names else [part.strip() for part in label.split(",")]
    if not config.one_hot and [part.lower() for part in names] == [NOTHING]:
        return []
    known = [known.lower() for known in config.label_names]
    for part in names:
        if part.lower() not in known:
            alone = "" if config.one_hot else f", or {NOTHING} alone"
            listed = ", ".join(config.label_names)
            raise ValueError(
                f"--label must be among {listed}{alone}. Received: {part or 'nothing'}. Pick one or more."
            )
    exact = config.label_names
    return [exact.index(part) if part in exact else known.index(part.lower()) for part in names]
