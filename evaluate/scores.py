"""scores.json: all scores of a run, as a list of records; and a table of scores."""

import contextlib
import dataclasses
import json
from pathlib import Path

from absl import logging

from config.stored import read_json_settings
from evaluate.metrics import HIGHER_IS_BETTER
from system.files import put_aside, remove_temporary_leftovers, write_atomic

SCORES_FILE = "scores.json"
HEADER = ("metric", "score", "floor", "ratio", "spread", "better")


@dataclasses.dataclass(frozen=True)
class Score:
    """One number, and all that is needed to compare it with another.

    metric: its name. value: of the fakes. floor: of other reals in place of the fakes, the best
    that a generator can be expected to reach. ratio: value / floor, None for a floor of 0. spread:
    deviation over the seeds of the features, None for metrics of pixels. n: images on each side.
    reals: how many there were to choose from. split: what the fakes were compared with. resize: how
    images were resized. network: the source of the features. seed: of fakes and reals. step: of the
    checkpoint. weights: a hash of the generator's. seconds: how long it took.
    """

    metric: str
    value: float
    floor: float
    ratio: float | None
    spread: float | None
    n: int
    reals: int
    split: str
    resize: str
    network: str
    seed: int
    step: int
    weights: str
    seconds: float


def append_scores(folder: Path, scores: list[Score]) -> Path:
    """Adds `scores` to <folder>/scores.json, whole or not at all; returns its path.

    If the existing file is not a list of scores, it is moved aside.
    """
    path = folder / SCORES_FILE
    records = _read_stored_scores(path)
    records += [dataclasses.asdict(score) for score in scores]
    folder.mkdir(parents=True, exist_ok=True)
    remove_temporary_leftovers(folder)
    lines = ",\n".join(json.dumps(record) for record in records)
    write_atomic(path, f"[\n{lines}\n]\n".encode())
    return path


def _read_stored_scores(path: Path) -> list[dict]:
    if not path.exists():
        return []
    with contextlib.suppress(ValueError):
        records = read_json_settings(path)
        if isinstance(records, list) and all(isinstance(record, dict) for record in records):
            return records
    logging.warning(
        "%s is not a list of scores; it was moved aside to %s.", path, put_aside(path).name
    )
    return []


def format_score_table(scores: list[Score]) -> str:
    """The scores as a table; numbers have four digits, or all of them from 10,000 on."""
    rows = [HEADER, *(_format_score(score) for score in scores)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )


def _format_score(score: Score) -> tuple[str, ...]:
    numbers = (score.value, score.floor, score.ratio, score.spread)
    better = "higher" if score.metric in HIGHER_IS_BETTER else "lower"
    return (score.metric, *("" if n is None else _format_number(n) for n in numbers), better)


def _format_number(number: float) -> str:
    """Such as 0.01234, 5.678 and 10,951: no power of ten for a large number."""
    return f"{number:,.0f}" if 1e4 <= abs(number) < 1e15 else f"{number:.4g}"
