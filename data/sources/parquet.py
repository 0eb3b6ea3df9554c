"""Parquet files with a column of encoded images, as the Hugging Face Hub stores its datasets."""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

from data import limits
from data.packing.decode import check_encoded_image_bytes
from data.sources.classes import name_classes
from data.sources.parquet_pages import check_parquet_pages, read_places_of_pages
from data.sources.reading import explain_damaged_dataset, fingerprint_dataset_files
from data.sources.source import Source, open_regular_dataset_file
from system.text import escape_unprintable

IMAGE_NAMES = ("image", "images", "img", "jpg", "png", "photo", "picture")  # preferred columns
LABEL_NAMES = ("label", "labels", "class", "classes", "cls", "target", "y")
ROWS_AT_ONCE = 1  # each may hold 50 MB, even in a 2 kB file; 64 at once would save 8 us a row
READ_BYTES = 2**20
PAGE_HEADER_BUFFER = 2048


def open_parquet_files(paths: list[Path], *, limit: int | None = None) -> Source:
    """The images in one column of all `paths`, and the classes in another, such as `label`.

    Raises ValueError when no column holds images, or a file is damaged.
    """
    schema = _read_parquet_schema(paths[0])
    column, label = (
        _choose_parquet_image_column(paths[0], schema),
        _find_parquet_label_column(schema),
    )
    total = _count_parquet_rows(paths)
    count, place = min(total, limit or total), _describe_parquet_files(paths)

    def read_parquet_images():
        values = _read_parquet_column(paths, column, count)
        return ((str(number), _pick_parquet_image(value)) for number, value in enumerate(values))

    def read_parquet_classes():
        values = (value.as_py() for value in _read_parquet_column(paths, label, count))
        return name_classes(values, _find_parquet_class_names(schema, label), place)

    labels = read_parquet_classes if label else None
    fingerprint = fingerprint_dataset_files(paths)
    return Source(place, fingerprint, count, read_parquet_images, labels=labels)


def _describe_parquet_files(paths: list[Path]) -> str:
    if len(paths) == 1:
        return f"parquet {escape_unprintable(str(paths[0]))}"
    return f"{len(paths)} parquet files in {escape_unprintable(str(paths[0].parent))}"


@contextlib.contextmanager
def _open_parquet_file(path: Path):
    """Yields a ParquetFile to read from. Any failure in the block becomes a ValueError."""
    import pyarrow.parquet  # only needed here; comes with tensorflow-datasets

    with open_regular_dataset_file(path) as file, explain_damaged_dataset(path, "parquet data"):
        yield pyarrow.parquet.ParquetFile(file, pre_buffer=False, buffer_size=READ_BYTES)


def _read_parquet_schema(path: Path):
    with _open_parquet_file(path) as file:
        return file.schema_arrow


def _count_parquet_rows(paths: list[Path]) -> int:
    count = 0
    for path in paths:
        with _open_parquet_file(path) as file:
            count += file.metadata.num_rows
    if 0 < count <= limits.MAX_NUMBERED_IMAGES:
        return count

    raise ValueError(
        f"{paths[0]} must hold 1 to {limits.MAX_NUMBERED_IMAGES:,} images. "
        f"Received: {count:,} rows. Give another file."
    )


def _choose_parquet_image_column(path: Path, schema) -> str:
    columns = [field.name for field in schema if _may_column_hold_images(field.type)]
    usual = [name for name in IMAGE_NAMES if name in columns]
    if columns:
        return (usual or columns)[0]

    kinds = [f"{escape_unprintable(field.name)} ({field.type})"[:60] for field in list(schema)[:9]]
    raise ValueError(
        f"{path} must have a column of encoded images, binary or with a field 'bytes'. "
        f"Received: {', '.join(kinds) or 'no columns'}. Write PNG or JPEG bytes into a column."
    )


def _may_column_hold_images(kind) -> bool:
    """True for bytes, and for a struct with a field "bytes", as the `datasets` library writes."""
    import pyarrow.types as types

    if types.is_struct(kind):
        index = kind.get_field_index("bytes")
        kind = kind.field(index).type if index >= 0 else kind
    return types.is_binary(kind) or types.is_large_binary(kind)


def _find_parquet_label_column(schema) -> str | None:
    import pyarrow.types as types

    kinds = {field.name: field.type for field in schema}
    usual = (types.is_integer, types.is_string, types.is_large_string)
    for fits in (usual, (types.is_boolean, types.is_floating)):
        for name in LABEL_NAMES:
            if name in kinds and any(fit(kinds[name]) for fit in fits):
                return name
    return None


def _find_parquet_class_names(schema, label: str) -> list[str] | None:
    """The names that the `datasets` library stores beside the columns; None if there are none."""
    try:
        info = json.loads((schema.metadata or {})[b"huggingface"])
        names = info["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None

    fine = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
    return names if fine else None


def _read_parquet_column(paths: list[Path], column: str, count: int) -> Iterator:
    """Yields the first `count` values of a column, as pyarrow's scalars.

    Raises ValueError when there are fewer.
    """
    left = count
    for path in paths:
        with _open_parquet_file(path) as file:
            _check_column_pages(path, column)
            batches = file.iter_batches(ROWS_AT_ONCE, columns=[column], use_threads=False)
            for value in (value for batch in batches for value in batch.column(column)):
                yield value
                left -= 1
                if not left:
                    return
    raise ValueError(
        f"{paths[0]} must hold {count:,} rows. Received: {left:,} fewer. Save it again."
    )


def _check_column_pages(path: Path, column: str) -> None:
    """Raises ValueError when a page of a column, or of a field in it, is a bomb."""
    with io.BufferedReader(open_regular_dataset_file(path), PAGE_HEADER_BUFFER) as stream:
        for chunk in read_places_of_pages(stream):
            if chunk.path == column or chunk.path.startswith(f"{column}."):
                check_parquet_pages(stream, chunk)


def _pick_parquet_image(value) -> bytes | Exception:
    """The encoded image in a cell, or why there is none."""
    import pyarrow.types as types

    if value.is_valid and types.is_struct(value.type):
        value = value["bytes"]
    if not value.is_valid:
        return ValueError("no bytes; paths to other files are not followed")

    buffer = value.as_buffer()
    try:
        check_encoded_image_bytes(buffer.size)
    except ValueError as error:
        return error
    return buffer.to_pybytes()
