"""A run's state, saved and restored; faults/test_damage.py damages it."""

import dataclasses
import errno
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from inputs import LABELLED, batch

from config.stored import write_config
from gan import DCGAN
from model import Discriminator, Generator
from runs.checkpoint_files import (
    CHECKPOINT_LIST,
    list_checkpoint_files,
    list_checkpoints,
    list_steps_in_checkpoint_list,
    write_checkpoint_list,
)
from runs.checkpoints import (
    Checkpoints,
    DivergedError,
    keep_images_per_step_of_checkpoints,
    read_progress,
    restore_networks,
    translate_write_errors,
)


def values_of(dcgan):
    """All numbers of the state: networks, moments, steps taken and loss scales."""
    owners = (dcgan.generator, dcgan.discriminator)
    owners += (dcgan.g_scaler.inner_optimizer, dcgan.d_scaler.inner_optimizer)
    scales = [dcgan.g_scaler.dynamic_scale, dcgan.d_scaler.dynamic_scale]
    scales += [dcgan.g_scaler.step_counter, dcgan.d_scaler.step_counter]
    variables = [variable for owner in owners for variable in owner.variables] + scales
    return [(v.path, v.numpy()) for v in variables if "learning_rate" not in v.path]


def scramble(dcgan):
    """Gives every variable another value, each its own."""
    rng = np.random.default_rng(0)
    for owner in (dcgan.generator, dcgan.discriminator, dcgan.g_scaler, dcgan.d_scaler):
        for variable in owner.variables:
            noise = rng.uniform(1, 100, variable.shape)
            variable.assign(noise.astype(variable.dtype))


def test_all_of_the_state_comes_back(tiny):
    config = tiny()
    saved, other = DCGAN(config), DCGAN(config)
    scramble(saved)
    Checkpoints(saved, config).save(7)
    assert Checkpoints(other, config).restore() == 7
    expected, found = values_of(saved), values_of(other)
    assert len(expected) == len(found) > 40
    for (name, value), (_, restored) in zip(expected, found, strict=True):
        np.testing.assert_array_equal(restored, value, err_msg=name)


def test_the_learning_rate_is_the_configs_not_the_checkpoints(tiny):
    config = tiny(learning_rate=1e-3)
    Checkpoints(DCGAN(config), config).save(1)
    changed = tiny(learning_rate=1e-4, d_learning_rate=4e-4, halvings=1)
    dcgan = DCGAN(changed)
    assert float(dcgan.d_scaler.inner_optimizer.learning_rate) == pytest.approx(2e-4)
    Checkpoints(dcgan, changed).restore()
    assert float(dcgan.g_scaler.inner_optimizer.learning_rate) == pytest.approx(5e-5)
    assert float(dcgan.d_scaler.inner_optimizer.learning_rate) == pytest.approx(2e-4)


def test_the_images_shown_are_counted_on_from_the_restored_state(tiny):
    """7 steps of 8 images, then 3 of 16; a checkpoint without their number takes config.json's."""
    config = tiny()
    Checkpoints(DCGAN(config), config).save(7)
    larger = Checkpoints(DCGAN(config), tiny(batch_size=16))
    assert (larger.restore(), larger.progress) == (7, (7, 56))
    larger.save(10)
    assert (larger.restore(), larger.progress) == (10, (10, 56 + 3 * 16))

    larger.older_state.write(str(config.checkpoint_path / "step-11"))
    write_config(config)
    assert (larger.restore(), larger.progress) == (10, (10, 10 * 8))


def test_the_progress_is_read_without_networks(tiny):
    config = tiny()
    assert read_progress(config) == (0, 0)
    checkpoints = Checkpoints(DCGAN(config), config)
    checkpoints.save(7)
    assert read_progress(tiny(batch_size=16)) == (7, 56)
    checkpoints.older_state.write(str(config.checkpoint_path / "step-9"))
    assert read_progress(tiny(batch_size=16)) == (7, 7 * 16)  # because there is no config.json
    (config.checkpoint_path / "step-9.index").write_bytes(b"damaged")
    assert read_progress(config) == (7, 56)


def test_the_settings_keep_the_step_size_of_checkpoints_that_do_not_count(tiny):
    config = tiny(batch_size=16)
    checkpoints = Checkpoints(DCGAN(config), config)
    checkpoints.save(1)
    write_config(tiny(batch_size=8))
    assert keep_images_per_step_of_checkpoints(config) == config
    (config.checkpoint_path / "step-3.index").write_bytes(b"damaged")
    checkpoints.older_state.write(str(config.checkpoint_path / "step-2"))
    assert keep_images_per_step_of_checkpoints(config) == tiny(
        batch_size=16, older_images_per_step=8
    )


def test_only_the_last_checkpoints_stay_and_leftovers_go(tiny):
    config = tiny(max_to_keep=2)
    leftover = config.checkpoint_path / "step-1_temp"
    leftover.mkdir(parents=True)
    checkpoints = Checkpoints(DCGAN(config), config)
    assert not leftover.exists()
    for step in (8, 9, 10):
        checkpoints.save(step)
    names = {path.name.split(".")[0] for path in config.checkpoint_path.iterdir()}
    assert names == {"checkpoint", "step-9", "step-10"}
    assert [path.name for path in list_checkpoints(config.checkpoint_path)] == ["step-9", "step-10"]
    assert tf.train.latest_checkpoint(config.checkpoint_path).endswith("step-10")


def test_what_a_user_keeps_beside_the_checkpoints_stays(tiny):
    config = tiny(max_to_keep=1)
    mine = ["step-8.notes", "step-8.data-mine", "step-8-best.index", "best_temp", "step-x_temp"]
    for name in mine:
        (config.checkpoint_path / name).mkdir(parents=True)
    checkpoints = Checkpoints(DCGAN(config), config)
    for step in (8, 9):
        checkpoints.save(step)
    (config.checkpoint_path / "step-9.notes").write_text("mine")
    checkpoints.remove_failed_checkpoint(9)
    names = {path.name for path in config.checkpoint_path.iterdir()}
    assert names == {*mine, "step-9.notes", "checkpoint"}


def list_names(config):
    return [path.name for path in list_checkpoints(config.checkpoint_path)]


def move_checkpoint(step, source, target):
    target.mkdir(exist_ok=True)
    for path in source.glob(f"step-{step}.*"):
        path.rename(target / path.name)


def test_a_checkpoint_that_a_user_puts_back_stays(tiny, tmp_path, messages):
    """Also one that is newer than all, from elsewhere, from which training continues."""
    config, other = tiny(max_to_keep=2, blocks=1), tiny(out_name="other", blocks=1)
    dcgan = DCGAN(config)
    checkpoints = Checkpoints(dcgan, config)
    for step in (8, 9, 10, 11):
        checkpoints.save(step)
        if step == 8:
            shutil.copytree(config.checkpoint_path, tmp_path / "backup")
    move_checkpoint(8, tmp_path / "backup", config.checkpoint_path)
    for step in (12, 13):
        checkpoints.save(step)
    assert list_names(config) == ["step-8", "step-12", "step-13"]
    assert [line for line in messages if "max_to_keep" in line] == [
        f"left alone in {config.checkpoint_path}, and not counted for --max_to_keep=2: step-8 "
        "(unreadable, or not among the checkpoints of the run's last save)."
    ]

    Checkpoints(dcgan, other).save(20)
    move_checkpoint(20, other.checkpoint_path, config.checkpoint_path)
    again = Checkpoints(dcgan, config)
    assert again.restore() == 20
    for step in (21, 22, 23):
        again.save(step)
    assert list_names(config) == ["step-8", "step-20", "step-22", "step-23"]
    assert restore_networks(config, "8", generator=dcgan.generator).step == 8


@pytest.mark.parametrize("last", [1, 3])
@pytest.mark.parametrize(
    "place", ["Checkpoints._choose_checkpoints_to_keep", "write_checkpoint_list"]
)
def test_after_a_kill_in_a_save_every_checkpoint_is_still_the_runs(tiny, monkeypatch, place, last):
    """The last one is written, but not in the list yet, which the first save only creates."""
    config = tiny(max_to_keep=1, blocks=1)
    dcgan = DCGAN(config)
    checkpoints = Checkpoints(dcgan, config)

    def die(*_):
        raise KeyboardInterrupt

    for step in range(1, last):
        checkpoints.save(step)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(f"runs.checkpoints.{place}", die)
        checkpoints.save(last)
    again = Checkpoints(dcgan, config)
    assert again.restore() == last
    again.save(last + 1)
    assert list_names(config) == [f"step-{last + 1}"]
    assert tf.train.latest_checkpoint(config.checkpoint_path).endswith(f"step-{last + 1}")


@pytest.fixture
def three(tiny):
    """A run with checkpoints of steps 8, 9 and 10, of which the last two may get lost."""
    config = tiny(max_to_keep=3, blocks=1)
    checkpoints = Checkpoints(DCGAN(config), config)
    for step in (8, 9, 10):
        checkpoints.save(step)
    return checkpoints


def damage(folder, step):
    [data] = folder.glob(f"step-{step}.data*")
    data.write_bytes(data.read_bytes()[:99])


def list_files(folder):
    return sorted(path.name for path in folder.glob("step-*"))


def test_a_damaged_checkpoint_that_is_passed_over_is_moved_aside(three, messages):
    """By the first save, with the user's file of such a name; drawing moves nothing."""
    config, folder = three.config, three.folder
    damage(folder, 9)
    damage(folder, 10)
    (folder / "step-30.index").write_bytes(b"mine")
    lost = [path.name for step in (10, 30, 9) for path in folder.glob(f"step-{step}.*")]
    with pytest.raises(ValueError) as error:
        restore_networks(config, "9", generator=three.dcgan.generator)
    assert str(error.value) == (
        f"The checkpoint of step 9 in {folder} is damaged, and left as it is. "
        "Others for --checkpoint: last, 8, 10, 30."
    )
    before = list_files(folder)
    assert restore_networks(config, generator=three.dcgan.generator).step == 8
    again = Checkpoints(three.dcgan, config)
    assert again.restore() == 8
    assert list_files(folder) == before

    again.save(9)
    aside = folder / "unreadable.1"
    assert list_files(aside) == sorted(lost)
    assert (aside / "step-30.index").read_bytes() == b"mine"
    [data] = aside.glob("step-9.data*")
    assert data.stat().st_size == 99
    told = (
        f"checkpoints that could not be read were moved aside to {aside}: step-9, step-10, step-30."
    )
    assert [line for line in messages if "moved aside" in line] == [told]
    for step in (10, 11, 12):
        again.save(step)
    assert list_names(config) == ["step-10", "step-11", "step-12"]
    assert list_files(aside) == sorted(lost)
    assert Checkpoints(three.dcgan, config).restore() == 12


@pytest.mark.parametrize("moves", range(4))
def test_a_kill_while_they_are_moved_aside_loses_no_file(three, monkeypatch, moves):
    folder = three.folder
    damage(folder, 9)
    damage(folder, 10)
    lost = [path.name for step in (9, 10) for path in folder.glob(f"step-{step}.*")]
    again = Checkpoints(three.dcgan, three.config)
    again.restore()
    left, replace = iter(range(moves)), os.replace

    def die(*paths):
        if next(left, None) is None:
            raise KeyboardInterrupt
        replace(*paths)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("runs.checkpoint_files.os.replace", die)
        again.save(9)
    again = Checkpoints(three.dcgan, three.config)
    assert again.restore() == 8
    again.save(9)
    moved = [name for aside in folder.glob("unreadable.*") for name in list_files(aside)]
    assert sorted(moved) == sorted(lost)
    assert list_names(three.config) == ["step-8", "step-9"]


READ_ERRORS = [
    OSError(errno.EIO, os.strerror(errno.EIO)),
    tf.errors.UnknownError(None, None, f"step-9.index; {os.strerror(errno.EIO)}"),
    tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
]


@pytest.mark.parametrize("fault", READ_ERRORS)
def test_a_checkpoint_that_the_disk_could_not_read_stays(three, monkeypatch, messages, fault):
    """It does not count, and is moved aside only before its step is saved again."""
    read = tf.train.load_checkpoint

    def read_or_fail(prefix):
        if not prefix.endswith("step-8"):
            raise fault
        return read(prefix)

    again = Checkpoints(three.dcgan, dataclasses.replace(three.config, max_to_keep=1))
    with monkeypatch.context() as patched:
        patched.setattr("tensorflow.train.load_checkpoint", read_or_fail)
        assert again.restore() == 8
    again.save(9)
    assert list_names(three.config) == ["step-9", "step-10"]
    [told] = [line for line in messages if "moved aside" in line]
    assert told.endswith("/unreadable.1: step-9.")
    again.save(11)
    assert list_names(three.config) == ["step-10", "step-11"]
    assert list_files(three.folder / "unreadable.1") == [
        "step-9.data-00000-of-00001",
        "step-9.index",
    ]


def test_tensorflows_list_tells_what_was_saved_before(tmp_path):
    assert list_steps_in_checkpoint_list(tmp_path) == []
    path = tmp_path / CHECKPOINT_LIST
    path.write_text('model_checkpoint_path: "step-40"\nall_model_checkpoint_paths: "step-20"\n')
    assert list_steps_in_checkpoint_list(tmp_path) == [40, 20]
    path.write_bytes(b'\xff"step-40"')
    assert list_steps_in_checkpoint_list(tmp_path) == []


def test_what_is_not_finite_is_not_saved(tiny):
    config = tiny()
    dcgan = DCGAN(config)
    checkpoints = Checkpoints(dcgan, config)
    checkpoints.save(1)
    moments = dcgan.d_scaler.inner_optimizer._velocities[0]
    moments.assign(moments + np.inf)
    with pytest.raises(DivergedError, match="at step 2"):
        checkpoints.save(2)
    assert [path.name for path in list_checkpoints(config.checkpoint_path)] == ["step-1"]


def test_without_a_checkpoint_there_is_nothing_to_restore(tiny):
    config = tiny()
    dcgan = DCGAN(config)
    assert Checkpoints(dcgan, config).restore() == 0
    with pytest.raises(ValueError, match=r"has no checkpoint\. Add --train\."):
        restore_networks(config, generator=dcgan.generator)


def test_a_checkpoint_is_chosen_by_its_step_or_as_the_best(tiny):
    config = tiny()
    dcgan = DCGAN(config)
    checkpoints = Checkpoints(dcgan, config)
    for step in (2, 3):
        checkpoints.save(step)
    for wanted, step in (("last", 3), ("2", 2), ("3", 3)):
        assert restore_networks(config, wanted, generator=dcgan.generator).step == step
    for wanted in ("best", "1", "-2", "2.0", "step-2", ""):
        with pytest.raises(ValueError, match=r"/digits-16x16 has: last, 2, 3\. Received: .*[.?]$"):
            restore_networks(config, wanted, generator=dcgan.generator)

    config.checkpoint_path.rename(config.best_path)
    assert restore_networks(config, "best", generator=dcgan.generator).step == 3
    assert restore_networks(config, "2", generator=dcgan.generator).step == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_tensorflows_words_for_a_failed_write_become_the_systems_error(number, tmp_path):
    words = f"{tmp_path}/x.data; {os.strerror(number)} [Op:SaveV2]"
    with pytest.raises(OSError) as error, translate_write_errors(tmp_path / "x"):
        raise tf.errors.UnknownError(None, None, words)
    assert (error.value.errno, error.value.filename) == (number, str(tmp_path / "x"))


def take_steps(dcgan, seeds):
    for seed in seeds:
        real, z = batch(dcgan.config, seed)
        y = tf.one_hot(tf.range(len(z)) % 3, 3)
        dcgan.train_step.python_function(real, z, y)


def all_values_of(dcgan):
    average = [*dcgan.average.generator.variables, dcgan.average.images]
    return [*values_of(dcgan), *((v.name, v.numpy()) for v in average)]


def test_training_goes_on_bit_for_bit_with_every_part_on(tiny):
    """Spectral norm's vectors, the average and its count of images are part of the state."""
    settings = {"d_norm": "spectral", "ema_half_life": 0.5, "loss": "relativistic"}
    settings |= {"d_learning_rate": 4e-4, "beta1": 0.0, "beta2": 0.9}
    config = tiny(**settings, **LABELLED, fc_width=8, blocks=1, g_updates=1)
    straight, first, second = DCGAN(config), DCGAN(config), DCGAN(config)
    take_steps(straight, range(3))
    take_steps(first, range(2))
    Checkpoints(first, config).save(2)
    assert Checkpoints(second, config).restore() == 2
    take_steps(second, range(2, 3))
    for (name, expected), (_, found) in zip(
        all_values_of(straight), all_values_of(second), strict=True
    ):
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_a_run_may_begin_to_average_and_cease_to(tiny):
    config, without = tiny(ema_half_life=80, blocks=1), tiny(blocks=1)
    plain, averaging, again = DCGAN(without), DCGAN(config), DCGAN(config)
    scramble(plain)
    Checkpoints(plain, without).save(1)
    averaging.average.images.assign(99)
    assert Checkpoints(averaging, config).restore() == 1
    assert int(averaging.average.images) == 0
    for path, value in weights_by_path(averaging.average.generator).items():
        np.testing.assert_array_equal(value, weights_by_path(plain.generator)[path])

    averaging.average.images.assign(8)
    Checkpoints(averaging, config).save(2)
    assert Checkpoints(again, config).restore() == 2
    assert int(again.average.images) == 8
    assert Checkpoints(plain, without).restore() == 2


def weights_by_path(network):
    return {variable.path: variable.numpy() for variable in network.variables}


def test_the_average_is_drawn_where_there_is_one_unless_live_weights_are_wanted(tiny):
    config = tiny(ema_half_life=80)
    dcgan = DCGAN(config)
    scramble(dcgan)
    Checkpoints(dcgan, config).save(1)
    average, live = map(weights_by_path, (dcgan.average.generator, dcgan.generator))
    for weights, expected in (("auto", average), ("ema", average), ("live", live)):
        drawn = Generator(config.network_config())
        # ema_half_life is what the run trains with now; the checkpoint says what it has.
        kind = "live" if weights == "live" else "ema"
        assert restore_networks(tiny(weights=weights), generator=drawn) == (1, kind)
        for path, value in weights_by_path(drawn).items():
            np.testing.assert_array_equal(value, expected[path])


def test_a_run_without_an_average_says_so_where_it_is_asked_for(tiny):
    config = tiny()
    Checkpoints(DCGAN(config), config).save(1)
    for weights in ("auto", "live"):
        drawn = Generator(config.network_config())
        assert restore_networks(tiny(weights=weights), generator=drawn) == (1, "live")
    with pytest.raises(ValueError, match=r"^--weights=ema needs .* Received: .*, which has none\."):
        restore_networks(tiny(weights="ema"), generator=drawn)


@pytest.fixture
def ceased(tiny):
    """A run that averaged until step 10, and no longer at step 20."""
    Checkpoints(DCGAN(tiny(ema_half_life=80)), tiny(ema_half_life=80)).save(10)
    checkpoints = Checkpoints(DCGAN(tiny()), tiny())
    checkpoints.restore()
    checkpoints.save(20)
    return tiny()


def restore_average(config, checkpoint="last"):
    network, config = config.network_config(), dataclasses.replace(config, weights="ema")
    networks = {"generator": Generator(network), "discriminator": Discriminator(network)}
    restored = restore_networks(config, checkpoint, **networks)
    # What an experiment restores alone is of the same step, and is not told again.
    restore_networks(config, checkpoint, discriminator=Discriminator(network))
    return restored


@pytest.mark.parametrize("place", ["checkpoints", "best"])
def test_a_step_without_an_average_is_not_a_lost_checkpoint(ceased, messages, place):
    if place == "best":
        ceased.best_path.mkdir()
        for path in list_checkpoint_files(ceased.checkpoint_path / "step-10"):
            path.rename(ceased.best_path / path.name)
    assert restore_average(ceased) == (10, "ema")
    assert messages == [
        f"step 20 of {ceased.run_dir} has no averaged weights: the last checkpoint with them, of "
        "step 10, is used. --weights=live takes step 20."
    ]
    assert restore_average(ceased, "10") == (10, "ema")
    assert len(messages) == 1
    told = rf"Received: {ceased.checkpoint_path}/step-20, which has none\."
    with pytest.raises(ValueError, match=told):
        restore_average(ceased, "20")


def test_a_lost_checkpoint_is_told_where_others_have_no_average(ceased, messages):
    lost = f"{ceased.run_dir} has lost its checkpoint of step 30: that of step 10 is used."
    names = [ceased.checkpoint_path / f"step-{step}" for step in (10, 20, 30)]
    write_checkpoint_list(ceased.checkpoint_path, names)
    assert restore_average(ceased) == (10, "ema")
    assert messages[0] == lost


def test_the_discriminator_is_of_the_step_that_has_the_average(ceased):
    config = dataclasses.replace(ceased, weights="ema")
    network = Discriminator(config.network_config())
    assert restore_networks(config, discriminator=network).step == 10
