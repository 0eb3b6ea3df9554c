"""The latents that draw given images best: what a generator can draw, and what it cannot."""

import io
import time

import numpy as np
import tensorflow as tf
from tqdm import tqdm

import ops
from data.label_choice import name_label_vector
from explore.experiments import Findings
from explore.given_images import arrange_rows_of_images, read_given_images
from explore.latent_search import STEPS, LatentSearch
from explore.pixel_errors import compute_psnr, compute_squared_errors, describe_squared_error
from explore.subject import Subject
from utils import encode_png


def run_experiment(subject: Subject) -> Findings:
    """projected.png: the images of --image, cropped and resized, above the nearest that G draws.

    z.npy: their latents (N, z_dim) float32, where the mean squared error of the pixels is smallest;
    with labels also y.npy (N, y_dim), each one of those of --label, by default of all. (The search
    that Yeh et al. 2016, arXiv 1607.07539, make with a mask, here without one. The paper of DCGAN
    projects no images.)
    """
    given = read_given_images(subject.choices.image, subject.config)
    start = time.monotonic()
    search = LatentSearch(subject, measure_squared_error)
    with tqdm(total=len(given) * STEPS, unit="step", desc="project", disable=None) as bar:
        found = [search.find_latent(ops.to_float(image.pixels), bar=bar) for image in given]
    z, y = stack_latents(found)
    seconds = (time.monotonic() - start) / len(given)

    originals, projections = np.stack([i.pixels for i in given]), subject.sampler.draw(z, y)
    errors = compute_squared_errors(originals, projections)
    files = {"projected.png": encode_png(arrange_rows_of_images([originals, projections]))}
    lines = [
        f"{image.name}: {describe_squared_error(error)}"
        for image, error in zip(given, errors, strict=True)
    ]
    if y is not None:
        names = [name_label_vector(subject.config, row) for row in y]
        lines = [f"{line}, label {name}" for line, name in zip(lines, names, strict=True)]
    numbers = {"mse": float(errors.mean()), "psnr": float(compute_psnr(errors).mean())}
    return Findings(files | encode_latents(z, y), numbers, (*lines, f"{seconds:.0f} s per image"))


def measure_squared_error(images, y, target):
    """The mean of (G(z) - target)^2 for each image (B, H, W, C): (B,)."""
    return tf.reduce_mean(tf.square(images - target), (1, 2, 3))


def stack_latents(found: list[tuple]) -> tuple[np.ndarray, np.ndarray | None]:
    """[(z (z_dim,), y (y_dim,) or None), ...] -> z (N, z_dim) and y (N, y_dim) or None."""
    zs, ys = zip(*found, strict=True)
    return np.stack(zs), None if ys[0] is None else np.stack(ys)


def encode_latents(z: np.ndarray, y: np.ndarray | None) -> dict[str, bytes]:
    """z.npy, and with labels y.npy."""
    files = {}
    for name, array in (("z.npy", z), ("y.npy", y)):
        if array is not None:
            content = io.BytesIO()
            np.save(content, array)
            files[name] = content.getvalue()
    return files
