"""Ctrl-C, SIGTERM, a closed terminal: the first asks for a clean stop. Once a line has said that it
takes a moment, another ends at once.
"""

import _thread
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
SLOW_STOP_SECONDS = 1.0  # after the first signal, before a line says that it was received
SAVING = "stopping and saving"
PATIENCE = "\n{}, which takes a moment; another Ctrl-C ends at once.\n"
FAREWELL = b"\nended at once; the same command resumes from the last checkpoint, if there is one.\n"
FAREWELL_FROM_PYTHON = "ended at once; the next call resumes from the last checkpoint, if any"


class Stop(threading.Event):
    """Set by the first stop signal. doing: what happens then, for the line that asks for patience;
    the block that catches the signals may change it.
    """

    def __init__(self, doing: str):
        super().__init__()
        self.doing = doing


class Interruption:
    """Once installed, the first stop signal raises KeyboardInterrupt, and the next kills the
    process.

    received: whether a stop signal came. (During tracing, TensorFlow turns a KeyboardInterrupt into
    other errors.)
    """

    received = False

    def install(self) -> None:
        for number in _list_handled_signals():
            signal.signal(number, self._interrupt_on_first_signal)

    def _interrupt_on_first_signal(self, *_):
        self.received = True
        for number in _list_handled_signals():
            signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt


@contextlib.contextmanager
def catch_stop_signals(doing: str = SAVING):
    """Yields a `Stop`, which the first stop signal sets. A line follows if stopping takes long, or
    at a second signal, and says what it is `doing`; after it, another ends at once.

    This works even while TensorFlow computes, when Python's own handlers have to wait. In main.py,
    which has installed an `Interruption`, the process ends. Any other process belongs to the
    caller: as soon as TensorFlow returns, KeyboardInterrupt is raised. Files on disk stay whole, as
    after a kill. Signals reach only the main thread: in other threads, nothing sets the event.
    """
    stop = Stop(doing)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    with _handle_stop_signals_with_event(stop):
        yield stop


@contextlib.contextmanager
def _handle_stop_signals_with_event(stop: Stop):
    """Handles the stop signals within the block, then restores the earlier handlers."""
    ends = threading.Event()  # whether the next call of the handler raises KeyboardInterrupt
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)

    def handle(*_) -> None:
        stop.set()  # the thread does so, too, but maybe a step later
        if ends.is_set():
            ends.clear()
            raise KeyboardInterrupt(FAREWELL_FROM_PYTHON)

    def interrupt_caller(_) -> None:
        ends.set()
        _thread.interrupt_main()  # calls the handler, which may have been called too early

    with _put_handlers_back() as numbers:
        end = _end_process if isinstance(owner, Interruption) else interrupt_caller
        wakeup_socket = _start_signal_thread(stop, set(numbers), end)
        for number in numbers:
            signal.signal(number, handle)
        wakeup = signal.set_wakeup_fd(wakeup_socket.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            wakeup_socket.close()  # ends the thread


@contextlib.contextmanager
def _put_handlers_back():
    """Yields the numbers of the stop signals; restores their handlers after the block."""
    before = {number: signal.getsignal(number) for number in _list_handled_signals()}
    try:
        yield list(before)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start_signal_thread(
    stop: Stop, numbers: set[int], end: Callable[[int], None]
) -> socket.socket:
    """Starts a thread that sets `stop`; returns the socket to which the signal numbers go.

    end: called with the number of a signal that comes after the line PATIENCE.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    thread = threading.Thread(
        target=_watch_stop_signals, args=(ours, stop, numbers, end), name="signals", daemon=True
    )
    thread.start()
    return theirs


@contextlib.contextmanager
def delay_first_stop_signal():
    """Delays the first stop signal until after the block; a second one ends the process.

    For imports of C++ libraries, which may crash if an exception interrupts them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    arrived = []
    with _put_handlers_back() as numbers:

        def remember(number: int, _) -> None:
            arrived.append(number)
            for each in numbers:
                signal.signal(each, signal.SIG_DFL)

        for number in numbers:
            signal.signal(number, remember)
        yield
    if arrived:
        signal.raise_signal(arrived[0])


def die_quietly_of_a_closed_pipe() -> None:
    """Makes `program | head` end without a traceback."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _watch_stop_signals(
    received: socket.socket, stop: Stop, numbers: set[int], end: Callable[[int], None]
) -> None:
    """Runs in a thread, which receives the numbers of the signals from the socket as they come."""
    is_asked = is_told = has_ended = False
    with received:
        while True:
            try:
                arrived = received.recv(1)
            except TimeoutError:  # still stopping: an evaluation or a slow step has to end
                arrived = None
            if arrived == b"":
                return
            if has_ended or (arrived and arrived[0] not in numbers):
                continue  # interrupt_main() is heard here, too
            if is_told:
                has_ended = True
                end(arrived[0])
            elif is_asked:  # an impatient second Ctrl-C ends nothing that no line has told
                is_told = True
                received.settimeout(None)
                _ask_for_patience(stop.doing)
            else:
                is_asked = True
                stop.set()
                received.settimeout(SLOW_STOP_SECONDS)


def _ask_for_patience(doing: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody may be listening
        sys.stderr.write(PATIENCE.format(doing))
        sys.stderr.flush()


def _end_process(number: int) -> None:
    with contextlib.suppress(OSError):
        os.write(sys.__stderr__.fileno(), FAREWELL)
    os._exit(128 + number)


def _list_handled_signals() -> list[int]:
    """The stop signals, but not SIGHUP if it is ignored, as under nohup."""
    hangup = getattr(signal, "SIGHUP", None)
    return [
        number
        for number in STOP_SIGNALS
        if number != hangup or signal.getsignal(number) != signal.SIG_IGN
    ]
