"""Simulated full disks, and what was written to them nevertheless."""

import contextlib
import resource

import tensorflow as tf


@contextlib.contextmanager
def limit(size: int):
    """Within the block, no file of this process can exceed `size` bytes, as if the disk or a quota
    were full.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def count_events(run_dir) -> int:
    """How many summaries the files hold; raises if a record is damaged, down to the last byte."""
    count = 0
    for path in (run_dir / "logs").glob("events.out.tfevents.*"):
        count += sum(1 for _ in tf.data.TFRecordDataset(str(path)))
    return count
