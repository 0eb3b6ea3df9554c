"""The files of the other implementations as arrays by the names of our variables, and the settings that they imply.

carpedm20/DCGAN-tensorflow's TensorFlow 1 checkpoints, Newmu/dcgan_code's Theano arrays (the paper's own), and
pytorch/examples' state dicts.
"""

import dataclasses
import re
from pathlib import Path

import numpy as np

from presets import PRESETS

Arrays = dict[str, np.ndarray]

STATISTICS = ("gamma", "beta", "moving_mean", "moving_variance")
TORCH_SUFFIXES = (".pth", ".pt")
TORCH_KERNEL = 4  # dcgan/main.py; with its padding of 1


@dataclasses.dataclass(frozen=True)
class Weights:
    """What was read. settings: for Config. generator, discriminator (or None): arrays by the paths of our variables."""

    origin: str
    settings: dict
    stem_area: int  # positions of the stem, height times width
    generator: Arrays
    discriminator: Arrays | None


# carpedm20/DCGAN-tensorflow


def read_carpedm20(prefix: str) -> Weights:
    """A checkpoint of its model.py: the 64x64 networks, those of any other size, or the conditional pair for MNIST."""
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(prefix)
        names = [name for name in reader.get_variable_to_shape_map() if re.search(r"(^|/)[gd]_", name)]
        # Its variables lie in the scopes generator/ and discriminator/; Adam's, if they are there, end otherwise.
        found = {re.sub(r"^(generator|discriminator)/", "", name): name for name in names}
        found = {name: original for name, original in found.items() if "Adam" not in name}
        arrays = {name: reader.get_tensor(original) for name, original in found.items()}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:150]
        raise ValueError(f"{prefix} must be a whole checkpoint. Received: {reason}. Copy it again.") from error
    conditional = "g_h1_lin/Matrix" in arrays
    blocks = sum(bool(re.fullmatch(r"g_h\d+/w", name)) for name in arrays)
    generator_names, discriminator_names = _mnist_names() if conditional else _unconditional_names(max(blocks, 1))
    origin = f"carpedm20/DCGAN-tensorflow checkpoint {prefix}"
    _check_complete(origin, arrays, [*generator_names.values(), *discriminator_names.values()])
    generator = {ours: arrays[theirs] for ours, theirs in generator_names.items()}
    discriminator = {ours: arrays[theirs] for ours, theirs in discriminator_names.items()}
    settings, area = _shapes(generator, discriminator)
    if conditional:
        _range_of_tanh(generator, discriminator, channels=settings["c_dim"])
        names = tuple(map(str, range(settings.pop("y_dim"))))
        settings |= {"labels": "own", "label_names": names, "stem_norm": "units", "dataset": "mnist"}
    return Weights(origin, settings, area, generator, discriminator)


def _unconditional_names(blocks: int) -> tuple[dict, dict]:
    """Our variables' names to its, for the generator and the discriminator."""
    generator = {"stem/kernel": "g_h0_lin/Matrix", "stem/bias": "g_h0_lin/bias"}
    discriminator = {"logits/kernel": f"d_h{blocks}_lin/Matrix", "logits/bias": f"d_h{blocks}_lin/bias"}
    for k in range(1, blocks + 1):
        generator |= {f"conv{k}/kernel": f"g_h{k}/w", f"conv{k}/bias": f"g_h{k}/biases"}
        generator |= {f"norm{k - 1}/{name}": f"g_bn{k - 1}/{name}" for name in STATISTICS}
        discriminator |= {f"conv{k}/kernel": f"d_h{k - 1}_conv/w", f"conv{k}/bias": f"d_h{k - 1}_conv/biases"}
        if k > 1:
            discriminator |= {f"norm{k}/{name}": f"d_bn{k - 1}/{name}" for name in STATISTICS}
    return generator, discriminator


def _mnist_names() -> tuple[dict, dict]:
    generator, discriminator = {}, {}
    for ours, theirs in (("fc", "g_h0_lin"), ("stem", "g_h1_lin")):
        generator |= {f"{ours}/kernel": f"{theirs}/Matrix", f"{ours}/bias": f"{theirs}/bias"}
    for ours, theirs in (("conv1", "g_h2"), ("conv2", "g_h3")):
        generator |= {f"{ours}/kernel": f"{theirs}/w", f"{ours}/bias": f"{theirs}/biases"}
    for ours, theirs in (("fc_norm", "g_bn0"), ("norm0", "g_bn1"), ("norm1", "g_bn2")):
        generator |= {f"{ours}/{name}": f"{theirs}/{name}" for name in STATISTICS}
    for ours, theirs in (("conv1", "d_h0_conv"), ("conv2", "d_h1_conv")):
        discriminator |= {f"{ours}/kernel": f"{theirs}/w", f"{ours}/bias": f"{theirs}/biases"}
    for ours, theirs in (("fc", "d_h2_lin"), ("logits", "d_h3_lin")):
        discriminator |= {f"{ours}/kernel": f"{theirs}/Matrix", f"{ours}/bias": f"{theirs}/bias"}
    for ours, theirs in (("norm2", "d_bn1"), ("fc_norm", "d_bn2")):
        discriminator |= {f"{ours}/{name}": f"{theirs}/{name}" for name in STATISTICS}
    return generator, discriminator


def _range_of_tanh(generator: Arrays, discriminator: Arrays, *, channels: int) -> None:
    """Turns networks that draw and see [0, 1] into the same ones for [-1, 1], in place.

    2 sigmoid(x) - 1 = tanh(x / 2), so the generator's last layer is halved. The discriminator's first convolution sees
    p = x / 2 + 1 / 2: its kernel for the image is halved, and the 1 / 2 goes to the kernels of the label maps,
    one of which is 1 wherever the image is, and 0 where the image is padded.
    """
    last = max(name for name in generator if name.startswith("conv"))[: len("conv0")]
    for name in ("kernel", "bias"):
        generator[f"{last}/{name}"] = generator[f"{last}/{name}"] / 2
    kernel = discriminator["conv1/kernel"].copy()  # (k, k, channels + y_dim, outputs)
    kernel[:, :, :channels] /= 2
    kernel[:, :, channels:] += kernel[:, :, :channels].sum(2, keepdims=True)
    discriminator["conv1/kernel"] = kernel


def tf1_prefix(path: Path) -> str | None:
    """The prefix of the checkpoint that `path` is, or the newest in it."""
    if path.is_dir():
        prefixes = [entry.with_suffix("") for end in ("index", "meta") for entry in path.glob(f"*.{end}")]
        numbered = [(int((re.findall(r"\d+$", prefix.name) or ["0"])[0]), str(prefix)) for prefix in prefixes]
        return max(numbered)[1] if numbered else None
    plain = re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", str(path))
    exists = Path(plain + ".index").is_file() or (
        path.is_file() and path.suffix != ".npy"
    )  # a file: format 1 of TF 0.x
    return plain if exists else None


# Newmu/dcgan_code


def read_newmu(folder: Path) -> Weights:
    """The arrays <epoch>_gen_params.jl_NN.npy and <epoch>_discrim_params.jl_NN.npy of the newest epoch in a folder."""
    epochs = {int(found[1]) for path in folder.glob("*.npy") if (found := re.match(r"(\d+)_gen_params", path.name))}
    if not epochs:
        names = listed(sorted(path.name for path in folder.glob("*.npy")))
        raise ValueError(f"{folder} must hold *_gen_params.jl_NN.npy. Received: {names}. Copy the folder again.")
    epoch = max(epochs)
    generator = _newmu_arrays(folder, f"{epoch}_gen_params", first=0)
    discriminator = None
    if any(folder.glob(f"{epoch}_discrim_params*")):
        discriminator = _newmu_arrays(folder, f"{epoch}_discrim_params", first=1)
    settings, area = _shapes(generator, discriminator)
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
    paths = sorted(folder.glob(f"{stem}.jl_*.npy"))
    numbers = [int(path.stem.rsplit("_", 1)[1]) for path in paths]
    missing = sorted(set(range(1, max(numbers, default=1) + 1)) - set(numbers))
    try:
        loaded = [np.load(path, allow_pickle=False) for path in paths]
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{folder} must hold whole .npy files. Received: {error}. Copy them again.") from error
    found = ", ".join(f"{number:02d} {array.shape}" for number, array in zip(numbers, loaded, strict=True))
    pattern = "".join("v" if array.ndim == 1 else "k" for array in loaded)
    expected = r"k(kvv)+k" if first else r"(kvv)+k"
    if missing or not re.fullmatch(expected, pattern):
        listed = f" Missing: {', '.join(f'{number:02d}' for number in missing)}." if missing else ""
        raise ValueError(
            f"{folder}/{stem}.jl_* must be the arrays of an unconditional DCGAN, kernels with gain and shift. "
            f"Received: {found or 'none'}.{listed} Copy the folder again."
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


# pytorch/examples


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
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            arrays = {name.removeprefix("module."): tensor.numpy() for name, tensor in state.items()}
        except FileNotFoundError as error:
            raise ValueError(f"{path} must be a file. Received: no such file.") from error
        except Exception as error:  # pickle, zip and torch each have their own
            reason = (str(error).splitlines() or [""])[0][:120]
            raise ValueError(f"{path} must be a state dict, as torch.save writes it. Received: {reason}.") from error
        kind, ours = _torch_network(path, arrays)
        networks[kind] = ours
    if "generator" not in networks:
        raise ValueError(f"--import_weights must name netG's file. Received: {', '.join(map(str, paths))}. Add it.")
    settings, area = _shapes(networks["generator"], networks.get("discriminator"))
    origin = f"pytorch/examples state dicts {', '.join(map(str, paths))}"
    settings = PRESETS["tutorial"] | settings | {"stem_order": "chw", "stem_norm": "channels"}
    return Weights(origin, settings, area, networks["generator"], networks.get("discriminator"))


def _torch_network(path: Path, arrays: Arrays) -> tuple[str, Arrays]:
    """("generator" or "discriminator", its arrays): a sequence of convolutions and batch norms, told by their count."""
    kernels = [array for name, array in arrays.items() if array.ndim == 4]
    norms = [name.removesuffix("running_mean") for name in arrays if name.endswith("running_mean")]
    kinds = {1: "generator", 2: "discriminator"}  # layers without a batch norm
    kind = kinds.get(len(kernels) - len(norms))
    sizes = {array.shape[2:] for array in kernels}
    if not norms or not kind or sizes != {(TORCH_KERNEL, TORCH_KERNEL)}:
        found = listed([f"{name} {tuple(array.shape)}" for name, array in arrays.items() if array.ndim])
        raise ValueError(
            f"{path} must be netG or netD of pytorch/examples/dcgan: 4x4 kernels, a batch norm after each but the last "
            f"one (netG) or the first and the last (netD). Received: {found or 'no arrays'}."
        )
    _check_complete(
        str(path), arrays, [f"{norm}{part}" for norm in norms for part in ("weight", "bias", "running_var")]
    )
    theirs = dict(zip(STATISTICS, ("weight", "bias", "running_mean", "running_var"), strict=True))
    first = 0 if kind == "generator" else 2
    ours = {
        f"norm{k}/{name}": arrays[norm + part] for k, norm in enumerate(norms, first) for name, part in theirs.items()
    }
    if kind == "generator":
        stem, *convs = kernels  # (z_dim, c, 4, 4) on a 1x1 input is a dense layer to (c, 4, 4)
        ours["stem/kernel"] = stem.reshape(len(stem), -1)
    else:
        *convs, head = kernels  # (1, c, 4, 4) on a 4x4 input is a dense layer from (c, 4, 4)
        ours["logits/kernel"] = head.reshape(1, -1).T
    for k, kernel in enumerate(convs, 1):
        ours[f"conv{k}/kernel"] = kernel.transpose(2, 3, 1, 0)  # (a, b, k, k) -> (k, k, b, a)
    return kind, ours


# all of them


def _shapes(generator: Arrays, discriminator: Arrays | None) -> tuple[dict, int]:
    """The settings that the shapes imply, and the positions of the stem."""
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
        halved = tuple(widths[0] >> k for k in range(len(widths)))
        settings["stem_width"] = widths[0]
        plain = {"g_widths": halved, "d_widths": halved[::-1]}
        settings = {name: value for name, value in settings.items() if plain.get(name) != value}
    if y_dim:
        settings |= {"y_dim": y_dim, "fc_width": generator["fc/kernel"].shape[1]}
    return settings, generator["stem/kernel"].shape[1] // widths[0]


def _convs(network: Arrays) -> list[np.ndarray]:
    return [network[f"conv{k}/kernel"] for k in range(1, 10) if f"conv{k}/kernel" in network]


def _check_complete(origin: str, found: Arrays, wanted: list[str]) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(
            f"{origin} must hold a whole DCGAN. Missing: {listed(missing)}. Received: {listed(sorted(found))}."
        )


def listed(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) + more) or "nothing"
