"""Batches as a pure function of (seed, step): a resumed run sees exactly the images it would have seen."""

import functools

import numpy as np

PREFETCH = 4  # batches


def batches(images: np.ndarray, y: np.ndarray | None = None, *, batch_size: int, seed: int, start: int, stop: int):
    """A tf.data.Dataset of tuples for the steps start, ..., stop - 1: uint8 (batch_size, H, W, C), and with labels
    their float32 (batch_size, y_dim).

    images (N, H, W, C) uint8, in memory or memory-mapped; y (N, y_dim) float32. Every epoch is a new permutation of all
    images; batches run on across its end, so that none is dropped and N may be smaller than a batch.
    """
    import tensorflow as tf  # late: packing, and its errors, need not wait for it

    order = Order(len(images), seed)

    arrays = (images,) if y is None else (images, y)

    def rows(step):
        indices = order.indices(int(step), batch_size)
        return [array[indices] for array in arrays]

    def load(step):
        loaded = tf.numpy_function(rows, [step], [array.dtype for array in arrays])
        return tuple(tf.ensure_shape(a, (batch_size, *b.shape[1:])) for a, b in zip(loaded, arrays, strict=True))

    return tf.data.Dataset.range(start, stop).map(load).prefetch(PREFETCH)


class Order:
    """An endless sequence of seeded permutations of range(size)."""

    def __init__(self, size: int, seed: int):
        self.size = size
        self.seed = seed
        self.permutation = functools.lru_cache(maxsize=2)(self._permutation)

    def _permutation(self, epoch: int) -> np.ndarray:
        return np.random.Generator(np.random.Philox([self.seed, epoch])).permutation(self.size)

    def indices(self, step: int, batch_size: int) -> np.ndarray:
        """The image numbers (batch_size,) of a step, counted from 0."""
        epochs, places = np.divmod(np.arange(step * batch_size, (step + 1) * batch_size), self.size)
        return np.concatenate([self.permutation(int(epoch))[places[epochs == epoch]] for epoch in np.unique(epochs)])
