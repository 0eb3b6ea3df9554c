"""Decodes in other processes: threads that decode small images wait half the time for the GIL."""

import contextlib
import pickle
import subprocess
import sys
from pathlib import Path

from PIL import UnidentifiedImageError

from data import limits
from data.packing.decode import (
    DECODING_MEMORY,
    Decoded,
    Geometry,
    TooLargeForWorkerError,
    decode_image,
)
from system.text import escape_unprintable

# What a worker runs. Ctrl-C reaches every process of a terminal; a worker leaves it to its parent.
WORKER_SCRIPT = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from data.packing.workers import serve_decoding_tasks
serve_decoding_tasks()
"""


def decode_images(
    items: list[tuple], geometry: Geometry, channels: int
) -> tuple[bytes, list[tuple]]:
    """Decodes (name, image) pairs; returns the pixels, and what was seen of each pair.

    The pixels are those of the readable images, one after the other. What was seen is in order:
    (name, (size, gray, transparent, animated)), as in `Decoded`, or (name, why it cannot be read).
    """
    pixels, seen = [], []
    for name, image in items:
        decoded = _decode_image_or_explain(image, geometry, channels)
        if isinstance(decoded, str):
            seen.append((name, decoded))
            continue

        pixels.append(decoded.pixels.tobytes())
        kind = (decoded.size, decoded.gray, decoded.transparent, decoded.animated)
        seen.append((name, kind))
    return b"".join(pixels), seen


def _decode_image_or_explain(image, geometry: Geometry, channels: int) -> Decoded | str:
    """The decoded image, or why it cannot be read."""
    try:
        return decode_image(image, geometry, channels)
    except TooLargeForWorkerError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged files
        return explain_unreadable_image(error)


def explain_unreadable_image(error: Exception) -> str:
    """Why an image cannot be read, in a few words without its path."""
    if isinstance(error, UnidentifiedImageError):
        return "not an image"  # Pillow's own words hold the path, or an object's address
    if isinstance(error, OSError) and error.strerror:
        return error.strerror

    line = (str(error).splitlines() or [""])[0] or type(error).__name__
    return escape_unprintable(line)[: limits.MAX_REASON_CHARACTERS]


class Worker:
    """A process that runs `decode_images`.

    The caller's process does the work itself if the worker does not start, or dies. It also does so
    for a task with an image that takes more than MAX_WORKER_BYTES, because a MemoryGate counts the
    images of one process only.

    multiprocessing does not work here: its processes run the user's script again, and fail if that
    has no main guard.
    """

    def __init__(self):
        self.process = None
        with contextlib.suppress(OSError):
            self.process = subprocess.Popen(
                [sys.executable, "-c", WORKER_SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )

    def decode(
        self, items: list[tuple], geometry: Geometry, channels: int
    ) -> tuple[bytes, list[tuple]]:
        """Like `decode_images`."""
        task = items, geometry, channels
        if self.process is None:
            return decode_images(*task)

        try:
            pickle.dump(task, self.process.stdin, pickle.HIGHEST_PROTOCOL)
            self.process.stdin.flush()
            if (answer := pickle.load(self.process.stdout)) is not None:
                return answer
        except Exception:  # a broken pipe, half an answer, an exception that cannot be pickled
            self.stop()
        return decode_images(*task)

    def stop(self) -> None:
        """Ends the process; calling it again does nothing."""
        process, self.process = self.process, None
        if process is None:
            return

        process.kill()
        process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):  # unflushed bytes have no reader
            process.stdin.close()


def serve_decoding_tasks() -> None:
    """A worker's side: reads pickled tasks from stdin and writes results, until its parent is gone.

    A task is the arguments of `decode_images`. Its result is None if an image is too large.
    """
    results, sys.stdout = sys.stdout.buffer, sys.stderr  # so that prints stay out of them
    DECODING_MEMORY.most = limits.MAX_WORKER_BYTES
    with contextlib.suppress(Exception):  # the parent redoes unanswered tasks, and reports errors
        while True:
            task = pickle.load(sys.stdin.buffer)
            pickle.dump(_decode_unless_too_large(*task), results, pickle.HIGHEST_PROTOCOL)
            results.flush()


def _decode_unless_too_large(*task) -> tuple[bytes, list[tuple]] | None:
    try:
        return decode_images(*task)
    except TooLargeForWorkerError:
        return None
