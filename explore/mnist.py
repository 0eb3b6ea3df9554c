"""Classifies real images by generated ones (Radford et al. 2016, table 3 in the appendix)."""

import math

import numpy as np
from tqdm import tqdm

from data.labels import Labels
from explore.experiments import Findings
from explore.held_back import LearningRows, divide_rows_for_test
from explore.pictures import make_rgb
from explore.subject import Subject
from utils import arrange_image_grid, encode_png

MOST_REFERENCES = 50_000  # generated images, as in the table's first column
MOST_TESTS = 10_000  # real images, as in the paper's code
MOST_VALUES = 2**26  # of the references, which bounds time and memory: 50,000 images of 28x28 fit
BLOCK = 500  # tests compared at a time: 100 MB for 50,000 references
SHOWN = 20  # tests in the picture


def run_experiment(subject: Subject) -> Findings:
    """The test error of a 1-nearest-neighbour classifier that learned from generated images.

    Beside it stands the error after as many real training images. nearest.png shows, one below
    another: test images, the nearest generated images and the nearest real ones; the test images
    that generated images misclassify come first. Raises ValueError unless the run has one class for
    each image.
    """
    classes = find_classes(subject)
    images, generator = subject.pack.images, subject.make_generator_of_random_numbers()
    rows = divide_rows_for_test(subject.config, images, generator, most=MOST_TESTS)
    count = min(MOST_REFERENCES, len(rows.learning), MOST_VALUES // math.prod(images.shape[1:]))
    tests, reals = images[rows.test], images[np.sort(rows.learning[:count])]
    real_classes = classes[np.sort(rows.learning[:count])]

    z, y = subject.sampler.choose_latents_and_labels(subject.config.seed, count)
    fakes, fake_classes = draw_fakes(subject, z[:count], y[:count]), y[:count].argmax(1)
    nearest_fakes, nearest_reals = (find_nearest(tests, side) for side in (fakes, reals))
    wrong = fake_classes[nearest_fakes] != classes[rows.test]
    wrong_of_reals = real_classes[nearest_reals] != classes[rows.test]

    shown = np.argsort(~wrong, kind="stable")[:SHOWN]
    columns = [tests[shown], fakes[nearest_fakes[shown]], reals[nearest_reals[shown]]]
    picture = encode_png(arrange_image_grid(np.concatenate(columns), len(shown)))
    numbers = {
        "images": count,
        "test_images": len(rows.test),
        "error": float(wrong.mean()),
        "error_of_reals": float(wrong_of_reals.mean()),
    }
    return Findings({"nearest.png": picture}, numbers, describe(numbers, rows))


def find_classes(subject: Subject) -> np.ndarray:
    """The class of each image of the dataset: (N,)."""
    config = subject.config
    if config.labels == "none" or not config.one_hot:
        raise ValueError(
            "--explore mnist needs a run with one class for each image. "
            f"Received: {config.run_dir}, with --labels={config.labels}. Train one with "
            "--labels=own or --labels=folder."
        )
    labels: Labels = subject.pack.labels
    return labels.y.argmax(1)


def draw_fakes(subject: Subject, z, y) -> np.ndarray:
    """uint8 (N, H, W, C), with progress."""
    fakes = np.empty((len(z), *subject.sampler.generator.config.image_shape), np.uint8)
    with tqdm(total=len(z), unit="img", desc="draw", disable=None, leave=False) as bar:
        for first, batch in subject.sampler.draw_batches(z, y):
            fakes[first : first + len(batch)] = batch
            bar.update(len(batch))
    return fakes


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


def describe(numbers: dict, rows: LearningRows) -> tuple[str, ...]:
    count, tests = numbers["images"], numbers["test_images"]
    which = "held-out images" if rows.is_held_out else "images"
    result = (
        f"the nearest of {count:,} generated images misclassifies {numbers['error']:.2%} of "
        f"{tests:,} {which}; the nearest of {count:,} real images, "
        f"{numbers['error_of_reals']:.2%} (the paper, on MNIST: 2.98% and 3.1%)"
    )
    if rows.is_held_out:
        return (result,)
    return (result, "the run holds out no images: its networks have seen the test images")
