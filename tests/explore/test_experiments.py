"""Which experiments --explore means."""

import importlib
import re

import pytest

from config.flags import EXPLORE_CHOICES
from explore.choices import Choices
from explore.experiments import EXPERIMENTS, choose_experiments, format_experiments

NONE = dict.fromkeys(EXPLORE_CHOICES)


def test_every_experiment_is_a_module_and_every_flag_a_choice():
    for name, one in EXPERIMENTS.items():
        assert callable(importlib.import_module(f"explore.{name}").run_experiment)
        assert not one.flag or one.flag in NONE
        assert bool(one.flag) <= bool(one.needs)
    assert vars(Choices()) == NONE


def test_names_are_chosen_in_their_order_and_once():
    assert choose_experiments("walk, contact_sheet,walk", NONE) == ["walk", "contact_sheet"]
    free = [name for name, one in EXPERIMENTS.items() if not one.flag]
    assert choose_experiments("all", NONE) == free
    given = dict.fromkeys(EXPLORE_CHOICES, "something")
    assert choose_experiments("all", given) == [*EXPERIMENTS]


def test_flags_that_nothing_reads_are_refused():
    given = NONE | {"image": "a.png", "mask": "left", "label": "7"}
    for text in ("complete", "project,complete", "all"):
        assert "complete" in choose_experiments(text, given)
    with pytest.raises(ValueError, match=r"^--mask needs --explore complete\. Received: --exp"):
        choose_experiments("project", given)
    of_label = NONE | {"label": "7"}
    reason = r"^--label needs --explore project or complete\. Received: --explore walk\. Add pr"
    with pytest.raises(ValueError, match=reason):
        choose_experiments("walk", of_label)
    assert choose_experiments("walk", of_label, ["label"]) == ["walk"]
    with pytest.raises(ValueError, match=r"--explore all\. Add --image, or drop --label"):
        choose_experiments("all", of_label)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("wlak", "Received: wlak. Did you mean walk?"),
        ("", "Received: nothing. Try --explore list."),
        ("walk,\nx", "Received: x. Try --explore list."),
    ],
)
def test_unknown_names_are_refused(text, reason):
    with pytest.raises(ValueError, match=re.escape(reason)):
        choose_experiments(text, NONE)


def test_the_list_has_a_line_for_each():
    lines = format_experiments().splitlines()
    assert [line.split()[0] for line in lines] == [*EXPERIMENTS]
    assert all(len(line) <= 110 for line in lines)
