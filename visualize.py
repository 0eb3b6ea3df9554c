"""What the latents do (`--visualize`): the five kinds of pictures in the original's utils.py."""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from tqdm import tqdm

import ops
from config.settings import Config
from data.label_choice import encode_dataset_labels_by_name
from runs.claims import claim_folder_of_samples
from sample import Sampler, describe_kind_of_drawing, name_pictures_folder
from system.console import print_result
from system.written import replace_folder
from utils import arrange_image_grid, encode_png, make_gif_frame

# From one end of a distribution of z to the other; for N(0, 1), 2.5 standard deviations.
RANGES = {"uniform_signed": (-1.0, 1.0), "uniform_unsigned": (0.0, 1.0), "normal01": (-2.5, 2.5)}
GRID_IMAGES = 64
COLUMNS, ROWS = 16, 32  # of a picture: steps of a sweep, and axes
FRAMES = 32  # of a sweep in a film
FRAME_MS = 80
RANDOM_AXES = 16
MERGED_AXES = 100  # the original's 10x10
MIN_FRAME = 128  # pixels: smaller images are enlarged

DrawSweep = Callable[[int, int], np.ndarray]  # (axis, steps) -> uint8 (steps, H, W, C)


def visualize(
    config: Config, option: str, label: str | None = None, *, checkpoint: str = "last"
) -> Path:
    """Draws into <sample_dir>/visualize_<option>_seed_<seed>/, with a label ..._<label>/; returns
    it.

    "0": grid.png of random latents. "1": axes_000.png ..., a row for each axis of z, which moves
    from one end of its distribution to the other while the other axes stay. "2": GIFs of these
    sweeps, there and back, for a few random axes. "3": for every axis. "4": the first hundred axes
    in one merged.gif, in reading order. All sweeps start from the seed's first latent. (The
    original starts from zero, whose image says little about others.) With labels, axis k shows the
    k-th label in turn, or `label`.
    """
    if option != "0":  # images of a sweep are too alike to be normalized by their own statistics
        config = dataclasses.replace(config, bn_statistics="moving")
    encode_dataset_labels_by_name(
        config, label, 1
    )  # reports a wrong label before anything is restored
    claim_folder_of_samples(config)
    sampler = Sampler(config, checkpoint=checkpoint)

    name = f"visualize_{option}_{name_pictures_folder(config, label, checkpoint)}"
    folder = config.sample_path / name
    what, kind = f"the pictures of step {sampler.step:,}", describe_kind_of_drawing(config, label)
    with replace_folder(folder, what=what, kind=kind, step=sampler.step) as temporary:
        write_latent_pictures(sampler, option, label, temporary)
    print_result(f"the pictures of step {sampler.step:,} are in {folder}")
    return folder


def write_latent_pictures(sampler: Sampler, option: str, label: str | None, folder: Path) -> None:
    if option != "0":
        WRITERS[option](sampler.config, folder, prepare_latent_sweeps(sampler, label))
        return
    images = sampler.images(sampler.config.seed, GRID_IMAGES, label)
    (folder / "grid.png").write_bytes(encode_png(arrange_image_grid(images)))


def prepare_latent_sweeps(sampler: Sampler, label: str | None) -> DrawSweep:
    """A function that draws the sweep of an axis, each axis with its label."""
    config = sampler.config
    y = encode_dataset_labels_by_name(config, label, config.z_dim)

    def draw_latent_sweep(axis: int, steps: int) -> np.ndarray:
        z = sweep_latents(config, axis, steps)
        return sampler.draw(z, None if y is None else y[axis : axis + 1].repeat(steps, 0))

    return draw_latent_sweep


def sweep_latents(config: Config, axis: int, steps: int) -> np.ndarray:
    """z (steps, z_dim): copies of the seed's first latent whose `axis` goes through its range."""
    first = ops.latents(config.seed, 1, z_dim=config.z_dim, z_dist=config.z_dist).numpy()
    z = first.repeat(steps, 0)  # (1, z_dim) -> (steps, z_dim)
    z[:, axis] = np.linspace(*RANGES[config.z_dist], steps)
    return z


def write_latent_rows(config: Config, folder: Path, draw_latent_sweep: DrawSweep) -> None:
    rows = [
        draw_latent_sweep(axis, COLUMNS)
        for axis in show_progress_of_latent_axes(range(config.z_dim))
    ]
    for first in range(0, config.z_dim, ROWS):
        picture = arrange_image_grid(np.concatenate(rows[first : first + ROWS]), COLUMNS)
        (folder / f"axes_{first:03d}.png").write_bytes(encode_png(picture))


def write_films_of_random_axes(config: Config, folder: Path, draw_latent_sweep: DrawSweep) -> None:
    count = min(RANDOM_AXES, config.z_dim)
    axes = np.random.default_rng(config.seed).choice(config.z_dim, count, replace=False)
    write_latent_films(folder, sorted(axes.tolist()), draw_latent_sweep)


def write_films_of_all_axes(config: Config, folder: Path, draw_latent_sweep: DrawSweep) -> None:
    write_latent_films(folder, range(config.z_dim), draw_latent_sweep)


def write_latent_films(folder: Path, axes: Iterable[int], draw_latent_sweep: DrawSweep) -> None:
    for axis in show_progress_of_latent_axes(axes):
        write_latent_gif(folder / f"axis_{axis:03d}.gif", draw_latent_sweep(axis, FRAMES))


def write_merged_film(config: Config, folder: Path, draw_latent_sweep: DrawSweep) -> None:
    axes = range(min(config.z_dim, MERGED_AXES))
    films = np.stack(
        [draw_latent_sweep(axis, FRAMES) for axis in show_progress_of_latent_axes(axes)], 1
    )
    # (frames, axes, H, W, C)
    write_latent_gif(
        folder / "merged.gif", np.stack([arrange_image_grid(images) for images in films])
    )


WRITERS = {
    "1": write_latent_rows,
    "2": write_films_of_random_axes,
    "3": write_films_of_all_axes,
    "4": write_merged_film,
}


def show_progress_of_latent_axes(axes: Iterable[int]) -> Iterable[int]:
    return tqdm(axes, unit="axis", desc="visualize", disable=None)


def write_latent_gif(path: Path, images: np.ndarray) -> None:
    """images (frames, H, W, C) uint8, forwards and then backwards, over and over."""
    times = -(-MIN_FRAME // max(images.shape[1:3]))
    large = images.repeat(times, 1).repeat(times, 2)
    frames = np.stack([make_gif_frame(image) for image in (*large, *large[-2:0:-1])])
    path.write_bytes(iio.imwrite("<bytes>", frames, extension=".gif", duration=FRAME_MS, loop=0))
