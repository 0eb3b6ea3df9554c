"""Random changes to the images that the discriminator sees: DiffAugment of real and fake ones (Zhao
et al. 2020), mirroring and dither of real ones.

`draw_changes` draws everything random, outside the step that XLA compiles, as a function of (seed,
step): a resumed run draws the same. The packed dataset and the pictures never change.
"""

import dataclasses
import functools
from typing import NamedTuple

import tensorflow as tf

from config.settings import MAX_COUNT, Config

# The kind of each column of the numbers drawn for an image. The ranges below are those of the
# paper's code, github.com/mit-han-lab/data-efficient-gans, DiffAugment_tf.py.
KINDS = ("colour", "translation", "cutout")
KIND_OF_COLUMN = (0, 0, 0, 1, 1, 2, 2)
# The numbers are drawn from U(0, 1); these leave an image as it is. A cut at 2 is outside it.
UNCHANGED = (0.5, 0.5, 0.5, 0.5, 0.5, 2.0, 2.0)
MAX_SHIFT = 1 / 8  # of the side
CUT = 1 / 2  # of the side
DITHER = 1 / 128  # about one uint8 level, in [-1, 1]
# The purpose of a draw, for the upper half of the seed, where the latents' key has 0.
MIRRORING, DITHERING, STRENGTH, SELECTION = range(1, 5)

# Limits of --augment=auto. According to the README of the paper's code, DiffAugment changed the FID
# of FFHQ at 256x256 from 62 to 26 with 1,000 images, from 15 to 8 with 10,000, and from 3.8 to 4.2
# with all 70,000.
FEW_IMAGES, SOME_IMAGES = 6_000, 20_000
SOME_SHARE = 0.6  # R3GAN (Huang et al. 2024) ends at 0.55 for CIFAR-10
RAMP = 0.2  # share of the run over which SOME_SHARE is reached


class Plan(NamedTuple):
    """kinds: some of KINDS, each applied to `share` of the images. That share is reached gradually,
    from 0, while the first `ramp` images are shown.
    """

    kinds: tuple[str, ...] = ()
    share: float = 1.0
    ramp: int = 0


def settle_augmentation(config: Config, images: int, stored: Config | None = None) -> Config:
    """The settings with what `--augment=auto` means for this many images to train on.

    stored: the run's settings on disk, if any: a run keeps its first choice.
    """
    if config.augment != "auto":
        return dataclasses.replace(config, augment_kinds="", augment_share=1.0, augment_ramp=0)
    if stored and stored.augment == "auto" and stored.augment_kinds:
        names = ("augment_kinds", "augment_share", "augment_ramp")
        return dataclasses.replace(config, **{name: getattr(stored, name) for name in names})

    plan = _choose_plan_for_images(config, images)
    kinds = ",".join(plan.kinds) or "none"
    return dataclasses.replace(
        config, augment_kinds=kinds, augment_share=plan.share, augment_ramp=plan.ramp
    )


def _choose_plan_for_images(config: Config, images: int) -> Plan:
    if images <= FEW_IMAGES:
        return Plan(KINDS)
    if images > SOME_IMAGES:
        return Plan()
    # How many steps fit into --minutes is not known yet: --epoch then decides the ramp.
    length = dataclasses.replace(config, minutes=None, planned_steps=None)
    planned = length.total_steps(images) * config.images_per_step
    return Plan(("translation", "cutout"), SOME_SHARE, min(round(RAMP * planned), MAX_COUNT))


def read_augmentation_plan(config: Config) -> Plan:
    """Raises ValueError if `--augment=auto` has not been settled yet."""
    if config.augment == "none":
        return Plan()
    if config.augment == "diffaugment":
        return Plan(KINDS)
    if not config.augment_kinds:
        raise ValueError(
            "--augment=auto needs the number of images. Received: none yet. "
            "Call augmentation.settle_augmentation first, or use --augment=diffaugment."
        )
    kinds = tuple(kind for kind in KINDS if kind in config.augment_kinds.split(","))
    return Plan(kinds, config.augment_share, config.augment_ramp)


def describe_augmentation(config: Config, images: int) -> str:
    """`1,000 images: DiffAugment, colour, translation, cutout`; "" if nothing was asked for."""
    plan, parts = read_augmentation_plan(config), []
    if plan.kinds:
        parts.append(", ".join(("DiffAugment", *plan.kinds)))
        if plan.share < 1:
            parts[-1] += f", each applied to {plan.share:.0%} of the images"
        if plan.ramp:
            parts[-1] += f", reached gradually over the first {plan.ramp:,}"
    elif config.augment == "auto":
        parts.append("too many for DiffAugment to help")

    parts += ["real ones mirrored at random"] * config.flip + ["real ones dithered"] * config.dither
    if config.label_smoothing:
        parts.append(f"the target for real ones is {1 - config.label_smoothing:g}")
    return f"{images:,} images: {'; '.join(parts)}" if parts else ""


def draw_changes(config: Config, step, images_shown) -> dict[str, tf.Tensor]:
    """What to change in the images of a step, for `DCGAN.train_step`; {} if all is off.

    step: counted from 1, as for `ops.latents`; images_shown: before the step. Both int64 scalars.
    "mirrored": bool (N, B), N = config.batches_per_step, B = config.images_per_batch; "dither":
    float32 (N, B, H, W, C); "augmented": float32 (M, B, 7), for M batches that the discriminator
    looks at. Do not call it in XLA-compiled functions, where TensorFlow's generators give other
    numbers.
    """
    drawn = {}
    batches = (config.batches_per_step, config.images_per_batch)
    if config.flip:
        drawn["mirrored"] = _draw_uniform(config, step, MIRRORING, batches) < 0.5
    if config.dither:
        shape = (*batches, config.height, config.width, config.c_dim)
        drawn["dither"] = DITHER * _draw_uniform(config, step, DITHERING, shape)
    if (plan := read_augmentation_plan(config)).kinds:
        drawn["augmented"] = _draw_augmentations(config, plan, step, images_shown)
    return drawn


def _draw_uniform(config: Config, step, purpose: int, shape: tuple[int, ...]) -> tf.Tensor:
    """U(0, 1), a pure function of (seed, purpose, step)."""
    seed = tf.constant(config.seed + (purpose << 32), tf.int64)
    return tf.random.stateless_uniform(shape, tf.stack([seed, tf.cast(step, tf.int64)]))


def _draw_augmentations(config: Config, plan: Plan, step, images_shown) -> tf.Tensor:
    """(M, B, 7): for each image and column a draw from U(0, 1), or the value of UNCHANGED."""
    # A real and a fake batch per update; without Loss.compares, G's updates need only the latter.
    shape = (2 * (config.d_updates + config.g_updates), config.images_per_batch)
    values = _draw_uniform(config, step, STRENGTH, (*shape, len(KIND_OF_COLUMN)))
    chances = _draw_uniform(config, step, SELECTION, (*shape, len(KINDS)))

    share = tf.constant([plan.share if kind in plan.kinds else 0.0 for kind in KINDS])
    if plan.ramp:
        shown = tf.cast(tf.cast(images_shown, tf.float64) / plan.ramp, tf.float32)
        share *= tf.clip_by_value(shown, 0.0, 1.0)
    is_selected = tf.gather(chances < share, KIND_OF_COLUMN, axis=-1)
    return tf.where(is_selected, values, tf.constant(UNCHANGED))


class Augmenter:
    """Augments one batch after another, each with its own draws.

    drawn: (M, B, 7), as from `draw_changes`, for at most M batches (B, H, W, C) float32; without
    it, batches stay as they are.
    """

    def __init__(self, drawn: tf.Tensor | None = None):
        self.remaining = None if drawn is None else iter(tf.unstack(drawn))

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        if self.remaining is None:
            return images
        return augment_images(images, next(self.remaining))


def vary_real_batches(reals: list[tf.Tensor], drawn: dict[str, tf.Tensor]) -> list[tf.Tensor]:
    """Real batches (B, H, W, C) float32, mirrored and dithered as `draw_changes` says."""
    if "mirrored" in drawn:
        reals = list(map(mirror_images, reals, tf.unstack(drawn["mirrored"])))
    if "dither" in drawn:
        reals = list(map(tf.add, reals, tf.unstack(drawn["dither"])))
    return reals


def mirror_images(images: tf.Tensor, mirrored: tf.Tensor) -> tf.Tensor:
    """images (B, H, W, C), flipped left to right where mirrored (B,)."""
    column = tf.range(images.shape[2])
    columns = tf.where(mirrored[:, None], column[::-1], column)  # (B, W)
    return tf.gather(images, columns, axis=2, batch_dims=1)  # faster than a choice by tf.where


def augment_images(images: tf.Tensor, drawn: tf.Tensor) -> tf.Tensor:
    """DiffAugment of images (B, H, W, C) float32 in [-1, 1]; drawn (B, 7): see KIND_OF_COLUMN.

    The order is that of the paper's code. As in that code, values may leave [-1, 1], and 0 fills
    the gaps. Alpha keeps its values.
    """
    *colour, down, right, cut_row, cut_column = tf.unstack(drawn, axis=-1)
    height, width = images.shape[1:3]

    moves = _choose_shift(down, height), _choose_shift(right, width)
    cuts = _choose_cut(cut_row, height), _choose_cut(cut_column, width)
    return move_and_cut(_change_colour(images, *colour), *moves, *cuts)


def _change_colour(images: tf.Tensor, brightness, saturation, contrast) -> tf.Tensor:
    """images with changed colours; brightness, saturation, contrast: (B,) each, from U(0, 1)."""
    brightness, saturation, contrast = brightness - 0.5, 2 * saturation, contrast + 0.5
    if images.shape[-1] != 4:
        return mix_colours(images, brightness, saturation, contrast)
    colours = mix_colours(images[..., :3], brightness, saturation, contrast)
    return tf.concat([colours, images[..., 3:]], -1)


@tf.custom_gradient
def mix_colours(images: tf.Tensor, brightness, saturation, contrast):
    """Brightness b, saturation s and contrast c (B,) in turn, as one affine map of the images.

    With g the mean of a pixel's colours and m that of the image: x + b; then s (x - g) + g, with
    this x and g; then c (x - m) + m. The first two leave m at m + b, hence the sum below. A gray
    image is its own g, so s has no effect. Apart from b, the map is symmetric, so it is its own
    gradient.
    """

    def differentiate(upstream):
        return mix_colours(upstream, 0 * brightness, saturation, contrast), None, None, None

    b, s, c = (value[:, None, None, None] for value in (brightness, saturation, contrast))
    channels = tf.unstack(images, axis=-1)
    gray = functools.reduce(tf.add, channels)[..., None] / len(channels)  # (B, H, W, 1)
    mean = tf.reduce_mean(gray, (1, 2), keepdims=True)  # (B, 1, 1, 1)
    return c * s * images + (c * (1 - s) * gray + (b + (1 - c) * mean)), differentiate


def _choose_shift(chance: tf.Tensor, side: int) -> tf.Tensor:
    """int32 (B,), each in -side/8 ... side/8 pixels, from U(0, 1); 0.5 is no shift."""
    longest = int(side * MAX_SHIFT + 0.5)
    return tf.cast(tf.floor(chance * (2 * longest + 1)), tf.int32) - longest


def _choose_cut(chance: tf.Tensor, side: int) -> tf.Tensor:
    """int32 (B,): the first pixel of a cut of half the side; it may be negative.

    chance: from U(0, 1), or 2, which puts the cut outside the image.
    """
    length = _measure_cut(side)
    centre = tf.cast(tf.floor(chance * (side + 1 - length % 2)), tf.int32)
    return centre - length // 2


def _measure_cut(side: int) -> int:
    return int(side * CUT + 0.5)


@tf.custom_gradient
def move_and_cut(images: tf.Tensor, down, right, cut_row, cut_column):
    """images (B, H, W, C), moved by whole pixels, with a rectangle cut out; 0 fills the gaps.

    down, right: int32 (B,), how far; cut_row, cut_column: int32 (B,), where the cut starts. The
    gradient moves pixels the other way, also by a gather: TensorFlow's own sums pixels slowly.
    """
    height, width = images.shape[1:3]
    row, column = tf.range(height)[None], tf.range(width)[None]
    shifted = row - down[:, None], column - right[:, None]  # (B, H), (B, W)
    returned = row + down[:, None], column + right[:, None]

    def differentiate(upstream):
        is_cut = _mark_cut(*returned, cut_row, cut_column, (height, width))
        return _gather_pixels(upstream, *returned, is_cut), None, None, None, None

    is_cut = _mark_cut(row, column, cut_row, cut_column, (height, width))
    return _gather_pixels(images, *shifted, is_cut), differentiate


def _mark_cut(row, column, cut_row, cut_column, size: tuple[int, int]) -> tf.Tensor:
    """bool (B, H, W): whether the place (row, column), (1 or B, H) and (1 or B, W), is cut out."""
    down, right = row - cut_row[:, None], column - cut_column[:, None]
    is_row_cut = (down >= 0) & (down < _measure_cut(size[0]))
    is_column_cut = (right >= 0) & (right < _measure_cut(size[1]))
    return is_row_cut[:, :, None] & is_column_cut[:, None, :]


def _gather_pixels(images: tf.Tensor, row, column, is_empty: tf.Tensor) -> tf.Tensor:
    """(B, H, W, C): each image's pixels at row (B, H) and column (B, W); 0 outside the image and
    where is_empty (B, H, W).
    """
    count, height, width, channels = images.shape
    first = tf.range(count)[:, None, None] * (height * width)  # of each image
    place = first + row[:, :, None] * width + column[:, None, :]
    has_row, has_column = (row >= 0) & (row < height), (column >= 0) & (column < width)
    is_read = has_row[:, :, None] & has_column[:, None, :] & ~is_empty

    # One gather, and no mask to multiply by: empty pixels come from a pixel of zeros at the end.
    pixels = tf.reshape(images, (-1, channels))  # (B, H, W, C) -> (BHW, C)
    pixels = tf.concat([pixels, tf.zeros((1, channels), images.dtype)], 0)
    return tf.gather(pixels, tf.where(is_read, place, count * height * width))
