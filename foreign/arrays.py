"""What every format comes to: arrays by the names of our variables, and the settings that their shapes imply."""

import dataclasses

import numpy as np

from config.settings import MIN_WIDTH

Arrays = dict[str, np.ndarray]

STATISTICS = ("gamma", "beta", "moving_mean", "moving_variance")


@dataclasses.dataclass(frozen=True)
class Weights:
    """What was read. settings: for Config. generator, discriminator (or None): arrays by the paths of our variables."""

    origin: str
    settings: dict
    stem_area: int  # positions of the stem, height times width
    generator: Arrays
    discriminator: Arrays | None
    exact_size: bool = True  # False: several sizes of images come down to this stem


def implied(generator: Arrays, discriminator: Arrays | None) -> tuple[dict, int]:
    """The settings that the shapes imply, and the positions of the stem.

    Raises ValueError when the arrays have not the dimensions of their layers.
    """
    _check_dimensions(
        generator | {f"discriminator's {name}": a for name, a in (discriminator or {}).items()}
    )
    convs = _convs(generator)
    # With labels the inputs of a convolution are the maps of the one before and y.
    y_dim = convs[-1].shape[3] - convs[-2].shape[2] if "fc/kernel" in generator else 0
    widths = tuple(kernel.shape[3] - y_dim for kernel in convs)
    z_inputs = generator["fc/kernel" if y_dim else "stem/kernel"].shape[0]
    settings = {
        "kernel_size": convs[0].shape[0],
        "blocks": len(convs),
        "z_dim": z_inputs - y_dim,
        "c_dim": convs[-1].shape[2],
        "stem_width": 512,
        "g_widths": widths,
        "bias": "stem/bias" in generator,
    }
    if discriminator:
        settings["d_widths"] = tuple(kernel.shape[3] for kernel in _convs(discriminator))
    if widths[0] % 16 == 0 and 32 <= widths[0] <= 8192:
        halved = tuple(max(widths[0] >> k, MIN_WIDTH) for k in range(len(widths)))
        settings["stem_width"] = widths[0]
        plain = {"g_widths": halved, "d_widths": halved[::-1]}
        settings = {name: value for name, value in settings.items() if plain.get(name) != value}
    if y_dim:
        settings |= {"y_dim": y_dim, "fc_width": generator["fc/kernel"].shape[1]}
    return settings, generator["stem/kernel"].shape[1] // widths[0]


def _check_dimensions(arrays: Arrays) -> None:
    for name, array in arrays.items():
        dimensions = 1 if not name.endswith("kernel") else 4 if "conv" in name else 2
        if array.ndim != dimensions or 0 in array.shape or array.dtype.kind not in "fiu":
            raise ValueError(
                f"The weights must be numbers, and {name} must have {dimensions} dimensions. "
                f"Received: {array.dtype} of shape {array.shape}. Check that the files are of a DCGAN."
            )


def _convs(network: Arrays) -> list[np.ndarray]:
    return [network[f"conv{k}/kernel"] for k in range(1, 10) if f"conv{k}/kernel" in network]


def check_complete(origin: str, found: Arrays, wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(
            f"{origin} must hold a whole DCGAN. Missing: {listed(missing)}. Received: {listed(sorted(found))}."
        )


def listed(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) + more) or "nothing"
