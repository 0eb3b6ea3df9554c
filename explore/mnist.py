"""Classifies real images by generated ones (Radford et al. 2016, table 3 in the appendix)."""

import math
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from explore.captions import arrange_captioned_grid, make_rgb
from explore.experiments import Findings
from explore.held_back import LearningRows, divide_rows_for_test
from explore.subject import Subject
from utils import encode_png

MOST_REFERENCES = 50_000  # generated images, as in the table's first column
MOST_TESTS = 10_000  # real images, as in the paper's code
MOST_VALUES = 2**26  # of the references, which bounds time and memory: 50,000 images of 28x28 fit
BLOCK = 500  # tests compared at a time: 100 MB for 50,000 references
SHOWN = 12  # tests in the picture


class LabelledImages(NamedTuple):
    """images: uint8 (N, H, W, C). classes: (N,)."""

    images: np.ndarray
    classes: np.ndarray


def run_experiment(subject: Subject) -> Findings:
    """The test error of a 1-nearest-neighbour classifier that learned from generated images.

    Beside it stand the errors after as many real training images as there are, at most
    MOST_REFERENCES, and after the same number of generated ones. nearest.png shows test images,
    below each the nearest generated and the nearest real image, with their classes; those that
    generated images misclassify come first. Raises ValueError unless the run has one class for each
    image, and the dataset no others.
    """
    classes, images = find_classes(subject), subject.pack.images
    generator = subject.make_generator_of_random_numbers()
    rows = divide_rows_for_test(subject.config, images, generator, most=MOST_TESTS)
    most = min(MOST_REFERENCES, MOST_VALUES // math.prod(images.shape[1:]))
    few = np.sort(rows.learning[:most])

    tests = LabelledImages(images[rows.test], classes[rows.test])
    fakes, reals = draw_fakes(subject, most), LabelledImages(images[few], classes[few])
    as_many = LabelledImages(fakes.images[: len(few)], fakes.classes[: len(few)])
    nearest, nearest_reals = (find_nearest(tests.images, side.images) for side in (fakes, reals))
    nearest_of_few = find_nearest(tests.images, as_many.images) if len(few) < most else nearest

    numbers = {
        "images": most,
        "reals": len(few),
        "test_images": len(rows.test),
        "error": measure_error(tests, fakes, nearest),
        "error_of_as_many": measure_error(tests, as_many, nearest_of_few),
        "error_of_reals": measure_error(tests, reals, nearest_reals),
    }
    names = subject.config.label_names
    picture = draw_nearest(tests, {"fake": (fakes, nearest), "real": (reals, nearest_reals)}, names)
    return Findings({"nearest.png": encode_png(picture)}, numbers, describe(numbers, rows))


def find_classes(subject: Subject) -> np.ndarray:
    """The class of each image of the dataset: (N,)."""
    config = subject.config
    if config.labels == "none" or not config.one_hot:
        raise ValueError(
            "--explore mnist needs a run with one class for each image. "
            f"Received: {config.run_dir}, with --labels={config.labels}. Train one with "
            "--labels=own or --labels=folder."
        )
    return subject.labels.y.argmax(1)


def draw_fakes(subject: Subject, count: int) -> LabelledImages:
    """The first `count` samples, whose classes take turns."""
    z, y = subject.sampler.choose_latents_and_labels(subject.config.seed, count)
    fakes = np.empty((count, *subject.sampler.generator.config.image_shape), np.uint8)
    with tqdm(total=count, unit="img", desc="draw", disable=None, leave=False) as bar:
        for first, batch in subject.sampler.draw_batches(z[:count], y[:count]):
            fakes[first : first + len(batch)] = batch
            bar.update(len(batch))
    return LabelledImages(fakes, y[:count].argmax(1))


def measure_error(tests: LabelledImages, others: LabelledImages, nearest: np.ndarray) -> float:
    """The share of tests whose nearest image, others[nearest], has another class; 0 to 1."""
    return float(np.mean(others.classes[nearest] != tests.classes))


def find_nearest(tests: np.ndarray, references: np.ndarray) -> np.ndarray:
    """The index (N,) of the reference image that is nearest to each test image, in pixels.

    Both are uint8 (n, H, W, C). |t - r|^2 = |t|^2 - 2 t r + |r|^2, of which |t|^2 is the same for
    all references.
    """
    against = flatten_pixels(references)
    squares = np.einsum("rd,rd->r", against, against)
    indices = []
    with tqdm(total=len(tests), unit="img", desc="compare", disable=None, leave=False) as bar:
        for start in range(0, len(tests), BLOCK):
            block = flatten_pixels(tests[start : start + BLOCK])
            indices.append((squares - 2 * block @ against.T).argmin(1))  # (b, R) -> (b,)
            bar.update(len(block))
    return np.concatenate(indices)


def flatten_pixels(images: np.ndarray) -> np.ndarray:
    """uint8 (n, H, W, C) -> float32 (n, H * W * C) in [-0.5, 0.5]; RGBA is put on white first."""
    shown = make_rgb(images) if images.shape[-1] == 4 else images
    return shown.reshape(len(images), -1).astype(np.float32) / 255 - np.float32(0.5)


def draw_nearest(
    tests: LabelledImages,
    found: dict[str, tuple[LabelledImages, np.ndarray]],
    names: tuple[str, ...],
) -> np.ndarray:
    """(h, w, 3): a row of tests, and one of the nearest images of each kind in `found`.

    found: kind -> (images, index of the nearest for each test); the tests that the first kind
    misclassifies come first.
    """
    others, nearest = next(iter(found.values()))
    shown = np.argsort(others.classes[nearest] == tests.classes, kind="stable")[:SHOWN]
    rows = {"test": (tests, shown)}
    rows |= {kind: (images, indices[shown]) for kind, (images, indices) in found.items()}
    captions = [
        f"{kind} {names[one]}"
        for kind, (side, chosen) in rows.items()
        for one in side.classes[chosen]
    ]
    images = np.concatenate([side.images[chosen] for side, chosen in rows.values()])
    return arrange_captioned_grid(images, captions, len(shown))


def describe(numbers: dict, rows: LearningRows) -> tuple[str, ...]:
    which = "held-out images" if rows.is_held_out else "images"
    errors = (
        f"{numbers['error']:.2%} of {numbers['test_images']:,} {which} are misclassified by the "
        f"nearest of {numbers['images']:,} generated images; with {numbers['reals']:,} generated "
        f"images, {numbers['error_of_as_many']:.2%}; with {numbers['reals']:,} real images, "
        f"{numbers['error_of_reals']:.2%} (the paper, on MNIST with 50,000: 2.98% generated, 3.1% "
        "real)"
    )
    if rows.is_held_out:
        return (errors,)
    return (errors, "the run holds out no images: its networks have seen the test images")
