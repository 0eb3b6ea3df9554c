"""Which of the generator's maps stand for an object: logistic regressions on their activations."""

from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from explore.boxes import mark_positions_in_box
from explore.forgotten_thing import Thing
from explore.generator_maps import choose_block, read_maps
from explore.subject import Subject

MAX_ITERATIONS = 1000  # converges in far fewer
SMALLEST_DEVIATION = 1e-6  # of a map that changes
FEW = 1 / 4  # of a layer's maps
OTHERS = 2  # samples without the object, for each with it


class MapChoice(NamedTuple):
    """block: the index of the generator's block that the maps enter. dropped: bool (c,)."""

    block: int
    dropped: np.ndarray


def choose_maps_as_paper(subject: Subject, thing: Thing) -> MapChoice:
    """Radford et al. 2016, section 6.3: all maps whose weight is above 0 in a regression of "this
    position is in a box". The negatives are random positions of the same samples, as many.

    The paper examines "the second highest convolution layer", and drops 200 maps. In the generator
    of its figure 1, 128 maps enter the last convolution, too few, and 256 enter the one before. So
    here it is the second convolution from the end, and what it reads.
    """
    block = choose_block(subject.sampler.generator, from_end=2)
    maps, in_box = read_maps_and_boxes(subject, thing, block)
    elsewhere = maps[~in_box]
    if not len(elsewhere) and thing.classifier:
        raise ValueError(
            f"The classifier sees {thing.name} all over the samples, so no maps can be told from "
            "others. Train longer, choose another attribute, or give --forget a file of boxes."
        )
    if not len(elsewhere):
        raise ValueError(
            "--forget needs boxes with something around them. Received: boxes that fill their "
            "samples. Draw smaller ones."
        )
    rng = subject.make_generator_of_random_numbers()
    elsewhere = elsewhere[rng.permutation(len(elsewhere))[: in_box.sum()]]
    return MapChoice(block, fit_weights(maps[in_box], elsewhere) > 0)


def choose_few_maps(subject: Subject, thing: Thing) -> MapChoice:
    """A quarter of the maps, those with the largest weights, and one convolution earlier.

    Not in the paper. It differs in the negatives, too: the same positions in samples that do not
    show the object, so that the regression does not learn what else is there, such as a face. If
    all samples show it, they are the positions outside the boxes.
    """
    block = choose_block(subject.sampler.generator, from_end=3)
    maps, in_box = read_maps_and_boxes(subject, thing, block)
    others = read_same_places(subject, thing, block, in_box)
    weights = fit_weights(maps[in_box], others if len(others) else maps[~in_box])

    few = np.argsort(-weights, kind="stable")[: max(1, round(FEW * len(weights)))]
    is_few = np.isin(np.arange(len(weights)), few)
    return MapChoice(block, is_few & (weights > 0))


def read_maps_and_boxes(subject: Subject, thing: Thing, block: int) -> tuple:
    """The maps (N, h, w, c) of the samples with boxes; which positions are inside (N, h, w)."""
    generator = subject.sampler.generator
    z, y = subject.choose_latents_of_samples(thing.numbers)
    maps = read_maps(generator, z, y, block=block)

    in_box = np.zeros(maps.shape[:3], bool)
    for box in thing.boxes:
        place = mark_positions_in_box(box, maps.shape[1:3], generator.config.image_shape[:2])
        in_box[thing.numbers.index(box.sample)] |= place
    return maps, in_box


def read_same_places(subject: Subject, thing: Thing, block: int, in_box: np.ndarray) -> np.ndarray:
    """The activations (n, c) at the boxes' positions in OTHERS samples for each with boxes."""
    rng = subject.make_generator_of_random_numbers()
    others = rng.permutation(thing.without)[: OTHERS * len(in_box)].tolist()
    if not others:
        return np.empty((0, 0))
    z, y = subject.choose_latents_of_samples(others)
    maps = read_maps(subject.sampler.generator, z, y, block=block)
    return maps[np.resize(in_box, (len(others), *in_box.shape[1:]))]  # boxes take turns


def fit_weights(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """The weights (c,) of a logistic regression of "inside", from activations (n, c) and (m, c).

    Maps are brought to mean 0 and variance 1, so that the penalty is the same for all; it keeps
    scikit-learn's default. A map that never changes has the weight 0.
    """
    activations = np.concatenate([inside, outside])
    activations, spread = activations - activations.mean(0), activations.std(0)
    activations = (
        activations * (spread > SMALLEST_DEVIATION) / np.maximum(spread, SMALLEST_DEVIATION)
    )
    is_inside = np.arange(len(activations)) < len(inside)
    return LogisticRegression(max_iter=MAX_ITERATIONS).fit(activations, is_inside).coef_[0]
