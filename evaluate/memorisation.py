"""A run's memorisation: compares its samples with all training and held-out images; draws a
picture.
"""

import numpy as np
from absl import logging
from PIL import Image, ImageDraw, ImageFont

from evaluate.compared_sets import ImageSets, SomeImages
from evaluate.features.random_conv import compute_random_features
from evaluate.image_sets import lay_compared_images_on_background, take_compared_images
from evaluate.neighbours import MOST_FAKES, Memorisation, measure_memorisation
from system.written import replace_files
from utils import encode_png

FEATURE_SEED = 0  # of the random convolutions
PICTURE = "memorisation.png"
ROWS = 8  # samples in each half of the picture
TILE, GAP, GAP_OF_HALVES = 96, 8, 64  # pixels
HEADINGS = ("sample", "nearest\ntraining image", "nearest\nheld-out image")
ABOVE, BELOW = 150, 22  # pixels: for the headings, and for the distance below an image
INK, PAPER = (38, 50, 66), (255, 255, 255)


def measure_memorisation_of_run(sets: ImageSets, fakes: np.ndarray) -> dict[str, Memorisation]:
    """{"pixels": ..., "features": ...}, for the first MOST_FAKES fakes, uint8 (N, H, W, C).

    features: of random convolutions. Memory: 512 bytes for each image of the dataset.
    """
    training, held_out = _read_splits_to_compare_with(sets)
    fakes = fakes[:MOST_FAKES]
    features = compute_random_features(
        *(training, held_out, fakes), seed=FEATURE_SEED, gather=sets.recall_random_features
    )
    return {
        "pixels": measure_memorisation(training, held_out, fakes),
        "features": measure_memorisation(*features),
    }


def _read_splits_to_compare_with(sets: ImageSets) -> tuple[SomeImages, SomeImages]:
    return tuple(SomeImages(sets.images, r) for r in (sets.split.training, sets.split.held_out))


def write_picture_of_nearest_images(
    sets: ImageSets, fakes: np.ndarray, found: dict[str, Memorisation]
) -> None:
    """Writes the picture of `draw_nearest_images` to the folder of `sets`; a failure only warns."""
    picture = encode_png(draw_nearest_images(sets, fakes, found))
    try:
        replace_files(sets.folder, {PICTURE: picture}, what="the picture of memorisation")
    except OSError as error:
        logging.warning(
            "%s cannot be written: %s.", error.filename or sets.folder / PICTURE, error.strerror
        )
        return
    text = "the samples closest to training images are in %s"
    logging.info(text, sets.folder / PICTURE)


def draw_nearest_images(
    sets: ImageSets, fakes: np.ndarray, found: dict[str, Memorisation]
) -> np.ndarray:
    """uint8 (H, W, 3): the samples closest to a training image, beside their nearest images.

    One half for each of `found`. A row shows a sample, its nearest training image and its nearest
    held-out one, with the distances.
    """
    rows = min(ROWS, len(fakes))
    width = 3 * TILE + 4 * GAP
    canvas = Image.new("RGB", (2 * width + GAP_OF_HALVES, ABOVE + rows * (TILE + BELOW)), PAPER)
    for left, (space, memorisation) in zip((0, width + GAP_OF_HALVES), found.items(), strict=True):
        _write_headings(canvas, left, space, memorisation)
        order = np.argsort(memorisation.training.distances, kind="stable")[:rows]
        tiles = _list_tiles_of_samples(sets, fakes, memorisation, order)
        for place, tile in enumerate(tiles):
            row, column = divmod(place, 3)
            x, y = left + GAP + column * (TILE + GAP), ABOVE + row * (TILE + BELOW)
            _draw_tile(canvas, (x, y), *tile)
    return np.asarray(canvas)


def _list_tiles_of_samples(
    sets: ImageSets, fakes: np.ndarray, memorisation: Memorisation, order: np.ndarray
) -> list[tuple[np.ndarray, str]]:
    """(image, words below it) of each sample in `order` and its two nearest images, row by row."""
    columns = [(fakes[order], [""] * len(order))]
    nearest = (memorisation.training, memorisation.held_out)
    for images, of_split in zip(_read_splits_to_compare_with(sets), nearest, strict=True):
        words = [f"distance {distance:.3g}" for distance in of_split.distances[order]]
        columns.append((take_compared_images(images, of_split.indices[order]), words))
    return [(images[row], words[row]) for row in range(len(order)) for images, words in columns]


def _draw_tile(canvas: Image.Image, corner: tuple[int, int], image: np.ndarray, words: str) -> None:
    """image: uint8 (H, W, C), scaled to fit into a tile."""
    shown = np.rint(lay_compared_images_on_background(image[None])[0]).astype(np.uint8)
    shown = np.repeat(shown, 3, axis=-1) if shown.shape[-1] == 1 else shown
    scale = TILE / max(shown.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in shown.shape[1::-1])  # (width, height)
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
    canvas.paste(Image.fromarray(shown).resize(size, how), corner)
    _write_on_picture(canvas, (corner[0] + TILE // 2, corner[1] + TILE + 2), words, 13, "ma")


def _write_headings(canvas: Image.Image, left: int, space: str, memorisation: Memorisation) -> None:
    """What this half shows, and the result over all samples."""
    _write_on_picture(canvas, (left + GAP, 8), f"Nearest in {space}", 20, "la")
    count = len(memorisation.training.distances)
    lines = (
        f"{memorisation.share:.1%} of {count:,} samples are nearer to a\n"
        "training image than to a held-out one.\n"
        f"Without copying, {memorisation.expected:.1%} would be (p = {memorisation.p_value:.2g}).\n"
        "The closest samples first:"
    )
    _write_on_picture(canvas, (left + GAP, 36), lines, 13, "la")
    for column, heading in enumerate(HEADINGS):
        x = left + GAP + column * (TILE + GAP) + TILE // 2
        _write_on_picture(canvas, (x, ABOVE - 36), heading, 13, "ma")


def _write_on_picture(
    canvas: Image.Image, at: tuple[int, int], words: str, size: int, anchor: str
) -> None:
    font = ImageFont.load_default(size)
    align = "center" if anchor == "ma" else "left"
    ImageDraw.Draw(canvas).text(at, words, INK, font, anchor=anchor, align=align)
