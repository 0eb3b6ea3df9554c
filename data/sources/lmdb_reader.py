"""Writes the entries of an LMDB to stdout, in a process of its own.

A damaged LMDB kills the process that reads it: the library maps the file into memory, and a page
that is missing raises SIGBUS.

    python lmdb_reader.py FOLDER LIMIT MOST

First comes RECORD(0, number of entries); then for each entry, or the first LIMIT, come
RECORD(length of the key, length of the value), the key and the value, without the value when that
has more than MOST bytes. What is wrong with the LMDB is the last line on stderr.
"""

import itertools
import struct
import sys

import lmdb

RECORD = struct.Struct("<QQ")


def send_dataset_lmdb_entries(folder: str, limit: int, most: int, stream) -> None:
    """Writes the LMDB in `folder` to `stream`, as the module's docstring says."""
    with lmdb.open(folder, readonly=True, lock=False, readahead=False) as environment:
        count = environment.stat()["entries"]
        stream.write(RECORD.pack(0, count))
        stream.flush()

        with environment.begin(buffers=True) as transaction:
            limit = min(count, limit)  # the entries of a damaged one may go round in circles
            for key, value in itertools.islice(transaction.cursor(), limit):
                stream.write(RECORD.pack(len(key), len(value)))
                stream.write(key)
                stream.write(value if len(value) <= most else b"")
    stream.flush()


if __name__ == "__main__":
    try:
        send_dataset_lmdb_entries(
            sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.stdout.buffer
        )
    except BrokenPipeError:  # the reader has all that it wanted
        sys.stdout = None
    except (lmdb.Error, OSError, ValueError, OverflowError) as error:
        sys.exit(str(error))
