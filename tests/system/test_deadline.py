import subprocess
import sys
import time

import pytest
from common import ROOT

from system import deadline
from system.deadline import end_process_after

# PyDLL keeps Python's lock while its function runs, as TensorFlow does while it waits for workers.
WAITING = """
import ctypes, sys
from system.deadline import end_process_after
with end_process_after(float(sys.argv[1]), "The reason."):
    print("waiting", flush=True)
    ctypes.PyDLL(None).sleep(60)
"""


def wait_for_at_most(seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-c", WAITING, str(seconds)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=ROOT, **pipes)
    assert process.stdout.readline() == "waiting\n"
    return process


def test_it_ends_code_that_lets_no_thread_run():
    process = wait_for_at_most(0.2)
    assert process.communicate(timeout=30) == ("", "error: The reason.\n")
    assert process.returncode == 1


def test_nothing_is_said_when_the_process_is_killed():
    process = wait_for_at_most(30)
    process.kill()
    assert process.communicate(timeout=20) == ("", "")


def test_a_block_that_ends_in_time_is_left_alone(capfd, monkeypatch):
    monkeypatch.setattr(deadline, "TELLING_SECONDS", 0.1)
    with end_process_after(0.3, "The reason."):
        pass
    with pytest.raises(KeyError), end_process_after(0.3, "The reason."):
        raise KeyError
    time.sleep(0.5)
    assert capfd.readouterr() == ("", "")
