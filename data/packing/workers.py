"""Decoding in other processes: threads that decode small images spend half of their time waiting for Python's lock."""

import contextlib
import pickle
import subprocess
import sys
from pathlib import Path

from PIL import UnidentifiedImageError

from data.packing.decode import Geometry, decode
from data.packing.encoded import GATE, WORKER_BYTES, TooLargeHereError
from data.sources.source import printable

# Ctrl-C reaches every process of a terminal; a worker leaves it to its parent.
START = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from data.packing.workers import serve
serve()
"""


def decode_all(items: list[tuple], geometry: Geometry, channels: int) -> tuple[bytes, list[tuple]]:
    """The pixels of the images that can be decoded, one after the other, and of every (name, image), in order,
    (name, the reason why it cannot) or (name, (size, gray, transparent)) as in `Decoded`.
    """
    pixels, seen = [], []
    for name, image in items:
        try:
            decoded = decode(image, geometry, channels)
        except TooLargeHereError:
            raise
        except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
            seen.append((name, _reason(error)))
            continue
        pixels.append(decoded.pixels.tobytes())
        seen.append((name, (decoded.size, decoded.gray, decoded.transparent)))
    return b"".join(pixels), seen


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"  # Pillow's own words hold the path, or an object's address
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # without the path
    return printable((str(error).splitlines() or [""])[0] or type(error).__name__)[:120]


class Worker:
    """`decode_all` in a process of its own; in this one, should that process not start, or die, or be given an image
    of more than WORKER_BYTES: only one process can see to it that not too many of those are decoded at a time.

    It is not one of multiprocessing's, which run the user's script again and fail where it has no main guard.
    """

    def __init__(self):
        self.process = None
        with contextlib.suppress(OSError):
            self.process = subprocess.Popen(
                [sys.executable, "-c", START], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )

    def __call__(self, *arguments) -> tuple[bytes, list[tuple]]:
        if self.process is None:
            return decode_all(*arguments)
        try:
            pickle.dump(arguments, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()
            if (answer := pickle.load(self.process.stdout)) is not None:
                return answer
        except (
            Exception
        ):  # a broken pipe, half an answer, an exception from a zip that cannot be pickled
            self.stop()
        return decode_all(*arguments)

    def stop(self) -> None:
        process, self.process = self.process, None
        if process:
            process.kill()
            process.wait()
            process.stdout.close()
            with contextlib.suppress(OSError):  # what was not flushed has no reader
                process.stdin.close()


def serve() -> None:
    """A worker's side: takes the pickled arguments of `decode_all`, gives its results, or None for a task with an image
    too large, until its parent is gone.
    """
    results, sys.stdout = (
        sys.stdout.buffer,
        sys.stderr,
    )  # so that nothing that is printed gets in between
    GATE.most = WORKER_BYTES
    with contextlib.suppress(
        Exception
    ):  # the parent decodes what brings no answer, and tells what is wrong with it
        while True:
            pickle.dump(_answer(*pickle.load(sys.stdin.buffer)), results, pickle.HIGHEST_PROTOCOL)
            results.flush()


def _answer(*arguments) -> tuple[bytes, list[tuple]] | None:
    try:
        return decode_all(*arguments)
    except TooLargeHereError:
        return None
