"""What an export is made from: the networks of a checkpoint, and the settings of their run."""

import dataclasses
import functools
from pathlib import Path

from config.settings import Config
from export.formats import FLOAT32
from export.plain import PlainGenerator, make_plain_generator
from model import Discriminator, Generator
from runs.checkpoints import Restored, restore_networks


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A run's networks with the weights of one checkpoint.

    The generator is the averaged one where there is one, as `restored.weights` says. dtype: float32
    or float16, in which formats with a choice store their weights.
    """

    config: Config
    generator: Generator
    discriminator: Discriminator
    restored: Restored
    dtype: str = FLOAT32

    @property
    def folder(self) -> Path:
        """Where all formats are written."""
        return self.config.run_dir / "export"

    @functools.cached_property
    def plain(self) -> PlainGenerator:
        """The generator as plain arrays. Raises ValueError if batch norm uses the batch."""
        return make_plain_generator(self.generator, self.config.label_names)


def restore_source(config: Config, checkpoint: str = "last", *, dtype: str = FLOAT32) -> Source:
    """checkpoint: "last", "best" or a step. Raises ValueError when the run does not have it."""
    network = config.network_config()
    networks = {"generator": Generator(network), "discriminator": Discriminator(network)}
    restored = restore_networks(config, checkpoint, **networks)
    return Source(config=config, restored=restored, dtype=dtype, **networks)
