"""Reads the sizes of the pages of a parquet file before pyarrow inflates them.

pyarrow inflates a page whole, and holds several copies of it: 58 kB took 11 GB. A page begins with
a PageHeader (github.com/apache/parquet-format), and the file ends with a FileMetaData, both in
Thrift's compact protocol. pyarrow's own column metadata is not used: if it contradicts itself,
pyarrow's C++ part ends the process.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from data import limits

# Kinds of Thrift's fields, in the lower half of a field's first byte.
STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET = range(11)
STRUCT = 12
FIXED_BYTES = {TRUE: 0, FALSE: 0, BYTE: 1, DOUBLE: 8}
INFLATED_FIELD, COMPRESSED_FIELD = 2, 3  # of a PageHeader; both I32
HEADER_BYTES = 1024  # nearly all have 20 to 100
TAIL_BYTES = 8  # of a file: the length of its FileMetaData, and "PAR1"
ROW_GROUPS, COLUMNS, COLUMN_METADATA = 4, 1, 3  # of a FileMetaData, a RowGroup, a ColumnChunk
PATH_FIELD, SIZE_FIELD, DATA_FIELD, DICTIONARY_FIELD = 3, 7, 9, 11  # of a ColumnMetaData


class PageHeader(NamedTuple):
    length: int  # bytes of the header itself, before those of the page
    inflated: int  # bytes
    compressed: int  # bytes


class ColumnPages(NamedTuple):
    """Where the pages of one column in one row group are: positions and size in bytes.

    path: the column's name, and those of nested fields after dots. data: the position of the first
    data page. dictionary: that of the dictionary page, 0 without one.
    """

    path: str
    data: int
    dictionary: int
    size: int


def read_places_of_pages(stream: BinaryIO) -> list[ColumnPages]:
    """The pages of all columns of a file. Raises ValueError or EOFError when its end is damaged."""
    end = stream.seek(-TAIL_BYTES, io.SEEK_END)
    length = int.from_bytes(stream.read(4), "little")
    if length > limits.MAX_METADATA_BYTES:
        raise ValueError(f"{length:,} bytes of metadata, more than {limits.MAX_METADATA_BYTES:,}")
    stream.seek(max(0, end - length))
    metadata = _read_thrift_value(io.BytesIO(stream.read(length)), STRUCT)
    try:
        groups = [group[COLUMNS] for group in metadata[ROW_GROUPS]]
        columns = [chunk[COLUMN_METADATA] for group in groups for chunk in group]
        return [_read_place_of_pages(column) for column in columns]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("incomplete metadata") from error


def _read_place_of_pages(column: dict) -> ColumnPages:
    path = ".".join(name.decode("utf-8", "replace") for name in column[PATH_FIELD])
    places = column[DATA_FIELD], column.get(DICTIONARY_FIELD, 0), column[SIZE_FIELD]
    return ColumnPages(path, *map(int, places))


def check_parquet_pages(stream: BinaryIO, chunk: ColumnPages) -> None:
    """Raises ValueError when the header of a column's page is damaged, or shows that it is a bomb.

    stream: the file.
    """
    for page in read_page_headers(stream, chunk):
        allowed = limits.MAX_ENTRY_INFLATION * page.compressed
        if page.inflated > max(limits.MAX_PAGE_BYTES_UNCHECKED, allowed):
            raise ValueError(f"a bomb: {page.compressed:,} bytes that inflate to {page.inflated:,}")


def read_page_headers(stream: BinaryIO, chunk: ColumnPages) -> Iterator[PageHeader]:
    """The headers of all pages of a column. Raises ValueError when one is damaged."""
    position = chunk.dictionary if 0 < chunk.dictionary < chunk.data else chunk.data
    if position < 0:
        raise ValueError("a page at a negative position")

    end = position + chunk.size
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
            raise ValueError("a page with a negative size")
        return page
    raise ValueError("a page with an incomplete header")


def _read_thrift_struct(stream: io.BytesIO) -> dict[int, int]:
    """The I32 fields of a struct by their numbers; other fields are skipped."""
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


def _read_thrift_value(stream: io.BytesIO, kind: int):
    """A struct as a dict (field number -> value), a list, bytes, or a number."""
    if kind == STRUCT:
        return _read_thrift_fields(stream)
    if kind in (LIST, SET):
        head = _read_bytes(stream, 1)[0]
        count, item = head >> 4, head & 15
        count = _read_varint(stream) if count == 15 else count
        width = FALSE if item in (TRUE, FALSE) else item  # a truth value in a list takes a byte
        return [
            _read_bytes(stream, 1)[0] if width == FALSE else _read_thrift_value(stream, item)
            for _ in range(count)
        ]
    if kind in (I16, I32, I64):
        return _undo_zigzag(_read_varint(stream))
    if kind == BINARY:
        return _read_bytes(stream, _read_varint(stream))
    if kind not in FIXED_BYTES:
        raise ValueError(f"metadata with a field of kind {kind}")
    return _read_bytes(stream, FIXED_BYTES[kind])


def _read_thrift_fields(stream: io.BytesIO) -> dict:
    found, number = {}, 0
    while (first := _read_bytes(stream, 1)[0]) & 15 != STOP:
        kind, step = first & 15, first >> 4
        number = number + step if step else _undo_zigzag(_read_varint(stream))
        found[number] = _read_thrift_value(stream, kind)
    return found


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
