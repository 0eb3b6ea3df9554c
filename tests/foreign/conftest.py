from typing import NamedTuple

import numpy as np
import pytest
from originals import random_inputs, tf1_checkpoint, unconditional


class Original(NamedTuple):
    """A checkpoint of carpedm20's 64x64 networks, and their outputs for `inputs`."""

    prefix: str
    inputs: tuple[np.ndarray, np.ndarray]  # z, images
    drawn: np.ndarray
    logits: np.ndarray


@pytest.fixture(scope="session")
def carpedm20(tmp_path_factory):
    """Read-only: tests change their own copy."""
    inputs = random_inputs(64, 3)
    folder = tmp_path_factory.mktemp("carpedm20")
    prefix, outputs = tf1_checkpoint(folder, unconditional, *inputs)
    return Original(prefix, inputs, *outputs)
