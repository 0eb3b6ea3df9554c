"""Batches that depend only on (seed, images shown), so that a resumed run sees the same images."""

import collections
import concurrent.futures
import contextlib
import errno
import functools
import mmap
import os
import weakref
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from system.memory import measure_available_memory

PREFETCH = 2  # calls gathered ahead of the one being trained on
READ_AHEAD_SHARE = 0.5  # of the free memory; a smaller pack is read ahead whole
_MAPPED_FILES = weakref.WeakKeyDictionary()  # a map -> the descriptor of its file


def prefetch_batches(
    images: np.ndarray,
    y: np.ndarray | None = None,
    *,
    batch_size: int,
    seed: int,
    calls: Iterable[range],
    origin: int = 0,
    rows: np.ndarray | None = None,
    share: slice = slice(None),
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields (batches,), or with labels (batches, labels), for each of `calls`.

    images: (N, H, W, C) uint8, in memory, or memory-mapped from a file, which may raise OSError.
    y: (N, y_dim) float32. calls: each a range of n steps, counted from 0. origin: as in `Order`.
    rows: int64, the rows of the images to draw from; None: all. share: which of each batch to
    gather; batch_size counts all.
    batches: (n, batch_size, H, W, C) uint8. labels: (n, batch_size, y_dim) float32.

    Every epoch is a new permutation of the images. A batch may extend into the next epoch, so that
    no image is dropped; N may be smaller than a batch. A thread gathers batches ahead.
    """
    order = Order(len(images) if rows is None else rows, seed, origin)

    def gather_batches(call: range) -> tuple[np.ndarray, ...]:
        chosen = order.pick_shuffled_batches(call, batch_size)[:, share]  # (n, batch_size)
        return (read_rows(chosen),) if y is None else (read_rows(chosen), y[chosen])

    with (
        open_image_row_reader(images) as read_rows,
        concurrent.futures.ThreadPoolExecutor(1, "gather") as thread,
    ):
        yield from _read_image_batches_ahead(thread, gather_batches, calls)


def _read_image_batches_ahead(
    thread: concurrent.futures.Executor, gather_batches: Callable, calls: Iterable[range]
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields what `gather_batches` returns for each call, while the next PREFETCH are gathered."""
    ahead = collections.deque()
    for call in calls:
        ahead.append(thread.submit(gather_batches, call))
        if len(ahead) > PREFETCH:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()


@contextlib.contextmanager
def open_image_row_reader(images: np.ndarray):
    """Yields a function that takes row numbers (n, B) and returns images[rows].

    It reads a memory-mapped array from its file instead. If the disk fails or vanishes, that raises
    OSError, where a mapped page would kill the process. If memory is short, it reads only what is
    needed. The file may be deleted or replaced while the array is in use.
    """
    descriptor = _keep_mapped_file_open(images)
    if descriptor is None:
        yield images.__getitem__
        return

    fits = images.nbytes < READ_AHEAD_SHARE * (measure_available_memory() or 0)
    if fits and hasattr(os, "posix_fadvise"):  # in one go, which is faster
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
    yield functools.partial(_read_image_rows, descriptor, images)


def _keep_mapped_file_open(images: np.ndarray) -> int | None:
    """A descriptor of the file that `images` maps, opened once and closed with the map.

    None for an array in memory, and if the file is gone: the map then still has its content.
    """
    mapped = getattr(images, "base", None)
    if not isinstance(mapped, mmap.mmap) or not hasattr(os, "preadv"):
        return None
    if mapped not in _MAPPED_FILES:
        try:
            file = open(images.filename, "rb", buffering=0)  # noqa: SIM115
        except FileNotFoundError:
            return None
        weakref.finalize(mapped, file.close)
        _MAPPED_FILES[mapped] = file.fileno()
    return _MAPPED_FILES[mapped]


def _read_image_rows(descriptor: int, images: np.memmap, rows: np.ndarray) -> np.ndarray:
    """images[rows], read from the mapped file."""
    row_bytes = images[0].nbytes
    content = memoryview(bytearray(rows.size * row_bytes))
    for place, row in enumerate(rows.ravel().tolist()):
        part = content[place * row_bytes : (place + 1) * row_bytes]
        if os.preadv(descriptor, [part], images.offset + row * row_bytes) < row_bytes:
            raise OSError(errno.EIO, "the file has become shorter", images.filename)
    pixels = np.frombuffer(content, np.uint8)
    return pixels.reshape(*rows.shape, *images.shape[1:])  # (n, B, H, W, C)


class Order:
    """An endless sequence of image numbers: one seeded permutation of all of them per epoch.

    numbers: their count, or the numbers themselves, int64.

    origin: the position in the sequence where step 0 begins. It is 0 unless the batch size changed
    during a run. Then it is the position, perhaps below 0, from which steps of today's size would
    have led to where the run is.
    """

    def __init__(self, numbers: int | np.ndarray, seed: int, origin: int = 0):
        self.numbers = numbers
        self.size = numbers if isinstance(numbers, int) else len(numbers)
        self.seed = seed
        self.origin = origin
        self.permutation = functools.lru_cache(maxsize=2)(self._shuffle_images_of_epoch)

    def _shuffle_images_of_epoch(self, epoch: int) -> np.ndarray:
        generator = np.random.Generator(np.random.Philox([self.seed, epoch]))
        return generator.permutation(self.numbers)  # of range(numbers) for an int

    def pick_shuffled_images(self, start: int, stop: int) -> np.ndarray:
        """The image numbers (stop - start,) at these positions in the sequence."""
        epochs, places = np.divmod(np.arange(start, stop), self.size)
        parts = [
            self.permutation(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)
        ]
        return np.concatenate(parts)

    def pick_shuffled_batches(self, steps: range, batch_size: int) -> np.ndarray:
        """The image numbers (len(steps), batch_size) of these steps, counted from 0."""
        start, stop = (self.origin + step * batch_size for step in (steps.start, steps.stop))
        numbers = self.pick_shuffled_images(start, stop)
        return numbers.reshape(len(steps), batch_size)
