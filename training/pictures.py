"""What training writes to samples/: the reals, regular grids, and an animation of the grids."""

import contextlib

import numpy as np
import tensorflow as tf
from absl import logging

from config.settings import Config
from data.batches import Order
from data.label_choice import MAX_PICTURE_ROWS, list_picture_labels
from model import Generator
from runs.history import list_grids_of_run
from runs.moved import remake_folder_in_run
from sample import Sampler
from system.written import FileSeries
from training.logs import Logs
from utils import arrange_image_grid, encode_grids_as_gif, encode_png

COLUMNS, COLUMNS_OF_LARGE = 8, 4  # of a grid
FILM = "training.gif"  # of the grids
REALS = "reals.png"
LARGE = 128  # pixels: longer sides make an image large


class Pictures:
    """Draws from fixed latents during training. With labels, a row shows one label, a column one z.

    A failed write is reported once, and training continues. A file that has one of the pictures'
    names, but is not as the program wrote it, is moved aside.
    """

    def __init__(self, config: Config, generator: Generator, live: Generator | None = None):
        """generator: draws the pictures. live: if another one, TensorBoard shows its grids too."""
        self.config = config
        self.failed = False
        self.reals = b""  # the file
        self.files = self._start_series_of_pictures()
        self.sampler = Sampler(config, generator)
        self.live_sampler = None if live in (None, generator) else Sampler(config, live)
        self.columns = COLUMNS_OF_LARGE if max(config.height, config.width) > LARGE else COLUMNS
        self.rows = list_picture_labels(config)[:MAX_PICTURE_ROWS] if config.y_dim else None
        self.count = self.columns * (self.columns if self.rows is None else len(self.rows))
        self.inputs = self._choose_fixed_latents()

    def _start_series_of_pictures(self) -> FileSeries:
        return FileSeries(self.config.sample_path, what="the pictures of training")

    def _choose_fixed_latents(self) -> tuple:
        z, _ = self.sampler.choose_latents_and_labels(self.config.seed, self.count)
        if self.rows is None:
            return (z,)
        return tf.tile(z[: self.columns], (len(self.rows), 1)), self.rows.repeat(self.columns, 0)

    def write_grid_of_reals(
        self, logs: Logs, images: np.ndarray, y: np.ndarray | None, rows: np.ndarray | None = None
    ) -> None:
        """samples/reals.png: what D will see, so that a wrong crop shows before the first step.

        rows: int64, of the images that are trained on; default: all.
        """
        rows = np.arange(len(images)) if rows is None else rows
        if y is None:
            chosen = Order(rows, self.config.seed).pick_shuffled_images(0, self.count)
        else:
            chosen = rows[self._find_reals_of_label_rows(y[rows])]
        grid = arrange_image_grid(images[chosen], self.columns)
        self.reals = encode_png(grid)
        self._write_picture_of_training(REALS, self.reals)
        logs.log_picture_to_tensorboard(0, "reals", grid)

    def _find_reals_of_label_rows(self, y: np.ndarray) -> np.ndarray:
        """The first images with each row's labels; any images, if none has these labels."""
        everything = np.arange(len(y))
        found = [np.flatnonzero((y == row).all(1)) for row in self.rows]
        return np.concatenate(
            [np.resize(places if len(places) else everything, self.columns) for places in found]
        )

    def write_grid_of_fakes(self, logs: Logs, step: int, results: dict) -> None:
        """samples/train_<step>.png; with --G_img_sum also images from the step's own z."""
        grid = arrange_image_grid(self.sampler.draw(*self.inputs)[: self.count], self.columns)
        self._write_picture_of_training(f"train_{step:08d}.png", encode_png(grid))
        logs.log_picture_to_tensorboard(step, "samples", grid)
        if self.live_sampler:
            images = self.live_sampler.draw(*self.inputs)[: self.count]
            grid = arrange_image_grid(images, self.columns)
            logs.log_picture_to_tensorboard(step, "samples_live", grid)

        if self.config.G_img_sum:
            inputs = [results[name][: self.count] for name in ("z", "y") if name in results]
            logs.log_picture_to_tensorboard(
                step, "G", arrange_image_grid(self.sampler.draw(*inputs), self.columns)
            )

    def write_film_of_training(self, step: int) -> None:
        """samples/training.gif: the grids up to `step`. Later grids are from a longer run."""
        grids = list_grids_of_run(self.config)
        shown = [path for of_step, path in grids.items() if of_step <= step]
        with self._warn_once_of_failed_picture():
            if film := encode_grids_as_gif(shown):
                self.files.write_file_of_series(FILM, film)

    def _write_picture_of_training(self, name: str, content: bytes) -> None:
        with self._warn_once_of_failed_picture():
            if remake_folder_in_run(self.config.run_dir, self.config.sample_path):
                self.files = self._start_series_of_pictures()  # the record was in that folder
                self.files.write_file_of_series(REALS, self.reals)
            self.files.write_file_of_series(name, content)

    @contextlib.contextmanager
    def _warn_once_of_failed_picture(self):
        try:
            yield
        except OSError as error:
            if not self.failed:
                logging.warning(
                    "%s cannot be written: %s. Training continues.", error.filename, error.strerror
                )
            self.failed = True
