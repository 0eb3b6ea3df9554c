"""carpedm20/DCGAN-tensorflow's TensorFlow 1 checkpoints."""

import re
from pathlib import Path

from foreign.arrays import STATISTICS, Arrays, Weights, check_complete, implied


def read_carpedm20(prefix: str) -> Weights:
    """A checkpoint of its model.py: the 64x64 networks, those of any other size, or the conditional pair for MNIST."""
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(prefix)
        names = [
            name for name in reader.get_variable_to_shape_map() if re.search(r"(^|/)[gd]_", name)
        ]
        # Its variables lie in the scopes generator/ and discriminator/; Adam's, if they are there, end otherwise.
        found = {re.sub(r"^(generator|discriminator)/", "", name): name for name in names}
        found = {name: original for name, original in found.items() if "Adam" not in name}
        arrays = {name: reader.get_tensor(original) for name, original in found.items()}
    except Exception as error:  # OpError, and IndexError where bytes are missing
        raise ValueError(
            f"{prefix} must be a whole TensorFlow checkpoint. Received: one that cannot be read, or another file. "
            "Copy it again, all its files: .index, .meta, .data-00000-of-00001."
        ) from error
    if any(".ATTRIBUTES" in name for name in reader.get_variable_to_shape_map()):
        raise ValueError(
            f"{prefix} must be of TensorFlow 1. Received: one of TensorFlow 2. Runs of ours need no import."
        )
    conditional = "g_h1_lin/Matrix" in arrays
    blocks = sum(bool(re.fullmatch(r"g_h\d+/w", name)) for name in arrays)
    generator_names, discriminator_names = (
        _mnist_names() if conditional else _unconditional_names(max(blocks, 1))
    )
    origin = f"carpedm20/DCGAN-tensorflow checkpoint {prefix}"
    check_complete(origin, arrays, [*generator_names.values(), *discriminator_names.values()])
    generator = {ours: arrays[theirs] for ours, theirs in generator_names.items()}
    discriminator = {ours: arrays[theirs] for ours, theirs in discriminator_names.items()}
    settings, area = implied(generator, discriminator)
    if conditional:
        _range_of_tanh(generator, discriminator, channels=settings["c_dim"])
        names = tuple(map(str, range(settings.pop("y_dim"))))
        settings |= {
            "labels": "own",
            "label_names": names,
            "stem_norm": "units",
            "dataset": "mnist",
        }
    return Weights(origin, settings, area, generator, discriminator, exact_size=False)


def _unconditional_names(blocks: int) -> tuple[dict, dict]:
    """Our variables' names to its, for the generator and the discriminator."""
    generator = {"stem/kernel": "g_h0_lin/Matrix", "stem/bias": "g_h0_lin/bias"}
    discriminator = {
        "logits/kernel": f"d_h{blocks}_lin/Matrix",
        "logits/bias": f"d_h{blocks}_lin/bias",
    }
    for k in range(1, blocks + 1):
        generator |= {f"conv{k}/kernel": f"g_h{k}/w", f"conv{k}/bias": f"g_h{k}/biases"}
        generator |= {f"norm{k - 1}/{name}": f"g_bn{k - 1}/{name}" for name in STATISTICS}
        discriminator |= {
            f"conv{k}/kernel": f"d_h{k - 1}_conv/w",
            f"conv{k}/bias": f"d_h{k - 1}_conv/biases",
        }
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
    for name in ("conv2/kernel", "conv2/bias"):
        generator[name] = generator[name] / 2
    kernel = discriminator["conv1/kernel"].copy()  # (k, k, channels + y_dim, outputs)
    kernel[:, :, :channels] /= 2
    kernel[:, :, channels:] += kernel[:, :, :channels].sum(2, keepdims=True)
    discriminator["conv1/kernel"] = kernel


def tf1_prefix(path: Path) -> str | None:
    """The prefix of the checkpoint that `path` is, or the newest in it."""
    if path.is_dir():
        prefixes = [
            entry.with_suffix("") for end in ("index", "meta") for entry in path.glob(f"*.{end}")
        ]
        numbered = [
            (int((re.findall(r"\d+$", prefix.name) or ["0"])[0]), str(prefix))
            for prefix in prefixes
        ]
        return max(numbered)[1] if numbered else None
    plain = re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", str(path))
    exists = Path(plain + ".index").is_file() or (
        path.is_file() and path.suffix != ".npy"
    )  # a file: format 1 of TF 0.x
    return plain if exists else None
