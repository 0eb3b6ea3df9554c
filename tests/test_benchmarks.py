"""The benchmarks' peers do the same work as ours, and the count of that work agrees with a count by
hand.
"""

import dataclasses
import importlib
import json
import math
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from common import ROOT
from program import TINY_FLAGS

from benchmarks import floor, peers_keras
from benchmarks.cluster_model import (
    Network,
    count_paying_devices,
    list_reductions,
    measure_efficiency,
)
from config.settings import Config
from gan import DCGAN


def by_hand(*, batch):
    """FLOPs of 64x64, kernel 5, stem 512, D once and G once: layer by layer, pass by pass."""
    tap = 2 * 5 * 5
    g_stem = 2 * 100 * 4 * 4 * 512
    g_blocks = tap * (4 * 4 * 512 * 256 + 8 * 8 * 256 * 128 + 16 * 16 * 128 * 64 + 32 * 32 * 64 * 3)
    d_first = tap * 32 * 32 * 3 * 64
    d_rest = tap * (16 * 16 * 64 * 128 + 8 * 8 * 128 * 256 + 4 * 4 * 256 * 512) + 2 * 4 * 4 * 512
    d_update = (g_stem + g_blocks) + 2 * (2 * d_first + 3 * d_rest)
    # Its fakes are those of D's update
    g_update = (2 * d_first + 2 * d_rest) + (g_stem + 2 * g_blocks)
    return batch * (d_update + g_update)


def test_step_flops_by_hand():
    config = Config(c_dim=3, g_updates=1)
    assert floor.count_step_flops(config) == by_hand(batch=64) == pytest.approx(227.3e9, rel=1e-3)


def test_step_flops_of_more_updates():
    """Each costs what it costs alone; only the fakes of D's last update are reused, and with
    `alternate` none.
    """
    config = Config(c_dim=3, stem_width=32)

    def flops(d, g, **changes):
        return floor.count_step_flops(
            dataclasses.replace(config, d_updates=d, g_updates=g, **changes)
        )

    generator_forward = flops(1, 1, alternate=True) - flops(1, 1)
    assert flops(1, 2) - flops(1, 1) == flops(3, 3) - flops(3, 2) > 0
    assert flops(2, 2, alternate=True) == 2 * flops(1, 1) + 2 * generator_forward


def test_step_bytes_by_hand(tiny):
    # 16x16, stem 32: z 8 -> 4x4x32 -> 8x8x16 -> 16x16x3; 8x8x16 -> 4x4x32 -> 1
    config = tiny(g_updates=1)
    g = 2 * 4 * 4 * 32 + 2 * 8 * 8 * 16 + 16 * 16 * 3
    d = 8 * 8 * 16 + 2 * 4 * 4 * 32 + 1
    g_weights = (9 * 512 + 64) + (25 * 32 * 16 + 16 + 32) + (25 * 16 * 3 + 3)
    d_weights = (25 * 3 * 16 + 16) + (25 * 16 * 32 + 32 + 64) + 513
    kept = 2 * g + 2 * 5 * d + 5 * d + 3 * g
    assert floor.count_step_bytes(config, 2) == 8 * kept * 2 + 32 * (g_weights + d_weights)


def test_reductions_of_a_step_by_hand(tiny):
    """Of 16x16 and stem 32, as above: G has norms of 32 and 16 maps, D one of 32."""
    g_bytes = 4 * ((9 * 512 + 64) + (25 * 32 * 16 + 16 + 32) + (25 * 16 * 3 + 3))
    d_bytes = 4 * ((25 * 3 * 16 + 16) + (25 * 16 * 32 + 32 + 64) + 513)
    forward, of_d = [8 * 32, 8 * 16], 8 * 32
    once = [d_bytes, *forward, *[of_d] * 4, g_bytes, *forward, *[of_d] * 2]
    more = [g_bytes, *forward * 2, *[of_d] * 2]  # G's second update draws again
    assert sorted(list_reductions(tiny(g_updates=1))) == sorted(once)
    assert sorted(list_reductions(tiny(g_updates=2))) == sorted(once + more)
    assert list_reductions(tiny(g_updates=1, sync_batch_norm=False)) == [d_bytes, g_bytes]


def test_time_of_reductions_by_hand():
    network = Network(bandwidth=1e9, latency=1e-3)
    assert network.time_ring(4e9, 4) == pytest.approx(6 + 6e-3)
    assert network.time_tree(4e9, 5) == pytest.approx(8 + 6e-3)
    assert network.time_ring(4e9, 1) == network.time_tree(4e9, 1) == 0


def test_devices_pay_until_half_of_the_time_is_reducing(tiny):
    """With a device so slow that one image takes as long as reducing, each may have one image."""
    config = tiny(g_updates=1, batch_size=1)
    network = Network(bandwidth=1e9, latency=0.0)
    of_two = sum(network.time_fastest(size, 2) for size in list_reductions(config))
    rate = floor.count_step_flops(config) / of_two
    assert measure_efficiency(config, 2, network, rate) == pytest.approx(0.5)
    assert count_paying_devices(config, 2, network, rate * 0.99) == 2
    assert count_paying_devices(config, 2, network, rate * 1.01) == 1


@pytest.mark.parametrize("kernel_size", [4, 5])
@pytest.mark.parametrize("peer", ["keras", "torch"])
def test_peers_have_our_weights_and_shapes(tiny, peer, kernel_size):
    pytest.importorskip(peer, reason="the comparison takes PyTorch: pip install torch")
    config = tiny(kernel_size=kernel_size, output_height=32)
    theirs, dcgan = importlib.import_module(f"benchmarks.peers_{peer}"), DCGAN(config)
    network = config.network_config()
    generator, discriminator = theirs.build_generator(network), theirs.build_discriminator(network)
    for ours, net in ((dcgan.generator, generator), (dcgan.discriminator, discriminator)):
        trainable = net.trainable_variables if peer == "keras" else net.parameters()
        assert sizes(trainable) == sizes(ours.trainable_variables)
    z = np.zeros((4, 8), np.float32)
    z = z if peer == "keras" else sys.modules["torch"].from_numpy(z)
    drawn = generator(z)
    assert tuple(drawn.shape) == ((4, 32, 32, 3) if peer == "keras" else (4, 3, 32, 32))
    assert tuple(discriminator(drawn).shape) == (4, 1)


def sizes(weights) -> list[int]:
    return sorted(math.prod(weight.shape) for weight in weights)


@pytest.mark.parametrize("options", [{}, {"channels_last": True, "autocast": True}])
def test_torch_updates_as_often_as_the_config_says(tiny, options):
    pytest.importorskip("torch", reason="the comparison takes PyTorch: pip install torch")
    dcgan = importlib.import_module("benchmarks.peers_torch").TorchDCGAN(
        tiny(d_updates=2, g_updates=3), **options
    )
    losses = dcgan.train_step(np.zeros((16, 16, 16, 3), np.uint8), np.zeros((16, 8), np.float32))
    assert all(math.isfinite(loss.item()) for loss in losses)
    for optimizer, updates in ((dcgan.d_optimizer, 2), (dcgan.g_optimizer, 3)):
        assert {int(state["step"]) for state in optimizer.state.values()} == {updates}
        assert len(optimizer.state) == sum(len(group["params"]) for group in optimizer.param_groups)


@pytest.mark.slow
def test_keras_updates_as_often_as_the_config_says(tiny):
    model = peers_keras.KerasDCGAN(tiny(d_updates=2, g_updates=3))
    model.compile()
    model.run_eagerly = True  # the count is the same, without the seconds of XLA
    model.fit(
        tf.data.Dataset.from_tensors(tf.zeros((16, 16, 16, 3))).repeat(),
        steps_per_epoch=2,
        shuffle=False,
        verbose=0,
    )
    assert (int(model.d_optimizer.iterations), int(model.g_optimizer.iterations)) == (4, 6)


def test_the_tables_of_quality_in_the_documents_are_the_measured_ones():
    command = [sys.executable, "-m", "benchmarks.quality", "--table"]  # apart: it defines flags
    said = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    tables = [line for line in said.splitlines() if line.startswith("|")]
    told = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")
    assert len(tables) > 10
    assert [line for line in tables if line not in told] == []


@pytest.mark.slow
def test_the_parts_of_a_start_add_up(tmp_path):
    """It wraps functions of the program, whose arguments may change."""
    command = [sys.executable, "-m", "benchmarks.first_step", str(time.time()), "--train"]
    command += [*TINY_FLAGS, "--steps=9", f"--out_dir={tmp_path}", f"--data_dir={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    *parts, total = json.loads(done.stdout).values()
    assert len(parts) >= 8
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(total, rel=0.05)
