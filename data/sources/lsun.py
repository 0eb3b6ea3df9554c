"""An LSUN category as its LMDB folder: keys to WebP or JPEG bytes (https://github.com/fyu/lsun)."""

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path

from data.packing.encoded import check_bytes
from data.sources.folder import walk
from data.sources.lmdb_reader import RECORD
from data.sources.source import MAX_ENCODED_BYTES, Source, printable, stat_line

WAIT_SECONDS = 60  # for an image; a disk that sleeps takes ten
LARGEST = 2**63 - 1  # entries, when all are wanted


def find_lmdbs(folder: Path) -> list[Path]:
    """The LMDB folders in and below `folder`, without LSUN's small validation and test sets unless asked by path."""
    if (folder / "data.mdb").is_file():
        return [folder]
    found = sorted(
        {(folder / name).parent for name in walk(folder) if Path(name).name == "data.mdb"}
    )
    return [path for path in found if not path.name.endswith(("_val_lmdb", "test_lmdb"))] or found


def lmdb_source(folder: Path, *, limit: int | None = None) -> Source:
    """The images of an LMDB in the order of its keys. Raises ValueError when it cannot be opened or is empty."""
    with _Reader(folder, 0) as reader:
        count = reader.record()[1]
    if not count:
        raise ValueError(f"{folder} must hold images. Received: an empty LMDB. Fetch it again.")

    def items():
        with _Reader(folder, limit or LARGEST) as reader:
            for _ in range(min(reader.record()[1], limit or LARGEST)):
                yield reader.image()

    place = f"LMDB {printable(str(folder))}"
    return Source(place, stat_line(folder / "data.mdb"), min(count, limit or count), items)


class _Reader:
    """lmdb_reader.py's side that reads. Raises ValueError when that process fails, dies or says nothing."""

    def __init__(self, folder: Path, limit: int):
        self.folder, self.late, self.ended = folder, False, threading.Event()
        self.waiting_since = None  # while a read waits
        script = [sys.executable, "-P", str(Path(__file__).with_name("lmdb_reader.py"))]
        # In a session of its own, so that Ctrl-C does not reach it: its reader ends it.
        self.process = subprocess.Popen(
            [*script, str(folder), str(limit), str(MAX_ENCODED_BYTES)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        threading.Thread(target=self._watch, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()

    def record(self) -> tuple[int, int]:
        return RECORD.unpack(self._read(RECORD.size))

    def image(self) -> tuple[str, bytes | Exception]:
        """(name, encoded image)."""
        key, value = self.record()
        name = self._read(key).decode("utf-8", "backslashreplace")
        try:
            check_bytes(value)
        except ValueError as error:  # which is not sent, and is the only one that cannot be read
            return name, error
        return name, self._read(value)

    def _read(self, size: int) -> bytes:
        self.waiting_since = time.monotonic()
        content = self.process.stdout.read(size)
        self.waiting_since = None
        if len(content) < size:
            raise ValueError(
                f"{self.folder} must be an LMDB of images. Received: {self._fault()}. Fetch it again."
            )
        return content

    def _watch(self) -> None:
        """Ends a process that does not answer; whoever takes its time with the answers does no harm."""
        while not self.ended.wait(WAIT_SECONDS / 10):
            since = self.waiting_since
            if since is not None and time.monotonic() - since > WAIT_SECONDS:
                self.late = True
                self.process.kill()

    def _fault(self) -> str:
        if self.late:
            return f"no answer in {WAIT_SECONDS} seconds"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(WAIT_SECONDS)
        lines = self.process.stderr.read().decode("utf-8", "replace").splitlines()
        return (
            printable(lines[-1])
            if lines
            else f"one that ends its reader ({self.process.returncode})"
        )
