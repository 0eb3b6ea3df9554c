"""Ends this process when something takes too long, even in a library that lets nothing else run."""

import contextlib
import faulthandler
import os
import subprocess
import sys
import time

# Runs in a process of its own, until its stdin is closed or the time is up.
TELL = """
import os, sys, threading, time
waiting = threading.Thread(target=os.read, args=(0, 1), daemon=True)
waiting.start()
deadline = float(sys.argv[1])
waiting.join(max(deadline - time.monotonic(), 0))
if time.monotonic() >= deadline:
    print(sys.argv[2], file=sys.stderr, flush=True)
"""
TELLING_SECONDS = 1.0  # between that line and the end: a container ends with its first process


@contextlib.contextmanager
def end_process_after(seconds: float, reason: str):
    """Unless the block ends within `seconds`, ends the process with exit code 1 and `reason` as its
    error line.

    For C++ code that keeps Python's lock while it waits: no thread and no signal handler can run.
    What can is a timer in C, which has nothing to say, and another process.
    """
    deadline = time.monotonic() + seconds
    teller = subprocess.Popen(
        [sys.executable, "-ISc", TELL, str(deadline), f"error: {reason}"],
        stdin=subprocess.PIPE,
        start_new_session=True,  # without Ctrl-C's signal
    )
    with open(os.devnull, "w") as nowhere:
        faulthandler.dump_traceback_later(seconds + TELLING_SECONDS, exit=True, file=nowhere)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            teller.communicate()
