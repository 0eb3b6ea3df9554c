"""Forgetting an object: the generator draws without the maps that stand for it (Radford et al.
2016, section 6.3 and figure 6).
"""

import numpy as np

from explore.boxes import draw_boxes
from explore.captions import enlarge, make_rgb, put_heading_above
from explore.experiments import Findings
from explore.forgotten_thing import Thing, choose_surest, find_thing
from explore.generator_maps import copy_without_maps
from explore.map_choice import MapChoice, choose_few_maps, choose_maps_as_paper
from explore.subject import Subject
from sample import Sampler
from utils import arrange_image_grid, encode_png

NEW = 512  # samples after those of the boxes, drawn before and after
COLUMNS, ROWS = 16, 2  # of each part of the picture, at most
MIN_IMAGE_SIDE = 64  # pixels: smaller ones are enlarged
RULES = {"paper": choose_maps_as_paper, "few": choose_few_maps}
LEGEND = "unchanged; the paper's rule; the few-maps rule"


def run_experiment(subject: Subject) -> Findings:
    """samples.png: samples in rows of three: as they were, without the maps that the paper's rule
    drops, and without the fewer ones of `choose_few_maps`.

    Its parts: the samples with boxes, drawn in red; for an attribute, new samples that have it, the
    surest first; new samples in their order. --forget: a file (`explore.boxes.read_boxes`), or an
    attribute of the dataset, for which a classifier draws the boxes. The numbers of each rule: maps
    and maps_dropped; mean_change, how far the pixels of new samples move on average, of 255; for an
    attribute, share, of the new samples that have it.
    """
    thing = find_thing(subject)
    found, samplers = {"boxes": len(thing.boxes)}, {"before": subject.sampler}
    for name, rule in RULES.items():
        choice = rule(subject, thing)
        samplers[name] = make_forgetful_sampler(subject, choice)
        found[f"{name}_maps"] = len(choice.dropped)
        found[f"{name}_maps_dropped"] = int(choice.dropped.sum())

    new, y = draw_samples(subject, samplers, [*range(thing.searched, thing.searched + NEW)])
    found |= {f"{name}_mean_change": measure_change(new["before"], new[name]) for name in RULES}
    parts = {"samples with boxes": draw_boxed(subject, samplers, thing)}
    if thing.classifier is not None:
        logits = {
            k: thing.classifier.compute_logits(thing.reader.read(v, y)) for k, v in new.items()
        }
        found |= {f"{name}_share": float((values > 0).mean()) for name, values in logits.items()}
        found["classifier_accuracy"] = thing.classifier.accuracy
        having = choose_surest(logits["before"])
        parts[f"new samples with {thing.name}"] = {name: new[name][having] for name in new}
    parts["new samples"] = new

    picture = [draw_part(f"{title}: {LEGEND}", sets) for title, sets in parts.items()]
    return Findings(
        {"samples.png": encode_png(np.concatenate(picture))}, found, describe(found, thing)
    )


def make_forgetful_sampler(subject: Subject, choice: MapChoice) -> Sampler:
    """Draws with a copy of the generator."""
    generator = copy_without_maps(subject.sampler.generator, choice.block, choice.dropped)
    return Sampler(subject.config, generator)


def draw_samples(subject: Subject, samplers: dict[str, Sampler], numbers: list[int]) -> tuple:
    """By sampler: uint8 (N, H, W, C), the samples with these numbers; and their labels, or None."""
    z, y = subject.choose_latents_of_samples(numbers)
    return {name: sampler.draw(z, y) for name, sampler in samplers.items()}, y


def draw_boxed(subject: Subject, samplers: dict[str, Sampler], thing: Thing) -> dict:
    """The first samples with boxes, by sampler, with these drawn into those from before."""
    numbers = thing.numbers[: COLUMNS * ROWS]
    sets, _ = draw_samples(subject, samplers, numbers)
    outlined = [
        draw_boxes(image, [box for box in thing.boxes if box.sample == number])
        for number, image in zip(numbers, sets["before"], strict=True)
    ]
    return sets | {"before": np.stack(outlined)}


def measure_change(before: np.ndarray, after: np.ndarray) -> float:
    """The mean absolute difference of the pixels of images (N, H, W, C), of 255."""
    return float(np.abs(after.astype(np.float32) - before).mean())


def draw_part(title: str, sets: dict[str, np.ndarray]) -> np.ndarray:
    """Rows of samples, one set below the other: (h, w, 3). sets: each uint8 (N, H, W, C)."""
    rows = [split_into_rows(make_rgb(images[: COLUMNS * ROWS])) for images in sets.values()]
    rows = np.concatenate(rows, axis=1)  # (rows, sets * COLUMNS, H, W, 3)
    tiles = enlarge(rows.reshape(-1, *rows.shape[2:]), MIN_IMAGE_SIDE)
    return put_heading_above(arrange_image_grid(tiles, COLUMNS), title)


def split_into_rows(images: np.ndarray) -> np.ndarray:
    """(N, H, W, C) -> (rows, COLUMNS, H, W, C), the last row filled up with white; at least one."""
    missing = COLUMNS if not len(images) else -len(images) % COLUMNS
    blank = np.full((missing, *images.shape[1:]), 255, np.uint8)
    return np.concatenate([images, blank]).reshape(-1, COLUMNS, *images.shape[1:])


def describe(found: dict[str, float], thing: Thing) -> tuple[str, ...]:
    """A sentence for each rule, and one about the classifier."""
    titles = {"paper": "the paper's rule", "few": "the few-maps rule"}
    lines = []
    for name, title in titles.items():
        maps = f"{found[f'{name}_maps_dropped']} of {found[f'{name}_maps']} maps"
        change = f"the pixels of new samples change by {found[f'{name}_mean_change']:.0f} of 255"
        lines.append(f"{title} drops {maps}; {change} on average")
    if thing.classifier is not None:
        lines.append(
            f"new samples with {thing.name}: {found['before_share']:.1%} before, "
            f"{found['paper_share']:.1%} after the paper's rule, {found['few_share']:.1%} after "
            f"the few-maps rule, according to a classifier that is right about "
            f"{thing.classifier.accuracy:.0%} of images with and without it"
        )
    return tuple(lines)
