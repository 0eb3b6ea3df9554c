"""How well a linear classifier reads labels from the discriminator's features (section 5)."""

import dataclasses
import re
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from data.labels import Labels
from data.mode_labels import is_one_class_each
from explore.discriminator_features import compute_discriminator_features, list_feature_counts
from explore.experiments import Findings
from explore.held_back import LearningRows, divide_rows_for_test
from explore.subject import Subject
from explore.svm import fit_linear_svm
from model import Discriminator
from system.text import quote_for_error, shorten_for_error

CS = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)  # those that the paper's code tries
FEW_LABELS = 1000  # of the paper's protocol for SVHN
MOST_TRAINING, MOST_VALIDATION, MOST_TESTS = 8000, 2000, 5000  # images
MOST_VALUES = 2**27  # of all features, which bounds the memory: 512 MB in float32
CHOOSING = 2  # resamplings to choose c by
RESAMPLINGS = 20, 100  # fewest and most, which is the paper's number
RESAMPLED_FEATURES = 60_000  # features times resamplings, which bounds the time
PIXEL_SIDE = 32  # of the paper's images: the shorter side of larger ones is shrunk to this
MEAN_SQUARE = 7168  # see `scale_layers`
SPREAD = 1.96  # standard deviations: the paper's code gives those
PAPER = (
    "The paper: 82.8% on CIFAR-10 with all labels (its discriminator was trained on ImageNet), "
    "and 77.5%, an error of 22.48%, on SVHN with 1,000 labels."
)
REMEDY = (
    "To have labels, sort the images into class folders and give --probe_labels=folder; or give "
    "another --dataset, one with labels; or, for CelebA, an attribute."
)
NO_HELP = re.compile(r"\bnone\b|\bdrop --labels\b")  # advice for training, not for the probe


class Parts(NamedTuple):
    """Slices of the chosen rows."""

    training: slice
    validation: slice
    test: slice


class Accuracies(NamedTuple):
    """Of one kind of features, 0 to 1. few: (resamplings,), with few labels; all: with all."""

    few: np.ndarray
    all: float


def run_experiment(subject: Subject) -> Findings:
    """probe.txt: the accuracy on test images with 1,000 labels and with all.

    Beside the discriminator's features stand those of the same network with random weights, and the
    pixels. With 1,000 labels, equally many of each class are drawn anew each time, the same for all
    kinds of features. c is chosen on validation images. The discriminator gets zeros for y, if it
    takes labels. Raises ValueError without labels, or with too few images of a class.
    """
    pack, labels = load_dataset_with_labels(subject)
    classes = number_classes(labels)
    generator = subject.make_generator_of_random_numbers()
    rows = divide_rows_for_test(subject.config, pack.images, generator, most=MOST_TESTS)
    network = subject.config.network_config()
    features = sum(list_feature_counts(network))
    chosen, parts = choose_rows(rows, MOST_VALUES // features)
    draws = draw_balanced_labels(
        classes[chosen][parts.training], labels.names, generator, choose_resamplings(features)
    )

    other = Discriminator(dataclasses.replace(network, seed=network.seed + 1))
    kinds = {
        "discriminator": lambda: scale_features(subject.discriminator, pack.images, chosen),
        "random weights": lambda: scale_features(other, pack.images, chosen),
        "pixels": lambda: scale_layers(flatten_pixels(pack.images, chosen), None),
    }
    found = {}
    for name, compute in kinds.items():
        found[name] = probe_features(compute(), classes[chosen], parts, draws, name)
    return describe(subject, labels, rows, found, draws, parts)


def load_dataset_with_labels(subject: Subject):
    """The pack, and the labels of --probe_labels, else the run's, else the dataset's own."""
    config, kind = subject.config, subject.choices.probe_labels
    if kind is None:
        kind = config.labels if config.labels != "none" else "own"
    if kind == config.labels and kind != "none":
        return subject.pack, subject.pack.labels
    try:
        pack = subject.load_images(labels=kind, label_names=None)
    except ValueError as error:
        raise ValueError(explain_labels_for_probe(str(error))) from error
    if pack.labels is None:
        has_labels = config.labels != "none"
        remedy = "the run's labels." if has_labels else f"those that the images have. {REMEDY}"
        raise ValueError(
            "--probe_labels must be own, folder or an attribute. "
            f"Received: {shorten_for_error(kind)}. Leave it out for {remedy}"
        )
    return pack, pack.labels


def explain_labels_for_probe(error: str) -> str:
    """An error about --labels, as one about --probe_labels, which cannot be none.

    The last sentence says what to do; where that means no labels, it is replaced.
    """
    told, _, advice = error.rpartition(". ")
    if NO_HELP.search(advice):
        error = f"{told}. {REMEDY}"
    return error.replace("--labels must be none, ", "--labels must be ").replace(
        "--labels", "--probe_labels"
    )


def number_classes(labels: Labels) -> np.ndarray:
    """The class of each image, (N,), from 0; of one attribute, 0 for off and 1 for on."""
    if len(labels.names) == 1:
        return labels.y[:, 0].astype(int)
    if is_one_class_each(labels):
        return labels.y.argmax(1)
    raise ValueError(
        "--explore probe reads one class or one attribute. "
        f"Received: {len(labels.names)} attributes, {', '.join(labels.names)}. "
        f"Try --probe_labels={quote_for_error(labels.names[0])}."
    )


def choose_rows(rows: LearningRows, most: int) -> tuple[np.ndarray, Parts]:
    """At most `most` rows: first those to train on, then to validate with, then to test on."""
    share = min(1.0, most / (MOST_TRAINING + MOST_VALIDATION + MOST_TESTS))
    test = rows.test[: int(share * MOST_TESTS)]
    validation = rows.learning[: min(int(share * MOST_VALIDATION), len(rows.learning) // 4)]
    training = rows.learning[len(validation) :][: int(share * MOST_TRAINING)]
    chosen = np.concatenate([training, validation, test])
    first, second = len(training), len(training) + len(validation)
    return chosen, Parts(slice(first), slice(first, second), slice(second, None))


def choose_resamplings(features: int) -> int:
    fewest, most = RESAMPLINGS
    return max(fewest, min(most, RESAMPLED_FEATURES // features))


def draw_balanced_labels(
    classes: np.ndarray, names: tuple[str, ...], generator: np.random.Generator, count: int
) -> np.ndarray:
    """(count, n) indices into `classes` (N,): each draw has equally many of every class.

    n is FEW_LABELS, or less if a class has fewer images or the classes do not divide it.
    """
    number = max(2, len(names))
    sizes = np.bincount(classes, minlength=number)
    each = min(FEW_LABELS // number, int(sizes.min()))
    if not each:
        raise ValueError(
            f"--explore probe needs 2 to {FEW_LABELS:,} classes, each with images to learn from. "
            f"Received: {number:,} classes, the smallest with {sizes.min()} such images. "
            "Add images, or choose other --probe_labels."
        )
    places = [np.flatnonzero(classes == one) for one in range(number)]
    draws = [
        [generator.choice(of_one, each, replace=False) for of_one in places] for _ in range(count)
    ]
    return np.array(draws).reshape(count, -1)  # (count, K, each) -> (count, n)


def scale_features(discriminator: Discriminator, images: np.ndarray, rows: np.ndarray):
    features = compute_discriminator_features(discriminator, images, rows=rows)
    return scale_layers(features, list_feature_counts(discriminator.config))


def scale_layers(features: np.ndarray, counts: list[int] | None) -> np.ndarray:
    """Centres features (N, d) and scales each layer, in place, so that all layers count alike.

    In the paper's networks, batch norm does that. The mean square of a row's length becomes
    MEAN_SQUARE, the number of the paper's features of SVHN: so its CS mean the same for any number
    of features. counts: the features of each layer, in order; None: of a single one.
    """
    counts = counts or [features.shape[1]]
    features -= features.mean(0)
    for layer in np.split(features, np.cumsum(counts)[:-1], 1):
        mean_square = float(np.mean(np.square(layer, dtype=np.float32))) or 1.0
        layer *= np.sqrt(MEAN_SQUARE / features.shape[1] / mean_square)
    return features


def flatten_pixels(images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """float32 (N, h * w * C), 0 to 255; images larger than PIXEL_SIDE are shrunk first."""
    height, width = images.shape[1:3]
    factor = max(1.0, min(height, width) / PIXEL_SIDE)
    size = round(height / factor), round(width / factor)
    flat = np.empty((len(rows), size[0] * size[1] * images.shape[-1]), np.float32)
    for start in range(0, len(rows), 256):
        part = images[rows[start : start + 256]].astype(np.float32)
        if factor > 1:
            part = tf.image.resize(part, size, "area").numpy()
        flat[start : start + len(part)] = part.reshape(len(part), -1)  # (n, h, w, C) -> (n, h*w*C)
    return flat


def probe_features(
    features: np.ndarray, classes: np.ndarray, parts: Parts, draws: np.ndarray, name: str
) -> Accuracies:
    """The accuracies on the test images with each of the `draws`, and with all training images.

    c is the best of CS for the first draws, on the validation images; it serves for all labels too.
    """
    count = int(classes.max()) + 1
    training, validation, test = ((features[part], classes[part]) for part in parts)

    def measure(rows, labels, c: float, part) -> float:
        svm = fit_linear_svm(rows, labels, count, c=c)
        return float(np.mean(svm.classify(part[0]) == part[1]))

    def measure_draw(draw: np.ndarray, c: float, part) -> float:
        return measure(training[0][draw], training[1][draw], c, part)

    steps = CHOOSING * len(CS) + len(draws)
    with tqdm(total=steps, unit="fit", desc=name, disable=None, leave=False) as bar:
        scores = np.zeros(len(CS))
        for number, c in enumerate(CS):
            for draw in draws[:CHOOSING]:
                scores[number] += measure_draw(draw, c, validation)
                bar.update()
        best = CS[int(scores.argmax())]
        few = []
        for draw in draws:
            few.append(measure_draw(draw, best, test))
            bar.update()

    return Accuracies(np.array(few), measure(*training, best, test))


def describe(
    subject: Subject,
    labels: Labels,
    rows: LearningRows,
    found: dict[str, Accuracies],
    draws: np.ndarray,
    parts: Parts,
) -> Findings:
    """probe.txt, the numbers, and the sentences that belong to them."""
    few, every = draws.shape[1], parts.training.stop
    tests = "held-out images" if rows.is_held_out else "images that the discriminator has seen"
    names = ", ".join(labels.names[:10]) + ", ..." * (len(labels.names) > 10)
    lines = [
        f"{name}: {100 * one.few.mean():.2f} +- {100 * SPREAD * one.few.std():.2f}% right with "
        f"{few:,} labels, {100 * one.all:.2f}% with {every:,}"
        for name, one in found.items()
    ]
    lines.append(
        f"+- is {SPREAD} standard deviations over {len(draws)} resamplings; tested on {tests}"
    )
    if subject.config.y_dim:
        lines.append("the discriminator got zeros for y, but it was trained with labels")
    text = "\n".join([f"Labels: {names}", *lines, PAPER, ""])

    numbers = {"labels": few, "resamplings": len(draws), "labels_of_all": every}
    for name, one in found.items():
        key = name.replace(" ", "_")
        numbers[f"{key}_accuracy"] = float(one.few.mean())
        numbers[f"{key}_deviation"] = float(one.few.std())
        numbers[f"{key}_accuracy_of_all"] = one.all
    return Findings({"probe.txt": text.encode()}, numbers, tuple(lines))
