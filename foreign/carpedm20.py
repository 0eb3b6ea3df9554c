"""Reads carpedm20/DCGAN-tensorflow's TensorFlow 1 checkpoints."""

import re
from pathlib import Path

from foreign.arrays import (
    STATISTICS,
    Arrays,
    Weights,
    check_foreign_arrays_complete,
    infer_settings_from_arrays,
)


def find_tf1_prefix(path: Path) -> str | None:
    """The prefix of a checkpoint from one of its files, or of the newest one in a folder."""
    if path.is_dir():
        return _find_newest_tf1_prefix(path)

    prefix = re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", str(path))
    # TensorFlow 0.x wrote format 1: one file, named like the prefix.
    is_format_1 = path.is_file() and path.suffix != ".npy"
    return prefix if is_format_1 or Path(f"{prefix}.index").is_file() else None


def _find_newest_tf1_prefix(folder: Path) -> str | None:
    """The prefix with the highest number at its end, which is the step."""
    files = [*folder.glob("*.index"), *folder.glob("*.meta")]
    prefixes = [file.with_suffix("") for file in files]
    numbered = [(_parse_tf1_step(prefix.name), str(prefix)) for prefix in prefixes]
    return max(numbered)[1] if numbered else None


def _parse_tf1_step(name: str) -> int:
    digits = re.search(r"\d+$", name)
    return int(digits[0]) if digits else 0


def read_carpedm20_weights(prefix: str) -> Weights:
    """Reads the networks without labels, of any size, or those for MNIST, which have labels.

    Raises ValueError when the checkpoint is damaged, incomplete, or not of TensorFlow 1.
    """
    arrays = _load_tf1_checkpoint(prefix)
    has_labels = "g_h1_lin/Matrix" in arrays
    names = _map_mnist_tf1_names() if has_labels else _map_unconditional_tf1_names(arrays)
    origin = f"carpedm20/DCGAN-tensorflow checkpoint {prefix}"
    generator, discriminator = _rename_tf1_arrays(origin, arrays, *names)

    settings, stem_area = infer_settings_from_arrays(generator, discriminator)
    if has_labels:
        _convert_sigmoid_networks_to_tanh(generator, discriminator, channels=settings["c_dim"])
        settings = _add_carpedm20_mnist_settings(settings)

    return Weights(origin, settings, stem_area, generator, discriminator, is_size_known=False)


def _rename_tf1_arrays(origin: str, arrays: Arrays, *names: dict) -> list[Arrays]:
    """A network's arrays for each of `names`, our variables' names -> the checkpoint's.

    Raises ValueError when one is missing.
    """
    required = [theirs for of_network in names for theirs in of_network.values()]
    check_foreign_arrays_complete(origin, arrays, required)
    return [{ours: arrays[theirs] for ours, theirs in of_network.items()} for of_network in names]


def _add_carpedm20_mnist_settings(settings: dict) -> dict:
    """The settings of a network with labels, which is always one for MNIST."""
    classes = range(settings["y_dim"])
    return {name: value for name, value in settings.items() if name != "y_dim"} | {
        "labels": "own",
        "label_names": tuple(map(str, classes)),
        "stem_norm": "units",
        "dataset": "mnist",
    }


def _load_tf1_checkpoint(prefix: str) -> Arrays:
    """Both networks' arrays by the checkpoint's names, without the scopes of the networks."""
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(prefix)
        stored = list(reader.get_variable_to_shape_map())
        arrays = _read_tf1_network_arrays(reader, stored)
    except Exception as error:  # OpError, and IndexError where bytes are missing
        raise ValueError(
            f"{prefix} must be a complete TensorFlow checkpoint. Received: an unreadable one, or "
            "another kind of file. Copy all its files again: .index, .meta, .data-00000-of-00001."
        ) from error

    _check_checkpoint_is_of_tf1(prefix, stored)
    return arrays


def _check_checkpoint_is_of_tf1(prefix: str, stored: list[str]) -> None:
    if any(".ATTRIBUTES" in name for name in stored):
        raise ValueError(
            f"{prefix} must be a TensorFlow 1 checkpoint. Received: one of TensorFlow 2. "
            "Runs made by this program do not need to be imported."
        )


def _read_tf1_network_arrays(reader, stored: list[str]) -> Arrays:
    """Leaves out Adam's moments, which are named after their weight, with /Adam at the end."""
    networks = [name for name in stored if re.search(r"(^|/)[gd]_", name) and "Adam" not in name]
    return {
        re.sub(r"^(generator|discriminator)/", "", name): reader.get_tensor(name)
        for name in networks
    }


def _map_unconditional_tf1_names(arrays: Arrays) -> tuple[dict, dict]:
    """Two dicts, generator and discriminator: our variables' names -> the checkpoint's."""
    blocks = max(sum(bool(re.fullmatch(r"g_h\d+/w", name)) for name in arrays), 1)
    generator = {"stem/kernel": "g_h0_lin/Matrix", "stem/bias": "g_h0_lin/bias"}
    discriminator = {
        "logits/kernel": f"d_h{blocks}_lin/Matrix",
        "logits/bias": f"d_h{blocks}_lin/bias",
    }

    for k in range(1, blocks + 1):
        generator |= _map_tf1_convolution_names(f"conv{k}", f"g_h{k}")
        generator |= _map_tf1_batch_norm_names(f"norm{k - 1}", f"g_bn{k - 1}")
        discriminator |= _map_tf1_convolution_names(f"conv{k}", f"d_h{k - 1}_conv")
        if k > 1:
            discriminator |= _map_tf1_batch_norm_names(f"norm{k}", f"d_bn{k - 1}")
    return generator, discriminator


def _map_mnist_tf1_names() -> tuple[dict, dict]:
    """The same for the networks for MNIST, which have labels."""
    return _map_mnist_tf1_generator(), _map_mnist_tf1_discriminator()


def _map_mnist_tf1_generator() -> dict:
    return {
        **_map_tf1_dense_names("fc", "g_h0_lin"),
        **_map_tf1_batch_norm_names("fc_norm", "g_bn0"),
        **_map_tf1_dense_names("stem", "g_h1_lin"),
        **_map_tf1_batch_norm_names("norm0", "g_bn1"),
        **_map_tf1_convolution_names("conv1", "g_h2"),
        **_map_tf1_batch_norm_names("norm1", "g_bn2"),
        **_map_tf1_convolution_names("conv2", "g_h3"),
    }


def _map_mnist_tf1_discriminator() -> dict:
    return {
        **_map_tf1_convolution_names("conv1", "d_h0_conv"),
        **_map_tf1_convolution_names("conv2", "d_h1_conv"),
        **_map_tf1_batch_norm_names("norm2", "d_bn1"),
        **_map_tf1_dense_names("fc", "d_h2_lin"),
        **_map_tf1_batch_norm_names("fc_norm", "d_bn2"),
        **_map_tf1_dense_names("logits", "d_h3_lin"),
    }


def _map_tf1_convolution_names(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}/kernel": f"{theirs}/w", f"{ours}/bias": f"{theirs}/biases"}


def _map_tf1_dense_names(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}/kernel": f"{theirs}/Matrix", f"{ours}/bias": f"{theirs}/bias"}


def _map_tf1_batch_norm_names(ours: str, theirs: str) -> dict[str, str]:
    return {f"{ours}/{name}": f"{theirs}/{name}" for name in STATISTICS}


def _convert_sigmoid_networks_to_tanh(
    generator: Arrays, discriminator: Arrays, *, channels: int
) -> None:
    """Converts both networks, made for pixels in [0, 1], to [-1, 1]; in place.

    The generator ends in a sigmoid, ours in tanh: 2 sigmoid(x) - 1 = tanh(x / 2), so its last layer
    is halved. The discriminator's first convolution expects p = x / 2 + 1 / 2 for our pixels x, so
    its kernel for the image is halved. The 1 / 2 moves to the kernels of the label maps: exactly
    one of these maps is 1 on the image, and all are 0 on its padding.
    """
    for name in ("conv2/kernel", "conv2/bias"):
        generator[name] = generator[name] / 2

    kernel = discriminator["conv1/kernel"].copy()  # (k, k, channels + y_dim, outputs)
    kernel[:, :, :channels] /= 2
    kernel[:, :, channels:] += kernel[:, :, :channels].sum(2, keepdims=True)
    discriminator["conv1/kernel"] = kernel
