"""Page headers, against their sums in pyarrow's own metadata."""

import io

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from data.sources.parquet_pages import check_parquet_pages, read_page_headers, read_places_of_pages


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "none"},
        {"compression": "zstd", "data_page_version": "2.0"},
        {"write_page_checksum": True},  # half of all checksums are negative numbers
        {"use_dictionary": False, "write_statistics": False},
    ],
    ids=str,
)
def test_the_pages_add_up_to_what_pyarrow_wrote(options):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 9, size, dtype=np.uint8).tobytes() for size in (9, 5000, 70_000) * 9]
    table = pyarrow.table({"image": images, "label": list(range(27))})
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, row_group_size=10, data_page_size=20_000, **options)

    metadata = pyarrow.parquet.ParquetFile(file).metadata
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    for chunk, found in zip(chunks, read_places_of_pages(file), strict=True):
        assert (found.path, found.data) == (chunk.path_in_schema, chunk.data_page_offset)
        assert found.dictionary == (chunk.dictionary_page_offset or 0)
        pages = list(read_page_headers(file, found))
        whole = [(page.length + page.inflated, page.length + page.compressed) for page in pages]
        sums = tuple(map(sum, zip(*whole, strict=True)))
        assert sums == (chunk.total_uncompressed_size, chunk.total_compressed_size)
        assert found.size == chunk.total_compressed_size
        check_parquet_pages(file, found)
    assert len(pages) >= 1
