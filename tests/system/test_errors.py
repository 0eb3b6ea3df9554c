import errno

import pytest

from system.errors import add_path_to_errors, pass_over_full_disk


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


def test_only_a_full_disk_is_passed_over():
    with pass_over_full_disk():
        raise OSError(errno.ENOSPC, "full")
    with pytest.raises(PermissionError), pass_over_full_disk():
        raise PermissionError(errno.EACCES, "closed")
