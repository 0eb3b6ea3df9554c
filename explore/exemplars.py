"""Groups of samples that stand for a concept, and their means (Radford et al. 2016, section 6.3.2).

One sample alone stands for many things; what the samples of a group have in common is the concept.
"""

import dataclasses
from collections import Counter
from typing import NamedTuple

import numpy as np

from config.settings import Config
from explore.captions import draw_caption_above, enlarge, make_rgb, put_heading_above
from explore.expressions import Term
from explore.samples_by_attribute import AttributeFinder
from explore.subject import Subject

TILE_SIDE = 128  # pixels: smaller images are enlarged to it, which leaves room for an attribute
# The mean of the squares of a latent's numbers, and the range of these, by --z_dist.
MEAN_SQUARES = {"uniform_signed": 1 / 3, "uniform_unsigned": 1 / 3, "normal01": 1.0}
RANGES = {"uniform_signed": (-1.0, 1.0), "uniform_unsigned": (0.0, 1.0)}


@dataclasses.dataclass(frozen=True)
class Exemplars:
    """The samples that a term stands for.

    numbers: (N,) those of the samples. z: (N, z_dim) float32. y: (N, y_dim), None without labels.
    images: uint8 (N, H, W, C).
    """

    term: Term
    numbers: list[int]
    z: np.ndarray
    y: np.ndarray | None
    images: np.ndarray


class LatentAndLabel(NamedTuple):
    """z (z_dim,) float32; y (y_dim,) float32 in [0, 1], None without labels."""

    z: np.ndarray
    y: np.ndarray | None


def find_exemplars(finder: AttributeFinder, terms: list[Term], count: int) -> list[Exemplars]:
    """The samples of each term.

    count: samples to find for an attribute. Raises ValueError for an unknown attribute.
    """
    subject, groups = finder.subject, []
    for term in terms:
        numbers = list(term.numbers)
        if term.attribute:
            numbers = finder.find_samples(term.attribute, count, is_on=term.is_on)
        z, y = subject.choose_latents_of_samples(numbers)
        groups.append(Exemplars(term, numbers, z, y, subject.sampler.draw(z, y)))
    return groups


def describe_exemplars(finder: AttributeFinder, groups: list[Exemplars]) -> tuple[str, ...]:
    """Sentences about the samples found by attribute; none if there are none."""
    found = [group for group in groups if group.term.attribute]
    lines = [f"{one.term}: samples {', '.join(map(str, one.numbers))}" for one in found]
    return (*finder.describe_recognitions(), *dict.fromkeys(lines))


def add_means(groups: list[Exemplars], signs: list[int]) -> LatentAndLabel:
    """The sum of the groups' means of z, and of y, each with its sign.

    z may leave the range of latents; y is clipped to 0..1.
    """
    z = add_signed_means(groups, signs, [group.z for group in groups])
    if groups[0].y is None:
        return LatentAndLabel(z.astype(np.float32), None)
    y = add_signed_means(groups, signs, [group.y for group in groups])
    return LatentAndLabel(z.astype(np.float32), y.clip(0, 1).astype(np.float32))


def add_signed_means(
    groups: list[Exemplars], signs: list[int], values: list[np.ndarray]
) -> np.ndarray:
    """The sum of the means of values (N, ...), one array for each group: (...) float64.

    The same group with both signs cancels before anything is added, so nothing is left of it.
    """
    keys = [tuple(sorted(group.numbers)) for group in groups]
    means = {key: value.mean(0, dtype=np.float64) for key, value in zip(keys, values, strict=True)}
    times = Counter()
    for key, sign in zip(keys, signs, strict=True):
        times[key] += sign
    total = np.zeros(values[0].shape[1:])
    for key, mean in means.items():
        if times[key]:
            total += times[key] * mean
    return total


def compare_length_with_latents(z: np.ndarray, config: Config) -> float:
    """|z| (z_dim,) as a multiple of how long latents usually are."""
    usual = np.sqrt(config.z_dim * MEAN_SQUARES[config.z_dist])
    return float(np.linalg.norm(z) / usual)


def measure_share_outside(z: np.ndarray, config: Config) -> float:
    """The share of the numbers of z (..., z_dim) outside the range of latents; 0 without one."""
    low, high = RANGES.get(config.z_dist, (-np.inf, np.inf))
    return float(((z < low) | (z > high)).mean())


def draw_exemplars(subject: Subject, group: Exemplars, rows: int, heading: str) -> np.ndarray:
    """A column of the group's images, and below it the image of their mean: (h, w, 3) uint8.

    rows: images of the largest group, so that the means of all groups stand side by side.
    """
    mean = draw_at(subject, [add_means([group], [1])])
    images = [*group.images, *mean]
    captions = [*map(str, group.numbers), "mean"]
    return stack_tiles(images, captions, rows + 1, heading)


def draw_at(subject: Subject, points: list[LatentAndLabel]) -> np.ndarray:
    """uint8 (points, H, W, C): the generator's images there."""
    y = None if points[0].y is None else np.stack([point.y for point in points])
    return subject.sampler.draw(np.stack([point.z for point in points]), y)


def stack_tiles(
    images: list[np.ndarray], captions: list[str], rows: int, heading: str
) -> np.ndarray:
    """Images (H, W, C) below a heading, the last one in the last of `rows` rows: (h, w, 3)."""
    images = [enlarge(make_rgb(image), TILE_SIDE) for image in images]
    tiles = [draw_caption_above(*pair) for pair in zip(images, captions, strict=True)]
    white = np.full_like(tiles[0], 255)
    between = [white] * (rows - len(tiles))
    return put_heading_above(np.concatenate([*tiles[:-1], *between, tiles[-1]]), heading)
