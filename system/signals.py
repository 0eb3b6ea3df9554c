"""Ctrl-C, SIGTERM and a closed terminal: the first asks the program to end well, the second ends it at once."""

import contextlib
import os
import signal
import socket
import sys
import threading

STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Interruption:
    """While it is installed the first of the signals raises KeyboardInterrupt, and the next one kills the process.

    received: whether there was one, since TensorFlow turns a KeyboardInterrupt in its tracing into errors of its own.
    """

    received = False

    def install(self) -> None:
        for number in _heard():
            signal.signal(number, self._raise)

    def _raise(self, *_):
        self.received = True
        for number in _heard():
            signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt


@contextlib.contextmanager
def stop_signals():
    """Within the block the first of the signals sets the event that is yielded; the second ends the process at once.

    At once: even while TensorFlow computes, when Python's own handlers have to wait. What is on disk is whole then, as
    after a kill. Only the main thread may enter the block.
    """
    stop = threading.Event()
    before = {number: signal.getsignal(number) for number in _heard()}
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    threading.Thread(
        target=_watch, args=(ours, stop, set(before)), name="signals", daemon=True
    ).start()
    for number in before:
        signal.signal(
            number, lambda *_: stop.set()
        )  # the thread's word for it may come a step later
    wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    try:
        yield stop
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        theirs.close()  # ends the thread


def _watch(received: socket.socket, stop: threading.Event, numbers: set[int]) -> None:
    """The thread that hears of signals as they come; the socket has their numbers."""
    heard, farewell = 0, b"\nended at once; the same command goes on from the last checkpoint.\n"
    with received:
        while arrived := received.recv(1):
            heard += arrived[0] in numbers
            if heard == 2:
                os.write(sys.__stderr__.fileno(), farewell)
                os._exit(128 + arrived[0])
            if heard:
                stop.set()


def _heard() -> list[int]:
    """The signals that are not ignored, as nohup has SIGHUP ignored."""
    return [
        number
        for number in STOPPING
        if number != getattr(signal, "SIGHUP", None) or not _ignored(number)
    ]


def _ignored(number: int) -> bool:
    return signal.getsignal(number) == signal.SIG_IGN
