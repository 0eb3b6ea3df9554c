"""Reads an LMDB to stdout, in a process of its own: the library maps the file, and a damaged one ends the process.

python lmdb_reader.py FOLDER LIMIT MOST writes the number of its entries as RECORD(0, number), then every entry, or the
first LIMIT, as RECORD(length of the key, length of the value), key and value; without the value when it has more
than MOST bytes. What is wrong with the LMDB is its last line on stderr.
"""

import itertools
import struct
import sys

import lmdb

RECORD = struct.Struct("<QQ")


def write(folder: str, limit: int, most: int, stream) -> None:
    with lmdb.open(folder, readonly=True, lock=False, readahead=False) as environment:
        count = environment.stat()["entries"]
        stream.write(RECORD.pack(0, count))
        stream.flush()
        with environment.begin(buffers=True) as transaction:
            for key, value in itertools.islice(
                transaction.cursor(), min(count, limit)
            ):  # damaged ones may go in circles
                stream.write(RECORD.pack(len(key), len(value)))
                stream.write(key)
                stream.write(value if len(value) <= most else b"")
    stream.flush()


if __name__ == "__main__":
    try:
        write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.stdout.buffer)
    except BrokenPipeError:  # the reader has what it wanted
        sys.stdout = None
    except (lmdb.Error, OSError, ValueError, OverflowError) as error:
        sys.exit(str(error))
