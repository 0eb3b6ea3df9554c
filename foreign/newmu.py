"""Newmu/dcgan_code's Theano arrays: the paper's own networks."""

import re
from pathlib import Path

import numpy as np

from config.presets import PRESETS
from foreign.arrays import Arrays, Weights, implied, listed


def read_newmu(folder: Path) -> Weights:
    """The arrays <epoch>_gen_params.jl_NN.npy and <epoch>_discrim_params.jl_NN.npy of the newest epoch in a folder."""
    epochs = {
        int(found[1])
        for path in folder.glob("*.npy")
        if (found := re.match(r"(\d+)_gen_params", path.name))
    }
    if not epochs:
        names = listed(sorted(path.name for path in folder.glob("*.npy")))
        raise ValueError(
            f"{folder} must hold *_gen_params.jl_NN.npy. Received: {names}. Copy the folder again."
        )
    epoch = max(epochs)
    generator = _newmu_arrays(folder, f"{epoch}_gen_params", first=0)
    discriminator = None
    if any(folder.glob(f"{epoch}_discrim_params*")):
        discriminator = _newmu_arrays(folder, f"{epoch}_discrim_params", first=1)
    settings, area = implied(generator, discriminator)
    # Not in the arrays. The SVHN networks are the released ones of three blocks, and draw from a normal distribution.
    z_dist = "normal01" if settings["blocks"] == 3 else "uniform_signed"
    return Weights(
        f"Newmu/dcgan_code arrays {folder}/{epoch}_*",
        PRESETS["paper"] | settings | {"z_dist": z_dist},
        area,
        generator,
        discriminator,
    )


def _newmu_arrays(folder: Path, stem: str, *, first: int) -> Arrays:
    """Its files in order: each layer's kernel, then its gain and shift if it has any. The generator's `first` layer is
    the stem, 0, the discriminator's the convolution 1.

    Theano turns kernels by 180 degrees and puts channels first: (a, b, k, k) -> (k, k, b, a).
    """
    numbered = {
        int(found[1]): path
        for path in folder.iterdir()
        if (found := re.fullmatch(rf"{stem}\.jl_(\d+)\.npy", path.name))
    }
    numbers, paths = sorted(numbered), [numbered[number] for number in sorted(numbered)]
    missing = sorted(set(range(1, max(numbers, default=1) + 1)) - set(numbers))
    try:
        loaded = [np.load(path, allow_pickle=False) for path in paths]
    except Exception as error:  # NumPy's reader of headers raises nearly anything
        raise ValueError(
            f"{folder} must hold whole .npy files. Received: {error}. Copy them again."
        ) from error
    found = ", ".join(
        f"{number:02d} {array.shape}" for number, array in zip(numbers, loaded, strict=True)
    )
    pattern = "".join({1: "v", 2: "k", 4: "k"}.get(array.ndim, "?") for array in loaded)
    expected = r"k(kvv)+k" if first else r"(kvv)+k"
    if missing or not re.fullmatch(expected, pattern):
        gaps = f" Missing: {', '.join(f'{number:02d}' for number in missing)}." if missing else ""
        raise ValueError(
            f"{folder}/{stem}.jl_* must be the arrays of an unconditional DCGAN, kernels with gain and shift. "
            f"Received: {found or 'none'}.{gaps} Copy the folder again."
        )
    arrays = {}
    kernels = [number for number, array in enumerate(loaded) if array.ndim > 1]
    for layer, place in enumerate(kernels, first):
        kernel, rest = loaded[place], loaded[place + 1 : place + 3]
        if kernel.ndim == 2:
            arrays["logits/kernel" if layer else "stem/kernel"] = kernel
        else:
            arrays[f"conv{layer}/kernel"] = kernel[:, :, ::-1, ::-1].transpose(2, 3, 1, 0)
        if rest and rest[0].ndim == 1:
            arrays |= {f"norm{layer}/gamma": rest[0], f"norm{layer}/beta": rest[1]}
    return arrays
