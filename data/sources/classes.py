"""Classes from other people's files, which give them as numbers or as words."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from data import limits


def number_classes(values: Iterable, place: str) -> tuple[list[str], np.ndarray]:
    """(names, the class (N,) of every image) from `values`: all whole numbers from 0, or all words.

    A gap in the numbers is a class without images; floats such as 2.0 count as numbers. Words are
    numbered in sorted order. True and False are two classes, even if all images are in one.

    Raises ValueError, which names `place`, for an image without a class, negative numbers,
    fractions and too many classes.
    """
    values = [_check_class_of_stored_image(value, place) for value in values]
    if all(isinstance(value, bool | np.bool) for value in values):
        return ["False", "True"], np.array(values, int)
    if all(_is_class_number(value) for value in values):
        numbers = [int(value) for value in values]
        _check_class_range(min(numbers), max(numbers), place)
        return [str(number) for number in range(max(numbers) + 1)], np.array(numbers)

    words = [str(value) for value in values]
    names = sorted(set(words))
    positions = {name: number for number, name in enumerate(names)}
    return names, np.array([positions[word] for word in words])


def _check_class_of_stored_image(value, place: str):
    """The value, if it can be a class; a whole number in place of a float such as 2.0."""
    value = _take_whole_number_if_float(value, place)
    if value is not None and (not isinstance(value, str) or len(value) <= limits.MAX_CLASS_BYTES):
        return value

    received = "one without" if value is None else f"a word of {len(value):,} characters"
    raise ValueError(
        f"Every image of {place} must have a class: a number or a word. Received: {received}. "
        "Use --labels=none."
    )


def _take_whole_number_if_float(value, place: str):
    """2 for 2.0; None for NaN, which tables hold where a class is missing; others as they are.

    Raises ValueError for a fraction.
    """
    if not isinstance(value, float | np.floating):
        return value
    if math.isnan(value):
        return None
    if not float(value).is_integer():
        raise ValueError(
            f"The classes of {place} must be whole numbers or words. Received: {value:g}. "
            "Use --labels=none, or save the classes as whole numbers."
        )
    return int(value)


def _is_class_number(value) -> bool:
    if isinstance(value, str):  # int() would take "1_0", and digits of any script
        digits = value.removeprefix("-")
        return digits.isascii() and digits.isdecimal() and len(digits) < 20
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _check_class_range(lowest: int, highest: int, place: str) -> None:
    if lowest >= 0 and highest < limits.MAX_CLASSES:
        return

    raise ValueError(
        f"The classes of {place} must be numbers from 0 to {limits.MAX_CLASSES - 1:,}. "
        f"Received: {lowest:,} to {highest:,}. Renumber them, or drop --labels."
    )


def name_classes(
    values: Iterable, names: Sequence[str] | None, place: str
) -> tuple[list[str], np.ndarray]:
    """Like `number_classes`, for numbers with known names. names: None if they are not known."""
    if names is None:
        return number_classes(values, place)

    values = (_take_whole_number_if_float(value, place) for value in values)
    numbers = np.array([-1 if value is None else int(value) for value in values])
    if numbers.min() < 0 or numbers.max() >= len(names):
        raise ValueError(
            f"Every image of {place} must have one of its {len(names):,} classes. Received: one "
            "without a class, or with another. Use another split, or --labels=none."
        )
    return list(names), numbers
