"""Sums of latents: smiling woman - woman + man = smiling man (Radford et al. 2016, figure 7)."""

import numpy as np

from explore.captions import (
    arrange_captioned_grid,
    enlarge,
    join_side_by_side,
    make_rgb,
    put_heading_above,
)
from explore.exemplars import (
    TILE_SIDE,
    Exemplars,
    LatentAndLabel,
    add_means,
    add_signed_means,
    compare_length_with_latents,
    describe_exemplars,
    draw_at,
    draw_exemplars,
    find_exemplars,
    measure_share_outside,
    stack_tiles,
)
from explore.experiments import Findings
from explore.expressions import parse_sum
from explore.samples_by_attribute import AttributeFinder
from explore.subject import Subject
from utils import encode_png

EXEMPLARS = 3  # of a term found by attribute; as in section 6.3.2
NOISE = 0.25  # added to the result, at most; figure 7
GRID = 3  # images a side, with the result in the middle
SIGNS = {1: "+", -1: "-"}


def run_experiment(subject: Subject) -> Findings:
    """arithmetic.png: the groups of --arithmetic, each above its mean's image, and their sum.

    The sum Y is the centre of a grid of 3x3; its neighbours are drawn at Y plus uniform noise.
    Beside it, the same sums of pixels instead of latents. Y may leave the range of latents: as in
    the paper, it is not clipped, so that the sum stays a sum. Raises ValueError for an --arithmetic
    that cannot be read, and for an unknown attribute.
    """
    signed_terms = parse_sum(subject.choices.arithmetic, "arithmetic")
    signs = [one.sign for one in signed_terms]
    finder = AttributeFinder(subject)
    groups = find_exemplars(finder, [one.term for one in signed_terms], EXEMPLARS)
    result = add_means(groups, signs)

    picture = draw_arithmetic(subject, groups, signs, result)
    length = compare_length_with_latents(result.z, subject.config)
    outside = measure_share_outside(result.z, subject.config)
    return Findings(
        {"arithmetic.png": encode_png(picture)},
        {"length": length, "share_outside": outside, **finder.list_accuracies()},
        (*describe_exemplars(finder, groups), describe_result(length, outside)),
    )


def describe_result(length: float, outside: float) -> str:
    """length, outside: of `compare_length_with_latents` and `measure_share_outside`."""
    text = f"the result is {length:.2f} times as long as a typical latent"
    if outside:
        text += f"; {outside:.0%} of its values lie outside the usual range and are not clipped"
    return text


def draw_arithmetic(
    subject: Subject, groups: list[Exemplars], signs: list[int], result: LatentAndLabel
) -> np.ndarray:
    """The picture of `run_experiment`: (h, w, 3) uint8."""
    rows = max(len(group.numbers) for group in groups)
    columns = [draw_exemplars(subject, group, rows, str(group.term)) for group in groups]
    images = draw_at(subject, list_points_around(subject, result))
    images = enlarge(make_rgb(images), TILE_SIDE)
    captions = [""] * len(images)
    captions[len(images) // 2] = "result"
    grid = arrange_captioned_grid(images, captions, GRID)
    heading = f"the result; around it, the same plus noise of up to {NOISE}"

    pixels = [*add_pixels_of_exemplars(groups, signs), add_pixels_of_means(groups, signs)]
    captions = [""] * (len(pixels) - 1) + ["mean"]
    symbols = [*(SIGNS[sign] for sign in signs[1:]), "=", ""]
    sums = [
        put_heading_above(grid, heading),
        stack_tiles(pixels, captions, rows + 1, "the same sum in pixels"),
    ]
    return join_side_by_side([*columns, *sums], symbols)


def list_points_around(subject: Subject, result: LatentAndLabel) -> list[LatentAndLabel]:
    """GRID x GRID points: the result itself in the middle, the others with noise added to z."""
    random = subject.make_generator_of_random_numbers()
    noise = random.uniform(-NOISE, NOISE, (GRID * GRID, len(result.z))).astype(np.float32)
    noise[len(noise) // 2] = 0
    return [LatentAndLabel(result.z + one, result.y) for one in noise]


def add_pixels_of_exemplars(groups: list[Exemplars], signs: list[int]) -> list[np.ndarray]:
    """The sums of the first image of every group, of the second, and so on: uint8 (H, W, C)."""
    fewest = min(len(group.numbers) for group in groups)
    return [
        clip_pixels(
            sum(
                sign * group.images[number].astype(np.float64)
                for sign, group in zip(signs, groups, strict=True)
            )
        )
        for number in range(fewest)
    ]


def add_pixels_of_means(groups: list[Exemplars], signs: list[int]) -> np.ndarray:
    """The sum of the groups' mean images: uint8 (H, W, C)."""
    return clip_pixels(add_signed_means(groups, signs, [group.images for group in groups]))


def clip_pixels(image: np.ndarray) -> np.ndarray:
    """uint8, from pixels that may be outside of 0..255."""
    return np.round(image).clip(0, 255).astype(np.uint8)
