"""metrics.jsonl, TensorBoard's summaries and the lines of the log."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from disks import limit
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from config.settings import MAX_COUNT
from runs.history import METRICS_KEYS, read_seconds_of_training
from training.logs import SCALARS, Logs

LOSSES = {"d_loss": 1.5, "g_loss": 0.5, "d_loss_real": 1.25, "d_loss_fake": 0.25}


def results(**changes):
    """The results of a step: D(x) = 1/2 and 3/4, D(G(z)) = 1/4, from their logits."""
    values = {name: tf.constant(value) for name, value in (LOSSES | changes).items()}
    logits = {"real_logits": [[0.0], [np.log(3)]], "fake_logits": [[-np.log(3)]]}
    return values | {name: tf.constant(value, tf.float32) for name, value in logits.items()}


def read_metrics(config):
    lines = (config.run_dir / "logs" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_line_of_metrics_by_hand(tiny, monkeypatch):
    """Four seconds for ten steps of eight images; an epoch has twenty."""
    clock = iter([100.0, 104.0])
    monkeypatch.setattr("training.logs.time.monotonic", lambda: next(clock))
    config = tiny()
    with Logs(config, range(100), images=20) as logs:
        logs.log_training_step(10, results())
    assert read_metrics(config) == [
        {"step": 10, "epoch": 4.0, "images_per_second": 20.0}
        | LOSSES
        | {"d_real": 0.625, "d_fake": 0.25, "seconds": 4.0}
    ]


def test_slopes_are_in_the_line_of_a_run_with_penalties(tiny):
    with Logs(tiny(), range(100), images=20) as logs:
        logs.log_training_step(1, results(r1=0.5, r2=0.25))
    [line] = read_metrics(tiny())
    assert (line["r1"], line["r2"]) == (0.5, 0.25)
    assert line.keys() <= METRICS_KEYS


def test_tensorboard_gets_the_same_numbers(tiny):
    config = tiny()
    with Logs(config, range(100), images=20) as logs:
        logs.log_training_step(10, results(g_loss_scale=1024.0, r1=0.5, learning_rate=1e-4))
    events = EventAccumulator(str(config.run_dir / "logs"), size_guidance={"tensors": 0})
    events.Reload()
    [line] = read_metrics(config)
    line |= {"g_loss_scale": 1024, "learning_rate": 1e-4}
    for name in (*LOSSES, "d_real", "d_fake", "epoch", "images_per_second", *line):
        if name in SCALARS:
            tag, description = SCALARS[name]
            [event] = events.Tensors(tag)
            assert event.step == 10
            assert tf.make_ndarray(event.tensor_proto) == pytest.approx(line[name], rel=1e-3)
            assert events.SummaryMetadata(tag).summary_description == description


def test_the_step_that_compiles_has_no_speed_in_tensorboard(tiny):
    """Neither the first step of a run nor that of a resumed one; metrics.jsonl keeps both."""
    config = tiny()
    for start in (0, 20):
        with Logs(config, range(start, 100), images=20) as logs:
            logs.log_training_step(start + 1, results())
            logs.log_training_step(start + 20, results())
    events = EventAccumulator(str(config.run_dir / "logs"), size_guidance={"tensors": 0})
    events.Reload()
    speeds = events.Tensors("speed/images_per_second")
    # Two files of the same second may be read in any order.
    assert {event.step for event in speeds} == {20, 40}
    assert {event.step for event in events.Tensors("loss/d")} == {1, 20, 21, 40}
    assert all(line["images_per_second"] for line in read_metrics(config))


def test_a_continued_run_drops_what_runs_again_and_adds_to_the_time(tiny, monkeypatch):
    config = tiny()
    folder = config.run_dir / "logs"
    folder.mkdir(parents=True)
    lines = ['{"step": 20, "seconds": 7.5}', '{"step": 40, "seconds": 9.0}', '["no entry"]', '{"st']
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    clock = iter([0.0, 1.0])
    monkeypatch.setattr("training.logs.time.monotonic", lambda: next(clock))
    with Logs(config, range(20, 100), images=20) as logs:
        logs.log_training_step(21, results())
    assert [(line["step"], line["seconds"]) for line in read_metrics(config)] == [
        (20, 7.5),
        (21, 8.5),
    ]


def test_a_loss_that_is_no_number_is_null(tiny):
    """A skipped step in float16 has no loss, and JSON has no NaN."""
    config = tiny()
    with Logs(config, range(100), images=20) as logs:
        logs.log_training_step(1, results(g_loss=np.nan))
    assert read_metrics(config)[0]["g_loss"] is None


def test_a_step_is_a_line_of_the_log_with_the_time_that_is_left(tiny, messages, monkeypatch):
    """Ten steps of 8 images in 4 seconds leave 90 steps, which take 36."""
    clock = iter([0.0, 1.0, 5.0])
    monkeypatch.setattr("training.logs.time.monotonic", lambda: next(clock))
    with Logs(tiny(), range(101), images=20) as logs:
        logs.log_training_step(1, results())
        logs.log_training_step(11, results())
    shown = "d_loss 1.500  g_loss 0.500  D(x) 0.62  D(G(z)) 0.25"
    assert messages == [
        f"step 1 of 101  epoch 0.40  {shown}",
        f"step 11 of 101  epoch 4.40  {shown}  20 img/s  0:36 left",
    ]


def test_a_line_of_metrics_is_written_whole_or_not_at_all(tiny, messages):
    path = tiny().run_dir / "logs" / "metrics.jsonl"
    with Logs(tiny(), range(100), images=20) as logs:
        logs.log_training_step(20, results())
        size = path.stat().st_size
        with limit(size + 30):
            logs.log_training_step(40, results())
            logs.log_training_step(60, results())
        assert path.stat().st_size == size
        logs.log_training_step(80, results())
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [20, 80]
    assert [text for text in messages if "metrics.jsonl" in text] == [
        f"{path} cannot be written: File too large. Training continues."
    ]


def test_a_removed_folder_is_made_again(tiny, messages):
    folder = tiny().run_dir / "logs"
    with Logs(tiny(), range(100), images=20) as logs:
        logs.log_training_step(20, results())
        shutil.rmtree(folder)
        logs.log_training_step(40, results())
        logs.log_training_step(60, results())
    assert [line["step"] for line in read_metrics(tiny())] == [40, 60]
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    assert [event.step for event in events.Tensors("loss/d")] == [40, 60]
    assert [text for text in messages if not text.startswith("step ")] == [
        f"{folder} was gone and was made again."
    ]


def test_the_time_begins_when_the_first_call_is_done(tiny, monkeypatch):
    """It starts at 0; the first call ends at 7; a log line is at 9."""
    clock = iter([0.0, 7.0, 8.0, 9.0])
    monkeypatch.setattr("training.logs.time.monotonic", lambda: next(clock))
    with Logs(tiny(), range(100), images=20) as logs:
        for _ in range(2):
            logs.advance_progress_bar(1)
        assert logs.measure_seconds_of_training() == 1
        logs.log_training_step(2, results())
    assert read_metrics(tiny())[0]["seconds"] == 2
    assert read_seconds_of_training(logs.metrics_path, 2) == 2
    assert read_seconds_of_training(logs.metrics_path, 1) == 0


def test_no_total_is_shown_before_it_is_known(tiny, messages):
    with Logs(tiny(minutes=1), range(MAX_COUNT), images=20) as logs:
        logs.log_training_step(1, results())
        logs.log_training_step(20, results())
        logs.set_total_steps(40)
        logs.log_training_step(21, results())
    assert messages[0].startswith("step 1  epoch 0.40")
    assert messages[1].endswith(" img/s")
    assert messages[2].startswith("step 21 of 40  epoch ")
    assert messages[2].endswith(" left")
