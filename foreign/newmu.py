"""Reads Newmu/dcgan_code's Theano arrays: the paper's own networks."""

import re
from pathlib import Path

import numpy as np

from config.presets import PRESETS
from foreign.arrays import Arrays, Weights, infer_settings_from_arrays
from system.text import join_names_for_error

# A network as text, a letter for each array by its dimensions: d is the kernel of a dense layer, k
# that of a convolution; v is a vector, the gain or the shift of the batch norm after it.
DIMENSION_LETTERS = {1: "v", 2: "d", 4: "k"}
GENERATOR_PATTERN = r"dvv(kvv)*k"  # every layer but the last has a batch norm
DISCRIMINATOR_PATTERN = r"k(kvv)+d"  # every layer but the first and the last


def read_newmu_weights(folder: Path) -> Weights:
    """Reads <epoch>_gen_params.jl_NN.npy and <epoch>_discrim_params.jl_NN.npy of the newest epoch.

    The discriminator may be missing. Raises ValueError when files are missing or damaged,
    or are not those of an unconditional DCGAN.
    """
    epoch = _find_newest_newmu_epoch(folder)
    generator = _read_newmu_network(folder, f"{epoch}_gen_params", is_generator=True)
    discriminator = _read_newmu_discriminator(folder, epoch)
    settings, stem_area = infer_settings_from_arrays(generator, discriminator)

    return Weights(
        origin=f"Newmu/dcgan_code arrays {folder}/{epoch}_*",
        settings=PRESETS["paper"] | settings | {"z_dist": _guess_newmu_z_dist(settings["blocks"])},
        stem_area=stem_area,
        generator=generator,
        discriminator=discriminator,
    )


def _find_newest_newmu_epoch(folder: Path) -> int:
    names = sorted(path.name for path in folder.glob("*.npy"))
    matches = [re.match(r"(\d+)_gen_params", name) for name in names]
    epochs = [int(match[1]) for match in matches if match]

    if not epochs:
        raise ValueError(
            f"{folder} must hold *_gen_params.jl_NN.npy. Received: {join_names_for_error(names)}. "
            "Copy the folder again."
        )
    return max(epochs)


def _read_newmu_discriminator(folder: Path, epoch: int) -> Arrays | None:
    """None when the epoch has no files of a discriminator."""
    if not any(folder.glob(f"{epoch}_discrim_params*")):
        return None
    return _read_newmu_network(folder, f"{epoch}_discrim_params", is_generator=False)


def _guess_newmu_z_dist(blocks: int) -> str:
    """z_dist is not in the arrays. Three blocks mean the released SVHN networks, which draw z from
    a normal distribution.
    """
    return "normal01" if blocks == 3 else "uniform_signed"


def _read_newmu_network(folder: Path, prefix: str, *, is_generator: bool) -> Arrays:
    """The arrays in the files <prefix>.jl_NN.npy, by our names."""
    paths = _find_numbered_theano_files(folder, prefix)

    try:
        arrays = [_load_theano_array(path) for path in paths.values()]
    except Exception as error:  # NumPy's reader of headers raises nearly anything
        raise ValueError(
            f"{folder} must hold complete .npy files. Received: {error}. Copy them again."
        ) from error

    numbered = dict(zip(paths, arrays, strict=True))
    pattern = GENERATOR_PATTERN if is_generator else DISCRIMINATOR_PATTERN
    _check_theano_layers(f"{folder}/{prefix}.jl_*", numbered, pattern)
    return _rename_theano_arrays(arrays, first_layer=0 if is_generator else 1)


def _load_theano_array(path: Path) -> np.ndarray:
    array = np.load(path, allow_pickle=False)
    if isinstance(array, np.ndarray):
        return array
    array.close()
    raise ValueError(f"an .npz of several arrays, {path.name}")


def _find_numbered_theano_files(folder: Path, prefix: str) -> dict[int, Path]:
    """The files <prefix>.jl_NN.npy by NN, in order."""
    paths = {}
    for path in folder.iterdir():
        if match := re.fullmatch(rf"{prefix}\.jl_(\d+)\.npy", path.name):
            paths[int(match[1])] = path

    return dict(sorted(paths.items()))


def _check_theano_layers(files: str, arrays: dict[int, np.ndarray], pattern: str) -> None:
    """Raises ValueError when a number is missing, or the arrays are not the layers of `pattern`."""
    missing = sorted(set(range(1, max(arrays, default=1) + 1)) - set(arrays))
    letters = [DIMENSION_LETTERS.get(array.ndim, "?") for array in arrays.values()]
    if not missing and re.fullmatch(pattern, "".join(letters)):
        return

    shapes = ", ".join(f"{number:02d} {array.shape}" for number, array in arrays.items())
    gaps = f" Missing: {', '.join(f'{number:02d}' for number in missing)}." if missing else ""
    raise ValueError(
        f"{files} must be the arrays of an unconditional DCGAN, kernels with gain and shift. "
        f"Received: {shapes or 'none'}.{gaps} Copy the folder again."
    )


def _rename_theano_arrays(arrays: list[np.ndarray], first_layer: int) -> Arrays:
    """The arrays by our names. In order: a layer's kernel, then its gain and shift if it has any.

    first_layer: 0 for the generator, which begins with the stem; 1 for the discriminator, which
    begins with conv1.
    """
    named = {}
    places = [place for place, array in enumerate(arrays) if array.ndim > 1]  # of the kernels
    for layer, place in enumerate(places, first_layer):
        kernel, norm = arrays[place], arrays[place + 1 : place + 3]
        if kernel.ndim == 2:
            named["logits/kernel" if layer else "stem/kernel"] = kernel
        else:
            named[f"conv{layer}/kernel"] = _transpose_theano_kernel(kernel)

        if norm and norm[0].ndim == 1:
            named |= {f"norm{layer}/gamma": norm[0], f"norm{layer}/beta": norm[1]}
    return named


def _transpose_theano_kernel(kernel: np.ndarray) -> np.ndarray:
    """(a, b, k, k) -> (k, k, b, a), flipped, as Theano flips kernels and TensorFlow does not."""
    return kernel[:, :, ::-1, ::-1].transpose(2, 3, 1, 0)
