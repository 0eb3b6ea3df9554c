"""What the latents do (`--visualize`): the five pictures of carpedm20/DCGAN-tensorflow's utils.py, its bugs mended."""

import dataclasses
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from absl import logging
from tqdm import tqdm

import conditions
import ops
from config import Config
from sample import drawer, load_generator
from utils import film_frame, image_grid, png, replaced_folder

STEPS = 64  # of a sweep: as many as the original's batch
SWEEPS = {"uniform_signed": (-1.0, 1.0), "uniform_unsigned": (0.0, 1.0), "normal01": (-2.5, 2.5)}
CENTRES = {"uniform_signed": 0.0, "uniform_unsigned": 0.5, "normal01": 0.0}
FRAME_MS = 60
MERGED_AXES = 64  # shown at once in the merged GIF


def visualize(config: Config, option: str, label: str | None = None) -> Path:
    """Draws into <sample_dir>/visualize_<option>/, returns that folder.

    "0": grid.png of 64 random latents. "1": axis_000.png ..., a sweep of every z axis, the others at the centre of
    their distribution. "2": axis_*.gif of random axes, round one random z. "3": axis_000.gif ... of every axis, the
    others at the centre. "4": the axes of "3" in one merged.gif. Sweeps go from one end of the distribution of z to the
    other (2.5 deviations of a normal one), GIFs there and back. With labels, axis k shows the k-th label in turn, or
    `label`.
    """
    if option != "0":  # a sweep is too much alike to be normalised by its own statistics
        config = dataclasses.replace(config, bn_statistics="moving")
    generator, step = load_generator(config)
    draw = drawer(generator)
    folder = config.sample_path / f"visualize_{option}"
    with replaced_folder(folder) as temporary:
        if option == "0":
            z = ops.latents(config.seed, STEPS, z_dim=config.z_dim, z_dist=config.z_dist)
            y = conditions.chosen(config, label, STEPS)
            (temporary / "grid.png").write_bytes(png(image_grid(draw(z) if y is None else draw(z, y))))
        else:
            _sweeps(config, option, draw, temporary, conditions.chosen(config, label, config.z_dim))
    logging.info("the pictures of step %s are in %s", f"{step:,}", folder)
    return folder


def sweep(config: Config, axis: int, around: np.ndarray) -> np.ndarray:
    """z (STEPS, z_dim): copies of `around` (z_dim,) whose `axis` goes through its range."""
    z = np.repeat(around[None].astype(np.float32), STEPS, 0)
    z[:, axis] = np.linspace(*SWEEPS[config.z_dist], STEPS)
    return z


def _sweeps(config: Config, option: str, draw, folder: Path, y: np.ndarray | None) -> None:
    axes, around = np.arange(config.z_dim), np.full(config.z_dim, CENTRES[config.z_dist])
    if option == "2":
        rng = np.random.default_rng(config.seed)
        axes = np.unique(rng.choice(config.z_dim, config.z_dim))  # two thirds of them: the original draws some twice
        around = ops.latents(config.seed, 1, z_dim=config.z_dim, z_dist=config.z_dist).numpy()[0]
    if option == "4":
        axes = axes[:MERGED_AXES]
    films = []
    for axis in tqdm(axes, unit="axis", desc="visualize", disable=None):
        z = sweep(config, axis, around)
        images = draw(z) if y is None else draw(z, np.repeat(y[axis : axis + 1], STEPS, 0))
        if option == "1":
            (folder / f"axis_{axis:03d}.png").write_bytes(png(image_grid(images)))
        elif option == "4":
            films.append(images)
        else:
            _write_gif(folder / f"axis_{axis:03d}.gif", images)
    if films:
        _write_gif(folder / "merged.gif", np.stack([image_grid(frame) for frame in np.stack(films, 1)]))


def _write_gif(path: Path, images: np.ndarray) -> None:
    """images (frames, H, W, C) uint8, forwards and then backwards, over and over."""
    frames = np.stack([film_frame(image) for image in (*images, *images[-2:0:-1])])
    path.write_bytes(iio.imwrite("<bytes>", frames, extension=".gif", duration=FRAME_MS, loop=0))
