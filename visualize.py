"""What the latents do (`--visualize`): the five pictures of carpedm20/DCGAN-tensorflow's utils.py, its bugs mended."""

import dataclasses
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from absl import logging
from tqdm import tqdm

import ops
from config.settings import Config
from data import label_choice as conditions
from sample import draw_name, drawer, load_generator
from system.files import replaced_folder
from utils import film_frame, image_grid, png

RANGES = {"uniform_signed": (-1.0, 1.0), "uniform_unsigned": (0.0, 1.0), "normal01": (-2.5, 2.5)}
GRID_IMAGES = 64
COLUMNS, ROWS = 16, 32  # steps of a sweep in a picture, and axes in one
FRAMES = 32  # of a sweep in a film
FRAME_MS = 80
RANDOM_AXES = 16
MERGED_AXES = 100  # the original's 10x10
MIN_FRAME = 128  # pixels: smaller images are enlarged


def visualize(config: Config, option: str, label: str | None = None) -> Path:
    """Draws into <sample_dir>/visualize_<option>_seed_<seed>/, with a label ..._<label>/, and returns that folder.

    "0": grid.png of random latents. "1": axes_000.png ..., a row an axis of z, which goes from one end of its
    distribution to the other (2.5 deviations of a normal one) while the others stay. "2": GIFs of such sweeps for a few
    random axes, there and back. "3": for every axis. "4": the first hundred axes in one merged.gif, in reading order.
    All start from the seed's first latent. (The original starts from zero, where an image says little about others.)
    With labels, axis k shows the k-th label in turn, or `label`.
    """
    if option != "0":  # a sweep is too much alike to be normalised by its own statistics
        config = dataclasses.replace(config, bn_statistics="moving")
    y = conditions.chosen(config, label, GRID_IMAGES if option == "0" else config.z_dim)
    generator, step = load_generator(config)
    draw = drawer(generator)
    folder = config.sample_path / f"visualize_{option}_{draw_name(config, label)}"
    with replaced_folder(folder) as temporary:
        if option == "0":
            z = ops.latents(config.seed, GRID_IMAGES, z_dim=config.z_dim, z_dist=config.z_dist)
            (temporary / "grid.png").write_bytes(
                png(image_grid(draw(z) if y is None else draw(z, y)))
            )
        else:
            _WRITERS[option](
                config, temporary, lambda axis, steps: _sweep(config, draw, y, axis, steps)
            )
    logging.info("the pictures of step %s are in %s", f"{step:,}", folder)
    return folder


def sweep(config: Config, axis: int, steps: int) -> np.ndarray:
    """z (steps, z_dim): copies of the seed's first latent whose `axis` goes through its range."""
    z = (
        ops.latents(config.seed, 1, z_dim=config.z_dim, z_dist=config.z_dist)
        .numpy()
        .repeat(steps, 0)
    )
    z[:, axis] = np.linspace(*RANGES[config.z_dist], steps)
    return z


def _sweep(config: Config, draw, y: np.ndarray | None, axis: int, steps: int) -> np.ndarray:
    z = sweep(config, axis, steps)
    return draw(z) if y is None else draw(z, y[axis : axis + 1].repeat(steps, 0))


def _write_rows(config: Config, folder: Path, images_of) -> None:
    axes = _progress(range(config.z_dim))
    rows = [images_of(axis, COLUMNS) for axis in axes]
    for first in range(0, config.z_dim, ROWS):
        picture = image_grid(np.concatenate(rows[first : first + ROWS]), COLUMNS)
        (folder / f"axes_{first:03d}.png").write_bytes(png(picture))


def _write_random_films(config: Config, folder: Path, images_of) -> None:
    count = min(RANDOM_AXES, config.z_dim)
    axes = np.random.default_rng(config.seed).choice(config.z_dim, count, replace=False)
    _write_films(config, folder, images_of, sorted(axes.tolist()))


def _write_films(config: Config, folder: Path, images_of, axes=None) -> None:
    for axis in _progress(range(config.z_dim) if axes is None else axes):
        _write_gif(folder / f"axis_{axis:03d}.gif", images_of(axis, FRAMES))


def _write_merged_film(config: Config, folder: Path, images_of) -> None:
    films = [images_of(axis, FRAMES) for axis in _progress(range(min(config.z_dim, MERGED_AXES)))]
    _write_gif(
        folder / "merged.gif", np.stack([image_grid(images) for images in np.stack(films, 1)])
    )


_WRITERS = {"1": _write_rows, "2": _write_random_films, "3": _write_films, "4": _write_merged_film}


def _progress(axes):
    return tqdm(axes, unit="axis", desc="visualize", disable=None)


def _write_gif(path: Path, images: np.ndarray) -> None:
    """images (frames, H, W, C) uint8, forwards and then backwards, over and over."""
    times = -(-MIN_FRAME // max(images.shape[1:3]))
    large = images.repeat(times, 1).repeat(times, 2)
    frames = np.stack([film_frame(image) for image in (*large, *large[-2:0:-1])])
    path.write_bytes(iio.imwrite("<bytes>", frames, extension=".gif", duration=FRAME_MS, loop=0))
