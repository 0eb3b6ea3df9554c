"""A generator's feature maps: reads those of a layer, and makes a copy that lacks some of them."""

import numpy as np
import tensorflow as tf

from model import Generator
from sample import iterate_draw_batches, pad_latents_to_draw_batches


def choose_block(generator: Generator, *, from_end: int) -> int:
    """The index of the block whose convolution is number `from_end` from the end, 1 the last; 0 if
    there are fewer.
    """
    return max(0, len(generator.blocks) - from_end)


def read_maps(generator: Generator, z, y=None, *, block: int) -> np.ndarray:
    """The maps that enter blocks[block], in inference mode: float32 (N, h, w, c).

    z: (N, z_dim). y: (N, y_dim), with labels; the constant maps of the labels are left out.
    """
    zs, ys = pad_latents_to_draw_batches(generator, z, y)

    @tf.function(autograph=False)
    def compute_maps(z, y):
        x = generator.label_block(z, y, training=False) if generator.label_block else z
        x = generator.stem(x, y, training=False)
        for earlier in generator.blocks[:block]:
            x = earlier(x, y, training=False)
        return x

    maps = [compute_maps(*batch) for batch in iterate_draw_batches(zs, ys)]
    return np.concatenate(maps)[: len(z)]


def copy_without_maps(generator: Generator, block: int, dropped: np.ndarray) -> Generator:
    """A copy to which some of the maps that enter blocks[block] are 0 at every position.

    dropped: bool (c,). The copy does not read them: their part of the block's kernel is 0, which
    has the same effect. The generator itself stays as it is.
    """
    copy = Generator(generator.config)
    for ours, theirs in zip(copy.variables, generator.variables, strict=True):
        ours.assign(theirs)

    kernel = copy.blocks[block].conv.kernel  # (k, k, outputs, inputs); labels are the last inputs
    is_kept = np.ones(kernel.shape[-1], np.float32)
    is_kept[: len(dropped)] = ~dropped
    kernel.assign(kernel * is_kept)
    return copy
