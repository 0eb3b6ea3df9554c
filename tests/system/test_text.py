import os
import subprocess
import sys

import pytest
from common import ROOT

from system.text import (
    escape_unprintable,
    explain_unknown_name,
    join_names_for_error,
    quote_for_error,
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("plain.png", "plain.png"),
        ("größe 猫.webp", "größe 猫.webp"),
        ('it\'s "quoted" \\ here', 'it\'s "quoted" \\ here'),
        ("new\nline\t\x1b[2J", r"new\nline\t\x1b[2J"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),  # half of a pair, as JSON can write it
        (os.fsdecode(b"\xff.png"), r"\udcff.png"),
        ("", ""),
    ],
)
def test_only_what_cannot_be_printed_is_escaped(given, expected):
    assert escape_unprintable(given) == expected


def test_a_long_text_is_cut_before_it_is_escaped():
    assert escape_unprintable("x" * 200, limit=200) == "x" * 200
    assert escape_unprintable("x" * 201, limit=200) == "x" * 200 + "..."
    assert escape_unprintable("\n" * 5, limit=3) == r"\n\n\n..."
    assert escape_unprintable("x" * 9999) == "x" * 9999


def test_it_imports_nothing_of_ours_and_no_tensorflow():
    code = "import sys; before = set(sys.modules); import system.text; "
    code += "print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"['system', 'system.text']\n"


def test_long_lists_are_cut():
    assert join_names_for_error([]) == "nothing"
    assert join_names_for_error(["a", "b"]) == "a, b"
    assert join_names_for_error(list("abcd"), most=2) == "a, b and 2 more"
    assert join_names_for_error(list("abc"), most=2) == "a, b, c"


def test_an_unknown_name_is_told_with_the_one_most_like_it():
    rule, known = "--x must be some of onnx, page.", ["onnx", "page"]
    assert explain_unknown_name(rule, "ONX", known) == f"{rule} Received: ONX. Did you mean onnx?"
    assert (
        explain_unknown_name(rule, "", known, "Try onnx.") == f"{rule} Received: nothing. Try onnx."
    )
    assert explain_unknown_name(rule, "7", known) == f"{rule} Received: 7."


def test_what_is_to_be_typed_is_quoted_if_the_shell_needs_it():
    assert quote_for_error("/größe/a.png") == "'/größe/a.png'"
    assert quote_for_error("/two words/it's") == """'/two words/it'"'"'s'"""
    assert quote_for_error("/plain/a-b_1.png") == "/plain/a-b_1.png"
    assert len(quote_for_error("x" * 999)) < 250
