"""Completion: holes of given images, filled with what the generator draws (Yeh et al. 2016)."""

import functools
import time

import numpy as np
import tensorflow as tf
from tqdm import tqdm

import ops
from data.load import choose_crop_and_resize
from explore.blending import fill_hole
from explore.experiments import Findings
from explore.given_images import GivenImage, arrange_rows_of_images, read_given_images
from explore.latent_search import STEPS, LatentSearch
from explore.masks import CENTER, LEFT, RANDOM, make_mask, read_mask
from explore.pixel_errors import compute_psnr, compute_squared_errors, describe_squared_error
from explore.project import encode_latents, stack_latents
from explore.subject import Subject
from utils import encode_png

# Of the prior, as in Amos's bamos/dcgan-completion.tensorflow. It is added to a sum over pixels, so
# it is a small part.
PRIOR_WEIGHT = 0.1
GRAY = 128  # what hides the hidden pixels in the picture


def run_experiment(subject: Subject) -> Findings:
    """completed.png: rows of originals, what is visible of them, what G draws, and the completion.

    What G draws minimizes `measure_completion_loss` over z (Yeh et al. 2016, arXiv 1607.07539).
    Its hidden part is blended into the image; the visible pixels stay as they are. z.npy, and with
    labels y.npy: of what G draws.
    """
    given = read_given_images(subject.choices.image, subject.config)
    masks = choose_masks(subject, given)
    discriminator = subject.discriminator
    start = time.monotonic()
    search = LatentSearch(subject, functools.partial(measure_completion_loss, discriminator))
    with tqdm(total=len(given) * STEPS, unit="step", desc="complete", disable=None) as bar:
        found = [
            search.find_latent(ops.to_float(image.pixels), mark_visible(hidden), bar=bar)
            for image, hidden in zip(given, masks, strict=True)
        ]
    seconds = (time.monotonic() - start) / len(given)
    z, y = stack_latents(found)
    drawn = subject.sampler.draw(z, y)
    return describe_completions(given, masks, drawn, z, y, seconds)


def describe_completions(given, masks, drawn, z, y, seconds: float) -> Findings:
    """The picture, the latents, and how far the completions are from the originals."""
    originals = np.stack([image.pixels for image in given])
    filled = np.stack([fill_hole(*row) for row in zip(originals, drawn, masks, strict=True)])
    masked = np.stack([hide_pixels(*row) for row in zip(originals, masks, strict=True)])
    errors = compute_squared_errors(originals, filled, np.stack(masks))
    picture = encode_png(arrange_rows_of_images([originals, masked, drawn, filled]))
    lines = [
        f"{image.name}: {hidden.mean():.0%} hidden, {describe_squared_error(error)} there"
        for image, hidden, error in zip(given, masks, errors, strict=True)
    ]
    numbers = {"mse": float(errors.mean()), "psnr": float(compute_psnr(errors).mean())}
    files = {"completed.png": picture} | encode_latents(z, y)
    return Findings(files, numbers, (*lines, f"{seconds:.0f} s per image"))


def choose_masks(subject: Subject, given: list[GivenImage]) -> list[np.ndarray]:
    """For each image (H, W) bool, True where hidden, as --mask says."""
    name = subject.choices.mask or CENTER
    if name in (CENTER, LEFT, RANDOM):
        shape = given[0].pixels.shape[:2]
        return [make_mask(name, *shape, subject.make_generator_of_random_numbers())] * len(given)
    geometry = choose_crop_and_resize(subject.config)
    return [read_mask(name, image, geometry) for image in given]


def mark_visible(hidden: np.ndarray) -> np.ndarray:
    """(H, W) bool -> (H, W, 1) float32: 1 for a visible pixel, 0 for a hidden one."""
    return 1 - hidden[..., None].astype(np.float32)


def measure_completion_loss(discriminator, images, y, target, visible):
    """The context loss plus PRIOR_WEIGHT times the prior loss, for each image (B, H, W, C): (B,).

    Context: the sum of |G(z) - target| over the visible pixels, as in the paper's first version and
    in Amos's code. Later versions of the paper count only pixels within 3 of a hidden one, and the
    nearer the more. On four faces, tried once, that gave a mean squared error in the hole of 0.047
    in place of 0.060 (center), 0.164 in place of 0.067 (left: the two eyes differed), and the same
    0.015 (random).

    Prior: -log sigmoid(C), where C is the discriminator's logit, whatever loss it was trained with:
    the larger C, the more real. Amos's code has this form. The paper's, log(1 - sigmoid(C)), is
    flat where D is sure of a fake.
    """
    context = tf.reduce_sum(visible * tf.abs(images - target), (1, 2, 3))
    prior = tf.nn.softplus(-discriminator(images, y))[:, 0]  # (B, 1) -> (B,)
    return context + PRIOR_WEIGHT * prior


def hide_pixels(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The image (H, W, C) with opaque gray where it is hidden."""
    gray = np.full(image.shape[-1], GRAY, np.uint8)
    if len(gray) == 4:
        gray[3] = 255
    return np.where(hidden[..., None], gray, image)
