"""The first signal asks the program to stop; once a line has said so, another ends it immediately.

tests/faults/test_interruptions.py sends them to the program itself.
"""

import concurrent.futures
import os
import signal
import subprocess
import sys
import time

import pytest
from common import ROOT

from system.signals import (
    FAREWELL_FROM_PYTHON,
    PATIENCE,
    SAVING,
    SLOW_STOP_SECONDS,
    STOP_SIGNALS,
    Interruption,
    catch_stop_signals,
    delay_first_stop_signal,
)

BUSY = """
import hashlib, sys, time
from system.signals import Interruption, catch_stop_signals
if sys.argv[1] == "main":
    Interruption().install()
with catch_stop_signals() as stop:
    print("ready", flush=True)
    while not stop.is_set():
        time.sleep(0.01)
    try:
        print("asked", flush=True)
        # In C and without the interpreter's lock, as TensorFlow: Python's handlers wait for it.
        while True:
            hashlib.pbkdf2_hmac("sha256", b"", b"", int(sys.argv[2]))
    finally:
        print("cleaned up", flush=True)
"""


@pytest.fixture
def handlers():
    """Handlers that receive every signal, even under nohup or &; restored afterwards."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    yield {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_the_first_signal_sets_the_event_and_handlers_come_back(number, handlers):
    with catch_stop_signals() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(10)
    assert {one: signal.getsignal(one) for one in STOP_SIGNALS} == handlers


def test_the_line_says_what_is_still_being_done(handlers, capsys):
    with catch_stop_signals() as stop:
        stop.doing = "drawing"
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(10)
        said, end = "", time.monotonic() + 10
        while not said and time.monotonic() < end:
            time.sleep(0.05)
            said = capsys.readouterr().err
    assert said == PATIENCE.format("drawing")


def test_in_a_thread_nothing_sets_the_event_and_handlers_stay(handlers):
    def catch():
        with catch_stop_signals() as stop:
            return {one: signal.getsignal(one) for one in STOP_SIGNALS}, stop.is_set()

    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        assert threads.submit(catch).result() == (handlers, False)


def test_a_hangup_that_nohup_ignores_stays_ignored(handlers):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with catch_stop_signals() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.wait(0.1)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


@pytest.fixture
def busy():
    """A factory of a process that has been asked to stop and still computes."""
    processes = []

    def make(caller: str, rounds: int) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", BUSY, caller, str(rounds)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        processes.append(process)
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "asked\n"
        return process

    yield make
    for process in processes:
        process.kill()


def read_line(process: subprocess.Popen) -> str:
    """The next line of its stderr that is not empty."""
    return next(line.strip() for line in process.stderr if line.strip())


def test_a_signal_after_the_line_ends_the_process_even_while_it_computes(busy):
    process = busy("main", 10**9)
    time.sleep(SLOW_STOP_SECONDS + 0.5)
    process.send_signal(signal.SIGTERM)
    told, said = process.communicate(timeout=30)
    assert (process.returncode, told) == (128 + signal.SIGTERM, "")
    patience, farewell = said.strip().split("\n\n")
    assert f"\n{patience}\n" == PATIENCE.format(SAVING)
    assert "ended at once" in farewell


def test_an_impatient_second_signal_only_brings_the_line(busy):
    process = busy("main", 10**9)
    process.send_signal(signal.SIGTERM)
    assert read_line(process) in PATIENCE.format(SAVING)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert "ended at once" in process.communicate(timeout=30)[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_callers_process_gets_an_exception_instead(number, busy):
    """Its own clean-up runs; a notebook's kernel lives on."""
    process = busy("a script", 10**5)
    process.send_signal(number)
    assert read_line(process) in PATIENCE.format(SAVING)
    process.send_signal(number)
    told, said = process.communicate(timeout=30)
    assert told == "cleaned up\n", said
    assert said.strip().endswith(f"KeyboardInterrupt: {FAREWELL_FROM_PYTHON}")


def test_an_interruption_is_an_exception_once_and_then_deadly(handlers):
    interruption = Interruption()
    interruption.install()
    assert not interruption.received
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert interruption.received
    assert all(signal.getsignal(number) == signal.SIG_DFL for number in STOP_SIGNALS)


def test_a_signal_during_an_import_waits_for_its_end(handlers):
    interruption, done = Interruption(), False
    interruption.install()
    with pytest.raises(KeyboardInterrupt), delay_first_stop_signal():
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL  # the second ends the process
        done = True
    assert done and interruption.received


def test_delaying_leaves_the_handlers_as_they_were(handlers):
    interruption = Interruption()
    interruption.install()
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    with delay_first_stop_signal():
        pass
    assert {number: signal.getsignal(number) for number in STOP_SIGNALS} == before
    assert not interruption.received
