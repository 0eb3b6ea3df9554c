"""Loads the classifier that tells the modes of a run's dataset apart."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from config.catalog import MNIST, STACKED_MNIST
from config.settings import Config
from data.exclude import leave_out_images_to_exclude, list_image_names
from data.find import find_dataset_source
from data.load import load_dataset_and_mode_labels
from data.mode_labels import is_one_class_each
from evaluate.features.classifier import LARGEST_SIDE, Classifier, load_or_train_classifier
from evaluate.image_sets import read_compared_chunks_on_background, read_shape_of_compared_images
from evaluate.modes import Classified, number_modes_of_attributes, number_modes_of_digits


@dataclasses.dataclass(frozen=True)
class ModeClassifier:
    """classifier: of images or, if `is_stacked`, of their channels. modes: (N,), of every real."""

    classifier: Classifier
    modes: np.ndarray
    is_stacked: bool = False

    @property
    def name(self) -> str:
        return self.classifier.name

    @property
    def resize(self) -> str:
        return f"at most {LARGEST_SIDE} pixels a side, bilinear, antialiased"

    def classify(self, images) -> Classified:
        """Classifies a set of images. Memory: 256 bytes an image, 768 if stacked, and one chunk."""
        if self.is_stacked and read_shape_of_compared_images(images)[2] != 3:
            raise ValueError("the modes of stacked_mnist need RGB images: train with --c_dim=3")

        chunks = [
            self._classify_chunk(shown) for shown in read_compared_chunks_on_background(images)
        ]
        features, modes, confidence = (np.concatenate(part) for part in zip(*chunks, strict=True))
        return Classified(modes, features, float(confidence.mean()))

    def _classify_chunk(self, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """float32 (n, H, W, C) -> (features (n, d), modes (n,), confidence (n,))."""
        count, height, width, channels = shown.shape
        if self.is_stacked:  # (n, H, W, 3) -> (3n, H, W, 1)
            shown = np.moveaxis(shown, 3, 1).reshape(count * channels, height, width, 1)

        features, logits = self.classifier.read_chunk(shown)
        if not self.classifier.one_hot:
            likeliest = 1 / (1 + np.exp(-np.abs(logits)))
            return features, number_modes_of_attributes(logits > 0), likeliest.mean(1)
        likeliest = 1 / np.exp(logits - logits.max(1, keepdims=True)).sum(1)
        digits, likeliest = (a.reshape(count, -1) for a in (logits.argmax(1), likeliest))
        return features.reshape(count, -1), number_modes_of_digits(digits), likeliest.mean(1)


def _name_classifier_file(pack: Path, names: tuple[str, ...]) -> Path:
    """Beside the pack, one file for each choice of labels."""
    labels = hashlib.sha256("\n".join(names).encode()).hexdigest()[:6]
    return pack.with_name(f"{pack.stem}-{labels}.classifier.npz")


def load_mode_classifier(config: Config) -> ModeClassifier:
    """The classifier of a run's images, trained if need be and kept beside their pack.

    stacked_mnist uses the classifier of mnist at the same size. Raises ValueError when the dataset
    has no labels, or cannot be found.
    """
    is_stacked = config.dataset == STACKED_MNIST.name
    labelled = config
    if is_stacked:
        digits = {"dataset": MNIST.name, "labels": "own", "c_dim": 1}
        digits |= {"train_size": None, "exclude": ""}  # these count stacked images
        labelled = dataclasses.replace(config, **digits)
    pack = load_dataset_and_mode_labels(labelled)
    y, one_hot = pack.labels.y, is_one_class_each(pack.labels)
    path = _name_classifier_file(Path(pack.images.filename), pack.labels.names)
    classifier = load_or_train_classifier(pack.images, y, one_hot=one_hot, path=path)

    if is_stacked:
        source = leave_out_images_to_exclude(config, find_dataset_source(config))
        _, modes = source.labels()
        modes = modes[[int(name) for name in list_image_names(source)]]
    else:
        modes = y.argmax(1) if one_hot else number_modes_of_attributes(y > 0.5)
    return ModeClassifier(classifier, modes, is_stacked)
