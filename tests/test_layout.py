"""The tests mirror the tree: system/locks.py is tested by tests/system/test_locks.py."""

import collections

import pytest
from common import ROOT
from test_imports import MODULES

ELSEWHERE = {
    "data/find.py": "tests/data/test_find_source.py",  # runs/find.py has the name
    "data/sources/source.py": "tests/data/sources/test_folder.py",
    "data/sources/lmdb_reader.py": "tests/data/sources/test_lsun.py",
    "download.py": "tests/data/test_fetch.py",
}
NAMES = [path.relative_to(ROOT) for path in MODULES if path.name != "__init__.py"]


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_every_module_has_its_test_file(name):
    beside = ROOT / "tests" / name.with_name(f"test_{name.name}")
    expected = ROOT / ELSEWHERE.get(name.as_posix(), beside)
    assert expected.is_file()
    assert "def test_" in expected.read_text(encoding="utf-8")


def test_no_two_files_of_tests_have_one_name():
    """pytest imports them by name alone, as there are no packages here."""
    names = collections.Counter(path.name for path in ROOT.glob("tests/**/*.py"))
    assert {name for name, count in names.items() if count > 1} == {"conftest.py"}
