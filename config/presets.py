"""`--preset`: defaults that reproduce the networks and training of another implementation, or use
newer methods.
"""

from config.catalog import MNIST, NAMED_SETS, canonicalize_dataset_name
from config.mistakes import find_meant_choice
from config.settings import OWN_LABELS, Config

# Where each differs from Config's own defaults, which are carpedm20/DCGAN-tensorflow's.
PRESETS = {
    "reference": {},
    # Radford et al. 2016, section 4, and the authors' code (github.com/Newmu/dcgan_code).
    "paper": {
        "stem_width": 1024,
        "bias": False,
        "padding": "symmetric",
        "stem_order": "chw",
        "stem_norm": "units",
        "bn_statistics": "batch",
        "bn_epsilon": 1e-8,
        "gain_stddev": 0.02,
        "conv_init": "normal",
        "adam_form": "kingma",
        "batch_size": 128,
        "g_updates": 1,
        "alternate": True,
        "l2": 1e-5,
    },
    # github.com/pytorch/examples, dcgan/main.py.
    "tutorial": {
        "kernel_size": 4,
        "bias": False,
        "padding": "symmetric",
        "stem_order": "chw",
        "gain_stddev": 0.02,
        "conv_init": "normal",
        "adam_form": "kingma",
        "z_dist": "normal01",
        "g_updates": 1,
    },
    # The best of a study (docs/quality.md). It may still change: a run keeps what it began with.
    "modern": {
        "kernel_size": 4,
        "d_norm": "spectral",
        "d_min_width": 32,
        "loss": "hinge",
        "learning_rate": 2e-3,
        "d_learning_rate": 8e-4,
        "beta1": 0.0,
        "beta2": 0.9,
        "g_updates": 1,
        "ema_half_life": 44_000.0,  # images: 0.999 a step at batches of 64
    },
}
# What presets set since a later version: a run from before has Config's default, and keeps it.
ADDED_TO_PRESETS = ("d_min_width",)
# The networks that carpedm20 and the paper's code use for MNIST: from 7x7 to 28x28, with labels.
MNIST_PRESETS = {
    "reference": {"blocks": 2, "stem_width": 128, "g_widths": (128, 128), "d_widths": (11, 74)},
    "paper": {"blocks": 2, "stem_width": 128, "l2": 2.5e-5},
    "tutorial": {},
    "modern": {"blocks": 2, "stem_width": 128},  # as wide as the paper's
}
SHAPE_SETTINGS = ("stem_width", "blocks", "g_widths", "d_widths")


def apply_preset(settings: dict) -> dict:
    """The defaults of the preset and of the dataset, with `settings` on top.

    settings: name -> value, as flags give them, including "preset". Raises ValueError for an
    unknown preset.
    """
    settings = dict(settings)
    preset = settings.pop("preset", None) or "reference"
    if not isinstance(preset, str) or preset not in PRESETS:
        meant = find_meant_choice(preset, [*PRESETS]) if isinstance(preset, str) else None
        remedy = f"Did you mean {meant}?" if meant else "Leave it out."
        raise ValueError(
            f"--preset must be one of {', '.join(PRESETS)}. Received: {preset}. {remedy}"
        )

    defaults = PRESETS[preset] | _choose_dataset_preset(settings, preset)
    return defaults | _choose_label_preset(defaults | settings, preset) | settings


def _choose_label_preset(settings: dict, preset: str) -> dict:
    """How modern's discriminator uses labels, if there are any (docs/quality.md).

    It is not in PRESETS, so that a run which began with concatenation still fits the preset.
    """
    labels = settings.get("labels", Config.labels)
    has_labels = preset == "modern" and labels not in (None, "none")
    return {"d_labels": "projection"} if has_labels else {}


def _choose_dataset_preset(settings: dict, preset: str) -> dict:
    """The image size of a named dataset, if it has one; for MNIST, more settings."""
    dataset = settings.get("dataset", Config.dataset)
    named = NAMED_SETS.get(canonicalize_dataset_name(dataset)) if isinstance(dataset, str) else None
    if named is MNIST:
        return _choose_mnist_preset(settings, preset)
    return {"output_height": named.output_side} if named and named.output_side else {}


def _choose_mnist_preset(settings: dict, preset: str) -> dict:
    """MNIST's own size and labels; its networks too, unless `settings` ask for another shape."""
    side = MNIST.output_side
    own_labels = settings.get("labels", MNIST.labels) in OWN_LABELS
    defaults = {"output_height": side, "labels": "own" if own_labels else "none"}

    sides = [settings.get(name) or side for name in ("output_height", "output_width")]
    is_shaped = any(name in settings for name in SHAPE_SETTINGS)
    if own_labels and sides == [side, side] and not is_shaped:
        defaults |= MNIST_PRESETS[preset]
    return defaults
