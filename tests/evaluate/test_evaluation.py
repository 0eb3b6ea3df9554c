"""A run is scored against its images: what is printed, what is kept, what is refused."""

import json

import numpy as np
import pytest

from evaluate.evaluation import ImageSets, evaluate
from evaluate.metrics import METRICS
from sample import Sampler


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), np.uint8)


def test_a_run_is_scored_beside_its_floor(trained, pixels, capsys, messages):
    config = trained()
    scores = evaluate(config, pixels, ["swd", "vendi", "frechet"], samples=9999)

    by_name = {score.metric: score for score in scores}
    assert [*by_name] == ["swd_16", "swd", "vendi", "frechet"]
    swd = by_name["swd"]
    assert (swd.n, swd.reals, swd.step, swd.spread) == (150, 300, 5, None)
    assert swd.value > swd.floor > 0
    assert swd.ratio == swd.value / swd.floor
    assert by_name["vendi"].spread > 0

    table = capsys.readouterr().out
    assert "step 5: 150 fakes against 150 training images" in table
    path = config.run_dir / "evaluate" / "scores.json"
    assert len(json.loads(path.read_text())) == 4
    assert [file.name for file in path.parent.iterdir()] == ["scores.json"]  # no fakes
    assert any("only 150 images on each side" in text for text in messages)

    again = evaluate(config, pixels, ["swd"], samples=150)
    assert (again[0].value, again[0].weights) == (scores[0].value, scores[0].weights)


def test_the_fakes_are_those_that_sample_draws(trained, pixels, monkeypatch):
    config, seen = trained(), []
    metric = METRICS["swd"]

    def keep(reals, fakes, seed):
        seen.append((reals[:9], fakes[:9]))
        return {"swd": 1.0}

    monkeypatch.setitem(METRICS, "swd", type(metric)(keep))
    evaluate(config, pixels, ["swd"], samples=70)
    (reals, fakes), (same, others) = seen
    np.testing.assert_array_equal(fakes, Sampler(config).images(config.seed, 9))
    np.testing.assert_array_equal(reals, same)
    assert not any((real == others).all((1, 2, 3)).any() for real in reals)


def test_what_cannot_be_measured_is_left_out_and_the_rest_is_kept(trained, pixels, messages):
    config = trained()
    scores = evaluate(config, pixels[:40], ["frechet", "nn"], samples=20)
    assert [score.metric for score in scores] == ["nnd"]
    assert any("frechet is left out: the Frechet distance needs 129" in text for text in messages)

    with pytest.raises(ValueError, match=r"^No metric could be measured on 20 images"):
        evaluate(config, pixels[:40], ["frechet"], samples=20)
    with pytest.raises(ValueError, match=r"^--evaluate needs at least 4 images\. Received: 3"):
        evaluate(config, pixels[:3], ["nn"], samples=20)


def test_features_are_computed_once(pixels, monkeypatch):
    calls = []

    def extract(images, *, seed):
        calls.append((len(images), seed))
        yield images[:].reshape(len(images), -1).astype(np.float32)

    monkeypatch.setattr("evaluate.evaluation.extract_random_features", extract)
    sets = ImageSets(pixels, pixels[:100], seed=0)
    for _ in range(2):
        pairs = sets.list_pairs_to_measure(METRICS["kid"])
    assert len(calls) == 3 * len(pairs) == 9
    assert abs(pairs[0][0].mean()) < 1e-3  # scaled by the reals
