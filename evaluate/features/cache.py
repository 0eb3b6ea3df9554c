"""Features of a pack's images, kept beside the pack, so that they are computed once.

Any failure only costs time. Nothing is ever removed from the folder; you may delete it.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from data.identity import fingerprint_pixels
from data.packing.pack import Pack
from system.devices import find_device_type
from system.files import create_temporary_path, put_aside, remove_temporary_leftovers

FORMAT = 1  # raise it when the same network gives other features
DIGEST_BYTES = 32  # SHA-256 of the features, float32 (n, d), which follow it in the file


class FeatureCache:
    """Keeps a network's features of some rows of a pack.

    folder: for the files; it is created when needed. pack: a text that differs for other pixels.
    """

    def __init__(self, folder: Path, pack: str):
        self.folder, self.pack = folder, pack
        self.failed = False  # whether writing failed; the warning comes only once

    def recall_or_compute(
        self, rows: np.ndarray, network: str, compute: Callable[[], np.ndarray]
    ) -> np.ndarray:
        """float32 (n, d): what `compute` returns for the images at `rows`, now or in an earlier
        call.

        network: a name that differs for networks with other features.
        """
        path = self._name_file(rows, network)
        features = self._read_features(path, len(rows))
        if features is None:
            features = compute()
            self._keep_features(path, features)
        return features

    def _name_file(self, rows: np.ndarray, network: str) -> Path:
        """The name depends on version and device, too, as these round differently."""
        facts = (FORMAT, self.pack, network, tf.__version__, find_device_type())
        digest = hashlib.sha256(repr(facts).encode())
        digest.update(np.ascontiguousarray(rows, np.int64))
        return self.folder / f"{digest.hexdigest()[:24]}.features"

    def _read_features(self, path: Path, count: int) -> np.ndarray | None:
        """None if there is no file, or a damaged one, which is moved aside with a warning."""
        try:
            content = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError):  # an empty file cannot be mapped
            content = np.empty(0, np.uint8)
        features = content[DIGEST_BYTES:]
        if len(features) and hashlib.sha256(features).digest() == bytes(content[:DIGEST_BYTES]):
            return features.view(np.float32).reshape(count, -1)

        if os.path.lexists(path):
            self._put_damaged_file_aside(path)
        return None

    def _put_damaged_file_aside(self, path: Path) -> None:
        try:
            name = put_aside(path).name
        except OSError as error:
            self._warn_once_of_failure(error)
            return
        text = "%s is damaged: it was moved aside to %s, and its features are computed again."
        logging.warning(text, path, name)

    def _keep_features(self, path: Path, features: np.ndarray) -> None:
        if self.failed:
            return
        try:
            self.folder.mkdir(exist_ok=True)
            remove_temporary_leftovers(self.folder)
            with create_temporary_path(path) as draft:
                with open(draft, "wb") as file:
                    content = np.ascontiguousarray(features, np.float32)
                    file.write(hashlib.sha256(content).digest())
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(draft, path)
        except OSError as error:
            self._warn_once_of_failure(error)

    def _warn_once_of_failure(self, error: OSError) -> None:
        if not self.failed:
            text = "%s cannot be written: %s. The features of the dataset are not kept."
            logging.warning(text, error.filename or self.folder, error.strerror)
        self.failed = True


def open_feature_cache(pack: Pack) -> FeatureCache:
    """The cache beside a pack in a file."""
    identity = f"{pack.manifest['fingerprint']} {fingerprint_pixels(pack.images)}"
    return FeatureCache(Path(pack.images.filename).with_suffix(".features"), identity)
