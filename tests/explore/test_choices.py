"""The values of the flags of experiments."""

import pytest

from explore.choices import parse_sample_numbers


def test_sample_numbers_are_read():
    assert parse_sample_numbers("3, 17,3", "walk_seeds") == [3, 17, 3]


@pytest.mark.parametrize("text", ["", "3", "3,", "3,x", "-1,2", "1.5,2", "1,99999999999"])
def test_other_sample_numbers_are_refused(text):
    with pytest.raises(ValueError, match=r"^--walk_seeds must be at least 2 numbers of samples"):
        parse_sample_numbers(text, "walk_seeds", fewest=2)
