"""Carries out experiments and writes what they find: pictures, and a line in metrics.jsonl."""

import contextlib
import hashlib
import importlib
import json
import shlex
import time
from pathlib import Path

from absl import logging

from explore.experiments import EXPERIMENTS, Findings
from explore.subject import Subject
from system.console import print_result
from system.files import append_to_file_or_undo, expand_home
from system.text import join_names_for_error
from system.written import replace_files

METRICS_FILE = "metrics.jsonl"
FILES_NAMED = 6  # of those written
FILE_CHOICES = ("image", "mask", "forget")  # flags whose values may be files


def run_experiments(
    names: list[str], subject: Subject | None, folder: Path, *, leaves_out: bool = False
) -> None:
    """Runs experiments one after another; the files of each are in <folder>/<name>/.

    subject: None if none of the experiments uses a run or a dataset. An experiment's files appear
    when it is complete; if it fails or is interrupted, those of the ones before stay.
    leaves_out: whether to go on after an experiment that this run does not allow, such as one that
    needs labels.
    """
    skipped = {}  # reason -> the first experiment
    for name in names:
        logging.info("%s: %s", name, EXPERIMENTS[name].text)
        start = time.monotonic()
        try:
            findings = importlib.import_module(f"explore.{name}").run_experiment(subject)
        except ValueError as error:
            if not leaves_out:
                raise
            reason = str(error)
            if reason in skipped:
                text = "%s was skipped for the same reason as %s."
                logging.warning(text, name, skipped[reason])
            else:
                logging.warning("%s was skipped: %s", name, reason)
                skipped[reason] = name
            continue
        kind = describe_choices(name, subject) if subject else ""
        step = subject.sampler.step if EXPERIMENTS[name].uses_run else 0
        write_findings(name, findings, folder, kind=kind, step=step)
        if subject:
            record = describe_findings(name, findings, subject, time.monotonic() - start)
            append_to_file_or_undo(folder / METRICS_FILE, (json.dumps(record) + "\n").encode())


def write_findings(
    name: str, findings: Findings, folder: Path, *, kind: str = "", step: int = 0
) -> None:
    """Writes the files of an experiment, and prints what it found and where it is.

    kind: the user's choices in words. step: of the checkpoint; 0 if it uses none. What was found
    with other choices or at another step is moved aside.
    """
    place = folder / name
    what = f"the results of {name}" + (f" for step {step:,}" if step else "")
    replace_files(place, dict(findings.files), what=what, kind=kind, step=step)
    for line in findings.lines:
        print_result(f"{name}: {line}")
    print_result(f"{name}: {join_names_for_error([*findings.files], FILES_NAMED)} in {place}")


def describe_choices(name: str, subject: Subject) -> str:
    """What the user chose for an experiment, such as "with --seed=0 ... --walk_seeds=3,17"."""
    config, experiment = subject.config, EXPERIMENTS[name]
    chosen = {"seed": config.seed, "checkpoint": subject.checkpoint, "weights": config.weights}
    given = vars(subject.choices)
    names = [*filter(None, [experiment.flag]), *experiment.choices]
    chosen |= {name: given[name] for name in names if given[name] is not None}
    flags = [
        shlex.quote(f"--{name}={value}") + _describe_contents(name, value)
        for name, value in chosen.items()
    ]
    return f"with {' '.join(flags)}"


def _describe_contents(name: str, value) -> str:
    """Such as " (contents 1f3a5b7c)" for a flag that names files: they may be edited; else ""."""
    if name not in FILE_CHOICES:
        return ""
    texts = [value, *map(str.strip, value.split(","))]
    paths = dict.fromkeys(expand_home(text) for text in texts if text)
    with contextlib.suppress(OSError):  # a text too long for a path
        files = [path for path in paths if path.is_file()]
        if files:
            digest = hashlib.sha256(b"".join(path.read_bytes() for path in files))
            return f" (contents {digest.hexdigest()[:8]})"
    return ""


def describe_findings(name: str, findings: Findings, subject: Subject, seconds: float) -> dict:
    """The line of metrics.jsonl: the experiment, what it was made on, and its numbers."""
    origin = {"seed": subject.config.seed}
    if EXPERIMENTS[name].uses_run:
        origin |= {"step": subject.sampler.step, "weights": subject.sampler.weights}
    return {"experiment": name, **origin, "seconds": round(seconds, 3), **findings.numbers}
