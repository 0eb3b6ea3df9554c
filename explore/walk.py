"""Interpolations between latents (Radford et al. 2016, section 6.1 and figure 4)."""

import numpy as np

from explore.choices import parse_sample_numbers
from explore.experiments import Findings
from explore.films import encode_loop
from explore.subject import Subject
from utils import arrange_image_grid, encode_png

POINTS = 9  # of the paper's rows
COLUMNS = 10  # images of a row, both ends included
FRAMES = 12  # of a film, from one point to the next


def run_experiment(subject: Subject) -> Findings:
    """linear.png and great_circle.png, with a row from each point to the next; walk.gif, walk.mp4.

    The points are the samples --walk_seeds, in their order, or the first POINTS; the last row leads
    back to the first. With labels, these change along with z. The films take great circles.
    """
    numbers = list(range(POINTS))
    if subject.choices.walk_seeds is not None:
        numbers = parse_sample_numbers(subject.choices.walk_seeds, "walk_seeds", fewest=2)
    z, y = subject.choose_latents_of_samples(numbers)

    files = {}
    for name, path in (("linear", interpolate_linearly), ("great_circle", interpolate_on_circle)):
        rows = [draw_walk(subject, z, y, leg, path, COLUMNS) for leg in list_legs(len(z))]
        files[f"{name}.png"] = encode_png(arrange_image_grid(np.concatenate(rows), COLUMNS))

    legs = list_legs(len(z))
    frames = [draw_walk(subject, z, y, leg, interpolate_on_circle, FRAMES + 1) for leg in legs]
    film = np.concatenate([images[:-1] for images in frames])  # each leg ends where the next starts
    return Findings(files | encode_loop("walk", film))


def list_legs(points: int) -> list[tuple[int, int]]:
    """(from, to) for each leg of a round trip: (0, 1), (1, 2), ..., (points - 1, 0)."""
    return [(point, (point + 1) % points) for point in range(points)]


def draw_walk(subject: Subject, z, y, leg: tuple[int, int], path, steps: int) -> np.ndarray:
    """uint8 (steps, H, W, C): the images between z[leg[0]] and z[leg[1]], both included."""
    start, end = leg
    latents = path(z[start], z[end], steps)
    labels = None if y is None else interpolate_linearly(y[start], y[end], steps)
    return subject.sampler.draw(latents, labels)


def interpolate_linearly(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """(n,) and (n,) -> (steps, n) float32, whose first and last rows are exactly those two."""
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]  # (steps, 1)
    return (1 - share) * start + share * end


def interpolate_on_circle(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Like `interpolate_linearly`, but along the great circle between the two directions.

    (White 2016, arXiv 1609.04468, section 2.1.) The length changes linearly, so the points between
    are as far from the origin as other latents are. With linear interpolation they are nearer to
    it.
    """
    exact = [one.astype(np.float64) for one in (start, end)]
    lengths = [np.linalg.norm(one) for one in exact]
    if min(lengths) == 0:  # no direction
        return interpolate_linearly(start, end, steps)
    cosine = np.dot(*exact) / (lengths[0] * lengths[1])
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # parallel: every great circle goes through both, or none is needed
        return interpolate_linearly(start, end, steps)

    share = np.linspace(0, 1, steps)[:, None]  # (steps, 1)
    direction = np.sin((1 - share) * angle) * start / lengths[0]
    direction = (direction + np.sin(share * angle) * end / lengths[1]) / np.sin(angle)
    points = (direction * ((1 - share) * lengths[0] + share * lengths[1])).astype(np.float32)
    points[0], points[-1] = start, end  # to the bit
    return points
