"""Tells a checkpoint of another network from a damaged one, by the shapes of its variables."""

import math
import re

from config.settings import NETWORK_SETTINGS, Config
from kernels.resize import RESIZED_KERNEL
from runs.progress import read_run_settings_before_flags

LABELS = "labels"  # in what shapes show: how many there are
Shapes = dict[str, tuple[int, ...]]  # of variables, by paths such as generator/conv1/kernel


def describe_other_network(found: Shapes, expected: Shapes) -> str:
    """How a checkpoint's network differs from the current one; "" if it does not.

    found: the variables in the checkpoint; expected: those of the current network, some or all.
    """
    if flags := _list_flags_unlike_checkpoint(
        infer_flags_from_checkpoint_shapes(found), infer_flags_from_checkpoint_shapes(expected)
    ):
        return flags
    if not found or all(found.get(path) == shape for path, shape in expected.items()):
        return ""
    return _describe_different_variable(found, expected)


def _list_flags_unlike_checkpoint(found: dict, expected: dict) -> str:
    """For example "--z_dim=50 (here 100), --bias=True (here False)"."""
    names = [name for name in found if name in expected and found[name] != expected[name]]
    return ", ".join(
        _spell_other_label_count(found[name], expected[name])
        if name == LABELS
        else f"--{name}={found[name]} (here {expected[name]})"
        for name in names
    )


def _spell_other_label_count(count: int, here: int) -> str:
    """Shapes show how many labels there are, but not whether --labels was folder, own or names."""
    if not count:
        return f"--labels=none (here {here} labels)"
    way = "--labels=folder or what they were trained with"
    return f"{count} labels, from {way} (here {here or 'none'})"


def infer_flags_from_checkpoint_shapes(shapes: Shapes) -> dict:
    """The settings that the shapes of a run's variables imply, name -> value; of the labels, their
    number.
    """
    kernels = [path for path in shapes if re.fullmatch(r"generator/conv\d+/kernel", path)]
    if not kernels or "generator/stem/kernel" not in shapes:
        return {}

    # (size, size, output maps, input maps); labels add input maps.
    last = shapes[f"generator/conv{len(kernels)}/kernel"]
    flags = {"blocks": len(kernels), "c_dim": last[2], "bias": "generator/stem/bias" in shapes}
    flags |= _infer_kernels_from_shapes(shapes)
    if "discriminator/conv2/kernel" in shapes:  # the first layer never has batch norm
        is_spectral = "discriminator/conv1/spectral_u" in shapes
        other = "batch" if "discriminator/norm2/gamma" in shapes else "none"
        flags["d_norm"] = "spectral" if is_spectral else other
    with_labels = "generator/fc/kernel" in shapes
    flags[LABELS] = 0
    if with_labels:  # they are joined to the features that enter the stem
        flags[LABELS] = shapes["generator/stem/kernel"][0] - shapes["generator/fc/kernel"][1]
    if with_labels and "discriminator/logits/kernel" in shapes:
        has_embedding = "discriminator/embedding/kernel" in shapes
        flags["d_labels"] = "projection" if has_embedding else "concat"
    return flags | _infer_sizes_from_shapes(shapes, len(kernels))


def _infer_sizes_from_shapes(shapes: Shapes, blocks: int) -> dict:
    """stem_width, z_dim, with labels fc_width, and output_height if the maps may be square."""
    inputs, units = shapes["generator/stem/kernel"]
    flags, labels = {"z_dim": inputs}, 0
    if "generator/fc/kernel" in shapes:  # labels are joined to the input of every layer
        of_label_block, fc_width = shapes["generator/fc/kernel"]
        labels = inputs - fc_width
        flags = {"z_dim": of_label_block - labels, "fc_width": fc_width}
    flags["stem_width"] = shapes["generator/conv1/kernel"][3] - labels
    positions = units // flags["stem_width"]
    side = math.isqrt(positions)
    return flags | ({"output_height": side << blocks} if side**2 == positions else {})


def _infer_kernels_from_shapes(shapes: Shapes) -> dict:
    """upsample and kernel_size; a generator that resizes does not show the latter."""
    size = shapes["generator/conv1/kernel"][0]
    if size != RESIZED_KERNEL:
        return {"upsample": "transpose", "kernel_size": size}
    of_discriminator = shapes.get("discriminator/conv1/kernel")
    kernel_size = {"kernel_size": of_discriminator[0]} if of_discriminator else {}
    return {"upsample": "resize", **kernel_size}


def _describe_different_variable(found: Shapes, expected: Shapes) -> str:
    """For example "generator/stem/kernel is 100x8192 (here 100x2048)"."""
    differ = sorted(path for path, shape in expected.items() if found.get(path) != shape)
    here = "x".join(map(str, expected[differ[0]]))
    there = "x".join(map(str, found.get(differ[0], ()))) or "missing"
    return f"{differ[0]} is {there} (here {here})"


def explain_other_network(config: Config, difference: str) -> str:
    """One line for a run whose checkpoints do not fit its settings, with what to do."""
    stored = read_run_settings_before_flags(config)
    is_as_stored = stored is not config and all(
        getattr(stored, name) == getattr(config, name) for name in NETWORK_SETTINGS
    )
    remedy = "Restore the config.json of their run" if is_as_stored else "Give its settings"
    return (
        f"The checkpoints in {config.checkpoint_path} belong to another network: {difference}. "
        f"{remedy}, or start another run with --out_name=NAME."
    )
