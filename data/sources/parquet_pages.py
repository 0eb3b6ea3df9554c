"""What the pages of a parquet file say of their sizes, read before pyarrow inflates them.

pyarrow inflates a page as a whole, and holds it several times over: 58 kB took 11 GB. The head of a
page is a PageHeader (github.com/apache/parquet-format) in Thrift's compact protocol.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from data import limits

# Kinds of Thrift's fields, in the lower half of a field's first byte.
STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, STRUCT = (*range(9), 12)
FIXED_BYTES = {TRUE: 0, FALSE: 0, BYTE: 1, DOUBLE: 8}
INFLATED_FIELD, COMPRESSED_FIELD = 2, 3  # of a PageHeader; both I32
HEADER_BYTES = 1024  # nearly all have 20 to 100


class PageHeader(NamedTuple):
    length: int  # bytes of the header itself, before those of the page
    inflated: int  # bytes
    compressed: int  # bytes


def check_parquet_pages(stream: BinaryIO, chunk) -> None:
    """Raises ValueError when a page of a column is a bomb by its header, or a header is damaged.

    stream: of the file. chunk: pyarrow's ColumnChunkMetaData.
    """
    for page in read_page_headers(stream, chunk):
        allowed = limits.MAX_ENTRY_INFLATION * page.compressed
        if page.inflated > max(limits.MAX_PAGE_BYTES_UNCHECKED, allowed):
            raise ValueError(f"a bomb: {page.compressed:,} bytes that inflate to {page.inflated:,}")


def read_page_headers(stream: BinaryIO, chunk) -> Iterator[PageHeader]:
    """Those of all pages of a column. Raises ValueError when one is damaged."""
    position = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < position:
        position = chunk.dictionary_page_offset

    end = position + chunk.total_compressed_size
    while position < end:
        page = _read_page_header(stream, position)
        yield page
        position += page.length + page.compressed


def _read_page_header(stream: BinaryIO, position: int) -> PageHeader:
    for size in (HEADER_BYTES, limits.MAX_PAGE_HEADER_BYTES):
        stream.seek(position)
        head = io.BytesIO(stream.read(size))
        try:
            numbers = _read_thrift_struct(head)
            page = PageHeader(head.tell(), numbers[INFLATED_FIELD], numbers[COMPRESSED_FIELD])
        except (EOFError, KeyError):
            continue
        if min(page) < 0:
            raise ValueError("a page of a negative size")
        return page
    raise ValueError("a page without a whole header")


def _read_thrift_struct(stream: io.BytesIO) -> dict[int, int]:
    """The I32 fields of a struct by their numbers; the others are passed over."""
    found, number = {}, 0
    while True:
        first = _read_bytes(stream, 1)[0]
        kind, step = first & 15, first >> 4
        if kind == STOP:
            return found

        number = number + step if step else _undo_zigzag(_read_varint(stream))
        if kind == I32:
            found[number] = _undo_zigzag(_read_varint(stream) % 2**32)  # as Thrift does
        else:
            _skip_thrift_value(stream, kind)


def _skip_thrift_value(stream: io.BytesIO, kind: int) -> None:
    """Raises ValueError for lists and the like, which a PageHeader does not have."""
    if kind in FIXED_BYTES:
        _read_bytes(stream, FIXED_BYTES[kind])
    elif kind in (I16, I64):
        _read_varint(stream)
    elif kind == BINARY:
        _read_bytes(stream, _read_varint(stream))
    elif kind == STRUCT:
        _read_thrift_struct(stream)
    else:
        raise ValueError(f"a page header with a field of kind {kind}")


def _read_varint(stream: io.BytesIO) -> int:
    """A number in groups of seven bits, the lowest first."""
    value = 0
    for shift in range(0, 70, 7):
        byte = _read_bytes(stream, 1)[0]
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError("a page header with a number of more than 64 bits")


def _undo_zigzag(value: int) -> int:
    """0, 1, 2, 3, 4 ... -> 0, -1, 1, -2, 2 ..."""
    return (value >> 1) ^ -(value & 1)


def _read_bytes(stream: io.BytesIO, count: int) -> bytes:
    content = stream.read(count)
    if len(content) < count:
        raise EOFError
    return content
