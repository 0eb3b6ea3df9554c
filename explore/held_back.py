"""Which images of a dataset an experiment learns from, and on which ones it is tested."""

import dataclasses

import numpy as np

from config.settings import Config
from data.split import split_rows_for_holdout

MOST_TEST_SHARE = 0.25  # of the images, where the run holds out none


@dataclasses.dataclass(frozen=True)
class LearningRows:
    """Rows of a pack, in random order: to learn from, and to test on.

    is_held_out: whether the networks have never seen the test images.
    """

    learning: np.ndarray
    test: np.ndarray
    is_held_out: bool


def divide_rows_for_test(
    config: Config, images: np.ndarray, generator: np.random.Generator, *, most: int
) -> LearningRows:
    """Tests on at most `most` of the images (N, H, W, C) that the run holds out.

    If it holds out none, on some of those that its networks were trained on.
    """
    split = split_rows_for_holdout(images, config.holdout)
    learning, held_out = map(generator.permutation, (split.training, split.held_out))
    if len(held_out):
        return LearningRows(learning, held_out[:most], is_held_out=True)
    count = min(most, int(MOST_TEST_SHARE * len(learning)))
    return LearningRows(learning[count:], learning[:count], is_held_out=False)
