"""Near duplicates in a dataset (Radford et al. 2016, section 4.1)."""

import shlex

import numpy as np

from config.settings import FROM_ARRAY
from data.exclude import COMMENT, read_names_to_exclude, write_name_to_exclude
from data.packing.pack import Pack
from explore.autoencoder import SIDE, compute_semantic_hashes
from explore.captions import arrange_captioned_grid, enlarge
from explore.experiments import Findings
from explore.near_duplicates import find_near_duplicates
from explore.subject import Subject
from utils import encode_png

PICTURE, LIST = "duplicates.png", "duplicates.txt"
GROUPS_SHOWN, IMAGES_SHOWN = 12, 6  # rows of the picture, and images of each at most
SHOWN_SIDE = 128  # pixels
CAPTION_CHARACTERS = 20  # fit above an image; of a longer name, its end


def run_experiment(subject: Subject) -> Findings:
    """duplicates.png: groups of near duplicates; duplicates.txt: those to leave out, by name.

    The first image of each group is kept. Pictures are compared as the paper's autoencoder sees
    them: centre crops of 32x32. The list also has the names that --exclude has already left out,
    so that it can take the place of that file.
    """
    pack = load_small_images(subject)
    names = pack.manifest["files"]
    hashes = compute_semantic_hashes(pack.images, subject.config.seed)
    groups = find_near_duplicates(pack.images, hashes)

    lines = [*read_names_to_exclude(subject.config), *write_list_of_duplicates(names, groups)]
    files = {LIST: "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")}
    if groups:
        files[PICTURE] = encode_png(draw_groups(pack.images, names, groups))

    duplicates = sum(map(len, groups.values()))
    numbers = {"images": len(names), "groups": len(groups), "duplicates": duplicates}
    return Findings(files, numbers, describe_duplicates(numbers, subject))


def load_small_images(subject: Subject) -> Pack:
    """The dataset as colour images of 32x32, on white where they are transparent."""
    size = {"output_height": SIDE, "output_width": SIDE, "c_dim": 3}
    derived = {"blocks": None, "g_widths": None, "d_widths": None, "labels": "none"}
    return subject.load_images(**size, **derived, label_names=None)


def write_list_of_duplicates(names: list[str], groups: dict[int, list[int]]) -> list[str]:
    """The lines of duplicates.txt. groups: row of an image to keep -> rows of its duplicates."""
    lines = []
    for keep, rows in groups.items():
        lines.append(f"{COMMENT} like {write_name_to_exclude(names[keep])}, which stays:")
        lines += [write_name_to_exclude(names[row]) for row in rows]
    return lines or [f"{COMMENT} no near duplicates were found"]


def draw_groups(images: np.ndarray, names: list[str], groups: dict) -> np.ndarray:
    """A row for each of the first groups: the image that stays, then its duplicates; (h, w, 3)."""
    rows = [[keep, *others][:IMAGES_SHOWN] for keep, others in [*groups.items()][:GROUPS_SHOWN]]
    columns = max(map(len, rows))
    blank = np.full_like(images[:1], 255)

    tiles, captions = [], []
    for row in rows:
        missing = columns - len(row)
        tiles += [images[row], *[blank] * missing]
        captions += [names[number][-CAPTION_CHARACTERS:] for number in row] + [""] * missing
    return arrange_captioned_grid(enlarge(np.concatenate(tiles), SHOWN_SIDE), captions, columns)


def describe_duplicates(numbers: dict[str, int], subject: Subject) -> tuple[str, ...]:
    """What was found, and how to train without the duplicates."""
    images, duplicates = f"{numbers['images']:,}", f"{numbers['duplicates']:,}"
    if not numbers["duplicates"]:
        return (f"no near duplicates among {images} images",)
    groups, config = f"{numbers['groups']:,}", subject.config
    path = shlex.quote(str(subject.folder / "dedup" / LIST))
    # A run only knows that images are its own, with fewer of them, once it has a place for them.
    is_of_array = config.first_dataset == FROM_ARRAY and not config.dataset_place
    first = "first continue the run with --dataset, then " if is_of_array else ""
    return (
        f"{duplicates} of {images} images are near duplicates of another image ({groups} groups). "
        f"{PICTURE} shows the first {min(numbers['groups'], GROUPS_SHOWN)}",
        f"to leave them out, {first}add --exclude={path} to the training command",
    )
