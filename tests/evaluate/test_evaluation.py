"""A run is scored against its images: what is printed, what is kept, what is refused."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from disks import limit
from program import run_here
from small_inception import FEATURES, SmallInception

from data.labels import encode_dataset_classes_one_hot
from data.split import split_rows_for_holdout
from evaluate.compared_sets import ImageSets
from evaluate.evaluation import describe_scored_checkpoint, evaluate
from evaluate.frechet import compute_frechet_distance, gather_moments
from evaluate.metrics import METRICS, FeatureFiles
from evaluate.neighbours import find_nearest
from runs.history import locate_metrics
from sample import Sampler


def test_it_says_which_weights_were_scored_where_there_are_two_kinds(tiny):
    for half_life, weights, words in (
        (0, "live", "step 600"),
        (80, "ema", "step 600, averaged weights"),
        (80, "live", "step 600, live weights"),
        (0, "ema", "step 600, averaged weights"),  # trained on without
    ):
        config = tiny(ema_half_life=half_life)
        sampler = SimpleNamespace(config=config, step=600, weights=weights)
        assert describe_scored_checkpoint(sampler) == words


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
    assert any("only 150 real and as many generated images" in text for text in messages)

    metrics = locate_metrics(config)
    metrics.parent.mkdir()
    metrics.write_text('{"step": 5, "d_loss": 1.0, "g_loss": 1.0}\n')
    again = evaluate(config, pixels, ["swd"], samples=150)
    report = path.with_name("report.png")
    line = f"a picture of the whole run is in {report}"
    assert report.is_file() and line in capsys.readouterr().out
    assert (again[0].value, again[0].weights) == (scores[0].value, scores[0].weights)


def test_scores_against_other_images_name_them(trained, pixels, capsys, messages):
    config = trained(dataset_fingerprint="of its own images")
    [score] = evaluate(config, pixels, ["vendi"], samples=20, place="/home/me/cats")
    assert score.split == "images of cats"  # the report, which others see, has no path of mine
    assert "20 fakes against 20 images of cats; the floor is the score of 20 others of them" in (
        capsys.readouterr().out
    )
    told = f"{config.run_dir} was trained on other images"
    assert any(text.startswith(told) and "/home/me/cats" in text for text in messages)


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
    given = "images of each kind but was given"
    for samples, count, remedy in ((9, 9, "raise --evaluate_samples"), (99, 20, "add images")):
        messages.clear()
        scores = evaluate(config, pixels[:40], ["frechet", "nn"], samples=samples)
        assert [score.metric for score in scores] == ["nnd"]
        assert messages[1:] == [
            f"frechet is left out: the Frechet distance needs at least 129 {given} {count} reals "
            f"and {count} fakes: {remedy}."
        ]

    with pytest.raises(ValueError, match=r"^No metric could be measured on 20 images"):
        evaluate(config, pixels[:40], ["frechet"], samples=20)
    with pytest.raises(ValueError, match=r"^--evaluate needs at least 4 images\. Received: 3"):
        evaluate(config, pixels[:3], ["nn"], samples=20)


def test_with_a_holdout_fakes_are_compared_with_images_that_were_not_trained_on(
    trained, pixels, capsys, messages
):
    config = trained(holdout=0.1, labels="own", label_names=("a", "b"))
    labels = encode_dataset_classes_one_hot(("a", "b"), np.arange(300) % 2)
    scores = evaluate(config, pixels, ["nnc", "nn", "memorisation"], samples=70, labels=labels)
    by_name, count = {score.metric: score for score in scores}, len(find_held_out(pixels))
    spaces = ("pixels", "features")
    parts = [f"memorisation_{space}{end}" for space in spaces for end in ("", "_p")]
    assert [*by_name] == ["nnc", "nnd", *parts]
    assert (by_name["nnd"].n, by_name["nnd"].reals) == (count, count)
    assert by_name["nnd"].split == "held-out images"
    sides = f"{count} fakes against {count} held-out images"
    assert f"{sides}; the floor is the score of {count} training" in capsys.readouterr().out
    warning = f"only {count} real and as many generated images are compared, because {count} are"
    assert any(warning in text for text in messages)
    memorisation = by_name["memorisation_features"]
    assert (memorisation.n, memorisation.reals) == (70, 300)  # more fakes than held-out images
    assert memorisation.floor == 1 - count / 300
    assert by_name["memorisation_pixels_p"].floor == 0.5

    fakes = Sampler(config).images(config.seed, count)
    nearest = find_nearest(pixels[find_held_out(pixels)], fakes).indices
    expected = np.mean(nearest % 2 == find_held_out(pixels) % 2)  # the labels alternate
    assert by_name["nnc"].value == pytest.approx(expected)
    folder = config.run_dir / "evaluate"
    names = [".written.json", "memorisation.png", "scores.json"]
    assert sorted(file.name for file in folder.iterdir()) == names


def test_classes_are_compared_by_name(trained, pixels):
    config = trained(labels="folder", label_names=("a", "b", "c"))
    images, names = pixels[:40], ("b", "c")  # the dataset has no "a" now
    labels = encode_dataset_classes_one_hot(names, np.arange(40) % 2)
    [nnc] = evaluate(config, images, ["nnc"], samples=20, labels=labels)
    reals = np.random.default_rng(config.seed).permutation(40)[:20]
    nearest = find_nearest(images[reals], Sampler(config).images(config.seed, 20)).indices
    assert nnc.value == pytest.approx(np.mean(nearest % 3 == reals % 2 + 1))

    other = encode_dataset_classes_one_hot(("b", "z"), np.arange(40) % 2)
    with pytest.raises(ValueError, match=r"^The labels are fixed .* Received: b, z\. "):
        evaluate(config, images, ["nnc"], samples=20, labels=other)
    assert evaluate(config, images, ["nn"], samples=20, labels=other)


def test_the_command_refuses_renamed_classes(trained, image_folder, capsys):
    folder = image_folder(6, "shapes/square").parent
    image_folder(6, "shapes/zround")
    config = trained(dataset=str(folder), labels="folder", label_names=("circle", "square"))
    run = (f"--out_dir={config.out_dir}", f"--data_dir={config.data_dir}")
    assert run_here(*run, f"--out_name={config.name}", "--evaluate=swd,nnc", tiny=()) == 1
    told = f"{config.run_dir} has circle, square. Received: square, zround. Give them their old"
    assert told in capsys.readouterr().err
    assert not (config.run_dir / "evaluate").exists()


def find_held_out(images):
    return split_rows_for_holdout(images, 0.1).held_out


def test_one_held_out_image_is_too_few(tiny, pixels):
    images = pixels[: find_held_out(pixels)[0] + 1]
    with pytest.raises(ValueError, match=r"2 held-out images\. Received: 1\. .*larger --h"):
        evaluate(tiny(holdout=0.1), images, ["nn"], samples=20)


def test_a_full_disk_keeps_and_shows_what_was_scored(trained, pixels, capsys):
    """The file has room for the first score only."""
    config = trained()
    folder = config.run_dir / "evaluate"
    folder.mkdir()
    (folder / "scores.json").write_text(json.dumps([{"note": "x" * 60_000}]))
    with limit(60_500), pytest.raises(OSError) as error:
        evaluate(config, pixels[:40], ["nn", "duplicates"], samples=20)
    assert error.value.filename == str(folder / "scores.json")
    kept = json.loads((folder / "scores.json").read_text())
    assert [record.get("metric") for record in kept] == [None, "nnd"]
    assert "duplicates" in capsys.readouterr().out  # which could not be saved


def test_duplicates_are_said_to_be_pairs(trained, pixels, capsys):
    evaluate(trained(), pixels[:40], ["duplicates"], samples=20)
    line = "\nduplicates counts the pairs of near-duplicates among 20 images.\n"
    assert line in capsys.readouterr().out
    evaluate(trained(), pixels[:40], ["nn"], samples=20)
    assert line not in capsys.readouterr().out


@pytest.fixture
def graph(tmp_path):
    return str(SmallInception().write(tmp_path / "graph.pb"))


def test_inception_scores_the_images(trained, pixels, graph, tmp_path):
    config, small = trained(), SmallInception()
    names = ["fid", "fid_kid", "fid_coverage", "inception_score", "nn"]
    scores = evaluate(config, pixels, names, samples=60, files=FeatureFiles(inception=graph))
    by_name = {score.metric: score for score in scores}
    density = ["fid_precision", "fid_recall", "fid_density", "fid_coverage"]
    assert [*by_name] == ["fid", "fid_kid", *density, "inception_score", "nnd"]

    sets = ImageSets(pixels, Sampler(config).images(config.seed, 60), seed=config.seed)
    sides = [gather_moments([small.compute_features(side[:])]) for side in (sets.reals, sets.fakes)]
    assert by_name["fid"].value == pytest.approx(compute_frechet_distance(*sides), rel=1e-3)
    assert by_name["inception_score"].spread > 0
    assert "in the graph" in by_name["fid"].resize
    assert by_name["fid"].network.startswith("Inception graph, sha256 ")
    assert by_name["nnd"].network == "none"
    assert [file.name for file in (config.run_dir / "evaluate").iterdir()] == ["scores.json"]


def test_given_statistics_stand_for_the_reals(trained, pixels, graph, tmp_path, messages):
    config, stats = trained(), tmp_path / "fid_stats_x.npz"
    files = FeatureFiles(inception=graph, fid_stats=str(stats))
    np.savez(stats, mu=np.full(FEATURES, 100.0), sigma=np.eye(FEATURES))
    (fid,) = evaluate(config, pixels, ["fid"], samples=20, files=files)
    assert fid.value > 9000 * FEATURES
    assert fid.floor > 9000 * FEATURES
    assert fid.split == "fid_stats_x.npz"
    assert any(text.startswith("fid compares with ") for text in messages)


def test_a_file_that_cannot_be_used_costs_its_metrics_only(trained, pixels, tmp_path, messages):
    config, broken = trained(), tmp_path / "broken.pb"
    broken.write_bytes(b"")
    names = ["fid", "nn", "frechet", "inception_score"]
    files = FeatureFiles(inception=str(broken), features=str(tmp_path / "none"))
    scores = evaluate(config, pixels[:60], names, samples=20, files=files)
    assert [score.metric for score in scores] == ["nnd"]
    lines = [text for text in messages if text.startswith("left out: ")]
    assert len(lines) == 2
    assert lines[0].startswith(f"left out: frechet: {tmp_path / 'none'} must be a SavedModel")
    assert lines[1].startswith(f"left out: fid, inception_score: {broken} must hold the Inception")

    with pytest.raises(
        ValueError, match=r"^fid: the Inception network is not on this disk.*/data/\.inc"
    ):
        evaluate(config, pixels, ["fid"], samples=20)


def test_a_network_of_the_users_own_gives_the_features(trained, pixels, tmp_path):
    module = tf.Module()
    spec = tf.TensorSpec((None, None, None, 3), tf.uint8)
    module.call = tf.function(lambda images: tf.reduce_mean(tf.cast(images, tf.float32), (1, 2)))
    concrete = module.call.get_concrete_function(spec)
    tf.saved_model.save(module, tmp_path / "own", {"serving_default": concrete})

    config, names = trained(), ["frechet", "kid", "coverage", "vendi"]
    files = FeatureFiles(features=str(tmp_path / "own"))
    scores = evaluate(config, pixels, names, samples=60, files=files)
    assert {score.network[:11] for score in scores} == {"own, sha256"}
    assert {score.spread for score in scores} == {None}

    sets = ImageSets(pixels, Sampler(config).images(config.seed, 60), seed=config.seed)
    sides = [gather_moments([side[:].mean((1, 2))]) for side in (sets.reals, sets.fakes)]
    assert scores[0].value == pytest.approx(compute_frechet_distance(*sides), rel=1e-3)


def test_the_command_scores_a_run_of_gray_digits(trained, graph, capsys):
    config = trained(c_dim=1, dataset="digits")
    run = (f"--out_dir={config.out_dir}", f"--data_dir={config.data_dir}", "--dataset=digits")
    options = ("--evaluate_samples=20", "--evaluate=fid,inception_score", f"--inception={graph}")
    assert run_here(*run, *options, tiny=()) == 0
    table = capsys.readouterr().out
    assert "20 fakes against 20 training images" in table
    assert re.search(r"^inception_score .* higher$", table, re.MULTILINE)

    assert run_here(*run, f"--inception={graph}", "--sample=1", tiny=()) == 1
    assert run_here(*run, f"--inception={graph}", "--evaluate", tiny=()) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("error: --inception needs --evaluate. Received: no --evaluate.")
    assert lines[1].startswith("error: --inception is used by fid, fid_kid, fid_coverage, incep")
