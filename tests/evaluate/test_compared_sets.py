"""The three sets as each metric takes them: computed once, and only if needed."""

from types import SimpleNamespace

import numpy as np
import pytest

from data.split import split_rows_for_holdout
from evaluate.compared_sets import ImageSets, write_features
from evaluate.features.cache import FeatureCache
from evaluate.features.networks import Networks
from evaluate.frechet import Moments
from evaluate.metrics import METRICS
from evaluate.modes import Classified


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), np.uint8)


@pytest.fixture
def inception():
    """Mean colours as features, two classes, and a count of the images it has seen."""
    seen = []

    def extract(images):
        for start in range(0, len(images), 64):
            chunk = images[start : start + 64]
            seen.append(len(chunk))
            yield chunk.mean((1, 2))

    weights = np.float32([[1, 0], [0, 1], [1, 1]])
    return SimpleNamespace(extract=extract, seen=seen, weights=weights, name="i", resize="r")


def test_features_are_computed_once(pixels, monkeypatch):
    calls = []

    def extract(images, *, seed):
        calls.append((len(images), seed))
        yield images[:].reshape(len(images), -1).astype(np.float32)

    monkeypatch.setattr("evaluate.features.random_conv.extract_random_features", extract)
    sets = ImageSets(pixels, pixels[:100], seed=0)
    for _ in range(2):
        pairs = sets.list_pairs_to_measure(METRICS["kid"])
    assert len(calls) == 3 * len(pairs) == 9
    assert abs(pairs[0][0].mean()) < 1e-3  # scaled by the reals


def test_metrics_of_inception_share_its_features(pixels, inception, tmp_path):
    sets = ImageSets(
        pixels, pixels[:100], seed=0, networks=Networks(inception=inception), folder=tmp_path
    )
    (logits,) = sets.list_pairs_to_measure(METRICS["inception_score"])
    assert sum(inception.seen) == 200  # the score needs no reals
    (pool,) = sets.list_pairs_to_measure(METRICS["fid_kid"])
    (moments,) = sets.list_pairs_to_measure(METRICS["fid"])
    assert sum(inception.seen) == 300
    assert not [*tmp_path.iterdir()]

    np.testing.assert_allclose(pool[1], pixels[:100].mean((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(logits[1][5:9], pool[1][5:9] @ inception.weights, rtol=1e-6)
    np.testing.assert_allclose(moments[2].covariance, np.cov(pool[2].T), rtol=1e-5)


def test_given_statistics_save_the_features_of_the_reals(pixels, inception):
    given = Moments(np.zeros(3), np.eye(3), 0)
    networks = Networks(inception=inception, statistics=given, statistics_name="s.npz")
    sets = ImageSets(pixels, pixels[:100], seed=0, networks=networks)
    ((reals, *_),) = sets.list_pairs_to_measure(METRICS["fid"])
    assert reals is given
    assert sum(inception.seen) == 200
    found = [sets.describe_metric(METRICS[name])["split"] for name in ("fid", "fid_kid")]
    assert found == ["s.npz", "training images"]


def test_too_few_images_are_told_before_their_features_are_computed(pixels, inception):
    sets = ImageSets(pixels, pixels[:3], seed=0, networks=Networks(inception=inception))
    with pytest.raises(ValueError, match="FID needs at least 4 images of each kind"):
        sets.list_pairs_to_measure(METRICS["fid"])
    assert not inception.seen


def test_records_say_which_network_it_was(inception, pixels):
    sets = ImageSets(pixels, pixels[:9], seed=0, networks=Networks(inception=inception))
    found = [sets.describe_metric(METRICS[name]) for name in ("swd", "kid", "inception_score")]
    assert [facts["network"] for facts in found] == [
        "none",
        "random convolutions, seeds 0, 1, 2",
        "i",
    ]
    assert [facts["resize"] for facts in found] == ["none", "none", "r"]


def test_fakes_are_compared_with_held_out_images_if_there_are_any(pixels):
    split = split_rows_for_holdout(pixels, 0.2)
    sets = ImageSets(pixels, pixels[:40], seed=3, split=split)
    assert len(set(sets.reals.rows)) == len(set(sets.others.rows)) == 40
    assert {*sets.reals.rows} <= {*split.held_out}
    assert {*sets.others.rows} <= {*split.training}
    assert sets.describe_metric(METRICS["swd"])["split"] == "held-out images"
    again = ImageSets(pixels, pixels[:40], seed=3, split=split)
    np.testing.assert_array_equal(again.reals.rows, sets.reals.rows)


def test_the_features_of_the_images_are_kept_and_those_of_the_fakes_are_not(
    pixels, inception, tmp_path, monkeypatch
):
    networks, cache = Networks(inception=inception), FeatureCache(tmp_path / "kept", "p")
    found = []
    for place in (None, cache, cache):
        del inception.seen[:]
        sets = ImageSets(pixels, pixels[:40] ^ 9, seed=0, networks=networks, cache=place)
        found.append(
            [sets.list_pairs_to_measure(METRICS[name])[0] for name in ("fid_kid", "frechet")]
        )
    assert sum(inception.seen) == 40
    assert len([*(tmp_path / "kept").iterdir()]) == 2 + 2 * 3  # of three random networks
    for other in found[1:]:
        for expected, features in zip(found[0], other, strict=True):
            for first, second in zip(expected, features, strict=True):
                np.testing.assert_array_equal(first, second)


def test_classes_go_with_their_images(pixels):
    classes = np.arange(300) % 7, np.arange(40) % 5
    sets = ImageSets(pixels, pixels[:40], seed=3, classes=classes)
    ((reals, fakes, others),) = sets.list_pairs_to_measure(METRICS["nnc"])
    for side, images in ((reals, sets.reals), (others, sets.others)):
        np.testing.assert_array_equal(side.images[:], images[:])
        np.testing.assert_array_equal(side.classes, images.rows % 7)
    np.testing.assert_array_equal(fakes.classes, classes[1])


def test_features_lie_in_a_file_without_a_name(tmp_path):
    chunks = [np.ones((2, 3)), np.zeros((1, 3))]
    found = write_features(lambda images: iter(chunks), range(3), tmp_path, label="x")
    np.testing.assert_array_equal(found, np.concatenate(chunks))
    assert isinstance(found, np.memmap)
    assert not [*tmp_path.iterdir()]


def test_the_modes_of_the_reals_are_the_labels_of_all_but_the_others(pixels):
    def classify(images):
        return Classified(np.arange(len(images)), images[:][:, 0, 0].astype(float), 0.5)

    labels = np.arange(300) // 2
    classifier = SimpleNamespace(classify=classify, modes=labels, name="c", resize="r")
    sets = ImageSets(pixels, pixels[:100], seed=0, networks=Networks(classifier=classifier))
    ((reals, fakes, others),) = sets.list_pairs_to_measure(METRICS["modes"])
    rest = {*range(300)} - {*sets.others.rows.tolist()}
    assert reals.modes.tolist() == [row // 2 for row in sorted(rest)]
    np.testing.assert_array_equal(reals.features, sets.reals[:][:, 0, 0])
    assert fakes.modes.tolist() == others.modes.tolist() == [*range(100)]
    facts = {"split": "training images, 150 modes", "resize": "r", "network": "c"}
    assert sets.describe_metric(METRICS["modes"]) == facts
