"""What experiments are made on: a run, its networks, its images, and the user's choices."""

import system.quiet_tensorflow  # noqa: F401  (before anything that imports TensorFlow)

# isort: split
import dataclasses
import functools
from pathlib import Path

import numpy as np

from config.settings import Config
from data.labels import Labels, take_labels_of_run
from data.load import load_dataset, load_dataset_and_attribute
from data.packing.pack import Pack
from explore.choices import Choices
from model import Discriminator
from runs.checkpoints import restore_networks
from runs.dataset import warn_of_images_not_trained_on
from runs.gone_dataset import check_run_knows_its_dataset, explain_dataset_of_run
from sample import Sampler


class Subject:
    """A trained run, or, for experiments that use no networks, the settings that name a dataset.

    Networks and images are read when an experiment first asks for them.

    config: the settings, but batch norm always uses its moving averages: images must not depend on
    those drawn with them. choices: the user's. checkpoint: which one to restore: "last", "best" or
    a step. folder: where each experiment's folder of files will be. typed: what
    `explain_dataset_of_run` asks of the command line. Latents and everything else that is random
    come from `config.seed`.
    """

    def __init__(
        self,
        config: Config,
        choices: Choices | None = None,
        *,
        checkpoint: str = "last",
        folder: Path | None = None,
        typed: dict[str, bool] | None = None,
    ):
        self.config = dataclasses.replace(config, bn_statistics="moving")
        self.checkpoint = checkpoint
        self.choices = choices or Choices()
        self.folder = folder or config.run_dir / "explore"
        self.typed = typed or {"is_typed": False}

    @functools.cached_property
    def sampler(self) -> Sampler:
        """Draws with the averaged generator, or the current one (`config.weights`)."""
        return Sampler(self.config, checkpoint=self.checkpoint)

    @functools.cached_property
    def discriminator(self) -> Discriminator:
        """The run's discriminator, in inference mode. Raises ValueError if it has none."""
        discriminator = Discriminator(self.config.network_config())
        restore_networks(self.config, self.checkpoint, discriminator=discriminator)
        return discriminator

    @functools.cached_property
    def pack(self) -> Pack:
        """The images that the run was trained on, or those of --dataset; and their labels, as
        `config.labels` says.
        """
        pack = self.load_images()
        warn_of_images_not_trained_on(self.config, pack.images, pack.place)
        return pack

    def load_images(self, *, attribute: str | None = None, **changes) -> Pack:
        """Like `pack`, with `changes` to the settings that say how images and labels are read.

        attribute: their only label, whatever labels the run has. Raises ValueError, which mentions
        the run, if its images are gone.
        """
        check_run_knows_its_dataset(self.config)
        # With its name, as one that comes from the size would change with it.
        config = dataclasses.replace(self.config, out_name=self.config.name, **changes)
        with explain_dataset_of_run(config, **self.typed):
            if attribute is not None:
                return load_dataset_and_attribute(config, attribute)
            return load_dataset(config)

    @functools.cached_property
    def labels(self) -> Labels | None:
        """The labels of `pack`, as the networks take them: in the order of `config.label_names`.
        None without labels. Raises ValueError when the dataset has others than the run.
        """
        return take_labels_of_run(self.config, self.pack.labels)

    def choose_latents_of_samples(self, numbers: list[int]) -> tuple[np.ndarray, np.ndarray | None]:
        """z (N, z_dim) and y (N, y_dim), or None without labels, of the samples with these numbers.

        Sample 0 is the first image of `--sample` with the same seed.
        """
        z, y = self.sampler.choose_latents_and_labels(self.config.seed, max(numbers) + 1)
        return z.numpy()[numbers], None if y is None else y[numbers]

    def make_generator_of_random_numbers(self) -> np.random.Generator:
        """Starts at the same place each time, so that the same seed gives the same files."""
        return np.random.default_rng(self.config.seed)
