"""Ctrl-C, SIGTERM, a closed terminal: the first asks for a clean stop, the second ends at once."""

import contextlib
import os
import signal
import socket
import sys
import threading

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
SLOW_STOP_SECONDS = 1.0  # after the first signal, before a line says that it was received
PATIENCE = b"\nstopping and saving, which takes a moment; another Ctrl-C ends at once.\n"
FAREWELL = b"\nended at once; the same command resumes from the last checkpoint, if there is one.\n"


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
def catch_stop_signals():
    """Yields an event that the first stop signal sets; the second one ends the process at once.

    This works even while TensorFlow computes, when Python's own handlers have to wait. Files on
    disk stay whole, as after a kill. Signals reach only the main thread: in other threads, nothing
    sets the event.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    with _handle_stop_signals_with_event(stop):
        yield stop


@contextlib.contextmanager
def _handle_stop_signals_with_event(stop: threading.Event):
    """Handles the stop signals within the block, then restores the earlier handlers."""
    with _put_handlers_back() as numbers:
        wakeup_socket = _start_signal_thread(stop, set(numbers))
        for number in numbers:
            # Python's handler sets the event, too: the thread may set it a step later.
            signal.signal(number, lambda *_: stop.set())
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


def _start_signal_thread(stop: threading.Event, numbers: set[int]) -> socket.socket:
    """Starts a thread that sets `stop`; returns the socket to which the signal numbers go."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    thread = threading.Thread(
        target=_watch_stop_signals, args=(ours, stop, numbers), name="signals", daemon=True
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


def _watch_stop_signals(received: socket.socket, stop: threading.Event, numbers: set[int]) -> None:
    """Runs in a thread, which receives the numbers of the signals from the socket as they come."""
    count = 0
    with received:
        while True:
            try:
                arrived = received.recv(1)
            except TimeoutError:  # still stopping: an evaluation or a slow step has to end
                received.settimeout(None)
                os.write(sys.__stderr__.fileno(), PATIENCE)
                continue
            if not arrived:
                return
            if arrived[0] not in numbers:
                continue

            count += 1
            if count == 2:
                os.write(sys.__stderr__.fileno(), FAREWELL)
                os._exit(128 + arrived[0])
            stop.set()
            received.settimeout(SLOW_STOP_SECONDS)


def _list_handled_signals() -> list[int]:
    """The stop signals, but not SIGHUP if it is ignored, as under nohup."""
    hangup = getattr(signal, "SIGHUP", None)
    return [
        number
        for number in STOP_SIGNALS
        if number != hangup or signal.getsignal(number) != signal.SIG_IGN
    ]
