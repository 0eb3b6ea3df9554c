"""Defaults that make the networks and the training those of another implementation (`--preset`)."""

from config.settings import OWN_LABELS, Config, canonical

# Where each differs from Config's own defaults, which are those of carpedm20/DCGAN-tensorflow.
PRESETS = {
    "reference": {},
    # Radford et al. 2016, section 4, and what their code does besides (github.com/Newmu/dcgan_code).
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
}
# The networks that carpedm20 and the paper's code keep for MNIST: from 7x7 to 28x28, with labels.
MNIST_SIDE = 28
MNIST_PRESETS = {
    "reference": {"blocks": 2, "stem_width": 128, "g_widths": (128, 128), "d_widths": (11, 74)},
    "paper": {"blocks": 2, "stem_width": 128, "l2": 2.5e-5},
    "tutorial": {},
}


def with_preset(settings: dict) -> dict:
    """`settings` (name -> value, as flags give them) on top of the defaults of their "preset" and their dataset.

    Raises ValueError when there is no such preset.
    """
    settings = dict(settings)
    preset = settings.pop("preset", None) or "reference"
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ValueError(
            f"--preset must be one of {', '.join(PRESETS)}. Received: {preset}. Leave it out."
        )
    defaults = PRESETS[preset]
    dataset = settings.get("dataset", Config.dataset)
    if isinstance(dataset, str) and canonical(dataset) == "mnist":
        own = settings.get("labels", "own") in OWN_LABELS
        defaults = defaults | {"output_height": MNIST_SIDE, "labels": "own" if own else "none"}
        sides = [settings.get(name) or MNIST_SIDE for name in ("output_height", "output_width")]
        shaped = any(name in settings for name in ("stem_width", "blocks", "g_widths", "d_widths"))
        if own and sides == [MNIST_SIDE] * 2 and not shaped:
            defaults = defaults | MNIST_PRESETS[preset]
    return defaults | settings
