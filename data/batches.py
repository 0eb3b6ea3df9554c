"""Batches as a pure function of (seed, step): a resumed run sees exactly the images it would have seen."""

import collections
import concurrent.futures
import contextlib
import errno
import functools
import mmap
import os
from collections.abc import Iterable, Iterator

import numpy as np

from system.memory import available_bytes

PREFETCH = 2  # calls gathered ahead, beside the one that is trained on
IN_MEMORY = 0.5  # of the free memory: a pack below that is read ahead as a whole


def batches(
    images: np.ndarray,
    y: np.ndarray | None = None,
    *,
    batch_size: int,
    seed: int,
    calls: Iterable[range],
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields for each of `calls`, a range of n steps counted from 0, uint8 (n, batch_size, H, W, C), and with labels
    their float32 (n, batch_size, y_dim) beside it.

    images (N, H, W, C) uint8, in memory or memory-mapped from a file, of which OSErrors may come; y (N, y_dim) float32.
    Every epoch is a new permutation of all images; batches run on across its end, so that none is dropped and N may be
    smaller than a batch. A thread gathers ahead.
    """
    order = Order(len(images), seed)

    def gather(call: range) -> tuple[np.ndarray, ...]:
        rows = order.batches(call, batch_size)
        return (take(rows),) if y is None else (take(rows), y[rows])

    with taker(images) as take, concurrent.futures.ThreadPoolExecutor(1, "gather") as thread:
        ahead = collections.deque()
        for call in calls:
            ahead.append(thread.submit(gather, call))
            if len(ahead) > PREFETCH:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


@contextlib.contextmanager
def taker(images: np.ndarray):
    """Yields a function: rows (n, B) -> images[rows].

    What is memory-mapped is read from its file instead: a disk that fails or vanishes is then an OSError, where a
    mapped page would kill the process, and where memory is short nothing is read besides.
    """
    if not isinstance(getattr(images, "base", None), mmap.mmap) or not hasattr(os, "preadv"):
        yield images.__getitem__
        return
    row_bytes = images[0].nbytes
    with open(images.filename, "rb", buffering=0) as file:
        if images.nbytes < IN_MEMORY * (available_bytes() or 0) and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(
                file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED
            )  # reads it as one, which disks do faster

        def take(rows: np.ndarray) -> np.ndarray:
            content = memoryview(bytearray(rows.size * row_bytes))
            for place, row in enumerate(rows.ravel().tolist()):
                part = content[place * row_bytes : (place + 1) * row_bytes]
                if os.preadv(file.fileno(), [part], images.offset + row * row_bytes) < row_bytes:
                    raise OSError(errno.EIO, "it is shorter than it was", images.filename)
            return np.frombuffer(content, np.uint8).reshape(*rows.shape, *images.shape[1:])

        yield take


class Order:
    """An endless sequence of seeded permutations of range(size)."""

    def __init__(self, size: int, seed: int):
        self.size = size
        self.seed = seed
        self.permutation = functools.lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.random.Generator(np.random.Philox([self.seed, epoch])).permutation(self.size)

    def indices(self, start: int, stop: int) -> np.ndarray:
        """The image numbers (stop - start,) at these places of the sequence."""
        epochs, places = np.divmod(np.arange(start, stop), self.size)
        return np.concatenate(
            [self.permutation(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)]
        )

    def batches(self, steps: range, batch_size: int) -> np.ndarray:
        """The image numbers (len(steps), batch_size) of these steps, counted from 0."""
        return self.indices(steps.start * batch_size, steps.stop * batch_size).reshape(
            len(steps), batch_size
        )
