import errno

import pytest

from system.errors import add_path_to_errors


def test_an_error_without_a_file_gets_one(tmp_path):
    with pytest.raises(OSError) as error, add_path_to_errors(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "full")
    assert error.value.filename == str(tmp_path / "a")


def test_an_error_keeps_the_file_that_it_names(tmp_path):
    with pytest.raises(OSError) as error, add_path_to_errors(tmp_path / "a"):
        raise OSError(errno.ENOSPC, "full", "b")
    assert error.value.filename == "b"


def test_other_errors_pass(tmp_path):
    with pytest.raises(ValueError), add_path_to_errors(tmp_path):
        raise ValueError
