"""What several experiments are tried on."""

import pytest

KERNEL_SCALE = 12  # of untrained kernels, so that images show more than one gray


@pytest.fixture
def vivid(tiny):
    """A factory of runs like `trained`, whose images have colours and depend on z."""
    from config.stored import write_config
    from gan import DCGAN
    from runs.checkpoints import Checkpoints

    def make(**changes):
        config = tiny(**{"blocks": 1, "fc_width": 32} | changes).resolve()
        dcgan = DCGAN(config)
        for variable in dcgan.generator.trainable_variables:
            if variable.path.endswith("kernel"):
                variable.assign(KERNEL_SCALE * variable)
        Checkpoints(dcgan, config).save(5)
        write_config(config)
        return config

    return make
