"""What --arithmetic and --turn say, and where they go wrong."""

import re

import pytest

from explore.expressions import SignedTerm, Term, parse_sum, parse_turn


def test_a_sum_of_numbers_and_attributes():
    assert parse_sum("3, 17,42 - !Smiling+5 +  ! Young", "arithmetic") == [
        SignedTerm(1, Term(numbers=(3, 17, 42))),
        SignedTerm(-1, Term(attribute="Smiling", is_on=False)),
        SignedTerm(1, Term(numbers=(5,))),
        SignedTerm(1, Term(attribute="Young", is_on=False)),
    ]
    assert parse_sum(" 7 ", "arithmetic") == [SignedTerm(1, Term(numbers=(7,)))]


def test_names_that_look_like_something_else():
    assert parse_sum("5_o_Clock_Shadow", "arithmetic")[0].term.attribute == "5_o_Clock_Shadow"
    assert parse_sum("""'3' - !"red-haired, + old" """, "arithmetic") == [
        SignedTerm(1, Term(attribute="3")),
        SignedTerm(-1, Term(attribute="red-haired, + old", is_on=False)),
    ]


def test_a_turn_has_two_groups():
    assert parse_turn("1,2->!Smiling", "turn") == (
        Term(numbers=(1, 2)),
        Term(attribute="Smiling", is_on=False),
    )


@pytest.mark.parametrize("text", ["3,17,42", "Smiling", "!Smiling", '"3"', '!"a b"', "5_o"])
def test_a_term_is_written_as_it_is_read(text):
    assert str(parse_sum(text, "arithmetic")[0].term) == text


@pytest.mark.parametrize(
    ("text", "wanted", "character"),
    [
        ("", "a term", 1),
        ("3,4 - + 5", "a term", 7),
        ("-3", "a term", 1),
        ("3 +", "a term", 4),
        ("3,4, - 5", "the number of a sample", 6),
        ("3,x", "the number of a sample", 3),
        ("3 4", "+ or - between terms", 3),
        ("Smiling Young", "+ or - between terms", 9),
        ("1 -> 2", "+ or - between terms", 3),
        ("1 - !3", "an attribute after the !", 6),
        ("1 - !", "a term", 5),
        ("'Smiling", "a term", 1),
        ("3,1048577", "a number up to 1,048,576", 3),
        ("3,99999999999999999999", "a number up to 1,048,576", 3),
    ],
)
def test_an_error_points_at_its_place(text, wanted, character):
    place = f'--arithmetic: expected {wanted} at character {character} of "{text}". '
    with pytest.raises(ValueError, match=f"^{re.escape(place)}A term is .* shows the numbers[.]$"):
        parse_sum(text, "arithmetic")


@pytest.mark.parametrize(
    ("text", "wanted", "character"),
    [
        ("1,2", "-> between the two groups", 4),
        ("1 - 2", "-> between the two groups", 3),
        ("1 ->", "a term", 5),
        ("1 -> 2 -> 3", "the end", 8),
    ],
)
def test_a_turn_that_is_none(text, wanted, character):
    place = f'--turn: expected {wanted} at character {character} of "{text}". '
    with pytest.raises(ValueError, match=f"^{re.escape(place)}"):
        parse_turn(text, "turn")


def test_an_error_is_one_line():
    with pytest.raises(ValueError, match=r"character 3 of .3\\n5") as error:
        parse_sum("3\n5", "arithmetic")
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match=r"^--arithmetic must have at most 500 characters"):
        parse_sum("1+" * 5000, "arithmetic")
