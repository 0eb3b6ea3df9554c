import numpy as np
import pytest
import tensorflow as tf
from common import TINY

import ops
from config.settings import Config
from export.saved_model import write_saved_model
from gan import DCGAN
from runs.checkpoints import Checkpoints


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A run after three real steps, exported: its moving statistics differ from their initial
    values.
    """
    config = Config(**TINY, seed=3, out_dir=str(tmp_path_factory.mktemp("trained"))).resolve()
    dcgan, rng = DCGAN(config), np.random.default_rng(0)
    real = tf.constant(rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8))
    for step in range(3):
        dcgan.train_step.python_function(
            real, ops.latents(0, 8, z_dim=8, z_dist=config.z_dist, stream=step)
        )
    Checkpoints(dcgan, config).save(3)
    write_saved_model(config)
    return config
