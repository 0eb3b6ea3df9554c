import errno

import pytest

from system.console import explain
from system.files import check_room


def test_a_disk_without_room_is_told_before_the_work(tmp_path):
    check_room(tmp_path, 1, "nothing much")
    with pytest.raises(OSError, match="GB are needed for the images") as error:
        check_room(tmp_path, 10**18, "the images")
    assert error.value.errno == errno.ENOSPC
    line = explain(error.value)
    assert line.startswith(f"{tmp_path} cannot be used: 1000000000.00 GB are needed for the images")
    assert "Make room there" in line
