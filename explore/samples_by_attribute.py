"""Finds the samples that show an attribute, such as Smiling, although samples have no attributes.

A classifier decides: logistic regression on the discriminator's features, learnt from the labelled
images of the dataset.
"""

import functools
import warnings
from typing import NamedTuple

import numpy as np
from absl import logging
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from config.settings import Config
from data.label_choice import list_picture_labels
from explore.discriminator_features import compute_discriminator_features
from explore.subject import Subject

LABELLED_IMAGES = 2000  # to learn from and to test, at most; half with the attribute, if possible
HELD_BACK = 0.25  # of these, to test
FEWEST_IMAGES = 8  # with the attribute, and without: two of them are held back
SAMPLES = 1000  # to choose from
# Of the logistic regression, whose features have a standard deviation of 1. There are more features
# than images, so they need much of it.
REGULARISATION = 1e-2
POOR_ACCURACY = 0.75  # guessing is 0.5


class Recognition(NamedTuple):
    """attribute: its name, as the dataset spells it. scores (SAMPLES,): higher where a sample more
    surely has it.

    accuracy: of the classifier on images held back, 0 to 1; those with and without the attribute
    count the same, so guessing gives 0.5.
    """

    attribute: str
    scores: np.ndarray
    accuracy: float


class AttributeFinder:
    """Finds samples by attribute; `recognitions` keeps what it learnt, by name in lower case, and
    `labels_used` the names of the run's labels that it needed no classifier for.
    """

    def __init__(self, subject: Subject):
        self.subject = subject
        self.recognitions: dict[str, Recognition] = {}
        self.labels_used: list[str] = []

    def find_samples(self, attribute: str, count: int, *, is_on: bool = True) -> list[int]:
        """The numbers of `count` samples with the attribute, or without it unless `is_on`.

        In a run whose labels contain the attribute, they are the first ones with that label.
        Otherwise, they are those of the first SAMPLES ones about which the classifier is surest.
        Raises ValueError if the dataset has no such attribute.
        """
        config = self.subject.config
        column = find_label_of_run(config, attribute)
        if column is not None:
            self.labels_used.append(config.label_names[column])
            return list_samples_by_label(config, column, count, is_on=is_on)
        scores = self.recognize(attribute).scores
        return np.argsort(-scores if is_on else scores, kind="stable")[:count].tolist()

    def recognize(self, attribute: str) -> Recognition:
        """Learns to recognise it, once."""
        key = attribute.lower()
        if key not in self.recognitions:
            spelled, images, has_attribute = choose_labelled_images(self.subject, attribute)
            features = compute_discriminator_features(self.subject.discriminator, images)
            seed = self.subject.config.seed
            classifier, accuracy = train_classifier(features, has_attribute, seed)
            _warn_of_poor_accuracy(spelled, accuracy)
            scores = classifier.decision_function(self.features_of_samples)
            self.recognitions[key] = Recognition(spelled, scores, accuracy)
        return self.recognitions[key]

    @functools.cached_property
    def features_of_samples(self) -> np.ndarray:
        images = self.subject.sampler.images(self.subject.config.seed, SAMPLES)
        return compute_discriminator_features(self.subject.discriminator, images)

    def describe_recognitions(self) -> tuple[str, ...]:
        """For each attribute, how its samples were found."""
        how = "samples drawn with or without this label of the run, not picked by a classifier"
        return (
            *(f"{name}: {how}" for name in dict.fromkeys(self.labels_used)),
            *(
                f"{one.attribute}: the classifier is right about {one.accuracy:.0%} of held-back "
                "images"
                for one in self.recognitions.values()
            ),
        )

    def list_accuracies(self) -> dict[str, float]:
        """For metrics.jsonl."""
        return {f"accuracy_{one.attribute}": one.accuracy for one in self.recognitions.values()}


def find_label_of_run(config: Config, attribute: str) -> int | None:
    """The position of the attribute in the run's labels, in any case; None if it is not there."""
    names = config.label_names or ()
    lower = [name.lower() for name in names]
    if attribute in names:
        return names.index(attribute)
    return lower.index(attribute.lower()) if attribute.lower() in lower else None


def list_samples_by_label(config: Config, column: int, count: int, *, is_on: bool) -> list[int]:
    """The numbers of the first samples whose label `column` is on, or off: they take turns."""
    labels = list_picture_labels(config)  # (rows, y_dim)
    rows = np.flatnonzero((labels[:, column] > 0) == is_on)
    turns = np.arange(-(-count // len(rows)))[:, None]  # (turns, 1)
    return (turns * len(labels) + rows).ravel()[:count].tolist()


def choose_labelled_images(subject: Subject, attribute: str) -> tuple[str, np.ndarray, np.ndarray]:
    """The attribute's name as the dataset spells it; uint8 images (N, H, W, C) of the dataset; and
    whether each has the attribute (N,) bool.

    The images are random ones, half of them with the attribute if there are enough. Raises
    ValueError if the dataset has no such attribute, or too few images with or without it.
    """
    pack = subject.load_images(attribute=attribute)
    has_attribute = pack.labels.y[:, 0] > 0

    random = subject.make_generator_of_random_numbers()
    chosen = []
    for is_on in (True, False):
        numbers = np.flatnonzero(has_attribute == is_on)
        _check_enough_images(attribute, len(numbers), is_on=is_on)
        chosen.append(random.permutation(numbers)[: LABELLED_IMAGES // 2])
    numbers = np.sort(np.concatenate(chosen))
    return pack.labels.names[0], pack.images[numbers], has_attribute[numbers]


def _check_enough_images(attribute: str, count: int, *, is_on: bool) -> None:
    if count < FEWEST_IMAGES:
        raise ValueError(
            f"At least {FEWEST_IMAGES} images {'with' if is_on else 'without'} {attribute} are "
            f"needed to recognise it. Received: {count}. Use sample numbers instead."
        )


def train_classifier(
    features: np.ndarray, has_attribute: np.ndarray, seed: int
) -> tuple[Pipeline, float]:
    """Learns has_attribute (N,) bool from features (N, features): the classifier, its accuracy.

    The accuracy is that of `Recognition`, on images that it did not learn from.
    """
    split = train_test_split(
        *(features, has_attribute), test_size=HELD_BACK, random_state=seed, stratify=has_attribute
    )
    learnt_features, held_back_features, learnt, held_back = split
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=REGULARISATION, class_weight="balanced")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough: the accuracy says so
        classifier.fit(learnt_features, learnt)
    guesses = classifier.predict(held_back_features)
    return classifier, float(balanced_accuracy_score(held_back, guesses))


def _warn_of_poor_accuracy(attribute: str, accuracy: float) -> None:
    if accuracy < POOR_ACCURACY:
        logging.warning(
            "%s: the classifier is right about only %.0f%% of held-back images, and guessing gives "
            "50%%: the samples it chose may not show the attribute. Choose samples by number, with "
            "--explore contact_sheet.",
            *(attribute, 100 * accuracy),
        )
