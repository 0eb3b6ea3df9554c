"""Several devices against one with the same images; the several are parts of a CPU."""

import collections
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from common import ROOT
from inputs import batch
from program import TINY_FLAGS, is_one_line, make_tf_configs, run, state

import distribution
import gan
import ops
from augmentation import draw_changes
from config.presets import PRESETS
from distribution import Replicas, count_replicas, settle_replicas
from gan import DCGAN

COMPARED = Path(__file__).with_name("replicas_against_one.py")
PRESET_CASES = [name + labels for name in PRESETS for labels in ("", " with labels")]


def test_one_device_is_not_distributed(tiny, monkeypatch, messages):
    """Neither by default nor with "off"; nothing is said, and no strategy is built."""
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", None)
    for distribute in ("auto", "off"):
        config = settle_replicas(tiny(distribute=distribute, replicas=2))
        assert (config.replicas, config.is_distributed, messages) == (1, False, [])
        assert DCGAN(dataclasses.replace(config, blocks=1)).replicas.strategy is None


def test_global_batch_is_divided_among_the_devices(tiny, monkeypatch, messages):
    monkeypatch.setattr(distribution, "count_gpus", lambda: 3)
    monkeypatch.setattr(distribution, "find_device_type", lambda: "GPU")
    config = settle_replicas(tiny(global_batch_size=24))
    assert (config.batch_size, config.images_per_batch, config.images_per_step) == (8, 24, 24)
    assert messages == ["distributed over 3 GPUs, without XLA: 8 images each, 24 in a batch."]
    assert settle_replicas(tiny(global_batch_size=25, distribute="off")).batch_size == 25
    with pytest.raises(ValueError, match=r"multiple of the number of devices, 3.*25.*size=24"):
        settle_replicas(tiny(global_batch_size=25))


def test_strategy_of_one_device_changes_no_bit(tiny):
    """Mirrored over one device: the same step, by way of tf.distribute."""
    config = tiny(blocks=1, g_updates=1, l2=1e-3)
    plain, mirrored = DCGAN(config), DCGAN(dataclasses.replace(config, distribute="mirrored"))
    assert mirrored.replicas.strategy.num_replicas_in_sync == 1
    results = [dcgan.train_step.python_function(*batch(config)) for dcgan in (plain, mirrored)]
    for name in results[0]:
        np.testing.assert_array_equal(*(result[name] for result in results))
    for network in ("generator", "discriminator"):
        sides = (getattr(dcgan, network).variables for dcgan in (plain, mirrored))
        pairs = zip(*sides, strict=True)
        assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in pairs)
    assert count_replicas() == 1


def test_one_device_has_no_op_more(tiny, monkeypatch):
    """The step's graph has the same ops as without any call of this module."""
    config = tiny(blocks=1, g_updates=1, d_dropout=0.3, flip=True, ema_half_life=100.0)
    counted = count_ops_of_step(config)

    for module in (ops, gan):
        monkeypatch.setattr(module, "average_over_replicas", lambda tensors: tensors)
    monkeypatch.setattr(ops, "take_rows_of_replica", lambda x: x)
    monkeypatch.setattr(ops, "measure_shape_over_replicas", tf.shape)
    monkeypatch.setattr(Replicas, "run", lambda _, step, batches, drawn: step(*batches, drawn))
    assert count_ops_of_step(config) == counted
    assert counted["ResourceApplyAdam"] == 10


def count_ops_of_step(config) -> collections.Counter:
    """How many ops of each type the traced step has, in its own graph and in functions."""
    drawn = draw_changes(config, 1, 0)
    step = DCGAN(config).train_step.get_concrete_function(*batch(config), drawn=drawn)
    graph = step.graph.as_graph_def()
    bodies = [graph.node, *(function.node_def for function in graph.library.function)]
    return collections.Counter(node.op for nodes in bodies for node in nodes)


def test_more_replicas_than_devices_are_refused(tiny):
    with pytest.raises(ValueError, match="at most the number of devices, 1"):
        DCGAN(tiny(replicas=2))


@pytest.fixture(scope="module")
def differences():
    """What `replicas_against_one.py` measures for two devices."""
    done = subprocess.run(
        [sys.executable, COMPARED, "2"], capture_output=True, cwd=ROOT, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [*PRESET_CASES, "penalties", "random changes", "batch deviation", "average"]
)
def test_two_devices_train_like_one(case, differences):
    check_training_is_equal(differences[case])


@pytest.mark.slow
def test_two_processes_train_like_one():
    """With a strategy of another kind, which has its own ways to reduce and to gather."""
    names = ["reference", "modern with labels", "random changes"]
    command = [sys.executable, COMPARED, "2", *names]
    processes = [
        subprocess.Popen(command, cwd=ROOT, env=os.environ | each, stdout=subprocess.PIPE)
        for each in make_tf_configs(2)
    ]
    told = [process.communicate(timeout=500)[0] for process in processes]
    for differences in map(json.loads, told):
        assert [*differences] == names
        for name in names:
            check_training_is_equal(differences[name])


# Another program answers at the other worker's port, or has taken this one's after all had met.
JOINING = """
import socket, sys
import distribution
from system.cluster import find_workers
workers = find_workers("auto")
{}
try:
    distribution.join_workers(workers)
except ValueError as error:
    sys.exit(f"error: {{error}}")
"""
CALLED = """
distribution.CONNECT_SECONDS = 3
port = int(workers.addresses[1 - workers.index].rpartition(":")[2])
stranger = socket.create_server(("", port))
"""
TAKEN = """
distribution.meet_workers = lambda workers: None
port = int(workers.addresses[workers.index].rpartition(":")[2])
stranger = socket.create_server(("", port))
"""


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    ("event", "told"), [(CALLED, "must connect within 3 seconds"), (TAKEN, "a free port. Received")]
)
def test_waiting_for_a_stranger_ends(event, told, index):
    """TensorFlow alone would wait an hour, with Python's lock in its hands."""
    launcher = "-c", JOINING.format(event)
    code, said = run(launcher=launcher, environment=make_tf_configs(2)[index])
    assert code == 1
    assert is_one_line(said)
    assert told in said


def check_training_is_equal(found: dict) -> None:
    """To rounding: float32 has 24 bits, or 6e-8. Logits are sums of positive and negative numbers,
    so what they lose is larger.
    """
    losses = {name: value for name, value in found["results"].items() if "logits" not in name}
    assert max(losses.values()) < 1e-6
    assert max(found["results"].values()) < 2e-5
    assert found["weights"] < 1e-6 < 1e-4 < found["moved"]
    assert found["replicas are equal"]


@pytest.mark.slow
def test_two_devices_train_like_one_with_adam_as_it_is(differences):
    """Losses and logits agree. Some biases do not: nothing depends on them (see COMPARED)."""
    found = differences["adam"]
    assert max(found["results"].values()) < 1e-5
    assert found["replicas are equal"]


@pytest.mark.slow
def test_local_batch_norm_differs_but_keeps_replicas_equal(differences):
    found = differences["local"]
    assert 1e-4 < found["results"]["d_loss"] < 0.1
    assert found["replicas are equal"]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["float16", "overflow"])
def test_an_overflow_on_one_device_skips_the_update_on_all(case, differences):
    """A device's mean is over fewer images, so its gradients may overflow where one device's do
    not: the loss scale may be halved once more.
    """
    found = differences[case]
    for one, two in zip(*found["scales"], strict=True):
        assert one / two in (0.5, 1, 2)
        assert two < 2.0**24
    assert found["results"]["d_loss"] < 0.01
    assert found["weights"] < 0.01
    assert found["replicas are equal"]


def run_program(*flags) -> tuple[int, str]:
    """Like `program.run`, but without --batch_size."""
    usual = [flag for flag in TINY_FLAGS if not flag.startswith("--batch_size")]
    command = [sys.executable, "main.py", *usual, *flags]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return done.returncode, done.stderr


@pytest.fixture
def train(tmp_path, image_folder):
    """Trains in a process of its own; returns what it said, and the run's state."""
    images = image_folder(40)

    def train(*flags, steps, name="run"):
        places = (f"--out_dir={tmp_path}", f"--dataset={images}", f"--out_name={name}")
        code, said = run_program(*places, f"--steps={steps}", "--ckpt_freq=2", *flags, "--train")
        assert code == 0, said
        return said, state(tmp_path / name)

    return train


def test_sum_over_replicas_has_one_order():
    """Whichever summand's memory is free: TensorFlow's own AddN would start with the third here."""

    @tf.function(autograph=False)
    def add(a, b, c):
        held = a * 1.5, b * 1.5, c * 1.5
        total = distribution._add_in_order([*held])
        with tf.control_dependencies([total]):
            return total, held[0] + held[1]

    a, b, c = np.random.default_rng(0).normal(size=(3, 1000)).astype(np.float32)
    expected = (a * np.float32(1.5) + b * np.float32(1.5)) + c * np.float32(1.5)
    np.testing.assert_array_equal(add(a, b, c)[0], expected)


SUMS = """
import dataclasses, sys
sys.path.insert(0, "tests")
from common import TINY
from inputs import batch
from augmentation import draw_changes
from config.settings import Config
from distribution import settle_replicas
from gan import DCGAN
config = settle_replicas(Config(**TINY | {"virtual_devices": 3, "d_dropout": 0.2}))
step = DCGAN(config).train_step
images = batch(dataclasses.replace(config, batch_size=config.images_per_batch))
graph = step.get_concrete_function(*images, drawn=draw_changes(config, 1, 0)).graph.as_graph_def()
nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
print(max(node.attr["N"].i for node in nodes if node.op == "AddN"))
"""


@pytest.mark.slow
def test_no_sum_in_a_distributed_step_depends_on_the_threads():
    done = subprocess.run(
        [sys.executable, "-c", SUMS], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.split() == ["2"]


@pytest.mark.slow
def test_run_stopped_and_resumed_on_the_same_devices_is_bit_equal(train):
    """Three of them: a sum of three depends on their order, and threads must not choose it."""
    flags = "--batch_size=8", "--virtual_devices=3", "--ema_half_life=100", "--d_dropout=0.2"
    flags += "--data_on_device=on", "--steps_per_call=2"
    _, whole = train(*flags, steps=4, name="whole")
    train(*flags, steps=2)
    _, resumed = train(*flags, steps=4)
    assert resumed == whole


@pytest.mark.slow
def test_run_moves_between_one_device_and_two(train, tmp_path):
    """Its images go on in their order; a global batch stays as it is."""
    train("--batch_size=8", steps=2)
    said, _ = train("--virtual_devices=2", steps=4)
    assert "the number of devices is 2 now and was 1: the images continue in their order" in said
    said, _ = train("--virtual_devices=1", steps=6)
    assert "the number of devices is 1 now and was 2" in said
    said, _ = train("--virtual_devices=2", "--global_batch_size=12", steps=8)
    assert "6 images each, 12 in a batch" in said
    said, _ = train("--virtual_devices=1", steps=9)
    assert "resuming at step 8" in said
    assert "now and was" not in said

    here = f"--out_dir={tmp_path}", "--out_name=run"
    for action in ("--sample=4", "--export"):
        code, said = run_program(*here, action)
        assert code == 0, said
        assert "distributed" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "rule"),
    [
        (("--virtual_devices=0",), "--virtual_devices must be at least 1"),
        (("--virtual_devices=17",), "--virtual_devices must be at most 16"),
        (("--virtual_devices=2", "--jit=on"), "--jit=on needs a step on one device"),
        (("--virtual_devices=3", "--global_batch_size=8"), "multiple of the number of devices, 3"),
        (("--batch_size=8", "--global_batch_size=16"), "cannot be combined"),
        (("--distribute=multi",), "--distribute"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(flags, rule, tmp_path, image_folder):
    images = image_folder(20)
    code, said = run_program(
        f"--out_dir={tmp_path}", f"--dataset={images}", *flags, "--steps=1", "--train"
    )
    assert code == 1
    assert is_one_line(said)
    assert rule in said
