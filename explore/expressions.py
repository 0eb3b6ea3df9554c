"""Sums and turns of groups of samples: reads "3,17,42 - !Smiling + 5" and "Smiling -> !Smiling"."""

import re
from typing import NamedTuple, NoReturn

from explore.choices import MAX_SAMPLE_NUMBER
from system.text import escape_unprintable

MAX_CHARACTERS = 500  # of an expression, whose picture then is at most 40,000 pixels wide
SPACE = re.compile(r"\s*")
NUMBER = re.compile(r"[0-9]+")
SIGN = re.compile(r"[+-](?!>)")
ARROW = re.compile(r"->")
BARE = r"""[^\s'"!,+>-]+"""
# An attribute in quotes may hold anything but the quote, and may look like a number.
ATTRIBUTE = re.compile(
    rf"""(?P<off>!?)\s*(?:(?P<quote>['"])(?P<quoted>.+?)(?P=quote)|(?P<bare>{BARE}))"""
)
TERM_HELP = (
    "A term is one or more sample numbers, such as 3,17,42, or an attribute, such as Smiling or "
    "!Smiling"
)


class Term(NamedTuple):
    """A group of samples: those with these `numbers`, or those that show an attribute.

    attribute: "" for numbers. is_on: whether the samples have the attribute, or lack it.
    """

    numbers: tuple[int, ...] = ()
    attribute: str = ""
    is_on: bool = True

    def __str__(self) -> str:
        if self.numbers:
            return ",".join(map(str, self.numbers))
        is_bare = re.fullmatch(BARE, self.attribute) and not NUMBER.fullmatch(self.attribute)
        name = self.attribute if is_bare else f'"{self.attribute}"'
        return name if self.is_on else f"!{name}"


class SignedTerm(NamedTuple):
    """sign: 1 or -1."""

    sign: int
    term: Term


def parse_sum(text: str, flag: str) -> list[SignedTerm]:
    """The terms of "A - B + C", with their signs; the first has sign 1.

    flag: the name of the flag that has this value. Raises ValueError, which points at the place,
    for anything else.
    """
    reader = ExpressionReader(text, flag)
    terms = [SignedTerm(1, reader.read_term())]
    while not reader.is_at_end():
        sign = reader.read(SIGN, "+ or - between terms")
        terms.append(SignedTerm(1 if sign == "+" else -1, reader.read_term()))
    return terms


def parse_turn(text: str, flag: str) -> tuple[Term, Term]:
    """A and B of "A -> B". Raises ValueError as `parse_sum` does."""
    reader = ExpressionReader(text, flag)
    start = reader.read_term()
    reader.read(ARROW, "-> between the two groups")
    end = reader.read_term()
    if not reader.is_at_end():
        reader.refuse("the end")
    return start, end


class ExpressionReader:
    """Reads an expression from left to right; what does not fit is an error with its position."""

    def __init__(self, text: str, flag: str):
        self.text, self.flag, self.position = text, flag, 0
        if len(text) > MAX_CHARACTERS:
            raise ValueError(
                f"--{flag} must have at most {MAX_CHARACTERS:,} characters. "
                f"Received: {len(text):,}. Use fewer terms."
            )

    def read_term(self) -> Term:
        self.skip_spaces()
        found = ATTRIBUTE.match(self.text, self.position)
        if not found:
            self.refuse("a term")
        is_on, bare = not found["off"], found["bare"] or ""
        if is_on and NUMBER.fullmatch(bare):
            return Term(numbers=self.read_numbers())
        if NUMBER.fullmatch(bare):
            self.position = found.start("bare")
            self.refuse("an attribute after the !")
        self.position = found.end()
        return Term(attribute=bare or found["quoted"], is_on=is_on)

    def read_numbers(self) -> tuple[int, ...]:
        numbers = []
        while not numbers or self.is_next(","):
            self.position += bool(numbers)  # the comma
            number = self.read(NUMBER, "the number of a sample")
            if int(number[:9]) > MAX_SAMPLE_NUMBER:
                self.position -= len(number)
                self.refuse(f"a number up to {MAX_SAMPLE_NUMBER:,}")
            numbers.append(int(number))
        return tuple(numbers)

    def read(self, pattern: re.Pattern, wanted: str) -> str:
        """What `pattern` matches at the next place. Raises ValueError if it does not."""
        self.skip_spaces()
        found = pattern.match(self.text, self.position)
        if not found:
            self.refuse(wanted)
        self.position = found.end()
        return found[0]

    def is_next(self, character: str) -> bool:
        self.skip_spaces()
        return self.text.startswith(character, self.position)

    def is_at_end(self) -> bool:
        self.skip_spaces()
        return self.position == len(self.text)

    def skip_spaces(self) -> None:
        self.position = SPACE.match(self.text, self.position).end()

    def refuse(self, wanted: str) -> NoReturn:
        raise ValueError(
            f"--{self.flag}: expected {wanted} at character {self.position + 1} of "
            f'"{escape_unprintable(self.text)}". {TERM_HELP}; '
            "--explore contact_sheet shows the numbers."
        )
