"""Images from a trained run: numbered PNGs, a grid, and the latents they were drawn from."""

import system.quiet_tensorflow  # noqa: F401  (before anything that imports TensorFlow)

# isort: split
import dataclasses
import hashlib
import math
import os
import re
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
from tqdm import tqdm

import ops
from config.settings import MAX_COUNT, Config, check_is_config
from data import label_choice
from model import Generator
from runs.checkpoints import restore_networks
from runs.claims import claim_folder_of_samples
from runs.read import read_run_settings
from system.console import print_result
from system.files import check_disk_room
from system.memory import measure_available_memory
from system.quiet_tensorflow import compile_for_instance
from system.text import shorten_for_error
from system.written import is_folder_as_written, read_record_of_folder, replace_folder
from utils import arrange_image_grid, encode_png

# Always this many images at a time: on some devices, the batch size decides the algorithm, and so
# the last digit.
DRAW_BATCH = 64
GRID_IMAGES = 16 * DRAW_BATCH  # in one grid.png, at most
IMAGES_PER_THREAD = 16  # written by one thread at a time, as one task
COPIES_OF_LATENTS = 3  # in memory: random numbers, in their range, and padded to whole batches
NEVER_TOO_MUCH = 2**32  # bytes: a container counts cached files as used, and can drop them
COPIES_OF_IMAGES = 2  # in memory: the batches, and all of them as one array


class Sampler:
    """Draws with a generator: latents -> pixels.

    The same z gives the same bytes, whatever the count.
    """

    def __init__(
        self, config: Config, generator: Generator | None = None, *, checkpoint: str = "last"
    ):
        """Restores the generator of a trained run, or takes the one given.

        checkpoint: "last", "best" or a step. self.step, self.weights: what was restored, as in
        `runs.checkpoints.Restored`. Raises ValueError when the run does not have that checkpoint.
        """
        if generator is None:
            config = _complete_settings_of_run(config)
        self.config = config
        self.generator = generator
        self.step, self.weights = 0, "live"
        if generator is None:
            self.generator = Generator(config.network_config())
            restored = restore_networks(config, checkpoint, generator=self.generator)
            self.step, self.weights = restored
        self._draw_batch = compile_for_instance(lambda z, y: ops.to_uint8(self.generator(z, y)))

    def images(self, seed: int, count: int, label: str | None = None) -> np.ndarray:
        """uint8 (count, H, W, C): what --sample, --seed and --label write to files.

        Raises ValueError unless seed and count are whole numbers from 0 to MAX_COUNT, and for more
        images than there is memory for.
        """
        for name, number, usual in (("seed", seed, 0), ("count", count, 64)):
            if not isinstance(number, int | np.integer):
                raise ValueError(
                    f"{name} must be a whole number. Received: {number!r}. Give an int."
                )
            if not 0 <= number <= MAX_COUNT:
                raise ValueError(
                    f"{name} must be at least 0 and at most {MAX_COUNT}. "
                    f"Received: {shorten_for_error(str(number))}. Try {name}={usual}."
                )
        self._check_memory_for_latents(
            count, COPIES_OF_IMAGES * math.prod(self.generator.config.image_shape)
        )
        return self.draw(*self.choose_latents_and_labels(seed, count, label))[:count]

    def choose_latents_and_labels(self, seed: int, count: int, label: str | None = None) -> tuple:
        """z and y, or None without labels, for at least `count` images, in whole batches.

        Whole batches, so that the last images always share a batch with the same other images.
        Raises ValueError if there is no memory for so many.
        """
        self._check_memory_for_latents(count)
        whole = count + -count % DRAW_BATCH
        y = label_choice.encode_dataset_labels_by_name(self.config, label, whole)
        z = ops.latents(seed, whole, z_dim=self.config.z_dim, z_dist=self.config.z_dist)
        return z, y

    def _check_memory_for_latents(self, count: int, image_bytes: int = 0) -> None:
        """Raises ValueError if there is no memory for z and y of `count` images.

        image_bytes: what each image takes besides, if all are kept in memory.
        """
        numbers = self.config.z_dim + self.config.y_dim
        each = COPIES_OF_LATENTS * numbers * np.dtype(np.float32).itemsize + image_bytes
        available = measure_available_memory()
        if available is None:
            return
        most = max(available, NEVER_TOO_MUCH) // each
        if count > most:
            raise ValueError(
                f"At most {most:,} images fit in the memory that is free. Received: {count:,}. "
                "Draw fewer at a time; another seed gives others."
            )

    def draw(self, z, y=None) -> np.ndarray:
        """z (N, z_dim), with labels y (N, y_dim) -> uint8 (N, H, W, C), in inference mode."""
        nothing = np.empty((0, *self.generator.config.image_shape), np.uint8)
        return np.concatenate([nothing, *(images for _, images in self.draw_batches(z, y))])

    def draw_batches(self, z, y=None) -> Iterator[tuple[int, np.ndarray]]:
        """(number of the first image, uint8 images) for each batch of DRAW_BATCH images.

        A GPU draws the next batch while the caller uses this one.
        """
        count = len(z)
        zs, ys = pad_latents_to_draw_batches(self.generator, z, y)

        def start_drawing_fakes(first: int) -> tf.Tensor:
            part = slice(first, first + DRAW_BATCH)
            return self._draw_batch(zs[part], None if ys is None else ys[part])

        upcoming = start_drawing_fakes(0) if count else None
        for first in range(0, count, DRAW_BATCH):
            images = upcoming
            if first + DRAW_BATCH < count:
                upcoming = start_drawing_fakes(first + DRAW_BATCH)
            yield first, images.numpy()[: count - first]


def _complete_settings_of_run(config: Config) -> Config:
    """The settings with the channels and labels of the run that they were trained with, which only
    its config.json has.
    """
    check_is_config(config, "Sampler", 'config.stored.read_config("out/NAME/config.json")')
    if config.c_dim != "auto" and config.run_dir.is_dir():
        return config
    run = read_run_settings(config.run_dir)
    if run is None:
        raise ValueError(
            f"There is no run {config.run_dir}. Train it first, with train.train or --train."
        )
    return dataclasses.replace(config, c_dim=run.c_dim, label_names=run.label_names)


def pad_latents_to_draw_batches(
    generator: Generator, z, y=None
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """z and y padded to whole batches: z with other latents, y by repeating it from the start.

    With batch statistics in batch norm, the added rows influence the images.
    """
    config, count = generator.config, tf.shape(z)[0]
    others = ops.latents(0, DRAW_BATCH, z_dim=config.z_dim, z_dist=config.z_dist)
    z = tf.concat([z, others[: -count % DRAW_BATCH]], 0)
    if y is not None:
        y = tf.gather(y, tf.range(tf.shape(z)[0]) % tf.maximum(count, 1))
    return z, y


def iterate_draw_batches(
    images, y=None, *, desc: str | None = None
) -> Iterator[tuple[tf.Tensor, tf.Tensor | None]]:
    """Images (N, H, W, C), and y (N, y_dim) or None, DRAW_BATCH at a time, or fewer at the end.

    Latents (N, z_dim) may take the images' place. desc: of a progress bar; None: without one.
    """
    firsts = range(0, len(images), DRAW_BATCH)
    for first in tqdm(firsts, desc=desc, unit="batch", disable=None if desc else True):
        part = slice(first, first + DRAW_BATCH)
        yield tf.constant(images[part]), None if y is None else tf.constant(y[part])


def sample(
    config: Config, count: int, label: str | None = None, *, checkpoint: str = "last"
) -> Path:
    """Writes `count` images of a trained run to <sample_dir>/seed_<seed>/; returns that folder.

    With a label the folder is seed_<seed>_<label>/. It holds 000000.png ..., grid.png, z.npy
    (count, z_dim) float32, and with labels y.npy (count, y_dim) and labels.txt, one line per image.
    The same seed and step give the same files; the first images do not depend on `count`. If the
    folder already holds more of the same images, nothing is written.
    """
    # Reports a wrong label before anything is restored.
    label_choice.encode_dataset_labels_by_name(config, label, 1)
    claim_folder_of_samples(config)
    sampler = Sampler(config, checkpoint=checkpoint)
    z, y = sampler.choose_latents_and_labels(config.seed, count, label)

    folder = config.sample_path / name_pictures_folder(config, label, checkpoint)
    origin = hash_origin_of_sample_files(sampler, label)
    if folder_already_holds_samples(folder, count, origin):
        held = read_record_of_folder(folder).what
        print_result(f"{folder} already holds these {count:,}, among {held}")
        return folder

    check_disk_room_for_samples(sampler, z, y, count)
    what = f"{count:,} images of step {sampler.step:,}"
    kind = describe_kind_of_drawing(config, label)
    made = {"size": count, "origin": origin, "kind": kind, "step": sampler.step}
    with replace_folder(folder, what=what, **made) as temporary:
        write_sample_files(sampler, z, y, count, temporary)

    also = "their labels, " if y is not None else ""
    print_result(
        f"{count:,} images of step {sampler.step:,}, {also}their grid and their z are in {folder}"
    )
    return folder


def check_disk_room_for_samples(sampler: Sampler, z, y, count: int) -> None:
    """Raises OSError if `count` images, judged by the first, do not fit on the disk.

    Only for more than a grid shows: fewer take less time to draw than to judge.
    """
    if count <= GRID_IMAGES:
        return
    first = slice(DRAW_BATCH)
    images = sampler.draw(z[first], None if y is None else y[first])
    files = sum(map(len, map(encode_png, images))) / DRAW_BATCH
    latents = 4 * (sampler.config.z_dim + sampler.config.y_dim)  # float32
    needed = round(count * (files + latents))
    check_disk_room(sampler.config.sample_path, needed, f"{count:,} images")


def describe_kind_of_drawing(config: Config, label: str | None) -> str:
    """What the folder's name does not tell, or not exactly: "with the label cat and ..."."""
    parts = [] if label is None else [f"the label {label_choice.spell_label_names(config, label)}"]
    parts += [f"batch norm by {config.bn_statistics} statistics"]
    return f"with {' and '.join(parts)}"


def hash_origin_of_sample_files(sampler: Sampler, label: str | None) -> str:
    """A hash of step, label, network and weights: same hash and seed, same images."""
    digest = hashlib.sha256(repr((sampler.step, label, sampler.generator.config)).encode())
    for variable in sampler.generator.variables:
        digest.update(variable.numpy().tobytes())
    return digest.hexdigest()


def folder_already_holds_samples(folder: Path, count: int, origin: str) -> bool:
    """Whether `folder` holds a complete set of samples that starts with the `count` requested."""
    record = read_record_of_folder(folder)
    if record is None or record.origin != origin or record.size <= count:
        return False
    return is_folder_as_written(folder, record)


def write_sample_files(sampler: Sampler, z, y, count: int, folder: Path) -> None:
    """The PNGs, the grid and the latents, and for a network with labels also the labels."""
    write_sample_pngs(sampler, z, y, count, folder)
    np.save(folder / "z.npy", z[:count].numpy())
    if y is not None:
        write_sample_labels(sampler.config, y[:count], folder)


def write_sample_pngs(sampler: Sampler, z, y, count: int, folder: Path) -> None:
    """000000.png ... and grid.png, of the first images."""
    first_images = []
    with (
        ThreadPoolExecutor(os.cpu_count()) as threads,
        tqdm(total=count, unit="img", desc="sample", disable=None) as bar,
    ):
        for first, batch in sampler.draw_batches(z, y):
            images = batch[: count - first]
            write_pngs_on_threads(threads, folder, first, images)
            if first < GRID_IMAGES:
                first_images.append(images)
            bar.update(len(images))

    (folder / "grid.png").write_bytes(encode_png(arrange_image_grid(np.concatenate(first_images))))


def write_pngs_on_threads(threads: Executor, folder: Path, first: int, images) -> None:
    """`write_numbered_pngs` in parts, one thread each; returns when all are written."""
    writing = [
        threads.submit(write_numbered_pngs, folder, first + k, images[k : k + IMAGES_PER_THREAD])
        for k in range(0, len(images), IMAGES_PER_THREAD)
    ]
    # Waits: drawing on the same cores meanwhile would cost more than it gains.
    for done in writing:
        done.result()


def write_numbered_pngs(folder: Path, first: int, images: np.ndarray) -> None:
    """images (N, H, W, C) uint8 -> PNG files, numbered from `first`."""
    for number, image in enumerate(images, first):
        (folder / f"{number:06d}.png").write_bytes(encode_png(image))


def write_sample_labels(config: Config, y: np.ndarray, folder: Path) -> None:
    np.save(folder / "y.npy", y)
    lines = [
        f"{number:06d}.png {label_choice.name_label_vector(config, row)}\n"
        for number, row in enumerate(y)
    ]
    (folder / "labels.txt").write_text("".join(lines), encoding="utf-8")


def name_pictures_folder(config: Config, label: str | None, checkpoint: str) -> str:
    """The name of a folder of pictures: seed_7, with a label seed_7_cat; seed_7_best_live."""
    parts = [f"seed_{config.seed}"]
    if label is not None:
        spelled = label_choice.spell_label_names(config, label)
        parts.append(re.sub(r"[^\w,.+-]+", "-", spelled))
    if checkpoint != "last":
        parts.append(checkpoint if checkpoint == "best" else f"step_{checkpoint}")
    if config.weights == "live":
        parts.append("live")
    return "_".join(parts)
