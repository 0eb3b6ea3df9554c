import concurrent.futures
import dataclasses
import inspect
import json
import os
import shutil
import signal

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf
from program import signal_after, tree
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import ops
from config.presets import PRESETS
from config.stored import change_settings, write_config
from data.batches import Order
from data.labels import Labels
from data.load import Outlook
from data.split import split_rows_for_holdout
from gan import DCGAN
from kernels import convolution
from model import Generator
from runs.changes import read_changed_settings
from runs.checkpoints import Checkpoints, restore_networks
from runs.read import read_run
from sample import Sampler
from system import devices
from system.signals import STOP_SIGNALS
from train import train, train_on_dataset
from training.dry_run import describe_dry_run
from training.logs import Logs
from utils import arrange_image_grid


@pytest.fixture
def tiny(tiny):
    """One block and one update each: the loop is the same for all networks, and small ones trace
    faster.
    """
    return lambda **changes: tiny(**({"blocks": 1, "g_updates": 1} | changes))


@pytest.fixture
def images(photos):
    return photos(20, 16, 16)


def state(config):
    """Every number that a run's newest checkpoint holds, bit for bit."""
    checkpoints = Checkpoints(DCGAN(config), config)
    step = checkpoints.restore()
    dcgan = checkpoints.dcgan
    owners = (dcgan.generator, dcgan.discriminator, dcgan.g_scaler, dcgan.d_scaler)
    owners += (dcgan.g_scaler.inner_optimizer, dcgan.d_scaler.inner_optimizer)
    return step, [variable.numpy().tobytes() for owner in owners for variable in owner.variables]


def metrics(config):
    return [
        json.loads(line)
        for line in (config.run_dir / "logs" / "metrics.jsonl").read_text().splitlines()
    ]


@pytest.mark.slow
def test_40_steps_straight_equal_17_a_signal_and_23(tiny, images, monkeypatch):
    usual = {"steps": 40, "blocks": None, "g_updates": 2}
    straight = train(tiny(out_name="straight", **usual), images)
    for number in (signal.SIGTERM, signal.SIGINT):
        name = f"stopped by {number.name}"
        with monkeypatch.context() as patch:
            signal_after(patch, 17, number)
            assert train(tiny(out_name=name, **usual), images) is None
        stopped = read_run(straight.run_dir.parent / name)
        assert state(stopped)[0] == 17
        train(stopped, images)
        assert state(stopped) == state(straight)
        assert state(stopped)[0] == 40
        lines = metrics(stopped)
        assert [line["step"] for line in lines] == [1, 17, 18, 20, 40]
        assert lines[-1]["seconds"] > lines[1]["seconds"]
        last = "samples/train_00000040.png"
        assert (stopped.run_dir / last).read_bytes() == (straight.run_dir / last).read_bytes()


@pytest.mark.slow
def test_20_steps_with_penalties_straight_equal_7_a_signal_and_13(tiny, images, monkeypatch):
    """Gamma depends on the steps of the whole run, which the second process knows too."""
    penalized = {"d_norm": "none", "loss": "relativistic", "r1": 1.0, "r2": 1.0, "steps": 20}
    penalized |= {"penalty_batch": 0.25, "penalty_decay": 0.1}
    straight = train(tiny(out_name="straight", **penalized), images)
    with monkeypatch.context() as patch:
        signal_after(patch, 7)
        assert train(tiny(out_name="stopped", **penalized), images) is None
    stopped = train(read_run(straight.run_dir.parent / "stopped"), images)
    assert state(stopped) == state(straight)
    assert [(line["r1"], line["r2"]) for line in metrics(stopped)[-1:]] == [
        (line["r1"], line["r2"]) for line in metrics(straight)[-1:]
    ]


def test_impatient_stop_signals_do_not_interrupt_the_end(tiny, images, monkeypatch):
    """The first came in a step; others come while the film and the report are drawn."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    drawn = []

    def draw(*given, **_):
        signal.raise_signal(signal.SIGINT)
        drawn.append(given)

    monkeypatch.setattr("train.Pictures.write_film_of_training", draw)
    monkeypatch.setattr("train.write_report_of_run", draw)
    monkeypatch.setattr("system.signals.SLOW_STOP_SECONDS", 99)  # however busy the machine is
    try:
        stop = lambda line: line["step"] > 1 or signal.raise_signal(signal.SIGINT)  # noqa: E731
        assert train(tiny(steps=50), images, on_log=stop) is None
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(drawn) == 2


@pytest.mark.slow
def test_six_seconds_with_a_stop_equal_as_many_steps_straight(tiny, images, monkeypatch):
    """By the real clock: time counts in both processes, but not for compilation."""
    with monkeypatch.context() as patch:
        stop = lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM)  # noqa: E731
        patch.setattr("train.announce_planned_steps", stop)
        assert train(tiny(minutes=0.1, out_name="stopped"), images) is None
    stopped = read_run(tiny(out_name="stopped").run_dir)
    assert 0 < state(stopped)[0] < stopped.planned_steps
    config = train(stopped, images)
    straight = train(tiny(out_name="straight", steps=config.planned_steps), images)
    assert state(config) == state(straight)
    assert 5 < metrics(config)[-1]["seconds"] < 7


@pytest.mark.slow
def test_a_falling_learning_rate_goes_on_where_it_was(tiny, images, monkeypatch):
    settings = {"steps": 12, "lr_decay": "cosine"}
    straight = train(tiny(out_name="straight", **settings), images)
    with monkeypatch.context() as patch:
        signal_after(patch, 2)  # calls
        assert train(tiny(out_name="stopped", steps_per_call=4, **settings), images) is None
    stopped = train(read_run(tiny(out_name="stopped").run_dir), images)
    assert state(stopped) == state(straight)


@pytest.mark.slow
def test_6_steps_with_every_change_of_images_equal_3_and_3(tiny, images, messages):
    """The second half in calls of two steps, with the images on the device."""
    varied = {"augment": "auto", "flip": True, "dither": True, "label_smoothing": 0.1}
    straight = train(tiny(out_name="straight", steps=6, **varied), images)
    assert (
        messages.count(
            "20 images: DiffAugment, colour, translation, cutout; real ones mirrored at random; "
            "real ones dithered; the target for real ones is 0.9."
        )
        == 1
    )
    parts = tiny(out_name="parts", steps=3, **varied)
    assert train(parts, images).augment_kinds == "colour,translation,cutout"
    train(tiny(out_name="parts", steps=6, steps_per_call=2, data_on_device="on", **varied), images)
    assert state(read_run(parts.run_dir)) == state(straight)
    assert state(train(tiny(out_name="plain", steps=6), images)) != state(straight)


def test_a_run_leaves_everything_a_user_looks_for(tiny, images, tmp_path):
    usual = {"steps": 3, "sample_freq": 2, "ckpt_freq": 2, "G_img_sum": True}
    config = train(tiny(augment="auto", **usual), images)
    names = sorted(path.name for path in config.sample_path.iterdir())
    grids = ["train_00000002.png", "train_00000003.png"]
    assert names == [".written.json", "reals.png", *grids, "training.gif"]
    assert iio.imread(config.sample_path / "reals.png").shape == (128, 128, 3)
    assert len(iio.imread(config.sample_path / "training.gif")) == 2
    assert read_run(config.run_dir) == config
    assert config.augment_kinds == "colour,translation,cutout"

    line = metrics(config)[-1]
    assert set(line) >= {
        "step",
        "epoch",
        "images_per_second",
        "d_loss",
        "g_loss",
        "d_real",
        "d_fake",
        "seconds",
    }
    assert (line["step"], line["epoch"]) == (3, 3 * 8 / 20)
    assert line["d_loss"] == pytest.approx(line["d_loss_real"] + line["d_loss_fake"], abs=1e-5)
    assert 0 < line["d_fake"] < 1

    events = EventAccumulator(str(config.run_dir / "logs"), size_guidance={"tensors": 0})
    events.Reload()
    kinds = {
        tag: metadata.plugin_data.plugin_name for tag, metadata in events.summary_metadata.items()
    }
    scalars = {"loss/d", "loss/g", "loss/d_real", "loss/d_fake", "D/real", "D/fake"}
    scalars |= {"progress/epoch", "learning_rate", "speed/images_per_second"}
    assert {tag for tag, kind in kinds.items() if kind == "scalars"} == scalars
    assert {tag for tag, kind in kinds.items() if kind == "images"} == {"samples", "reals", "G"}
    histograms = {"histogram/z", "histogram/d_real", "histogram/d_fake"}
    assert {tag for tag, kind in kinds.items() if kind == "histograms"} == histograms
    assert "hparams" in kinds.values()
    assert [event.step for event in events.Tensors("loss/d")] == [1, 3]


def test_grids_are_the_fixed_latents_in_inference_mode(tiny, images):
    config = train(tiny(steps=2), images)
    generator = Generator(config.network_config())
    restore_networks(config, generator=generator)
    z = ops.latents(config.seed, 64, z_dim=config.z_dim, z_dist=config.z_dist)
    expected = arrange_image_grid(Sampler(config, generator).draw(z))
    np.testing.assert_array_equal(iio.imread(config.sample_path / "train_00000002.png"), expected)


def test_folders_may_be_elsewhere(tiny, images, tmp_path):
    config = train(
        tiny(steps=1, sample_dir=str(tmp_path / "s"), checkpoint_dir=str(tmp_path / "c")), images
    )
    assert (tmp_path / "s" / "reals.png").is_file()
    assert (tmp_path / "c" / "checkpoint").is_file()
    assert read_run(config.run_dir) == config


def test_a_finished_run_stays_as_it_is_and_a_longer_one_goes_on(tiny, images):
    config = train(tiny(epoch=1), images)
    before = state(config)
    assert before[0] == 3  # ceil(20 images / 8)
    train(config, images)
    assert state(config) == before
    train(change_settings(config, {"epoch": 2}), images)
    assert state(config)[0] == 5


def test_a_run_by_minutes_plans_its_steps_and_ends_as_any_other(
    tiny, images, messages, monkeypatch
):
    """Half a second a step after the first: of 6, 1 is measured, and 9.8 more steps fit."""
    taken = []
    monkeypatch.setattr(Logs, "advance_progress_bar", lambda _, steps: taken.append(steps))
    seconds = lambda logs: logs.seconds_before + 0.5 * (sum(taken) - 1)  # noqa: E731
    monkeypatch.setattr(Logs, "measure_seconds_of_training", seconds)

    config = train(tiny(minutes=0.1), images)
    assert (state(config)[0], config.planned_steps) == (13, 13)
    assert read_run(config.run_dir) == config
    assert "--minutes=0.1 gives 13 steps at 16 images/s, about 5.2 epochs." in messages
    assert "Only 13 steps: shapes appear at about step 400. Try --minutes=16." in messages
    names = {path.name for path in config.sample_path.iterdir()}
    assert {"train_00000013.png", "training.gif"} < names
    assert metrics(config)[-1]["step"] == 13

    train(config, images)
    complete = f"{config.run_dir} is complete: 13 steps, 5.2 epochs"
    assert messages[-1] == f"{complete}. To train longer, set --minutes above 0.1."
    assert change_settings(config, {"steps": 20}).total_steps(20) == 20


@pytest.mark.slow
def test_another_batch_size_goes_on_with_the_epochs_where_they_were(tiny, images, messages):
    """20 images, 10 times: 25 steps of 8; 10 times more: 13 of 16, 8 images too many; 48 of 4."""
    config = train(tiny(epoch=10), images)
    for batch_size, epoch, steps in ((16, 20, 25 + 13), (4, 30, 25 + 13 + 48)):
        changes = {"epoch": epoch, "batch_size": batch_size}
        config = train(change_settings(config, changes), images)
        assert state(config)[0] == steps
    train(config, images)
    assert state(config)[0] == steps

    epochs = {line["step"]: line["epoch"] for line in metrics(config)}
    assert (epochs[25], epochs[26], epochs[38]) == (10, 10 + 16 / 20, 10 + 13 * 16 / 20)
    assert (epochs[39], epochs[86]) == (20.6, 30)
    assert list(epochs.values()) == sorted(epochs.values())
    assert [text for text in messages if "--batch_size" in text] == [
        "--batch_size is 16 now and was 8: the images continue in their order, at epoch 10.00.",
        "--batch_size is 4 now and was 16: the images continue in their order, at epoch 20.40.",
    ]


@pytest.mark.slow
def test_another_batch_size_takes_the_images_that_come_next(tiny, images):
    """After 5 steps of 8 images, two steps of 4 take those at the places 40 to 48 of the order."""
    config = train(tiny(steps=5), images)
    changed = change_settings(config, {"steps": 7, "batch_size": 4})
    dcgan = DCGAN(changed)
    Checkpoints(dcgan, changed).restore()
    rows = Order(20, config.seed).pick_shuffled_images(40, 48)
    for step, chosen in ((6, rows[:4]), (7, rows[4:])):
        z = ops.latents(config.seed, 4, z_dim=8, z_dist=config.z_dist, stream=step)
        dcgan.train_step(tf.constant(images[chosen]), z)

    train(changed, images)
    owners = (dcgan.generator, dcgan.discriminator)
    expected = [variable.numpy().tobytes() for owner in owners for variable in owner.variables]
    assert state(changed)[1][: len(expected)] == expected


@pytest.mark.slow
def test_another_batch_size_stopped_and_resumed_equals_it_undisturbed(tiny, images, monkeypatch):
    for name in ("straight", "stopped"):
        train(tiny(out_name=name, steps=5), images)
    changes = {"epoch": 5, "steps": None, "batch_size": 4}  # 5 * 20 = 5 * 8 + 15 * 4 images
    straight = train(change_settings(read_run(tiny(out_name="straight").run_dir), changes), images)
    with monkeypatch.context() as patch:
        signal_after(patch, 6)
        stopped = change_settings(read_run(tiny(out_name="stopped").run_dir), changes)
        assert train(stopped, images) is None
    train(read_run(stopped.run_dir), images)
    assert state(straight)[0] == 20
    assert state(straight) == state(stopped)


def test_the_order_and_the_epochs_go_on_where_images_are_gone(trained, photos, monkeypatch):
    """5 steps of 8 images were 2 epochs of 20, so epochs of 12 start at 24 in their order."""
    seen = []
    monkeypatch.setattr("train.run_training_steps", lambda *given: seen.append(given) or True)
    config = trained(blocks=1, epoch=3, epoch_sizes=(0, 20))
    train_on_dataset(config, photos(12, 16, 16), place="/photos")
    [(data, _, logs, length, _)] = seen
    assert (logs.steps.start, length.total, logs.origin + 5 * 8) == (5, 7, 2 * 12)
    assert data.shown == 0  # which augmentation depends on
    assert read_run(config.run_dir).epoch_sizes == (0, 20, 40, 12)


def test_settings_that_change_on_the_way_are_remembered(trained, photos, monkeypatch):
    monkeypatch.setattr("train.run_training_steps", lambda *_: True)
    images = {"dataset_fingerprint": "before", "dataset_place": "/photos"}
    config = trained(blocks=1, epoch=3, epoch_sizes=(0, 20), **images)
    config = dataclasses.replace(config, kernel_forms="plain")
    write_config(config)
    changed = dataclasses.replace(config, batch_size=4, epoch=9)
    train_on_dataset(changed, photos(12, 16, 16), place="/photos")
    changes = [(change.step, change.name) for change in read_changed_settings(config.run_dir)]
    assert changes == [(5, "batch_size"), (5, "dataset_fingerprint")]


@pytest.mark.slow
@pytest.mark.parametrize("count", [12, 40])
def test_with_fewer_or_more_images_the_epochs_so_far_stay_as_counted(count, tiny, images, photos):
    """5 steps of 8 images are 2 epochs of 20; the third has `count` images, in the order from there
    on.
    """
    config = train_on_dataset(tiny(epoch=2), images, place="/photos")
    longer = change_settings(config, {"epoch": 3})
    text = describe_dry_run(longer, Outlook(count, 3, None))
    steps = -(-count // 8)
    assert f"at step 5 of {5 + steps} (epoch 2.00), {steps} to do" in text

    changed = train_on_dataset(longer, photos(count, 16, 16), place="/photos")
    assert state(changed)[0] == 5 + steps
    epochs = {line["step"]: line["epoch"] for line in metrics(changed)}
    assert (epochs[5], epochs[6]) == (2, round(2 + 8 / count, 4))
    assert changed.epoch_sizes == (0, 20, 40, count)


@pytest.mark.slow
def test_a_run_that_never_counted_its_images_goes_on_where_it_was(tiny, images):
    """Up to commit 67980ae, checkpoints had no `images_shown`; here, it is removed from one."""
    config = train(tiny(steps=5), images)
    forget_images_shown(config)
    changed = change_settings(config, {"epoch": 5, "steps": None, "batch_size": 4})
    train(dataclasses.replace(changed, epoch=3), images)
    assert state(changed)[0] == 5 + 5
    assert metrics(changed)[-1]["epoch"] == 3

    # The newest checkpoint is lost. config.json has another batch size than the one before it.
    for path in changed.checkpoint_path.glob("step-10.*"):
        path.unlink()
    train(read_run(changed.run_dir), images)
    assert state(changed)[0] == 5 + 5
    train(change_settings(read_run(changed.run_dir), {"epoch": 4}), images)
    assert (state(changed)[0], metrics(changed)[-1]["epoch"]) == (5 + 10, 4)


def forget_images_shown(config):
    """Rewrites the run's newest checkpoint as older programs did."""
    checkpoints = Checkpoints(DCGAN(config), config)
    step = checkpoints.restore()
    for path in config.checkpoint_path.glob("step-*"):
        path.unlink()
    checkpoints.older_state.write(str(config.checkpoint_path / f"step-{step}"))


@pytest.mark.slow
def test_precision_and_learning_rate_may_change_between_sessions(tiny, images):
    config = train(tiny(steps=1), images)
    for steps, precision in ((2, "float16"), (3, "bfloat16"), (4, "float32")):
        config = train(
            change_settings(
                config, {"steps": steps, "mixed_precision": precision, "learning_rate": 1e-4}
            ),
            images,
        )
    assert state(config)[0] == 4
    dcgan = DCGAN(config)
    Checkpoints(dcgan, change_settings(config, {"learning_rate": 5e-5})).restore()
    assert float(dcgan.g_optimizer.learning_rate) == pytest.approx(5e-5)


@pytest.mark.slow
def test_neither_several_steps_a_call_nor_a_table_changes_a_run(tiny, images):
    plain = train(tiny(out_name="plain", steps=30, ckpt_freq=12, sample_freq=12), images)
    fast = train(
        dataclasses.replace(plain, out_name="fast", steps_per_call=7, data_on_device="on"), images
    )
    assert state(fast) == state(plain)
    lines = [
        [{**line, "seconds": 0, "images_per_second": 0} for line in metrics(run)]
        for run in (plain, fast)
    ]
    assert lines[0] == lines[1]
    grids = [
        {path.name: path.read_bytes() for path in run.sample_path.iterdir()}
        for run in (plain, fast)
    ]
    assert grids[0] == grids[1]
    assert {"train_00000012.png", "train_00000024.png", "train_00000030.png"} < set(grids[0])


def test_fewer_images_than_a_batch(tiny, images):
    config = train(tiny(batch_size=32, d_updates=2, steps=2), images[:3])
    assert state(config)[0] == 2


def test_held_out_images_are_as_if_they_were_not_there(tiny, images, messages):
    """The same weights, steps and epochs as from the other images alone."""
    rows = split_rows_for_holdout(images, 0.3).training
    alone = train(tiny(out_name="alone", epoch=2), images[rows])
    settings = tiny(out_name="rest", epoch=2, holdout=0.3, data_on_device="on")
    config = train(settings, images)
    assert state(config) == state(alone)
    assert [line["epoch"] for line in metrics(config)] == [line["epoch"] for line in metrics(alone)]
    reals = [run.sample_path / "reals.png" for run in (alone, config)]
    assert reals[0].read_bytes() == reals[1].read_bytes()
    told = f"held out for --evaluate: {20 - len(rows)} of 20 images."
    assert [text for text in messages if text.startswith("held out")] == [told]

    train(dataclasses.replace(config, batch_size=len(rows) + 1), images)
    larger = f"a batch of {len(rows) + 1} is larger than the dataset of {len(rows)} images"
    assert any(text.startswith(larger) for text in messages)
    with pytest.raises(ValueError, match=r"--holdout is fixed .* has 0.3\. Received: 0\.1\."):
        train(dataclasses.replace(config, holdout=0.1, epoch=3), images)


def test_a_share_that_holds_out_no_image_leaves_no_folder(tiny, images):
    with pytest.raises(ValueError, match="--holdout must hold out one image or more"):
        train(tiny(holdout=0.0001), images)
    assert not tiny().run_dir.parent.exists()


@pytest.mark.slow
def test_what_a_kill_left_behind_is_mended(tiny, images):
    config = train(tiny(steps=2), images)
    path = config.run_dir / "logs" / "metrics.jsonl"
    path.write_text(path.read_text() + json.dumps({"step": 20, "seconds": 9.0}) + '\n{"step": 2')
    (config.sample_path / "train_00000020.png").touch()  # drawn after the last checkpoint
    train(change_settings(config, {"steps": 3}), images)
    assert [line["step"] for line in metrics(config)] == [1, 2, 3]
    assert len(iio.imread(config.sample_path / "training.gif")) == 2  # of steps 2 and 3


def test_without_its_checkpoints_a_run_starts_anew_and_loses_nothing(tiny, images, messages):
    """The earlier grids and metrics used to be deleted."""
    settings = tiny(steps=3, sample_freq=2)
    config = train(settings, images)
    for path in (config.sample_path / "mine.txt", config.run_dir / "export" / "generator.pb"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    before = tree(config.run_dir)
    shutil.rmtree(config.checkpoint_path)

    config = train(settings, images)
    after = tree(config.run_dir)
    names = {f"{name}/": f"{name}.1/" for name in ("export", "samples", "logs")}
    names["config.json"] = "config.1.json"
    for name, content in before.items():
        for old, new in names.items():
            if name.startswith(old):
                assert after[name.replace(old, new)] == content
    assert [line["step"] for line in metrics(config)] == [1, 3]
    text = f"{config.run_dir} has no checkpoint and starts over; what was there was moved aside to "
    assert text + "export.1, samples.1, logs.1, config.1.json." in messages
    assert not any("resumes from step" in message for message in messages)


@pytest.mark.slow
def test_a_run_killed_before_its_first_checkpoint_goes_on_in_place(
    tiny, images, monkeypatch, messages
):
    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoints, "save", die)
        train(tiny(steps=3, sample_freq=1), images)
    told = "was stopped before its first checkpoint: its steps are done again from step 0."
    assert not any(told in message for message in messages)
    config = train(tiny(steps=3, sample_freq=1), images)
    names = {path.name for path in config.run_dir.iterdir()}
    assert names == {"checkpoints", "config.json", "logs", "samples"}
    assert messages.count(f"{config.run_dir} {told}") == 1


def test_with_labels_a_row_a_label_and_a_column_a_z(tiny, images):
    labels = Labels(("a", "b", "c"), np.eye(3, dtype=np.float32)[np.arange(20) % 3])
    config = train(tiny(steps=2, labels="folder", fc_width=16), images, labels)
    assert config.label_names == ("a", "b", "c")
    assert read_run(config.run_dir) == config
    grid = iio.imread(config.run_dir / "samples" / "train_00000002.png")
    assert grid.shape == (3 * 16, 8 * 16, 3)
    generator = Generator(config.network_config())
    restore_networks(config, generator=generator)
    z = ops.latents(config.seed, 8, z_dim=8, z_dist=config.z_dist)
    second_row = Sampler(config, generator).draw(z, np.eye(3, dtype=np.float32)[[1] * 8])
    np.testing.assert_array_equal(grid[16:32], arrange_image_grid(second_row, 8))
    reals = (
        iio.imread(config.run_dir / "samples" / "reals.png").reshape(3, 16, 8, 16, 3).swapaxes(1, 2)
    )
    for label, row in enumerate(reals):
        for real in row:
            assert any(np.array_equal(real, image) for image in images[label::3])


@pytest.mark.slow
def test_20_steps_with_labels_straight_and_in_two_parts_are_bit_equal(tiny, images, monkeypatch):
    labels = Labels(("a", "b"), np.eye(2, dtype=np.float32)[np.arange(20) % 2])
    settings = {"steps": 20, "labels": "folder", "fc_width": 16}
    straight = train(tiny(out_name="straight", **settings), images, labels)
    with monkeypatch.context() as patch:
        signal_after(patch, 7)
        assert train(tiny(out_name="stopped", **settings), images, labels) is None
    stopped = read_run(tiny(out_name="stopped").run_dir)
    train(stopped, images, labels)
    assert state(straight) == state(stopped)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "tutorial"])
def test_presets_train_stop_and_go_on_bit_equal(preset, tiny, images, monkeypatch):
    settings = PRESETS[preset] | {"stem_width": 32, "batch_size": 8, "steps": 6}
    straight = train(tiny(out_name="straight", **settings), images)
    with monkeypatch.context() as patch:
        signal_after(patch, 2)
        assert train(tiny(out_name="stopped", **settings), images) is None
    train(read_run(tiny(out_name="stopped").run_dir), images)
    assert state(straight) == state(read_run(tiny(out_name="stopped").run_dir))


@pytest.mark.slow
def test_a_run_keeps_its_kernel_forms_and_goes_on_bit_equal(tiny, images, monkeypatch):
    every = dict.fromkeys(convolution.PRODUCTS, (1, 0))
    monkeypatch.setattr(convolution, "PRODUCTS", every)
    monkeypatch.setattr(devices, "_read_cpu_flags", lambda: {"amx_bf16"})
    settings = PRESETS["modern"] | {"stem_width": 32, "batch_size": 8, "steps": 6}
    settings |= {"mixed_precision": "bfloat16"}
    straight = train(tiny(out_name="straight", **settings), images)
    plain = train(tiny(out_name="plain", **settings, kernel_forms="plain"), images)
    assert (straight.kernel_forms, plain.kernel_forms) == ("products", "plain")
    assert state(straight) != state(plain)
    with monkeypatch.context() as patch:
        signal_after(patch, 2)
        assert train(tiny(out_name="stopped", **settings), images) is None

    monkeypatch.setattr(devices, "_read_cpu_flags", lambda: set())  # another machine
    stopped = train(read_run(tiny(out_name="stopped").run_dir), images)
    assert stopped.kernel_forms == "products"
    assert state(straight) == state(stopped)


@pytest.mark.slow
def test_with_every_network_option_two_parts_equal_a_straight_run(tiny, images, monkeypatch):
    """Dropout depends on the step, so a resumed run draws what it would have drawn."""
    labels = Labels(("a", "b"), np.eye(2, dtype=np.float32)[np.arange(20) % 2])
    settings = {"steps": 6, "labels": "folder", "fc_width": 16, "d_norm": "spectral"}
    settings |= {"upsample": "resize", "d_labels": "projection"}
    settings |= {"minibatch_stddev": True, "d_dropout": 0.4, "batch_size": 7}
    straight = train(tiny(out_name="straight", **settings), images, labels)
    with monkeypatch.context() as patch:
        signal_after(patch, 2)
        assert train(tiny(out_name="stopped", **settings), images, labels) is None
    stopped = read_run(tiny(out_name="stopped").run_dir)
    train(stopped, images, labels)
    assert state(straight) == state(stopped)
    with monkeypatch.context() as patch:
        patch.setattr(DCGAN, "make_dropout_key", lambda _: tf.zeros((2,), tf.int64))
        other = train(tiny(out_name="other", **settings), images, labels)
    assert state(straight) != state(other)


@pytest.mark.slow
def test_from_python_each_logged_step_is_told_and_classes_are_whole_numbers(tiny, images):
    told = []
    config = tiny(steps=3, labels="own", fc_width=16)
    config = train(config, images, np.arange(20) % 3, on_log=told.append)
    assert told == metrics(config)
    assert [line["step"] for line in told] == [1, 3]
    assert config.label_names == ("0", "1", "2")


@pytest.mark.slow
def test_what_on_log_raises_passes_through_and_the_run_goes_on_later(tiny, images):
    def stop_at_4(values):
        if values["step"] == 4:
            raise ZeroDivisionError

    config = train(tiny(steps=3), images)
    with pytest.raises(ZeroDivisionError):
        train(dataclasses.replace(config, steps=9), images, on_log=stop_at_4)
    assert state(config)[0] == 3
    assert not (config.run_dir / "lock").exists()
    assert state(train(dataclasses.replace(config, steps=5), images))[0] == 5


def test_it_works_in_a_thread_and_leaves_signals_alone(tiny, images, tmp_path):
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    seen = []

    def look(_):
        seen.append({number: signal.getsignal(number) for number in STOP_SIGNALS} == handlers)

    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        config = threads.submit(train, tiny(steps=2), images, on_log=look).result()
    assert seen == [True, True]
    assert state(config)[0] == 2


def test_a_run_is_locked_while_python_trains_it(tiny, images):
    config, refused = tiny(steps=1), []

    def try_again(_):
        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            refused.append(threads.submit(train, config, images).exception())

    train(config, images, on_log=try_again)
    [error] = refused
    assert "is in use by another thread of this process" in str(error)
    assert error.__notes__ == ["In Python: Config(out_name=...)."]


def test_what_settings_and_on_log_must_be_is_said_before_a_step(tiny, images):
    with pytest.raises(
        ValueError, match=r"^on_log must be a function that takes a dict, or None\. .*: int"
    ):
        train(tiny(), images, None, 3)
    with pytest.raises(ValueError, match=r"^train takes a run's settings, .*: {'steps': 5}\. Give"):
        train({"steps": 5}, images)
    assert not tiny().run_dir.parent.exists()


def test_wrong_arrays_leave_no_folder(tiny, images):
    for wrong in (images / 255, images[:, :8], list(images)):
        with pytest.raises(ValueError, match=r"Received: "):
            train(tiny(), wrong)
    with pytest.raises(ValueError, match="images must have a label"):
        train(tiny(labels="own"), images, [0, 1])
    assert not tiny().run_dir.parent.exists()


@pytest.mark.slow
def test_a_renamed_run_and_new_labels_are_told(tiny, images, messages):
    y = np.arange(len(images)) % 2
    config = train(tiny(steps=1, labels="own", out_name="run"), images, y)
    other = config.run_dir.rename(config.run_dir.with_name("other"))
    again = tiny(steps=1, labels="own", out_name="run")
    train(again, images, y)
    assert any(text.startswith(f"{other} has the same images. ") for text in messages)
    train(dataclasses.replace(again, steps=2), images, 1 - y)
    assert any(text.startswith("the labels of the same images have changed") for text in messages)


def test_a_new_run_inside_another_is_told(tiny, images, messages):
    config = tiny(steps=1, out_name="faces")
    train(config, images)
    inner = train(tiny(steps=1, out_dir=str(config.run_dir)), images)
    told = f"{inner.run_dir} is a new run inside another run's folder; to continue that one, use "
    how = f"Config(out_dir={config.out_dir!r}, out_name='faces')."
    assert messages.count(told + how) == 1
    train(tiny(steps=2, out_dir=str(config.run_dir)), images)
    assert messages.count(told + how) == 1


def test_other_arrays_are_not_those_of_the_run(tiny, images):
    config = train(tiny(steps=1), images)
    for again in (config, tiny()):
        with pytest.raises(ValueError, match=r"from an array\. Received: other images"):
            train(dataclasses.replace(again, steps=2), images[:19])
    assert state(train(dataclasses.replace(config, out_name="b", steps=1), images[:19]))[0] == 1


def test_the_door_for_python_has_the_four_arguments_of_its_documents():
    assert [*inspect.signature(train).parameters] == ["config", "images", "labels", "on_log"]


@pytest.mark.slow
def test_folders_that_are_removed_meanwhile_are_made_again(tiny, images, messages):
    """By a user who tidies up; training is the same without what they held."""
    settings, removed = {"steps": 60, "sample_freq": 10}, ("checkpoints", "logs", "samples")
    config = tiny(**settings, out_name="tidied")
    straight = train(tiny(**settings, out_name="straight"), images)

    def tidy_up(line):
        if line["step"] == 20:
            for name in removed:
                shutil.rmtree(config.run_dir / name)

    del messages[:]
    config = train(config, images, on_log=tidy_up)
    said = sorted(text for text in messages if "again" in text or "cannot" in text)
    assert said == [f"{config.run_dir / name} was gone and was made again." for name in removed]
    assert (config.sample_path / "reals.png").is_file()
    assert (config.checkpoint_path / "run.json").is_file()
    assert [line["step"] for line in metrics(config)] == [40, 60]
    names = {path.name for path in config.sample_path.glob("t*")}
    assert names == {*(f"train_{step:08d}.png" for step in range(20, 70, 10)), "training.gif"}
    assert state(config) == state(straight)


def test_a_run_of_an_array_leaves_the_name_of_digits_to_digits(tiny, images):
    config = train(tiny(steps=1), images)
    assert config.name == "array-16x16"
    assert Sampler(config).images(0, 1).shape == (1, 16, 16, 3)
    assert state(train(tiny(steps=2), images))[0] == 2
    assert [path.name for path in config.run_dir.parent.iterdir()] == ["array-16x16"]


def test_a_run_of_an_array_that_is_called_digits_is_trained_on(tiny, images):
    """Older versions called it so."""
    train(tiny(steps=1, out_name="digits-16x16"), images)
    config = train(tiny(steps=2), images)
    assert (config.name, state(config)[0]) == ("digits-16x16", 2)
