"""A small classifier that is trained here; its features and classes are compared.

The network in full: gray or RGB images in [-1, 1], resized to 32 pixels if they are larger
(bilinear, antialiased); three blocks of a 3 x 3 convolution (16, 32, 64 channels, stride 1, padding
"SAME"), ReLU and 2 x 2 max pooling ("SAME"); 64 units with ReLU, which are the features; logits.
Kernels are He-normal, drawn from SEED; biases start at 0.

One fifth of the images, at most 10,000, measures its accuracy. It is trained on the rest, for 1,500
steps of 64, with Adam, at a learning rate that falls from 0.004 to 0 along a cosine; images are
shifted by up to a pixel. It is trained on the CPU, where the same images give the same weights, bit
for bit, on the same machine.
"""

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from absl import logging
from tqdm import tqdm

from data.identity import fingerprint_pixels
from evaluate.features.random_conv import draw_normal_numbers_for_features
from evaluate.image_sets import lay_compared_images_on_background, read_shape_of_compared_images
from system.files import write_atomic

VERSION = 1  # raise it when the same images give another network
SEED = 0
WIDTHS = (16, 32, 64)  # channels
FEATURES = 64
LARGEST_SIDE = 32  # pixels
STEPS, BATCH, RATE = 1500, 64, 0.004
SHIFT = 1  # pixels
HELD_OUT_SHARE, MOST_HELD_OUT = 5, 10_000  # one image in five


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained network.

    weights: kernel and bias of each layer. one_hot: whether logits are of classes, or of attributes
    that are on or off. accuracy: share of classes, or of attributes, that it got right on
    `held_out` images.
    """

    weights: tuple[np.ndarray, ...]
    one_hot: bool
    accuracy: float
    held_out: int

    @property
    def name(self) -> str:
        digest = hashlib.sha256(b"".join(weight.tobytes() for weight in self.weights))
        return f"classifier, sha256 {digest.hexdigest()[:12]}"

    def read_chunk(self, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(features (n, 64), logits (n, classes)) of images float32 (n, H, W, C), 0 to 255."""
        features, logits = _apply_classifier(tf.constant(shown), [*map(tf.constant, self.weights)])
        return features.numpy(), logits.numpy()


def load_or_train_classifier(
    images: np.ndarray, y: np.ndarray, *, one_hot: bool, path: Path
) -> Classifier:
    """The classifier of `images` uint8 (N, H, W, C) and labels `y` (N, k), kept at `path`.

    A file that is damaged, or for other images or another version, is replaced, with a warning.
    Memory: one chunk of images.
    """
    key = _describe_classifier_data(images, y, one_hot=one_hot)
    found = _read_classifier(path, key)
    if found is None:
        found = train_classifier(images, y, one_hot=one_hot)
        _keep_classifier(path, found, key)
    share = f"{100 * found.accuracy:.2f}%" + (" of the attributes" if not found.one_hot else "")
    text = "modes are told apart by a %s, which is right on %s of %s images it was not trained on."
    logging.info(text, found.name, share, f"{found.held_out:,}")
    return found


def train_classifier(
    images: np.ndarray, y: np.ndarray, *, one_hot: bool, steps: int = STEPS
) -> Classifier:
    """Trains a classifier, which depends only on the arguments. images, y: as above, 2 or more."""
    bits = np.random.PCG64(SEED)
    order = np.argsort(bits.random_raw(len(images)), kind="stable")
    held_out = max(1, min(len(images) // HELD_OUT_SHARE, MOST_HELD_OUT))
    held, trained = order[:held_out], order[held_out:]

    with tf.device("CPU:0"):
        weights = _train_classifier_weights(images, y, trained, bits, one_hot=one_hot, steps=steps)
    classifier = Classifier(weights, one_hot, 0.0, held_out)
    right = [
        _count_right_answers(classifier, images, y, rows)
        for rows in _split_rows_to_test_classifier(held)
    ]
    return dataclasses.replace(classifier, accuracy=float(sum(right)) / held_out)


def _train_classifier_weights(
    images: np.ndarray, y: np.ndarray, rows: np.ndarray, bits, *, one_hot: bool, steps: int
) -> tuple[np.ndarray, ...]:
    """rows: of the images to train on. bits: the source of all randomness."""
    variables = [
        tf.Variable(w)
        for w in _draw_weights(read_shape_of_compared_images(images), y.shape[1], bits)
    ]
    optimizer = keras.optimizers.Adam(RATE)
    optimizer.build(variables)

    @tf.function
    def take_classifier_step(pixels: tf.Tensor, labels: tf.Tensor, rate: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            _, logits = _compute_logits(pixels, variables)
            loss = _compute_classifier_loss(logits, labels, one_hot=one_hot)
        optimizer.learning_rate.assign(rate)
        optimizer.apply(tape.gradient(loss, variables), variables)

    for step in tqdm(range(steps), "train the classifier", unit="step", disable=None, leave=False):
        chosen = rows[bits.random_raw(BATCH) % np.uint64(len(rows))]
        pixels = _shift_images(lay_compared_images_on_background(images[chosen]), bits)
        rate = RATE * (1 + np.cos(np.pi * step / steps)) / 2
        take_classifier_step(
            tf.constant(pixels), tf.constant(y[chosen]), tf.constant(rate, tf.float32)
        )
    return tuple(variable.numpy() for variable in variables)


def _draw_weights(shape: tuple[int, int, int], classes: int, bits) -> list[np.ndarray]:
    """Kernel and bias of each layer, float32, for images (H, W, C)."""
    height, width = (min(side, LARGEST_SIDE) for side in shape[:2])
    channels = (1 if shape[2] == 1 else 3, *WIDTHS)
    shapes = [(3, 3, *pair) for pair in zip(channels, WIDTHS, strict=False)]
    cells = (-(-height // 2 ** len(WIDTHS))) * (-(-width // 2 ** len(WIDTHS)))
    shapes += [(cells * WIDTHS[-1], FEATURES), (FEATURES, classes)]

    weights = []
    for kernel in shapes:
        normal = draw_normal_numbers_for_features(bits, int(np.prod(kernel))).reshape(kernel)
        scale = np.sqrt(2 / np.prod(kernel[:-1]))
        weights += [(normal * scale).astype(np.float32), np.zeros(kernel[-1], np.float32)]
    return weights


def _shift_images(shown: np.ndarray, bits) -> np.ndarray:
    """Images (n, H, W, C), each shifted by up to SHIFT pixels each way; edges are repeated."""
    count, height, width, _ = shown.shape
    around = ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0))
    padded = np.pad(shown, around, mode="edge")
    offsets = (bits.random_raw(2 * count) % np.uint64(2 * SHIFT + 1)).astype(int).reshape(-1, 2)
    cut = [
        image[top : top + height, left : left + width]
        for image, (top, left) in zip(padded, offsets, strict=True)
    ]
    return np.stack(cut)


def _compute_logits(pixels: tf.Tensor, weights: list) -> tuple[tf.Tensor, tf.Tensor]:
    """pixels (n, H, W, C), 0 to 255 -> (features (n, 64), logits (n, classes))."""
    sides = [min(side, LARGEST_SIDE) for side in pixels.shape[1:3]]
    maps = pixels / 127.5 - 1
    if sides != pixels.shape[1:3]:
        maps = tf.image.resize(maps, sides, antialias=True)
    for kernel, bias in zip(weights[:-4:2], weights[1:-4:2], strict=True):
        maps = tf.nn.relu(tf.nn.conv2d(maps, kernel, 1, "SAME") + bias)
        maps = tf.nn.max_pool2d(maps, 2, 2, "SAME")

    flat = tf.reshape(maps, (tf.shape(maps)[0], weights[-4].shape[0]))  # (n, h, w, 64) -> (n, hw64)
    features = tf.nn.relu(flat @ weights[-4] + weights[-3])
    return features, features @ weights[-2] + weights[-1]


_apply_classifier = tf.function(_compute_logits)


def _compute_classifier_loss(logits: tf.Tensor, y: tf.Tensor, *, one_hot: bool) -> tf.Tensor:
    entropy = tf.nn.softmax_cross_entropy_with_logits
    if not one_hot:
        entropy = tf.nn.sigmoid_cross_entropy_with_logits
    return tf.reduce_mean(entropy(y, logits))


def _split_rows_to_test_classifier(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), 256):
        yield np.sort(rows[start : start + 256])


def _count_right_answers(classifier: Classifier, images, y: np.ndarray, rows: np.ndarray) -> float:
    """How many images are classified correctly.

    With attributes, an image counts as the share of its attributes that are correct.
    """
    _, logits = classifier.read_chunk(lay_compared_images_on_background(images[rows]))
    if classifier.one_hot:
        return np.sum(logits.argmax(1) == y[rows].argmax(1))
    return np.sum(np.mean((logits > 0) == (y[rows] > 0.5), 1))


def _describe_classifier_data(images: np.ndarray, y: np.ndarray, *, one_hot: bool) -> str:
    """Identifies the images, labels and version that a kept classifier must match."""
    labels = hashlib.sha256(np.ascontiguousarray(y, np.uint8)).hexdigest()
    return f"{VERSION} {one_hot} {y.shape} {labels} {fingerprint_pixels(images)}"


def _read_classifier(path: Path, key: str) -> Classifier | None:
    """The classifier at `path`, if it is intact and has this `key`."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            facts = json.loads(str(arrays["facts"]))
            weights = tuple(arrays[f"weight_{number}"] for number in range(2 * len(WIDTHS) + 4))
        if facts.pop("key") == key:
            return Classifier(weights, **facts)
        reason = "is for other images or another version"
    except Exception:  # NumPy and zipfile raise nearly anything for a damaged file
        reason = "is damaged"
    logging.warning("%s %s: the classifier is trained again.", path, reason)
    return None


def _keep_classifier(path: Path, classifier: Classifier, key: str) -> None:
    """Writes it whole or not at all. A failure only warns: the scores do not need the file."""
    facts = {"key": key, **dataclasses.asdict(classifier)}
    weights = facts.pop("weights")
    arrays = {f"weight_{number}": weight for number, weight in enumerate(weights)}
    content = io.BytesIO()
    np.savez(content, facts=json.dumps(facts), **arrays)
    try:
        write_atomic(path, content.getvalue())
    except OSError as error:
        logging.warning("the classifier is not kept in %s: %s", path.parent, error.strerror)
