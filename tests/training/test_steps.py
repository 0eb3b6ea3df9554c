"""Several steps per call, and a table on the device, compared with one step at a time."""

import math

import numpy as np
import pytest
import tensorflow as tf

import ops
from augmentation import draw_changes
from data.batches import Order
from gan import DCGAN
from training import steps
from training.steps import Steps, choose_steps_per_call, should_train_from_device_memory

LABELLED = {"labels": "own", "label_names": ("a", "b", "c")}


@pytest.fixture
def tiny(tiny):
    """One block and one update each, unless a test sets more: tracing takes most of the time."""
    return lambda **changes: tiny(**({"blocks": 1, "g_updates": 1} | changes))


def images_for(config, count=21):
    return np.random.default_rng(0).integers(
        0, 256, (count, *config.network_config().image_shape), dtype=np.uint8
    )


def labels_for(config, count=21):
    return np.eye(3, dtype=np.float32)[np.arange(count) % 3] if config.y_dim else None


def trained(config, calls, **how):
    """(losses and latents after each call, all weights) of a new pair, on the same images."""
    dcgan = DCGAN(config, jit=how.pop("jit", False))
    found = Steps(dcgan, images_for(config), labels_for(config), **how).run(calls)
    results = [{name: value.numpy() for name, value in result.items()} for result in found]
    return results, [
        w.numpy() for network in (dcgan.generator, dcgan.discriminator) for w in network.variables
    ]


def by_hand(config, count):
    """Like `trained`, but the batch and the latents of every step are fetched here."""
    dcgan, images, y = DCGAN(config), images_for(config), labels_for(config)
    order, batch = Order(len(images), config.seed), config.batch_size * config.batches_per_step
    for step in range(count):
        rows = order.pick_shuffled_images(step * batch, (step + 1) * batch)
        z = ops.latents(
            config.seed, batch, z_dim=config.z_dim, z_dist=config.z_dist, stream=step + 1
        )
        results = dcgan.train_step(
            tf.constant(images[rows]), z, *([] if y is None else [tf.constant(y[rows])])
        )
    return results, [
        w.numpy() for network in (dcgan.generator, dcgan.discriminator) for w in network.variables
    ]


@pytest.mark.parametrize(
    ("settings", "on_device"),
    [
        ({"g_updates": 2}, False),
        pytest.param({"g_updates": 2}, True, marks=pytest.mark.slow),
        pytest.param(LABELLED | {"d_updates": 2}, False, marks=pytest.mark.slow),
        pytest.param(LABELLED | {"d_updates": 2}, True, marks=pytest.mark.slow),
    ],
)
def test_ten_steps_in_calls_of_any_length_are_the_same_to_the_bit(settings, on_device, tiny):
    config = tiny(**settings)
    last, weights = by_hand(config, 10)
    results, others = trained(config, [range(1), range(1, 4), range(4, 10)], on_device=on_device)
    assert len(results) == 3
    for name, value in last.items():
        np.testing.assert_array_equal(results[-1][name], value, err_msg=name)
    for one, other in zip(others, weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("on_device", [pytest.param(False, marks=pytest.mark.slow), True])
def test_calls_start_where_an_earlier_process_stopped(on_device, tiny):
    config = tiny()
    whole, _ = trained(config, [range(1), range(1, 3), range(3, 4)], on_device=on_device)
    (last,), _ = trained(config, [range(3, 4)], on_device=on_device)
    # The same stream; the weights differ
    np.testing.assert_array_equal(last["z"], whole[-1]["z"])


@pytest.mark.parametrize("on_device", [False, True])
def test_every_step_gets_its_draws_in_calls_of_any_length(on_device, tiny):
    """With a share that grows with the images shown: 8 in each step, and 4 before the first."""
    ramp = {"augment_kinds": "colour,translation,cutout", "augment_ramp": 60}
    config = tiny(augment="auto", flip=True, dither=True, **ramp)
    dcgan = DCGAN(config)
    dcgan.train_step = tf.function(lambda real, z, y, table, drawn: drawn, autograph=False)
    calls = [range(1), range(1, 4), range(4, 5), range(7, 10)]
    found = Steps(dcgan, images_for(config), on_device=on_device, origin=4).run(calls)
    for call, results in zip(calls, found, strict=True):
        expected = draw_changes(config, call.stop, 4 + 8 * (call.stop - 1))
        assert set(results) == {"z", "mirrored", "dither", "augmented"}
        for name, value in expected.items():
            np.testing.assert_array_equal(results[name], value)


@pytest.mark.parametrize("on_device", [pytest.param(False, marks=pytest.mark.slow), True])
def test_the_order_of_the_images_may_begin_elsewhere(on_device, tiny):
    """Labels show which images came."""
    config = tiny(**LABELLED)
    (results,), _ = trained(config, [range(3, 4)], on_device=on_device, origin=-5)
    start = 3 * config.batch_size - 5
    rows = Order(21, config.seed).pick_shuffled_images(start, start + config.batch_size)
    np.testing.assert_array_equal(results["y"], labels_for(config)[rows])


@pytest.mark.slow
def test_with_xla_the_table_and_several_steps_a_call_agree(tiny):
    """As on a GPU, but in float32: XLA adds in another order."""
    config = tiny()
    last, _ = by_hand(config, 4)
    for on_device in (False, True):
        results, _ = trained(config, [range(1), range(1, 4)], on_device=on_device, jit=True)
        z = ops.latents(
            config.seed, config.batch_size, z_dim=config.z_dim, z_dist=config.z_dist, stream=4
        )
        np.testing.assert_array_equal(results[-1]["z"], z)
        np.testing.assert_allclose(results[-1]["d_loss"], last["d_loss"], rtol=1e-4)
        np.testing.assert_allclose(results[-1]["g_loss"], last["g_loss"], rtol=1e-4)


@pytest.mark.parametrize("jit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_learning_rates_are_functions_of_the_step_and_the_total(tiny, jit):
    """Half a cosine over 10 steps, by hand, however the steps are divided into calls."""
    config = tiny(lr_decay="cosine", learning_rate=0.01, d_learning_rate=0.004, halvings=1)
    dcgan = DCGAN(config, jit=jit)
    trainer = Steps(dcgan, images_for(config))
    networks = (dcgan.generator, dcgan.discriminator)
    weights = [w for network in networks for w in network.trainable_variables]

    dcgan.total_steps.assign(10)
    for call in (range(1), range(1, 4), range(4, 10), range(2, 3), range(10, 11)):
        before = [w.numpy() for w in weights]
        [_] = trainer.run([call])
        factor = (1 + math.cos(math.pi * (call.stop - 1) / 10)) / 2
        rates = {name: float(rate) for name, rate in dcgan.read_learning_rates().items()}
        expected = {"learning_rate": 0.005 * factor, "d_learning_rate": 0.002 * factor}
        assert rates == pytest.approx(expected, rel=1e-5, abs=1e-12)
        changed = [not np.array_equal(w, old) for w, old in zip(weights, before, strict=True)]
        assert all(changed) if factor else not any(changed)  # nothing changes at a rate of 0


@pytest.mark.slow
def test_results_bring_the_last_labels(tiny):
    config = tiny(**LABELLED)
    (results,), _ = trained(config, [range(3)])
    rows = Order(21, config.seed).pick_shuffled_batches(range(2, 3), config.batch_size)[0]
    np.testing.assert_array_equal(results["y"], labels_for(config)[rows])


def test_the_table_is_brought_in_pieces_and_only_where_it_leaves_memory(tiny, monkeypatch):
    images = images_for(tiny())
    monkeypatch.setattr(steps, "UPLOAD", 8)
    np.testing.assert_array_equal(steps.upload_images_for_training_steps(images), images)
    gpu = type("Device", (), {"device_type": "GPU", "memory_limit": 5 * images.nbytes})
    monkeypatch.setattr(steps.device_lib, "list_local_devices", lambda: [gpu])
    assert should_train_from_device_memory("auto", images)
    assert not should_train_from_device_memory("off", images)
    gpu.memory_limit = 3 * images.nbytes
    assert not should_train_from_device_memory("auto", images)
    assert should_train_from_device_memory("on", images)
    monkeypatch.setattr(steps.device_lib, "list_local_devices", list)
    assert not should_train_from_device_memory("auto", images)


def test_several_steps_a_call_are_for_gpus_unless_asked_for(monkeypatch):
    assert choose_steps_per_call(7) == 7
    assert choose_steps_per_call(None) == 1
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert choose_steps_per_call(None) == steps.LOG_EVERY_STEPS
