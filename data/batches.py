"""Batches as a pure function of (seed, step): a resumed run sees exactly the images it would have seen."""

import collections
import concurrent.futures
import functools
from collections.abc import Iterable, Iterator

import numpy as np

PREFETCH = 2  # calls gathered ahead, beside the one that is trained on


def batches(
    images: np.ndarray, y: np.ndarray | None = None, *, batch_size: int, seed: int, calls: Iterable[range]
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yields for each of `calls`, a range of n steps counted from 0, uint8 (n, batch_size, H, W, C), and with labels
    their float32 (n, batch_size, y_dim) beside it.

    images (N, H, W, C) uint8, in memory or memory-mapped; y (N, y_dim) float32. Every epoch is a new permutation of all
    images; batches run on across its end, so that none is dropped and N may be smaller than a batch. A thread gathers
    ahead.
    """
    order, arrays = Order(len(images), seed), (images,) if y is None else (images, y)

    def gather(call: range) -> tuple[np.ndarray, ...]:
        rows = order.batches(call, batch_size)
        return tuple(array[rows] for array in arrays)

    with concurrent.futures.ThreadPoolExecutor(1, "gather") as thread:
        ahead = collections.deque()
        for call in calls:
            ahead.append(thread.submit(gather, call))
            if len(ahead) > PREFETCH:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


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
        return np.concatenate([self.permutation(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)])

    def batches(self, steps: range, batch_size: int) -> np.ndarray:
        """The image numbers (len(steps), batch_size) of these steps, counted from 0."""
        return self.indices(steps.start * batch_size, steps.stop * batch_size).reshape(len(steps), batch_size)
