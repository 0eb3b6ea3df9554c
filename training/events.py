"""TensorBoard's event files, kept readable.

TensorFlow is silent when it cannot write, and readers stop at the first damaged record: after a
moment with a full disk, they would miss everything that follows.
"""

import contextlib
import os
import shutil
import struct
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from runs.moved import remake_folder_in_run

MIN_FREE_BYTES = 16e6  # on the disk, before the next try
LENGTH = struct.Struct("<Q")  # the head of a record: the bytes of its content
FRAME = 16  # bytes of a record besides its content: the length and two checksums


class Events:
    """Writes summaries into a run's folder. What cannot be written is left out, with one warning.

    Later steps try again, in a new file; the damaged one is cut back to its last whole record. If
    the file was removed, also with its folder, the next step begins a new one.
    """

    def __init__(self, folder: Path):
        """folder: must exist."""
        self.folder = folder
        self.has_failed = False
        self.writer = None
        self.path = None  # of the writer's file
        self.end = 0  # bytes at its beginning that are known to be whole records
        self._start_event_file()

    @contextlib.contextmanager
    def record_summaries_of_step(self, step: int):
        """In this block `tf.summary` writes for `step`; on exit, it is on disk or dropped."""
        self._forget_removed_event_file()
        if self.writer is None and not self._start_event_file():
            yield
            return

        # np.int64: TensorFlow caches every Python int, without limit.
        default = self.writer.as_default(np.int64(step))
        default.__enter__()
        is_whole = True

        try:
            yield
            self.writer.flush()
            is_whole = self._advance_past_whole_records()
        except (OSError, tf.errors.OpError):
            is_whole = False
        finally:
            if not is_whole:
                self._abandon_event_file()
            # This flushes too: in a `with`, a failure would leave this writer the default.
            default.__exit__(None, None, None)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()

    def _start_event_file(self) -> bool:
        """Creates the next file; False when there is no room for one."""
        try:
            remake_folder_in_run(self.folder.parent, self.folder)
            self.folder.stat()  # or OSError: TensorFlow would make it, with a run that is gone
            if self.has_failed and shutil.disk_usage(self.folder).free < MIN_FREE_BYTES:
                return False

            self._create_summary_writer()
            is_whole = self._advance_past_whole_records()
        except (OSError, ValueError, tf.errors.OpError):
            is_whole = False

        if not is_whole:
            self._abandon_event_file()
        return is_whole

    def _forget_removed_event_file(self) -> bool:
        """Closes the file if somebody removed it; returns whether that was so."""
        with contextlib.suppress(OSError, tf.errors.OpError):
            if self.path is not None and not self.path.exists():
                writer, self.writer, self.path = self.writer, None, None
                writer.close()
                return True
        return False

    def _create_summary_writer(self) -> None:
        """Starts a writer and finds its file. Raises ValueError when none appears."""
        before = self._list_event_files()
        self.writer = tf.summary.create_file_writer(str(self.folder))
        self.writer.flush()

        [self.path] = self._list_event_files() - before
        self.end = 0

    def _list_event_files(self) -> set[Path]:
        return set(self.folder.glob("events.out.tfevents.*"))

    def _advance_past_whole_records(self) -> bool:
        """Moves `end` past the whole records; returns whether the file ends there."""
        size = self.path.stat().st_size
        with open(self.path, "rb") as file:
            while self.end + FRAME <= size:
                file.seek(self.end)
                (length,) = LENGTH.unpack(file.read(LENGTH.size))
                if self.end + FRAME + length > size:
                    return False
                self.end += FRAME + length

        return 0 < self.end == size

    def _abandon_event_file(self) -> None:
        """Closes the file, cuts it back to its whole records, and warns the first time.

        There is nothing to warn of if it was removed: the next step begins a new one.
        """
        if self._forget_removed_event_file():
            return
        with contextlib.suppress(OSError, tf.errors.OpError):
            self.close()
        with contextlib.suppress(OSError):
            if self.path is not None:
                os.truncate(self.path, self.end)
        self.writer = self.path = None

        if not self.has_failed:
            logging.warning(
                "TensorBoard's log in %s cannot be written; training continues without it.",
                self.folder,
            )
        self.has_failed = True
