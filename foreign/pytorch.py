"""pytorch/examples' state dicts, dcgan/main.py's netG and netD."""

import warnings
from pathlib import Path

import numpy as np

from config.presets import PRESETS
from foreign.arrays import STATISTICS, Arrays, Weights, check_complete, implied, listed

SUFFIXES = (".pth", ".pt")
MAX_NUMBERS = 2**28  # 1 GB; the example's networks have 6 million
KERNEL = 4  # with its padding of 1
NORM = dict(zip(STATISTICS, ("weight", "bias", "running_mean", "running_var"), strict=True))


def read_torch(paths: list[Path]) -> Weights:
    """The state dicts of its netG and netD, in any order; netG alone will do."""
    try:
        import torch
    except ImportError as error:
        raise ValueError(
            "Reading .pth files takes PyTorch. Received: none here. "
            "pip install torch --index-url https://download.pytorch.org/whl/cpu"
        ) from error
    networks = {}
    for path in paths:
        kind, arrays = _network(path, _state_dict(path, torch))
        if kind in networks:
            raise ValueError(
                f"--import_weights takes one netG and one netD. Received: two of a {kind}. Drop {path}."
            )
        networks[kind] = arrays
    if "generator" not in networks:
        raise ValueError(
            f"--import_weights must name netG's file. Received: {', '.join(map(str, paths))}. Add it."
        )
    settings, area = implied(networks["generator"], networks.get("discriminator"))
    origin = f"pytorch/examples state dicts {', '.join(map(str, paths))}"
    settings = PRESETS["tutorial"] | settings | {"stem_norm": "channels"}
    return Weights(origin, settings, area, networks["generator"], networks.get("discriminator"))


def _state_dict(path: Path, torch) -> Arrays:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the storages of old files
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"{path} must be a file. Received: no such file.") from error
    except Exception as error:  # pickle, zip and torch each have their own, with advice about loading what is unsafe
        raise ValueError(
            f"{path} must be a state dict: torch.save(netG.state_dict(), path). "
            f"Received: what PyTorch cannot read as one ({type(error).__name__})."
        ) from error
    others = (
        [str(name) for name, value in state.items() if not torch.is_tensor(value)]
        if isinstance(state, dict)
        else []
    )
    if others or not isinstance(state, dict):
        raise ValueError(
            f"{path} must be a state dict: torch.save(netG.state_dict(), path). "
            f"Received: {f'a dict of {listed(others)}' if others else type(state).__name__}."
        )
    numbers = sum(
        tensor.numel() for tensor in state.values()
    )  # a small file can tell of large tensors
    if numbers > MAX_NUMBERS or any(
        tensor.is_complex() or tensor.device.type != "cpu" for tensor in state.values()
    ):
        raise ValueError(
            f"{path} must hold at most {MAX_NUMBERS:,} real numbers. Received: {numbers:,}, or other ones."
        )
    try:
        return {
            str(name).removeprefix("module."): tensor.detach().float().numpy()
            for name, tensor in state.items()
        }
    except (RuntimeError, TypeError) as error:  # sparse, quantised
        raise ValueError(
            f"{path} must hold plain arrays. Received: {type(error).__name__} from PyTorch."
        ) from error


def _network(path: Path, arrays: Arrays) -> tuple[str, Arrays]:
    """("generator" or "discriminator", its arrays by our names)."""
    kernels = [name.removesuffix("weight") for name, array in arrays.items() if array.ndim == 4]
    norms = [name.removesuffix("running_mean") for name in arrays if name.endswith("running_mean")]
    kind = {1: "generator", 2: "discriminator"}.get(
        len(kernels) - len(norms)
    )  # layers without a batch norm
    known = {norm + part for norm in norms for part in (*NORM.values(), "num_batches_tracked")}
    known |= {kernel + part for kernel in kernels for part in ("weight", "bias")}
    sizes = {array.shape[2:] for array in arrays.values() if array.ndim == 4}
    if not norms or not kind or sizes != {(KERNEL, KERNEL)} or set(arrays) - known:
        shown = sorted(
            (name for name, array in arrays.items() if array.ndim), key=known.__contains__
        )  # odd ones first
        found = listed([f"{name} {tuple(arrays[name].shape)}" for name in shown])
        raise ValueError(
            f"{path} must be netG or netD of pytorch/examples/dcgan: 4x4 kernels, a batch norm after each but the last "
            f"one (netG) or the first and the last (netD). Received: {found}."
        )
    check_complete(str(path), arrays, [norm + part for norm in norms for part in NORM.values()])
    ours = _generator(arrays, kernels) if kind == "generator" else _discriminator(arrays, kernels)
    for k, norm in enumerate(norms, 0 if kind == "generator" else 2):
        ours |= {f"norm{k}/{name}": arrays[norm + part] for name, part in NORM.items()}
    return kind, ours


def _generator(arrays: Arrays, layers: list[str]) -> Arrays:
    """Its first layer, (z_dim, c, 4, 4) on a 1x1 input, is a dense layer to (c, 4, 4)."""
    stem, *convs = layers
    ours = {"stem/kernel": arrays[stem + "weight"].reshape(len(arrays[stem + "weight"]), -1)}
    ours |= {f"conv{k}/kernel": _turned(arrays[conv + "weight"]) for k, conv in enumerate(convs, 1)}
    biases = {f"conv{k}/bias": _bias(arrays, conv, 1) for k, conv in enumerate(convs, 1)}
    biases["stem/bias"] = np.repeat(_bias(arrays, stem, 1), KERNEL**2)
    return ours | biases if _biased(arrays, layers) else ours


def _discriminator(arrays: Arrays, layers: list[str]) -> Arrays:
    """Its last layer, (1, c, 4, 4) on a 4x4 input, is a dense layer from (c, 4, 4)."""
    *convs, head = layers
    ours = {"logits/kernel": arrays[head + "weight"].reshape(1, -1).T}
    ours |= {f"conv{k}/kernel": _turned(arrays[conv + "weight"]) for k, conv in enumerate(convs, 1)}
    biases = {f"conv{k}/bias": _bias(arrays, conv, 0) for k, conv in enumerate(convs, 1)}
    biases["logits/bias"] = _bias(arrays, head, 0)
    return ours | biases if _biased(arrays, layers) else ours


def _biased(arrays: Arrays, layers: list[str]) -> bool:
    """The example has no biases, but they are PyTorch's default."""
    return any(layer + "bias" in arrays for layer in layers)


def _bias(arrays: Arrays, layer: str, axis: int) -> np.ndarray:
    return arrays.get(layer + "bias", np.zeros(arrays[layer + "weight"].shape[axis], np.float32))


def _turned(kernel: np.ndarray) -> np.ndarray:
    return kernel.transpose(2, 3, 1, 0)  # (a, b, k, k) -> (k, k, b, a)
