"""The experiments of `--explore`: what each shows, what it needs and how long it takes.

Each is a module of this package, found by its name, whose `run_experiment` takes a
`explore.subject.Subject` and returns `Findings`. Imports no TensorFlow.
"""

import dataclasses
from collections.abc import Collection, Mapping
from typing import NamedTuple

from system.text import explain_unknown_name, shorten_for_error

LIST, ALL = "list", "all"  # words for --explore beside the names


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A row of `--explore list`.

    text: what it shows. time: how long it takes on two CPU cores. needs: what it needs besides a
    trained run, in words. flag: the flag without which it has nothing to do; such an experiment is
    not part of `--explore all`. choices: other flags that change what it shows. uses_dataset:
    whether it needs the images. uses_run: whether it needs a run at all.
    """

    text: str
    time: str
    needs: str = ""
    flag: str = ""
    choices: tuple[str, ...] = ()
    uses_dataset: bool = False
    uses_run: bool = True


class Findings(NamedTuple):
    """What an experiment found.

    files: name -> content, written together once the experiment is complete. numbers: for
    metrics.jsonl, by name. lines: sentences that say what came out, for the user.
    """

    files: Mapping[str, bytes]
    numbers: Mapping[str, float] = {}
    lines: tuple[str, ...] = ()


EXPERIMENTS = {
    "contact_sheet": Experiment("numbered samples, to choose from", "seconds"),
    "walk": Experiment(
        "how images change between latents (figure 4)", "seconds", choices=("walk_seeds",)
    ),
    "arithmetic": Experiment(
        "sums of latents (figure 7)",
        "30 s",
        needs="numbers from contact_sheet, or attributes",
        flag="arithmetic",
        uses_dataset=True,
    ),
    "turn": Experiment(
        "turn vectors (figure 8)",
        "30 s",
        needs="numbers from contact_sheet, or attributes",
        flag="turn",
        uses_dataset=True,
    ),
    "filters": Experiment(
        "what the discriminator's features respond to (figure 5)", "30 s", uses_dataset=True
    ),
    "forget": Experiment(
        "samples redrawn without an object (figure 6)",
        "1 min",
        needs="an attribute or a file of boxes",
        flag="forget",
        uses_dataset=True,
    ),
    "features": Experiment(
        "the discriminator's features of the images, as vectors (section 5.1)",
        "30 s",
        uses_dataset=True,
    ),
    "probe": Experiment(
        "how well an SVM reads labels from those features (section 5)",
        "2 min",
        "labels",
        choices=("probe_labels",),
        uses_dataset=True,
    ),
    "mnist": Experiment(
        "classifies real images by generated ones (appendix)",
        "1 min",
        "a run with classes",
        uses_dataset=True,
    ),
    "dedup": Experiment(
        "near duplicates among the images, and a file for --exclude (section 4.1)",
        "1 min",
        uses_dataset=True,
        uses_run=False,
    ),
    "project": Experiment(
        "latents that come closest to drawing your images",
        "15 s per image",
        needs="--image a.png",
        flag="image",
        choices=("label",),
    ),
    "complete": Experiment(
        "fills holes in your images (Yeh et al. 2016)",
        "25 s per image",
        needs="--image a.png",
        flag="image",
        choices=("mask", "label"),
    ),
    "conv_arithmetic": Experiment(
        "the animations of Dumoulin and Visin's guide to convolutions", "20 s", uses_run=False
    ),
}


def choose_experiments(
    text: str, flags_given: Mapping[str, object], shared: Collection[str] = ()
) -> list[str]:
    """The names in the value of --explore, in its order; for "all", those that need no choice.

    flags_given: the flags of experiments by name, None where not given. shared: those that another
    action uses, too. Raises ValueError for an unknown name, for an experiment without its flag, and
    for a flag, unless shared, that none of the experiments reads.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if is_all_chosen(text):
        names = [name for name, one in EXPERIMENTS.items() if not one.flag or flags_given[one.flag]]
    for name in names:
        _check_experiment(name, flags_given)
    for flag, value in flags_given.items():
        if value is not None and flag not in shared:
            _check_flag_is_read(flag, names, text)
    return names


def list_experiments_left_out(names: list[str]) -> list[str]:
    """Those that "all" left out of its `names`, each with the flag that it needs."""
    return [f"{name} (--{one.flag})" for name, one in EXPERIMENTS.items() if name not in names]


def is_all_chosen(text: str) -> bool:
    """Whether the value of --explore has "all" among its names."""
    return ALL in [name.strip() for name in text.split(",")]


def _check_experiment(name: str, flags_given: Mapping[str, object]) -> None:
    if name not in EXPERIMENTS:
        rule = f"--explore must be list, all, or some of {', '.join(EXPERIMENTS)}."
        raise ValueError(explain_unknown_name(rule, name, [*EXPERIMENTS], "Try --explore list."))
    flag = EXPERIMENTS[name].flag
    if flag and flags_given[flag] is None:
        raise ValueError(
            f"--explore {name} needs --{flag}. Received: no --{flag}. "
            f"It takes {EXPERIMENTS[name].needs}."
        )


def _check_flag_is_read(flag: str, names: list[str], text: str) -> None:
    readers = [name for name, one in EXPERIMENTS.items() if flag in (one.flag, *one.choices)]
    if set(readers) & set(names):
        return
    missing = f"--{EXPERIMENTS[readers[0]].flag}" if is_all_chosen(text) else readers[0]
    raise ValueError(
        f"--{flag} needs --explore {' or '.join(readers)}. "
        f"Received: --explore {shorten_for_error(text)}. Add {missing}, or drop --{flag}."
    )


def format_experiments() -> str:
    """`--explore list`: a line for each experiment."""
    width = max(map(len, EXPERIMENTS))
    rows = []
    for name, one in EXPERIMENTS.items():
        needs = f"; needs {one.needs}" if one.needs else ""
        rows.append(f"{name:{width}}  {one.text}{needs} ({one.time})")
    return "\n".join(rows)
