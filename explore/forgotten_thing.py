"""What --explore forget is told to forget: boxes of a file, or an attribute that it looks for."""

from typing import NamedTuple

import numpy as np

from explore.attribute_classifier import (
    IMAGES,
    AttributeClassifier,
    MapReader,
    find_hot_box,
    learn_attribute,
)
from explore.boxes import Box, read_boxes
from explore.subject import Subject
from system.files import expand_home
from system.text import shorten_for_error

MOST_BOXES = 52  # of an attribute; the paper drew as many
SEARCHED = 1024  # samples in which an attribute is looked for


class Thing(NamedTuple):
    """What to forget. boxes: around it, in samples before number `searched`. without: samples there
    that do not show it. name, reader, classifier: of an attribute, else "the object" and None.
    """

    boxes: list[Box]
    searched: int
    without: list[int]
    name: str = "the object"
    reader: MapReader | None = None
    classifier: AttributeClassifier | None = None

    @property
    def numbers(self) -> list[int]:
        """The samples with boxes, in order."""
        return sorted({box.sample for box in self.boxes})


def find_thing(subject: Subject) -> Thing:
    """What --forget asks for. Raises ValueError if it is neither a file of boxes nor an attribute,
    or if the attribute is in none of the samples.
    """
    text = subject.choices.forget
    path = expand_home(text)
    if path.is_file():
        return make_thing_of_boxes(
            read_boxes(path, *subject.config.network_config().image_shape[:2])
        )
    if path.suffix or len(path.parts) > 1:
        raise ValueError(
            "--forget must be a file of boxes, or an attribute of the dataset such as Eyeglasses. "
            f"Received: {shorten_for_error(text)}, which is not a file. Is the path right?"
        )
    return find_attribute(subject, text)


def make_thing_of_boxes(boxes: list[Box]) -> Thing:
    """Whoever drew the boxes has seen the samples up to the last one; the others do not show it."""
    numbers = {box.sample for box in boxes}
    searched = max(numbers) + 1
    nearest = range(max(0, searched - SEARCHED), searched)  # a number may be large
    return Thing(boxes, searched, [number for number in nearest if number not in numbers])


def find_attribute(subject: Subject, text: str) -> Thing:
    """Boxes where a classifier that has learnt the attribute from the dataset sees it in samples.

    At most MOST_BOXES, those of the samples about which it is surest. Raises ValueError if it sees
    the attribute in none.
    """
    reader = MapReader(subject.discriminator)
    rng = subject.make_generator_of_random_numbers()
    images, y, has_it, name = load_attribute(subject, text, rng)
    classifier = learn_attribute(reader.read(images, y), has_it, name, rng)

    z, y = subject.choose_latents_of_samples([*range(SEARCHED)])
    samples = subject.sampler.draw(z, y)
    maps = reader.read(samples, y)
    logits = classifier.compute_logits(maps)
    surest = choose_surest(logits)[:MOST_BOXES]
    if not surest.size:
        raise ValueError(
            f"A classifier, right about {classifier.accuracy:.0%} of held-back images, sees {name} "
            f"in none of {SEARCHED:,} samples, so there is nothing to forget. Train longer, choose "
            "an attribute that the samples have, or give --forget a file of boxes."
        )
    heat = classifier.compute_heat(maps[surest])
    boxes = [
        find_hot_box(*pair, samples.shape[1:3]) for pair in zip(surest.tolist(), heat, strict=True)
    ]
    without = np.flatnonzero(logits < 0).tolist()
    return Thing(boxes, SEARCHED, without, name, reader, classifier)


def choose_surest(logits: np.ndarray) -> np.ndarray:
    """The indices of the logits (N,) above 0, the largest first."""
    order = np.argsort(-logits, kind="stable")
    return order[logits[order] > 0]


def load_attribute(subject: Subject, text: str, rng) -> tuple:
    """At most IMAGES of the dataset, their labels if the run has any, whether each has the
    attribute, bool (N,), and its name.
    """
    pack = subject.load_images(attribute=text)
    chosen = rng.permutation(len(pack.images))[:IMAGES]
    chosen.sort()
    y = subject.labels.y[chosen] if subject.config.y_dim else None
    return pack.images[chosen], y, pack.labels.y[chosen, 0] > 0, pack.labels.names[0]
