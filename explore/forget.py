"""Forgetting an object: the generator draws without the maps that stand for it (Radford et al.
2016, section 6.3 and figure 6).
"""

import dataclasses
import difflib
import os
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from sklearn.linear_model import LogisticRegression

from data.find import find_dataset_source
from data.labels import list_attributes_of_file
from data.load import load_dataset
from explore.attribute_classifier import (
    IMAGES,
    AttributeClassifier,
    MapReader,
    find_hot_box,
    learn_attribute,
)
from explore.boxes import Box, draw_boxes, mark_positions_in_box, read_boxes
from explore.experiments import Findings
from explore.generator_maps import choose_block, copy_without_maps, read_maps
from explore.pictures import draw_title_above, enlarge, make_rgb
from explore.subject import Subject
from runs.find import check_run_knows_its_dataset
from sample import Sampler
from system.text import join_names_for_error, shorten_for_error
from utils import arrange_image_grid, encode_png

MOST_BOXES = 52  # of an attribute; the paper drew as many
SEARCHED = 1024  # samples in which an attribute is looked for
NEW = 512  # samples after these, drawn before and after
COLUMNS, ROWS = 16, 3  # of each part of the picture, at most
MIN_IMAGE_SIDE = 64  # pixels: smaller ones are enlarged
MAX_ITERATIONS = 1000  # converges in far fewer
SMALLEST_DEVIATION = 1e-6  # of a map that is 0 nearly everywhere
NOT_ATTRIBUTES = ("none", "own", "folder")  # other values of --labels


class Thing(NamedTuple):
    """What to forget. boxes: around it. searched: all of them are in the samples before this one.

    name, reader, classifier: of an attribute, else "the object" and None.
    """

    boxes: list[Box]
    searched: int
    name: str = "the object"
    reader: MapReader | None = None
    classifier: AttributeClassifier | None = None


def run_experiment(subject: Subject) -> Findings:
    """samples.png: samples and, below each row of them, the same without the maps.

    Its parts: the samples with boxes, drawn in red; for an attribute, new samples that have it, the
    surest first; new samples in their order. --forget: a file (`explore.boxes.read_boxes`), or an
    attribute of the dataset, for which a classifier draws the boxes.

    The paper trains a logistic regression on "the second highest convolution layer" and drops 200
    maps, all those whose weight is above 0. In the generator of its figure 1, 128 maps enter the
    last convolution, too few, and 256 enter the one before, so it must be that one or a lower one.
    Here it is that one (`choose_block`), and what enters it is a quarter as fine as the image.
    """
    thing = find_thing(subject)
    generator = subject.sampler.generator
    numbers = sorted({box.sample for box in thing.boxes})
    z, y = subject.choose_latents_of_samples(numbers)
    block = choose_block(generator)
    weights = learn_weights(read_maps(generator, z, y, block=block), numbers, thing.boxes, subject)
    forgetful = Sampler(subject.config, copy_without_maps(generator, block, weights > 0))

    found = {"boxes": len(thing.boxes), "maps": len(weights)}
    found["maps_dropped"] = int((weights > 0).sum())
    parts = [("samples with boxes", *draw_boxed(subject, forgetful, thing.boxes, numbers))]
    new_parts, numbers_of_new = compare_new_samples(subject, forgetful, thing)
    found |= numbers_of_new

    picture = np.concatenate([draw_part(*part) for part in parts + new_parts])
    return Findings({"samples.png": encode_png(picture)}, found, describe(found, thing.name))


def find_thing(subject: Subject) -> Thing:
    """What --forget asks for. Raises ValueError if it is neither a file of boxes nor an attribute,
    or if the attribute is in none of the samples.
    """
    text = subject.choices.forget
    path = Path(os.path.expanduser(text))  # noqa: PTH111  (Path's own raises RuntimeError)
    if path.is_file():
        boxes = read_boxes(path, subject.config.height, subject.config.width)
        return Thing(boxes, max(box.sample for box in boxes) + 1)
    if path.suffix or len(path.parts) > 1:
        refuse(text, "which is no file", "Is the path right?")
    return find_attribute(subject, text)


def refuse(text: str, fault: str, advice: str) -> NoReturn:
    raise ValueError(
        "--forget must be a file of boxes, or an attribute of the dataset such as Eyeglasses. "
        f"Received: {shorten_for_error(text) or 'nothing'}, {fault}. {advice}"
    )


def find_attribute(subject: Subject, text: str) -> Thing:
    """Boxes where a classifier that has learnt the attribute from the dataset sees it in samples.

    At most MOST_BOXES, those of the samples about which it is surest.
    """
    reader = MapReader(subject.discriminator)
    rng = subject.make_generator_of_random_numbers()
    images, y, has_it, name = load_attribute(subject, text, rng)
    classifier = learn_attribute(reader.read(images, y), has_it, name, rng)

    numbers = np.arange(SEARCHED)
    samples, y = draw_samples(subject, subject.sampler, numbers)
    maps = reader.read(samples, y)
    surest = choose_surest(classifier.compute_logits(maps))[:MOST_BOXES]
    if not surest.size:
        advice = "Draw boxes, or choose an attribute that the samples have."
        refuse(text, f"which a classifier sees in none of {SEARCHED:,} samples", advice)
    heat = classifier.compute_heat(maps[surest])
    boxes = [find_hot_box(*pair, samples.shape[1:3]) for pair in zip(surest, heat, strict=True)]
    return Thing(boxes, SEARCHED, name, reader, classifier)


def choose_surest(logits: np.ndarray) -> np.ndarray:
    """The indices of the logits (N,) above 0, the largest first."""
    order = np.argsort(-logits, kind="stable")
    return order[logits[order] > 0]


def load_attribute(subject: Subject, text: str, rng) -> tuple:
    """At most IMAGES of the dataset, their labels if the run has any, whether each has the
    attribute, bool (N,), and its name.
    """
    check_run_knows_its_dataset(subject.config)
    check_attribute(subject, text)
    pack = load_dataset(dataclasses.replace(subject.config, labels=text))
    chosen = rng.permutation(len(pack.images))[:IMAGES]
    chosen.sort()
    y = subject.pack.labels.y[chosen] if subject.config.y_dim else None
    return pack.images[chosen], y, pack.labels.y[chosen, 0] > 0, pack.labels.names[0]


def check_attribute(subject: Subject, text: str) -> None:
    """Raises ValueError, which names those there are, unless the dataset has such an attribute."""
    source = find_dataset_source(subject.config)
    if source.attributes is not None and text.isidentifier() and text not in NOT_ATTRIBUTES:
        return  # its own reader checks the name
    names = {name.lower(): name for name in list_attributes_of_file(subject.config, source)}
    if text.lower() in names:
        return
    close = difflib.get_close_matches(text.lower(), names, 1)
    known = f"The dataset has {join_names_for_error([*names.values()])}."
    advice = f"Did you mean {names[close[0]]}?" if close else known
    refuse(text, "which is neither", advice if names else "The dataset has no attributes.")


def draw_samples(subject: Subject, sampler: Sampler, numbers) -> tuple:
    """uint8 (N, H, W, C) of the samples with these numbers, and their labels, or None."""
    z, y = subject.choose_latents_of_samples([int(number) for number in numbers])
    return sampler.draw(z, y), y


def learn_weights(maps: np.ndarray, numbers: list[int], boxes: list[Box], subject) -> np.ndarray:
    """The weight of each map (c,) in a logistic regression of "this position is in a box".

    maps: (N, h, w, c) of the samples `numbers`. Positions in boxes are compared with as many others
    of the same samples, at random. Maps are divided by their standard deviations, so the penalty is
    the same for all; it keeps scikit-learn's default.
    """
    rng, image = subject.make_generator_of_random_numbers(), subject.sampler.generator.config
    in_box = np.zeros(maps.shape[:3], bool)
    for box in boxes:
        in_box[numbers.index(box.sample)] |= mark_positions_in_box(
            box, maps.shape[1:3], image.image_shape[:2]
        )
    inside, outside = maps[in_box], maps[~in_box]
    if not len(outside):
        raise ValueError(
            "--forget needs boxes with something around them. Received: boxes that fill their "
            "samples. Draw smaller ones."
        )
    outside = outside[rng.permutation(len(outside))[: len(inside)]]

    activations = np.concatenate([inside, outside])
    activations = activations / np.maximum(activations.std(0), SMALLEST_DEVIATION)
    is_inside = np.arange(len(activations)) < len(inside)
    model = LogisticRegression(max_iter=MAX_ITERATIONS).fit(activations, is_inside)
    return model.coef_[0]


def draw_boxed(subject: Subject, forgetful: Sampler, boxes: list[Box], numbers: list[int]) -> tuple:
    """The first samples with boxes, before, with these drawn, and after: uint8 (N, H, W, 3)."""
    numbers = numbers[: COLUMNS * ROWS]
    before, _ = draw_samples(subject, subject.sampler, numbers)
    after, _ = draw_samples(subject, forgetful, numbers)
    outlined = [
        draw_boxes(image, [box for box in boxes if box.sample == number])
        for number, image in zip(numbers, before, strict=True)
    ]
    return np.stack(outlined), make_rgb(after)


def compare_new_samples(subject: Subject, forgetful: Sampler, thing: Thing) -> tuple:
    """Parts of the picture, (title, before, after), of samples that nothing was learnt from; and
    numbers about them.
    """
    numbers = range(thing.searched, thing.searched + NEW)
    before, y = draw_samples(subject, subject.sampler, numbers)
    after, _ = draw_samples(subject, forgetful, numbers)
    change = np.abs(make_rgb(after).astype(np.float32) - make_rgb(before)).mean()
    found, parts = {"mean_change": float(change)}, []

    if thing.classifier is not None:
        sets = {"before": before, "after": after}
        logits = {
            k: thing.classifier.compute_logits(thing.reader.read(v, y)) for k, v in sets.items()
        }
        found |= {f"share_{name}": float((values > 0).mean()) for name, values in logits.items()}
        found["classifier_accuracy"] = thing.classifier.accuracy
        if (having := choose_surest(logits["before"])).size:
            parts.append((f"new samples with {thing.name}", before[having], after[having]))

    return [*parts, ("new samples", before, after)], found


def draw_part(title: str, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Rows of samples (N, H, W, C), each with the same samples after below it: (h, w, 3)."""
    before, after = (pad_to_rows(make_rgb(a[: COLUMNS * ROWS])) for a in (before, after))
    pairs = np.concatenate([before, after], axis=1)  # (rows, 2 * COLUMNS, H, W, 3)
    tiles = enlarge(pairs.reshape(-1, *pairs.shape[2:]), MIN_IMAGE_SIDE)
    return draw_title_above(arrange_image_grid(tiles, COLUMNS), f"{title}: before, and after")


def pad_to_rows(images: np.ndarray) -> np.ndarray:
    """(N, H, W, C) -> (rows, COLUMNS, H, W, C), the last row filled up with white."""
    blank = np.full((-len(images) % COLUMNS, *images.shape[1:]), 255, np.uint8)
    return np.concatenate([images, blank]).reshape(-1, COLUMNS, *images.shape[1:])


def describe(found: dict[str, float], name: str) -> tuple[str, ...]:
    lines = [
        f"dropped {found['maps_dropped']} of {found['maps']} maps, after {found['boxes']} boxes."
    ]
    if "share_before" in found:
        lines.append(
            f"the classifier sees {name} in {found['share_before']:.1%} of new samples before and "
            f"in {found['share_after']:.1%} after; it is right about "
            f"{found['classifier_accuracy']:.0%} of images (0.5 would be chance)."
        )
    return tuple(lines)
