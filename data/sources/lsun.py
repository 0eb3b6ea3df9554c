"""An LSUN scene: an LMDB folder of WebP or JPEG images by key (https://github.com/fyu/lsun)."""

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path

from data import limits
from data.packing.decode import check_encoded_image_bytes
from data.sources.folder import walk_dataset_files
from data.sources.lmdb_reader import RECORD
from data.sources.source import Source, fingerprint_dataset_file
from system.text import escape_unprintable

EVERY_ENTRY = 2**63 - 1  # as a limit


def find_lmdb_folders(folder: Path) -> list[Path]:
    """The LMDB folders in and below `folder`.

    LSUN's small validation and test sets count only where there is nothing else.
    """
    if (folder / "data.mdb").is_file():
        return [folder]

    files = (folder / name for name in walk_dataset_files(folder))
    found = sorted({path.parent for path in files if path.name == "data.mdb"})
    return [path for path in found if not path.name.endswith(("_val_lmdb", "test_lmdb"))] or found


def open_lmdb(folder: Path, *, limit: int | None = None) -> Source:
    """The images of an LMDB, sorted by key. Raises ValueError when it does not open or is empty."""
    with _ReaderProcess(folder, limit=0) as reader:
        count = reader.receive_lmdb_record()[1]
    if not count:
        raise ValueError(f"{folder} must hold images. Received: an empty LMDB. Fetch it again.")

    def receive_lmdb_images():
        most = limit or EVERY_ENTRY
        with _ReaderProcess(folder, limit=most) as reader:
            for _ in range(min(reader.receive_lmdb_record()[1], most)):
                yield reader.receive_lmdb_image()

    def receive_lmdb_names():
        return (name for name, _ in receive_lmdb_images())

    place = f"LMDB {escape_unprintable(str(folder))}"
    fingerprint, count = fingerprint_dataset_file(folder / "data.mdb"), min(count, limit or count)
    return Source(place, fingerprint, count, receive_lmdb_images, names=receive_lmdb_names)


class _ReaderProcess:
    """Runs lmdb_reader.py in a process, which ends with the `with` block, and receives its output.

    Every method raises ValueError when the process fails, dies or stays silent.
    """

    def __init__(self, folder: Path, *, limit: int):
        self.folder = folder
        self.silent_since = None  # when the current read began to wait; None between reads
        self.was_too_slow = False
        self.closed = threading.Event()

        script = str(Path(__file__).with_name("lmdb_reader.py"))
        arguments = [str(folder), str(limit), str(limits.MAX_ENCODED_BYTES)]
        self.process = subprocess.Popen(
            [sys.executable, "-P", script, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that Ctrl-C does not reach it: __exit__ ends it
        )
        threading.Thread(target=self._kill_silent_lmdb_reader, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed.set()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def receive_lmdb_record(self) -> tuple[int, int]:
        """The next two numbers: the lengths of a key and a value."""
        return RECORD.unpack(self._receive_lmdb_bytes(RECORD.size))

    def receive_lmdb_image(self) -> tuple[str, bytes | Exception]:
        """The next entry: (its name, the encoded image or why it is left out)."""
        key_length, value_length = self.receive_lmdb_record()
        name = self._receive_lmdb_bytes(key_length).decode("utf-8", "backslashreplace")
        try:
            check_encoded_image_bytes(value_length)
        except ValueError as error:  # lmdb_reader.py leaves this value out; others follow
            return name, error

        return name, self._receive_lmdb_bytes(value_length)

    def _receive_lmdb_bytes(self, size: int) -> bytes:
        self.silent_since = time.monotonic()
        content = self.process.stdout.read(size)
        self.silent_since = None
        if len(content) < size:
            raise ValueError(
                f"{self.folder} must be an LMDB of images. "
                f"Received: {self._describe_failed_lmdb_reader()}. Fetch it again."
            )
        return content

    def _kill_silent_lmdb_reader(self) -> None:
        """Kills the process when a read waits too long. Time between reads does not count."""
        while not self.closed.wait(limits.MAX_LMDB_WAIT_SECONDS / 10):
            since = self.silent_since
            if since is not None and time.monotonic() - since > limits.MAX_LMDB_WAIT_SECONDS:
                self.was_too_slow = True
                self.process.kill()

    def _describe_failed_lmdb_reader(self) -> str:
        if self.was_too_slow:
            return f"no answer in {limits.MAX_LMDB_WAIT_SECONDS} seconds"

        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(limits.MAX_LMDB_WAIT_SECONDS)
        lines = self.process.stderr.read().decode("utf-8", "replace").splitlines()
        if lines:
            return escape_unprintable(lines[-1])
        return f"one that kills its reader (exit code {self.process.returncode})"
