"""Writes the entries of an LMDB to stdout, in a separate process.

A damaged LMDB kills the process that reads it: the library maps the file into memory, and a page
that is missing raises SIGBUS.

    python lmdb_reader.py FOLDER LIMIT MOST

First comes RECORD(0, number of entries). Then, for each of the first LIMIT entries, come
RECORD(length of the key, length of the value), the key and the value; values of more than MOST
bytes are left out. If the LMDB is damaged, the last line on stderr says how.
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
            limit = min(count, limit)  # the entries of a damaged LMDB may form a loop
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
