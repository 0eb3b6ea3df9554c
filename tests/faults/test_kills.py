"""kill -9 at every kind of moment: the same command resumes as if nothing had happened."""

import concurrent.futures
import json
import os
import random
import signal
import subprocess
import time

import psutil
import pytest
import tensorflow as tf
from common import ROOT
from program import run, run_here, start, state, tree, wait_for

from runs.checkpoint_files import list_checkpoints, parse_checkpoint_step
from runs.checkpoints import STEP

pytestmark = pytest.mark.slow

KILLED = str(ROOT / "tests/faults/killed.py")
STEPS = (
    "--train",
    "--steps=30",
    "--ckpt_freq=5",
    "--sample_freq=10",
    "--max_to_keep=2",
    "--sample=5",
    "--export=saved_model,onnx",
)

# A name, the event, its text, which occurrence, and how many milliseconds later the kill comes.
MOMENTS = (
    [
        ("start-up", "import", "config", 1, 0),
        ("a pack", "open", ".packs/pictures-16x16-", 2, 0),
        ("a pack, half written", "open", ".packs/pictures-16x16-", 3, 8),
        ("a pack's rename", "os.rename", ".npy", 1, 0),
        ("between a pack and its manifest", "os.rename", "pictures-16x16x3-", 2, 0),
        ("TensorFlow's import", "import", "tensorflow", 1, 400),
        ("config.json", "os.rename", "config.json", 1, 0),
        ("tracing", "os.rename", "config.json", 1, 300),
    ],
    [
        ("the first picture", "os.rename", "reals.png", 1, 0),
        ("the first line of metrics", "open", "metrics.jsonl", 1, 0),
        ("the first save", "os.mkdir", "checkpoints", 2, 0),
        ("in a save", "os.mkdir", "checkpoints", 3, 2),
        ("in a save", "os.mkdir", "checkpoints", 2, 5),
        ("in a save", "os.mkdir", "checkpoints", 3, 9),
        ("in a save", "os.mkdir", "checkpoints", 4, 14),
    ],
    [
        ("between a save and its entry", "open", ".index", 1, 0),
        ("a save's entry", "os.rename", "checkpoints/checkpoint", 2, 0),
        ("the old save's removal", "os.remove", "step-10.", 1, 0),
        ("half of the old save's removal", "os.remove", "step-15.", 2, 0),
        ("a grid", "os.rename", "train_00000030.png", 1, 0),
        ("the film", "os.rename", "training.gif", 1, 0),
        ("sampling", "open", "000003.png", 1, 0),
    ],
    [
        ("the samples' rename", "os.rename", "samples/seed_0", 1, 0),
        ("exporting", "os.mkdir", "saved_model", 1, 20),
        ("the SavedModel's rename", "os.rename", "export/saved_model", 1, 0),
        ("the ONNX model", "os.rename", "generator.onnx", 1, 0),
        ("the card", "os.rename", "model_card.json", 1, 0),
    ],
)
AFTER_THE_END = [
    ("the old samples' rename", "os.rename", "samples/seed_0", 1, 0),
    ("between the samples' renames", "os.rename", "samples/seed_0", 2, 0),
    ("between the SavedModel's renames", "os.rename", "export/saved_model", 2, 0),
    ("the old SavedModel's removal", "os.remove", "saved_model.pb", 1, 0),
    ("between the exports' record and the ONNX model", "os.rename", "generator.onnx", 1, 0),
    ("between the card's record and the card", "os.rename", "model_card.json", 1, 0),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import numpy as np
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictures") / "pictures"
    folder.mkdir()
    for number, pixels in enumerate(
        np.random.default_rng(0).integers(0, 256, (70, 24, 20, 3), dtype=np.uint8)
    ):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def undisturbed(folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("undisturbed")
    began = time.monotonic()
    assert run(*flags(folder, place))[0] == 0
    return place, time.monotonic() - began


def flags(folder, place):
    return (
        *STEPS,
        f"--dataset={folder}",
        f"--data_dir={place / 'data'}",
        f"--out_dir={place}",
        "--out_name=run",
    )


def killed(moment, folder, place) -> bool:
    _, event, text, number, milliseconds = moment
    launcher = (KILLED, event, text, str(number), str(milliseconds))
    return run(*flags(folder, place), launcher=launcher)[0] == -signal.SIGKILL


def assert_equal_to(undisturbed, place):
    """The same weights, pictures, film and SavedModel, and exactly the same files."""
    run_dir, expected_dir = place / "run", undisturbed / "run"
    assert state(run_dir) == state(expected_dir)
    found, expected = tree(place), tree(undisturbed)
    varying = [name for name in (*found, *expected) if "events.out" in name]
    for name in varying:
        found.pop(name, None), expected.pop(name, None)
    assert sorted(found) == sorted(expected)
    for name in expected:
        if name.endswith((".png", ".gif", ".npy")):
            assert found[name] == expected[name], name
    assert losses(run_dir).items() >= losses(expected_dir).items()
    images = [
        tf.saved_model.load(str(one / "export/saved_model")).signatures["serving_default"](
            z=tf.ones((3, 8))
        )["images"]
        for one in (run_dir, expected_dir)
    ]
    assert bool(tf.reduce_all(images[0] == images[1]))


def losses(run_dir) -> dict:
    lines = [json.loads(line) for line in (run_dir / "logs/metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(set(steps))
    return {line["step"]: (line["d_loss"], line["g_loss"]) for line in lines}


def test_27_chosen_moments(folder, undisturbed, tmp_path):
    """Four runs, each killed again and again, two at a time; at the end, all four equal the
    undisturbed one.
    """

    def chain(number):
        place = tmp_path / str(number)
        missed = [moment[0] for moment in MOMENTS[number] if not killed(moment, folder, place)]
        code, said = run(*flags(folder, place))
        return missed, code, said

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        results = list(threads.map(chain, range(len(MOMENTS))))
    for number, (missed, code, said) in enumerate(results):
        assert (missed, code) == ([], 0), said
        assert_equal_to(undisturbed[0], tmp_path / str(number))


def test_a_finished_run_loses_nothing_when_its_results_are_written_again(
    folder, tmp_path, undisturbed
):
    assert run(*flags(folder, tmp_path))[0] == 0
    notes = [tmp_path / "run" / name / "notes" for name in ("samples/seed_0", "export/saved_model")]
    for path in notes:
        path.write_text("the user's own")
    for moment in AFTER_THE_END:
        assert killed(moment, folder, tmp_path), moment
    assert run(*flags(folder, tmp_path))[0] == 0
    for path in notes:
        assert path.read_text() == "the user's own"
        path.unlink()
    assert_equal_to(undisturbed[0], tmp_path)


IN_EVALUATIONS = [
    ("a score while training", "compile", "_apply_random_feature_network", 1, 100),
    ("the best checkpoint, half there", "os.link", "best/step-4.index", 1, 0),
    ("the one before, half removed", "os.remove", "best/step-4.data", 1, 0),
    ("scores.json", "os.rename", "evaluate/scores.json", 1, 0),
]


def test_in_evaluations_and_while_the_best_checkpoint_is_kept(tmp_path):
    """At every moment best/ has a whole checkpoint or none, and the scores can be read."""

    def flags_of(name, steps):
        when = (f"--steps={steps}", "--ckpt_freq=4", "--eval_freq=4", "--evaluate=swd")
        places = (f"--data_dir={tmp_path}", f"--out_dir={tmp_path}", f"--out_name={name}")
        return ("--train", *when, "--evaluate_samples=50", "--blocks=1", "--g_updates=1", *places)

    run_dir, expected_dir = tmp_path / "run", tmp_path / "undisturbed"
    for moment, event, text, number, milliseconds in IN_EVALUATIONS:
        launcher = (KILLED, event, text, str(number), str(milliseconds))
        assert run(*flags_of("run", 8), launcher=launcher)[0] == -signal.SIGKILL, moment
        assert_best_is_whole_or_absent(run_dir)
        if (run_dir / "evaluate" / "scores.json").exists():
            json.loads((run_dir / "evaluate" / "scores.json").read_text())

    assert run_here(*flags_of("run", 12)) == run_here(*flags_of("undisturbed", 12)) == 0
    assert state(run_dir) == state(expected_dir)
    assert scores(run_dir) == scores(expected_dir)
    for name in ("best", "evaluate"):
        found, expected = (os.listdir(folder / name) for folder in (run_dir, expected_dir))
        assert sorted(found) == sorted(expected)
    assert_best_is_whole_or_absent(run_dir)


def assert_best_is_whole_or_absent(run_dir):
    for prefix in list_checkpoints(run_dir / "best"):
        reader = tf.train.load_checkpoint(str(prefix))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
        assert int(reader.get_tensor(STEP)) == parse_checkpoint_step(prefix)


def scores(run_dir) -> list:
    records = json.loads((run_dir / "evaluate" / "scores.json").read_text())
    return [(record["metric"], record["value"], record["step"]) for record in records]


def test_10_random_moments(folder, undisturbed, tmp_path):
    """Two runs, each killed five times by the clock, each time at a share of what a whole start
    takes. A start that finishes before does not count, and says anew what one takes. Seed 0.
    """
    place_of, chosen = undisturbed[0], random.Random(0)
    shares = [[chosen.uniform(0.05, 0.8) for _ in range(20)] for _ in range(2)]

    def chain(number):
        place, hit, whole = tmp_path / str(number), 0, undisturbed[1]
        for share in shares[number]:
            if hit == 5:
                break
            began, process = time.monotonic(), start(*flags(folder, place))
            try:
                process.communicate(timeout=share * whole)
                whole = time.monotonic() - began
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                hit += 1
        return hit, run(*flags(folder, place))[0]

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        results = list(threads.map(chain, range(2)))
    assert results == [(5, 0), (5, 0)]
    for number in range(2):
        assert_equal_to(place_of, tmp_path / str(number))


def test_the_processes_of_a_killed_packing_end_too(folder, tmp_path):
    """From 5,000 images on, packing uses several processes; a kill reaches only their parent."""
    many = tmp_path / "many"
    for number in range(80):  # 5,600 names
        (many / str(number)).mkdir(parents=True)
        for path in folder.iterdir():
            os.link(path, many / str(number) / path.name)
    place = (
        "--train",
        "--steps=1",
        f"--dataset={many}",
        f"--data_dir={tmp_path}",
        f"--out_dir={tmp_path}",
    )
    process = start(*place)
    wait_for(process, "Packing")
    workers = []
    while len(workers) < 2:
        workers = psutil.Process(process.pid).children()
    time.sleep(0.5)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    assert list((tmp_path / ".packs").glob("*.tmp"))
    code, said = run(*place)
    assert code == 0, said
    assert sorted(path.suffix for path in (tmp_path / ".packs").iterdir()) == [".json", ".npy"]
