"""Runs main.py and kills it, as kill -9 does, just before it does something for the n-th time.

    python killed.py EVENT TEXT NUMBER MILLISECONDS flags...

EVENT is one of Python's audit events (open, os.rename, os.remove, os.mkdir, import), TEXT is in its
first or second argument, and the kill comes MILLISECONDS later.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))


def kill_at(event: str, text: str, number: int, milliseconds: float) -> None:
    seen = 0

    def hook(name, arguments):
        nonlocal seen
        if name != event or not any(text in str(argument) for argument in arguments[:2]):
            return
        seen += 1
        if seen == number and milliseconds:
            threading.Thread(target=kill, daemon=True).start()
        elif seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def kill():
        time.sleep(milliseconds / 1000)
        os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


if __name__ == "__main__":
    kill_at(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
    import main

    sys.exit(main.main(["main.py", *sys.argv[5:]]))
