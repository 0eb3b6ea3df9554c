"""Reads the state dicts of pytorch/examples' DCGAN: netG and netD of its dcgan/main.py."""

import warnings
from pathlib import Path

import numpy as np

from config.presets import PRESETS
from foreign.arrays import (
    STATISTICS,
    Arrays,
    Weights,
    check_foreign_arrays_complete,
    infer_settings_from_arrays,
)
from system.text import join_names_for_error

TORCH_SUFFIXES = (".pth", ".pt")
MAX_NUMBERS = 2**28  # 1 GB; the example's networks have 6 million
KERNEL_SIZE = 4  # of every convolution, with a padding of 1
NORM_NAMES = dict(zip(STATISTICS, ("weight", "bias", "running_mean", "running_var"), strict=True))


def read_pytorch_weights(paths: list[Path]) -> Weights:
    """Reads the state dicts of netG and netD, in any order; netG alone is enough.

    Raises ValueError when PyTorch is missing, or the files are not such state dicts.
    """
    networks = _read_torch_state_dicts(paths, _import_pytorch())
    generator, discriminator = networks["generator"], networks.get("discriminator")
    settings, stem_area = infer_settings_from_arrays(generator, discriminator)

    return Weights(
        origin=f"pytorch/examples state dicts {', '.join(map(str, paths))}",
        settings=PRESETS["tutorial"] | settings | {"stem_norm": "channels"},
        stem_area=stem_area,
        generator=generator,
        discriminator=discriminator,
    )


def _import_pytorch():
    try:
        import torch
    except ImportError as error:
        raise ValueError(
            "Reading .pth files needs PyTorch, which is not installed. Run: "
            "pip install torch --index-url https://download.pytorch.org/whl/cpu"
        ) from error
    return torch


def _read_torch_state_dicts(paths: list[Path], torch) -> dict[str, Arrays]:
    """The arrays, by our names, of "generator" and, if given, "discriminator"."""
    networks = {}
    for path in paths:
        state = _load_torch_state_dict(path, torch)
        kind = _identify_torch_network(path, state)
        named = _rename_torch_arrays(path, state, kind)

        if kind in networks:
            raise ValueError(
                f"--import_weights takes one netG and one netD. Received: two {kind}s. Drop {path}."
            )
        networks[kind] = named

    if "generator" not in networks:
        files = ", ".join(map(str, paths))
        raise ValueError(f"--import_weights must name netG's file. Received: {files}. Add it.")
    return networks


def _load_torch_state_dict(path: Path, torch) -> Arrays:
    """float32 arrays by PyTorch's names, without the prefix that DataParallel gives them."""
    state = _load_torch_file(path, torch)
    _check_is_torch_state_dict(path, state, torch)
    _check_tensors_are_real_numbers(path, state.values())

    try:
        return {
            str(name).removeprefix("module."): tensor.detach().float().numpy()
            for name, tensor in state.items()
        }
    except (RuntimeError, TypeError) as error:  # sparse or quantized tensors
        raise ValueError(
            f"{path} must hold plain arrays. Received: {type(error).__name__} from PyTorch."
        ) from error


def _load_torch_file(path: Path, torch):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the storage format of old files
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"{path} must be a file. Received: no such file.") from error
    except Exception as error:
        # pickle, zip and torch raise errors of many types, which advise loading without the check.
        raise ValueError(
            f"{path} must be a state dict: torch.save(netG.state_dict(), path). "
            f"Received: a file that PyTorch cannot read as one ({type(error).__name__})."
        ) from error


def _check_is_torch_state_dict(path: Path, state, torch) -> None:
    """Raises ValueError unless `state` is a dict of tensors."""
    received = None
    if not isinstance(state, dict):
        received = type(state).__name__
    elif others := [str(name) for name, value in state.items() if not torch.is_tensor(value)]:
        received = f"a dict of {join_names_for_error(others)}"

    if received:
        raise ValueError(
            f"{path} must be a state dict: torch.save(netG.state_dict(), path). "
            f"Received: {received}."
        )


def _check_tensors_are_real_numbers(path: Path, tensors) -> None:
    """Raises ValueError unless the tensors are on the CPU, not too large, and of real numbers."""
    numbers = sum(tensor.numel() for tensor in tensors)  # a small file may declare large tensors
    are_real = all(tensor.device.type == "cpu" and not tensor.is_complex() for tensor in tensors)
    if numbers > MAX_NUMBERS or not are_real:
        raise ValueError(
            f"{path} must hold at most {MAX_NUMBERS:,} real numbers. "
            f"Received: {numbers:,}, or some that are not real."
        )


def _identify_torch_network(path: Path, arrays: Arrays) -> str:
    """Returns "generator" or "discriminator"; raises ValueError for any other network."""
    layers, norms = _list_torch_convolutions(arrays), _list_torch_batch_norms(arrays)
    # netG has one layer without a batch norm, netD has two.
    kind = {1: "generator", 2: "discriminator"}.get(len(layers) - len(norms))
    kernel_sizes = {array.shape[2:] for array in arrays.values() if array.ndim == 4}
    known = _list_known_torch_names(layers, norms)
    is_known = kernel_sizes == {(KERNEL_SIZE, KERNEL_SIZE)} and set(arrays) <= known
    if norms and kind and is_known:
        return kind

    names = [name for name, array in arrays.items() if array.ndim]
    names.sort(key=known.__contains__)  # unknown ones first
    shapes = join_names_for_error([f"{name} {tuple(arrays[name].shape)}" for name in names])
    raise ValueError(
        f"{path} must be netG or netD of pytorch/examples/dcgan: 4x4 kernels, a batch norm after "
        "each but the last one (netG) or the first and the last (netD). "
        f"Received: {shapes}."
    )


def _list_known_torch_names(layers: list[str], norms: list[str]) -> set[str]:
    """The names of all arrays that convolutions and batch norms with these prefixes may have."""
    parts_of_norm = (*NORM_NAMES.values(), "num_batches_tracked")
    known = {norm + part for norm in norms for part in parts_of_norm}
    return known | {layer + part for layer in layers for part in ("weight", "bias")}


def _list_torch_convolutions(arrays: Arrays) -> list[str]:
    """The convolutions' prefixes, such as "main.0.", in order."""
    return [name.removesuffix("weight") for name, array in arrays.items() if array.ndim == 4]


def _list_torch_batch_norms(arrays: Arrays) -> list[str]:
    """The batch norms' prefixes, in order."""
    end = "running_mean"
    return [name.removesuffix(end) for name in arrays if name.endswith(end)]


def _rename_torch_arrays(path: Path, arrays: Arrays, kind: str) -> Arrays:
    """A network's arrays by our names, in our shapes."""
    layers, norms = _list_torch_convolutions(arrays), _list_torch_batch_norms(arrays)
    required = [norm + part for norm in norms for part in NORM_NAMES.values()]
    check_foreign_arrays_complete(str(path), arrays, required)

    if kind == "generator":
        named, first_norm = _rename_netg_layers(arrays, layers), 0
    else:
        named, first_norm = _rename_netd_layers(arrays, layers), 2

    for k, norm in enumerate(norms, first_norm):
        named |= {f"norm{k}/{name}": arrays[norm + part] for name, part in NORM_NAMES.items()}
    return named


def _rename_netg_layers(arrays: Arrays, layers: list[str]) -> Arrays:
    """netG's first convolution, (z_dim, c, 4, 4) on a 1x1 input, is a dense layer to (c, 4, 4)."""
    stem, *convs = layers
    kernel = arrays[stem + "weight"]
    named = {"stem/kernel": kernel.reshape(len(kernel), -1)}  # (z_dim, c, 4, 4) -> (z_dim, c * 16)
    for k, conv in enumerate(convs, 1):
        named[f"conv{k}/kernel"] = _transpose_torch_kernel(arrays[conv + "weight"])

    if _torch_layers_have_biases(arrays, layers):
        # A map has one bias; in our dense layer, each of its 4x4 units has one.
        named["stem/bias"] = np.repeat(_take_torch_bias_or_zeros(arrays, stem, 1), KERNEL_SIZE**2)
        for k, conv in enumerate(convs, 1):
            named[f"conv{k}/bias"] = _take_torch_bias_or_zeros(arrays, conv, 1)
    return named


def _rename_netd_layers(arrays: Arrays, layers: list[str]) -> Arrays:
    """netD's last convolution, (1, c, 4, 4) on a 4x4 input, is a dense layer from (c, 4, 4)."""
    *convs, head = layers
    # (1, c, 4, 4) -> (c * 16, 1)
    named = {"logits/kernel": arrays[head + "weight"].reshape(1, -1).T}
    for k, conv in enumerate(convs, 1):
        named[f"conv{k}/kernel"] = _transpose_torch_kernel(arrays[conv + "weight"])

    if _torch_layers_have_biases(arrays, layers):
        named["logits/bias"] = _take_torch_bias_or_zeros(arrays, head, 0)
        for k, conv in enumerate(convs, 1):
            named[f"conv{k}/bias"] = _take_torch_bias_or_zeros(arrays, conv, 0)
    return named


def _torch_layers_have_biases(arrays: Arrays, layers: list[str]) -> bool:
    """False for the example itself; biases are PyTorch's default, which a variant may have kept."""
    return any(layer + "bias" in arrays for layer in layers)


def _take_torch_bias_or_zeros(arrays: Arrays, layer: str, axis: int) -> np.ndarray:
    """The layer's bias; `axis`: of the outputs in the layer's kernel."""
    return arrays.get(layer + "bias", np.zeros(arrays[layer + "weight"].shape[axis], np.float32))


def _transpose_torch_kernel(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(2, 3, 1, 0)  # (a, b, k, k) -> (k, k, b, a)
