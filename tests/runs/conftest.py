import pytest

from config.stored import write_config


@pytest.fixture
def known(tiny):
    """A factory of runs whose files are there, but no networks: enough to be found."""

    def make(**changes):
        config = tiny(**changes).resolve()
        config.checkpoint_path.mkdir(parents=True)
        (config.checkpoint_path / "step-5.index").touch()
        write_config(config)
        return config

    return make
