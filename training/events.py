"""TensorBoard's event files, looked after: TensorFlow is silent when it cannot write, and a gap hides all after it."""

import contextlib
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

ROOM = 16e6  # bytes that must be free before the next try
HEADER, FRAME = (
    struct.Struct("<Q"),
    16,
)  # a record: its length, and with three checksums 16 bytes around it


class Events:
    """A writer of summaries in `folder` that leaves out what cannot be written, says so once, and tries again later.

    The file is cut back to its last whole record, as readers stop at a damaged one.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.failed = False
        self.writer = self.path = None
        self._open()

    @contextlib.contextmanager
    def at(self, step: int):
        """Within the block `tf.summary` writes for this step; afterwards it is on disk, or left out."""
        if self.writer is None and not self._open():
            yield
            return
        default = self.writer.as_default(
            np.int64(step)
        )  # TensorFlow keeps every Python number that it meets
        default.__enter__()
        whole = True
        try:
            yield
            self.writer.flush()
            whole = self._whole()
        except (OSError, tf.errors.OpError):
            whole = False
        finally:
            if not whole:
                self._give_up()
            # This flushes too: in a `with` statement, a failure would leave this writer the default.
            default.__exit__(None, None, None)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

    def _open(self) -> bool:
        """Begins a file, if there may be room for one; False when there is none."""
        try:
            if self.failed and shutil.disk_usage(self.folder).free < ROOM:
                return False
            before = set(self._files())
            self.writer = tf.summary.create_file_writer(str(self.folder))
            self.writer.flush()
            [self.path] = set(self._files()) - before
            self.end = 0  # of what is known to be whole
            whole = self._whole()
        except (OSError, ValueError, tf.errors.OpError):
            whole = False
        if not whole:
            self._give_up()
        return whole

    def _files(self) -> list[Path]:
        return list(self.folder.glob("events.out.tfevents.*"))

    def _whole(self) -> bool:
        """Whether the file ends with a whole record."""
        size = self.path.stat().st_size
        with open(self.path, "rb") as file:
            while self.end + FRAME <= size:
                file.seek(self.end)
                (length,) = HEADER.unpack(file.read(HEADER.size))
                if self.end + FRAME + length > size:
                    return False
                self.end += FRAME + length
        return 0 < self.end == size

    def _give_up(self) -> None:
        with contextlib.suppress(OSError, tf.errors.OpError):
            if self.writer is not None:
                self.writer.close()
        with contextlib.suppress(OSError):
            if self.path is not None:
                os.truncate(self.path, self.end)
        self.writer = self.path = None
        if not self.failed:
            self.failed = True
            logging.warning(
                "TensorBoard's log in %s cannot be written; training goes on without.", self.folder
            )
