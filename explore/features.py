"""The discriminator's features of the dataset's images, for other programs (section 5.1)."""

import io
import zipfile

import numpy as np

from data.packing.pack import Pack
from explore.discriminator_features import iterate_feature_batches, list_feature_counts
from explore.experiments import Findings
from explore.subject import Subject
from model import Discriminator

MOST_IMAGES = 10_000
MOST_VALUES = 2**27  # of all features: 512 MB, which are twice in memory while they are written


def run_experiment(subject: Subject) -> Findings:
    """features.npz, for the first images of the dataset, at most MOST_IMAGES.

    Its arrays: features (N, features) float32, as `compute_discriminator_features` gives them;
    layers (L,), how many of the features each layer gives; files (N,), the images' names; with
    labels also y (N, y_dim) and names (y_dim,). A discriminator with labels gets zeros for y.
    """
    discriminator, pack = subject.discriminator, subject.pack
    layers = list_feature_counts(discriminator.config)
    count = min(len(pack.images), MOST_IMAGES, MOST_VALUES // sum(layers))

    others = {"layers": np.array(layers), "files": np.array(pack.manifest["files"][:count])}
    if pack.labels:
        others |= {"y": pack.labels.y[:count], "names": np.array(pack.labels.names)}
    npz = encode_features(discriminator, pack, count, others)
    return Findings({"features.npz": npz}, {"images": count}, describe(subject, layers, count))


def encode_features(
    discriminator: Discriminator, pack: Pack, count: int, others: dict[str, np.ndarray]
) -> bytes:
    """An .npz of the features of the first `count` images, and of the arrays `others` by name.

    The features are written batch by batch, so that they are in memory only as the file.
    """
    features = sum(list_feature_counts(discriminator.config))
    header = {"descr": "<f4", "fortran_order": False, "shape": (count, features)}
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        with file.open("features.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, header)
            for batch in iterate_feature_batches(discriminator, pack.images, rows=range(count)):
                member.write(batch.astype("<f4").tobytes())
        for name, array in others.items():
            with file.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return content.getvalue()


def describe(subject: Subject, layers: list[int], count: int) -> tuple[str, ...]:
    """What features.npz holds, in words."""
    numbers = " + ".join(f"{layer:,}" for layer in layers)
    total = f"{sum(layers):,} features ({numbers} from the layers)"
    first = "" if count == len(subject.pack.images) else "the dataset's first "
    lines = [f"{total} for each of {first}{count:,} images"]
    if subject.config.y_dim:
        lines.append("the discriminator got zeros for y, so the features do not reveal the labels")
    return tuple(lines)
