"""A turn vector: one change, made to any image (Radford et al. 2016, section 6.3.2, figure 8)."""

import numpy as np

from explore.captions import arrange_captioned_grid, join_side_by_side
from explore.exemplars import (
    Exemplars,
    LatentAndLabel,
    add_means,
    compare_length_with_latents,
    describe_exemplars,
    draw_exemplars,
    find_exemplars,
)
from explore.experiments import Findings
from explore.expressions import parse_turn
from explore.films import encode_loop
from explore.samples_by_attribute import AttributeFinder
from explore.subject import Subject
from utils import arrange_image_grid, encode_png

EXEMPLARS = 4  # of a group found by attribute; as in figure 8
ROWS = 6  # random samples
STEPS = 9  # images of a row, the sample itself in the middle
FRAMES = 32  # of a film, there and back
FILM_COLUMNS = 3


def run_experiment(subject: Subject) -> Findings:
    """turn.png, turn.gif and turn.mp4: random samples, moved along a vector; groups.png.

    The vector leads from the mean of the first group of --turn to the mean of the second, which
    groups.png shows. It is subtracted on the left and added on the right; with labels, these change
    along with z. Raises ValueError for a --turn that cannot be read, and for an unknown attribute.
    """
    terms = parse_turn(subject.choices.turn, "turn")
    finder = AttributeFinder(subject)
    groups = find_exemplars(finder, list(terms), EXEMPLARS)
    start, end = (add_means([group], [1]) for group in groups)
    numbers = choose_samples_outside_groups(groups)
    length = compare_length_with_latents(end.z - start.z, subject.config)

    rows = max(len(group.numbers) for group in groups)
    columns = [draw_exemplars(subject, group, rows, str(group.term)) for group in groups]
    files = {
        "turn.png": encode_png(draw_turns(subject, numbers, start, end)),
        "groups.png": encode_png(join_side_by_side(columns, ["->"])),
    }
    files |= encode_loop("turn", draw_film(subject, numbers, start, end))
    line = f"the turn is {length:.2f} times as long as a typical latent"
    return Findings(
        files,
        {"length": length, **finder.list_accuracies()},
        (*describe_exemplars(finder, groups), line),
    )


def choose_samples_outside_groups(groups: list[Exemplars]) -> list[int]:
    """The numbers of the first ROWS samples that are in none of the groups."""
    used = {number for group in groups for number in group.numbers}
    candidates = range(ROWS + len(used))
    return [number for number in candidates if number not in used][:ROWS]


def draw_turns(
    subject: Subject, numbers: list[int], start: LatentAndLabel, end: LatentAndLabel
) -> np.ndarray:
    """A row for each sample: (h, w, 3) uint8."""
    shares = np.linspace(-1, 1, STEPS)
    images = draw_turned_samples(subject, numbers, start, end, shares)
    # (steps, rows, H, W, C) -> (rows, steps, H, W, C) -> (rows * steps, H, W, C)
    images = images.swapaxes(0, 1).reshape(-1, *images.shape[2:])
    captions = [f"{share:+.2f}" if share else str(number) for number in numbers for share in shares]
    return arrange_captioned_grid(images, captions, STEPS)


def draw_film(
    subject: Subject, numbers: list[int], start: LatentAndLabel, end: LatentAndLabel
) -> np.ndarray:
    """Frames (FRAMES, h, w, C) uint8 of all samples, there and back, slower at both ends."""
    shares = -np.cos(2 * np.pi * np.arange(FRAMES) / FRAMES)
    images = draw_turned_samples(subject, numbers, start, end, shares)
    return np.stack([arrange_image_grid(frame, FILM_COLUMNS) for frame in images])


def draw_turned_samples(
    subject: Subject,
    numbers: list[int],
    start: LatentAndLabel,
    end: LatentAndLabel,
    shares: np.ndarray,
) -> np.ndarray:
    """uint8 (shares, samples, H, W, C): the samples plus each share of the turn, end - start.

    z may leave the range of latents; y is clipped to 0..1.
    """
    z, y = subject.choose_latents_of_samples(numbers)
    factors = np.float32(shares)[:, None, None]  # (shares, 1, 1)
    z = z + factors * (end.z - start.z)  # (shares, samples, z_dim)
    z = z.reshape(-1, z.shape[-1])  # (shares * samples, z_dim)
    if y is not None:
        y = (y + factors * (end.y - start.y)).clip(0, 1)  # (shares, samples, y_dim)
        y = y.reshape(-1, y.shape[-1])  # (shares * samples, y_dim)
    images = subject.sampler.draw(z, y)
    # (shares * samples, H, W, C) -> (shares, samples, H, W, C)
    return images.reshape(len(shares), len(numbers), *images.shape[1:])
