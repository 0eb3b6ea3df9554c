"""The common form of all formats: arrays by our variables' names, and the settings they imply."""

import dataclasses

import numpy as np

from config.checks import stem_width_halves_evenly
from config.network import MIN_WIDTH
from config.settings import SETTINGS, Config
from system.text import join_names_for_error

Arrays = dict[str, np.ndarray]

STATISTICS = ("gamma", "beta", "moving_mean", "moving_variance")  # of a batch norm, in our names
CHECK_FILES = "Check that all files belong to one DCGAN."
MAX_BLOCKS = int(SETTINGS["blocks"].high)


@dataclasses.dataclass(frozen=True)
class Weights:
    """A generator and, if there is one, a discriminator of another implementation."""

    origin: str  # the format and the files, in words
    settings: dict  # values for Config, by name
    stem_area: int  # height times width of the stem's maps
    generator: Arrays  # by the paths of our variables, such as conv1/kernel
    discriminator: Arrays | None
    is_size_known: bool = True  # False where images of several sizes have a stem of this area


def infer_settings_from_arrays(generator: Arrays, discriminator: Arrays | None) -> tuple[dict, int]:
    """Returns the settings that the arrays' shapes imply, and the stem's area.

    Raises ValueError when an array does not have the dimensions of its layer, or does not fit the
    one before.
    """
    _check_foreign_array_dimensions(generator, discriminator or {})
    kernels, of_labels = _list_foreign_conv_kernels(generator), _infer_label_settings(generator)
    y_dim = of_labels.get("y_dim", 0)
    widths = tuple(kernel.shape[3] - y_dim for kernel in kernels)

    settings = {
        "kernel_size": kernels[0].shape[0],
        "blocks": len(kernels),
        "z_dim": generator["fc/kernel" if y_dim else "stem/kernel"].shape[0] - y_dim,
        "c_dim": kernels[-1].shape[2],
        "bias": "stem/bias" in generator,
    }
    stem_area = _infer_stem_area(generator, widths[0])
    settings |= _infer_layer_widths(widths, discriminator) | of_labels
    return settings, stem_area


def _infer_stem_area(generator: Arrays, maps: int) -> int:
    """Height times width of the stem's maps; conv1 takes `maps` of them (without the labels)."""
    units = generator["stem/kernel"].shape[1]
    if maps < 1 or units % maps:
        raise ValueError(
            f"stem/kernel must give a multiple of the {maps} maps that conv1/kernel takes. "
            f"Received: {units} units. {CHECK_FILES}"
        )
    return units // maps


def _infer_label_settings(generator: Arrays) -> dict:
    """y_dim and fc_width; empty for a generator without labels."""
    if "fc/kernel" not in generator:
        return {}

    kernels = _list_foreign_conv_kernels(generator)
    # With labels, a convolution's input is the previous one's maps and y, concatenated.
    inputs, maps_before = kernels[-1].shape[3], kernels[-2].shape[2]
    if inputs <= maps_before:
        last = len(kernels)
        raise ValueError(
            f"With labels, conv{last}/kernel must take more maps than conv{last - 1}/kernel gives, "
            f"one more for each label. Received: {inputs} after {maps_before}. {CHECK_FILES}"
        )
    return {"y_dim": inputs - maps_before, "fc_width": generator["fc/kernel"].shape[1]}


def _infer_layer_widths(g_widths: tuple[int, ...], discriminator: Arrays | None) -> dict:
    """stem_width, and whichever of g_widths and d_widths Config would not derive from it."""
    settings = {"g_widths": g_widths}
    if discriminator:
        kernels = _list_foreign_conv_kernels(discriminator)
        settings["d_widths"] = tuple(kernel.shape[3] for kernel in kernels)

    stem_width = g_widths[0]
    if not _may_be_stem_width(stem_width):
        return settings | {"stem_width": Config.stem_width}

    halved = tuple(max(stem_width >> k, MIN_WIDTH) for k in range(len(g_widths)))
    derived = {"g_widths": halved, "d_widths": halved[::-1]}
    explicit = {name: widths for name, widths in settings.items() if widths != derived[name]}
    return explicit | {"stem_width": stem_width}


def _may_be_stem_width(width: int) -> bool:
    bounds = SETTINGS["stem_width"]
    return bounds.low <= width <= bounds.high and stem_width_halves_evenly(width)


def _check_foreign_array_dimensions(generator: Arrays, discriminator: Arrays) -> None:
    named = {f"discriminator's {name}": array for name, array in discriminator.items()}
    for name, array in (generator | named).items():
        dimensions = 1 if not name.endswith("kernel") else 4 if "conv" in name else 2
        if array.ndim != dimensions or 0 in array.shape or array.dtype.kind not in "fiu":
            raise ValueError(
                f"The weights must be numbers, and {name} must have {dimensions} dimensions. "
                f"Received: {array.dtype} of shape {array.shape}. {CHECK_FILES}"
            )


def _list_foreign_conv_kernels(network: Arrays) -> list[np.ndarray]:
    names = [f"conv{k}/kernel" for k in range(1, MAX_BLOCKS + 1)]
    return [network[name] for name in names if name in network]


def check_foreign_arrays_complete(origin: str, arrays: Arrays, required: list[str]) -> None:
    missing = [name for name in required if name not in arrays]
    if missing:
        raise ValueError(
            f"{origin} must hold a complete DCGAN. Missing: {join_names_for_error(missing)}. "
            f"Received: {join_names_for_error(sorted(arrays))}."
        )
