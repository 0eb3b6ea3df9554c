import numpy as np
import pytest

from export.source import restore_source
from gan import DCGAN
from model import Generator
from runs.checkpoints import Checkpoints, restore_networks


def test_the_networks_of_a_checkpoint(trained):
    source = restore_source(trained, "3")
    assert (source.restored.step, source.restored.weights, source.dtype) == (3, "live", "float32")
    assert source.folder == trained.run_dir / "export"
    generator = Generator(trained.network_config())
    restore_networks(trained, generator=generator)
    z = np.ones((1, 8), np.float32)
    np.testing.assert_array_equal(source.generator(z), generator(z))
    assert source.plain.image_shape == (16, 16, 3)
    assert source.plain is source.plain  # made once


@pytest.mark.slow
def test_the_averaged_generator_where_there_is_one(tiny):
    config = tiny(blocks=1, ema_half_life=100).resolve()
    dcgan = DCGAN(config)
    dcgan.average.restart()
    for variable in dcgan.average.generator.variables:
        variable.assign(0.5 * np.ones(variable.shape))
    Checkpoints(dcgan, config).save(1)
    source = restore_source(config)
    assert source.restored.weights == "ema"
    assert all((variable.numpy() == 0.5).all() for variable in source.generator.variables)
    assert not all((variable.numpy() == 0.5).all() for variable in source.discriminator.variables)


def test_a_run_without_that_checkpoint_is_an_error(trained):
    with pytest.raises(ValueError, match="--checkpoint must be one that"):
        restore_source(trained, "99")
