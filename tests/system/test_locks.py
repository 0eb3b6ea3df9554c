"""Locks between processes; faults/test_two.py has the program itself."""

import os
import socket
import threading
import time

import pytest

from system import locks


def test_the_lock_of_a_killed_process_is_taken_over(held, tmp_path, caplog):
    held.kill()
    held.wait()
    run_dir = tmp_path / "out" / "run"
    assert (run_dir / "lock").read_text() == f"process {held.pid} on {socket.gethostname()}"
    (run_dir / "config.json").touch()
    with locks.lock_folder(run_dir):
        assert (run_dir / "lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}"
    assert [path.name for path in run_dir.iterdir()] == ["config.json"]


@pytest.mark.parametrize("kept", [(), ("config.json",)])
def test_a_folder_in_which_a_killed_process_left_only_its_lock_goes(kept, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in kept:
        (folder / name).touch()
    (folder / "lock").write_text(f"process 999999999 on {socket.gethostname()}")
    with locks.lock_folder(folder):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == (["run", *kept] if kept else [])


def test_a_lock_from_another_host_is_taken_over_with_a_warning(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(locks.logging, "warning", lambda text, *values: said.append(text % values))
    (tmp_path / "lock").write_text("process 7 on elsewhere")
    with locks.lock_folder(tmp_path):
        assert "process 7 on elsewhere did not finish its work" in said[0]


@pytest.mark.parametrize(
    "holder, refused",
    [
        ("process 1 on HOST", True),
        ("process 1 on elsewhere", True),
        ("process 999999999 on HOST", False),
        ("process OURS on HOST", False),
        ("", False),
    ],
)
def test_where_the_file_system_has_no_locks_the_name_counts(holder, refused, tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "lock").write_text(
        holder.replace("HOST", socket.gethostname()).replace("OURS", str(os.getpid()))
    )
    if refused:
        with (
            pytest.raises(ValueError, match="Only one process at a time"),
            locks.lock_folder(folder),
        ):
            pass
    else:
        with (
            locks.lock_folder(folder),
            pytest.raises(ValueError, match="in use by"),
            other_process(monkeypatch, folder),
        ):
            pass


@pytest.mark.parametrize("has_locks", [True, False])
def test_a_users_file_of_that_name_stays(has_locks, tmp_path, monkeypatch):
    if not has_locks:
        monkeypatch.setattr(locks, "fcntl", None)
    path = tmp_path / "lock"
    path.write_text("the combination is 1234")
    with (
        pytest.raises(ValueError, match=r"must be this program's lock"),
        locks.lock_folder(tmp_path),
    ):
        pass
    assert path.read_text() == "the combination is 1234"
    path.write_bytes(bytes(20))  # after a power failure
    with locks.lock_folder(tmp_path):
        pass


def other_process(monkeypatch, folder):
    """Asks for the lock as another process would while this one lives."""
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    return locks.lock_folder(folder)


def test_who_waits_for_a_lock_gets_it_when_it_is_free_and_says_so_once(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "POLL_SECONDS", 0.01)
    said, order = [], []
    monkeypatch.setattr(locks.logging, "info", lambda text, *values: said.append(text % values))

    def wait():
        with locks.wait_for_file_lock(tmp_path / "lock", "waiting"):
            order.append("waiter")

    with locks.wait_for_file_lock(tmp_path / "lock", "nobody is there"):
        waiter = threading.Thread(target=wait)
        waiter.start()
        time.sleep(0.1)
        order.append("owner")
    waiter.join(10)
    assert (order, said) == (["owner", "waiter"], ["waiting"])
    assert not list(tmp_path.iterdir())


def test_a_file_has_one_owner(tmp_path):
    path = tmp_path / "draft"
    path.touch()
    with locks.try_to_own_file(path) as is_mine:
        assert is_mine
        with locks.try_to_own_file(path) as is_mine_too:
            assert is_mine_too is False
    with locks.try_to_own_file(path) as is_mine_now:
        assert is_mine_now
    with locks.try_to_own_file(tmp_path / "gone") as is_mine_there:
        assert is_mine_there is False
