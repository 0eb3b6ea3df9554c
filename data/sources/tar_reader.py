"""Reads the files in a tar, one after the other. Nothing is unpacked to disk.

Python's own tarfile reads names and lists of any length into memory, and takes a damaged header for
the end. This reader raises an error for both. It knows the ustar, pax and GNU formats
(https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html), except for sparse files.
"""

import dataclasses
import gzip
import io
import os
from collections.abc import Iterator
from typing import BinaryIO

from data import limits

BLOCK_BYTES = 512
SKIPPED_AT_ONCE = 2**20  # bytes, in a stream that cannot seek
CHECKSUM = slice(148, 156)
PLAIN_FILE = (b"0", b"\0", b"7")
WITHOUT_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders, pipes
LONG_NAME, SPARSE = b"L", b"S"
ABOUT_THE_NEXT = (LONG_NAME, b"x", b"X")  # GNU's, pax's, Solaris's
POSIX = b"ustar\0"  # the format whose last header field is the start of a long name


class TarStream:
    """An open tar, plain or gzipped, that is read forwards only, and never beyond its limit."""

    def __init__(self, file: BinaryIO, *, gzipped: bool):
        size = os.fstat(file.fileno()).st_size
        inflated = max(limits.MAX_BYTES_INFLATED_UNCHECKED, limits.MAX_ENTRY_INFLATION * size)
        self.end = inflated if gzipped else size
        self.gzipped = gzipped
        self.position = 0
        self._file = gzip.GzipFile(fileobj=file) if gzipped else io.BufferedReader(file)

    def read(self, size: int) -> bytes:
        """The next `size` bytes. Raises ValueError when there are fewer."""
        self._check_tar_goes_on(size)
        content = self._file.read(size)
        self.position += len(content)
        if len(content) < size:
            raise ValueError("a truncated file")
        return content

    def skip_to(self, position: int) -> None:
        """Skips to `position`, which is not before the current one."""
        self._check_tar_goes_on(position - self.position)
        if not self.gzipped:
            self._file.seek(position)
            self.position = position
        while self.position < position:
            self.read(min(SKIPPED_AT_ONCE, position - self.position))

    def _check_tar_goes_on(self, size: int) -> None:
        if self.position + size <= self.end:
            return
        if self.gzipped:
            raise ValueError(f"a bomb: more than {self.end // limits.MB:,} MB when inflated")
        raise ValueError("a truncated file")


@dataclasses.dataclass(frozen=True)
class TarEntry:
    """A file in a tar. Its content can be read until the next entry is requested."""

    name: str
    size: int
    stream: TarStream

    def read(self) -> bytes:
        return self.stream.read(self.size)


def read_tar_entries(stream: TarStream) -> Iterator[TarEntry]:
    """Yields the plain files; skips links, devices and folders.

    Raises ValueError, worded to follow "Received: ", when the tar is damaged or ends too soon.
    """
    told = {}  # what extra headers say about the next entry
    while header := _read_tar_header(stream):
        size = int(told.get("size", header.size))
        content = 0 if header.kind in WITHOUT_CONTENT else size
        end = stream.position + -(-content // BLOCK_BYTES) * BLOCK_BYTES

        if header.kind in ABOUT_THE_NEXT:
            told |= _read_tar_path_and_size(stream, header)
        else:
            name, told = told.get("path", header.name), {}
            if header.kind in PLAIN_FILE:
                yield TarEntry(name.decode("utf-8", "surrogateescape"), size, stream)
        stream.skip_to(end)


@dataclasses.dataclass(frozen=True)
class _TarHeader:
    name: bytes
    size: int
    kind: bytes


def _read_tar_header(stream: TarStream) -> _TarHeader | None:
    """The next header; None at the end."""
    block = stream.read(BLOCK_BYTES)
    if not any(block):
        return None

    _check_tar_checksum(block)
    kind, name = block[156:157], block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0]
    if kind == SPARSE:
        raise ValueError("one with sparse files; make it without --sparse")
    if prefix and block[257:263] == POSIX:
        name = prefix + b"/" + name
    return _TarHeader(name, _parse_tar_number(block[124:136]), kind)


def _check_tar_checksum(block: bytes) -> None:
    spaces = bytes(block[: CHECKSUM.start]) + b" " * 8 + block[CHECKSUM.stop :]
    unsigned = sum(spaces)
    signed = unsigned - 256 * sum(byte > 127 for byte in spaces)  # as some old programs do
    if _parse_tar_number(block[CHECKSUM]) not in (unsigned, signed):
        raise ValueError("a damaged header")


def _parse_tar_number(field: bytes) -> int:
    """A number in octal digits, or, if those would not fit, in bytes after 0x80."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")

    digits = field.split(b"\0")[0].strip()
    if digits.strip(b"01234567"):
        raise ValueError("a damaged header")
    return int(digits or b"0", 8)


def _read_tar_path_and_size(stream: TarStream, header: _TarHeader) -> dict[str, bytes]:
    """What a header says about the next entry: its path, its size, or both."""
    if header.size > limits.MAX_TAR_HEADER_BYTES:
        most = limits.MAX_TAR_HEADER_BYTES
        raise ValueError(f"a name of {header.size:,} bytes, more than {most:,}")

    content = stream.read(header.size)
    if header.kind == LONG_NAME:
        return {"path": content.rstrip(b"\0")}
    return _parse_pax_records(content)


def _parse_pax_records(content: bytes) -> dict[str, bytes]:
    """The path and the size in "LENGTH KEY=VALUE" lines, each as long as its LENGTH says."""
    found = {}
    while content.strip(b"\0"):
        length = content.split(b" ", 1)[0]
        if not length.isdigit() or not len(length) < int(length[:7]) <= len(content):
            raise ValueError("a damaged header")

        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        content = content[int(length) :]
        if key.startswith(b"GNU.sparse."):
            raise ValueError("one with sparse files; make it without --sparse")
        if key == b"path" or (key == b"size" and value.isdigit() and len(value) < 20):
            found[key.decode()] = value
    return found
