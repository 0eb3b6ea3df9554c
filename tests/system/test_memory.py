"""How much memory there is, checked against psutil and made-up files."""

import psutil
import pytest

from system import memory


def test_available_memory_is_a_plausible_number():
    assert 10e6 < memory.measure_available_memory() < 1e14


def test_the_system_is_asked_for_what_psutil_says(monkeypatch):
    monkeypatch.setattr(memory, "CGROUPS", ())
    assert memory.measure_available_memory() == pytest.approx(
        psutil.virtual_memory().available, rel=0.2
    )


def test_the_smallest_limit_counts(tmp_path, monkeypatch):
    """A container of 3 MB that has used 1 MB, one without a limit, and one that does not exist."""
    for name, text in (("max", "3000000\n"), ("used", "1000000\n"), ("none", "max\n")):
        (tmp_path / name).write_text(text)
    of_container = [str(tmp_path / name) for name in ("max", "used")]
    without_limit = [str(tmp_path / name) for name in ("none", "used")]
    missing = [str(tmp_path / name) for name in ("nowhere", "used")]
    monkeypatch.setattr(memory, "CGROUPS", (without_limit, of_container, missing))
    assert memory.measure_available_memory() == 2_000_000


def test_a_limit_of_the_shell_counts_without_what_is_used(monkeypatch):
    monkeypatch.setattr(memory.resource, "getrlimit", lambda _: (2**45, 2**45))
    used = psutil.Process().memory_info().vms
    assert memory._read_ulimit_memory() == pytest.approx(2**45 - used, abs=2**28)


def test_where_nothing_tells_it_is_unknown(monkeypatch):
    monkeypatch.setattr(memory, "CGROUPS", ())
    monkeypatch.setattr(memory, "_read_system_memory", lambda: None)
    monkeypatch.setattr(memory, "resource", None)
    assert memory.measure_available_memory() is None
