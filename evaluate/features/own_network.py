"""The features of the user's own network: a SavedModel from images to (N, d)."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from evaluate.image_sets import read_rgb_batches
from system.text import shorten_to_one_line

BATCH = 32  # images
SIGNATURE = "serving_default"
DTYPES = (tf.uint8, tf.float32)  # 0 to 255; 0 to 1, as in TensorFlow Hub
UNREADABLE = (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError)
HASH_CHUNK = 2**20  # bytes


class SavedModelFeatures:
    """A loaded SavedModel. name: with a hash of its files. resize: how images are resized."""

    def __init__(self, path: Path):
        """Raises ValueError unless it has a signature with one input of images and one output."""
        self.path = path
        self._model = _load_network_of_features(path)  # its variables live as long as it does
        self._signature = _choose_feature_signature(self._model, path)
        ((self._input, self._spec),) = self._signature.structured_input_signature[1].items()
        height, width = self._spec.shape[1:3]
        self._size = (height, width) if height and width else None
        self.resize = f"{width}x{height}, bilinear, antialiased" if self._size else "none"
        self.name = f"{path.resolve().name}, sha256 {hash_feature_network_files(path)}"

    def extract(self, images) -> Iterator[np.ndarray]:
        """Chunks (n, d) float32 of a set of images, as the network gives them.

        Gray is repeated, RGBA laid on white. Memory: one batch and what the network needs for it.
        """
        for batch in read_rgb_batches(images, BATCH):
            yield self._run(batch)

    def _run(self, batch: np.ndarray) -> np.ndarray:
        pixels = self._prepare(batch)
        try:
            (features,) = self._signature(**{self._input: pixels}).values()
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            raise _explain_wrong_feature_network(
                self.path, f"failed: {shorten_to_one_line(error)}"
            ) from error

        values = features.numpy().astype(np.float32)
        if values.ndim == 4 and values.shape[1:3] == (1, 1):
            values = values[:, 0, 0]  # (n, 1, 1, d) -> (n, d)
        if values.ndim != 2 or len(values) != len(batch):
            found = f"gave {values.shape} for {len(batch)} images"
            raise _explain_wrong_feature_network(self.path, found)
        if not np.isfinite(values).all():
            raise _explain_wrong_feature_network(self.path, "gave values that are not finite")
        return values

    def _prepare(self, batch: np.ndarray) -> tf.Tensor:
        """float32 (n, H, W, 3), 0 to 255, as the signature wants them."""
        pixels = tf.constant(batch)
        if self._size and self._size != batch.shape[1:3]:
            pixels = tf.image.resize(pixels, self._size, antialias=True)
        if self._spec.dtype == tf.uint8:
            return tf.cast(tf.round(tf.clip_by_value(pixels, 0, 255)), tf.uint8)
        return pixels / 255


def hash_feature_network_files(folder: Path) -> str:
    """Twelve digits of a hash of the graph and the variables; other files do not count."""
    digest = hashlib.sha256()
    for path in [folder / "saved_model.pb", *sorted(folder.glob("variables/*"))]:
        if path.is_file():
            digest.update(path.name.encode())
            with path.open("rb") as file:
                for chunk in iter(lambda: file.read(HASH_CHUNK), b""):
                    digest.update(chunk)
    return digest.hexdigest()[:12]


def _load_network_of_features(path: Path):
    if not (path / "saved_model.pb").is_file():
        raise ValueError(
            f"{path} must be a SavedModel, but it has no saved_model.pb: name the folder "
            "that tf.saved_model.save or model.export wrote"
        )
    try:
        return tf.saved_model.load(path)
    except (*UNREADABLE, DecodeError, tf.errors.OpError) as error:
        raise _explain_wrong_feature_network(
            path, f"cannot be loaded: {shorten_to_one_line(error)}"
        ) from error


def _choose_feature_signature(model, path: Path):
    """serving_default, or the only one. Raises ValueError unless it can be used."""
    signatures = dict(getattr(model, "signatures", {}))
    chosen = signatures.get(SIGNATURE)
    if chosen is None and len(signatures) == 1:
        (chosen,) = signatures.values()
    if chosen is None:
        names = ", ".join(sorted(signatures)) or "no signature"
        raise _explain_wrong_feature_network(path, f"has {names}")

    inputs, outputs = chosen.structured_input_signature[1], chosen.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise _explain_wrong_feature_network(
            path, f"has {len(inputs)} inputs and {len(outputs)} outputs"
        )
    (spec,) = inputs.values()
    if not _feature_network_takes_images(spec):
        raise _explain_wrong_feature_network(path, f"takes {spec.dtype.name} {spec.shape}")
    return chosen


def _feature_network_takes_images(spec: tf.TensorSpec) -> bool:
    if spec.dtype not in DTYPES or spec.shape.rank != 4:
        return False
    count, height, width, channels = spec.shape
    return count is None and channels in (3, None) and (height is None) == (width is None)


def _explain_wrong_feature_network(path: Path, found: str) -> ValueError:
    return ValueError(
        f"{path} must have a signature {SIGNATURE} from images (N, H, W, 3), uint8 or float32, to "
        f"features (N, d), but it {found}: save it with one"
    )
