"""What --evaluate takes, and that its help names all of it."""

import pytest

import main
from evaluate.metrics import METRICS, choose_metrics


def test_names_are_taken_in_their_order_and_once():
    assert choose_metrics("kid, SWD,kid") == ["kid", "swd"]
    assert choose_metrics("default") == choose_metrics("") == [*METRICS]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fretchet", r"Received: fretchet\. Did you mean frechet\?$"),
        ("swd,x", r"^--evaluate must be some of swd, frechet, .*\. Received: x\.$"),
        ("a\nb" * 99, r"Received: a\\nba\\nb.*\.\.\.\.$"),
    ],
)
def test_what_is_not_a_metric_is_named(text, line):
    with pytest.raises(ValueError, match=line):
        choose_metrics(text)


def test_the_help_names_every_metric():
    assert f": {','.join(METRICS)};" in main.FLAGS["evaluate"].help
