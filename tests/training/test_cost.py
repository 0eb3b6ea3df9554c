import math

import numpy as np
import pytest
import tensorflow as tf

from config.settings import Config
from model import Discriminator, Generator
from training.cost import (
    estimate_training_bytes,
    list_discriminator_costs,
    list_generator_costs,
    list_layer_costs,
)


@pytest.mark.parametrize(("kernel_size", "padding"), [(4, "same"), (5, "same"), (5, "symmetric")])
@pytest.mark.parametrize(("labels", "d_norm"), [("none", "none"), ("own", "batch")])
def test_layer_table_is_true(kernel_size, padding, labels, d_norm, tiny):
    names = None if labels == "none" else ("a", "b")
    shape = {
        "output_height": 33,
        "output_width": 47,
        "kernel_size": kernel_size,
        "padding": padding,
    }
    config = tiny(**shape, labels=labels, label_names=names, d_norm=d_norm, bias=d_norm == "batch")
    settings = config.network_config()
    for network in (Generator(settings), Discriminator(settings)):
        rows = list_layer_costs(settings)[network.name]
        assert sum(row.parameters for row in rows) == sum(
            math.prod(v.shape) for v in network.trainable_variables
        )
        for row in rows:
            if row.kernel:  # relationship 6, of the larger side to the smaller
                small, large = sorted([row.inputs[:2], row.output[:2]])
                sides = zip(small, large, row.pads, strict=True)
                assert all(o == (i + sum(pads) - row.kernel) // 2 + 1 for o, i, pads in sides)
    generator, discriminator = list_layer_costs(config.network_config()).values()
    assert generator[-1].output == (33, 47, 3)
    assert discriminator[0].inputs == (33, 47, 3 + len(names or ()))
    assert [row.output for row in generator if row.name == "stem"] == [(5, 6, 32)]
    assert [row.output for row in discriminator if row.name == "conv3"] == [(5, 6, 32)]


@pytest.mark.parametrize("labels", [{}, {"labels": "own", "label_names": ("a", "b")}])
def test_the_layer_table_knows_every_network_option(labels, tiny):
    """Parameters against the networks, FLOPs and pads by hand."""
    options = {"upsample": "resize", "minibatch_stddev": True, "output_height": 33}
    options |= {"d_labels": "projection"} if labels else {}
    network = tiny(**options | labels, output_width=47).network_config()
    generator, discriminator = list_layer_costs(network).values()
    for model, rows in ((Generator(network), generator), (Discriminator(network), discriminator)):
        counted = {row.name: row.parameters for row in rows}
        for name, count in counted.items():
            number = name.removeprefix("conv") if name.startswith("conv") else None
            parts = (name, f"norm{number}", {"fc": "fc_norm", "stem": "norm0"}.get(name))
            variables = [v for v in model.trainable_variables if v.path.split("/")[0] in parts]
            assert count == sum(math.prod(v.shape) for v in variables), name
        assert sum(counted.values()) == sum(math.prod(v.shape) for v in model.trainable_variables)
    last = generator[-1]
    assert (last.kernel, last.stride, last.pads) == (3, 1, ((1, 1), (1, 1)))
    # 17x24 to 33x47: each small pixel meets the merged 4x4 kernel.
    assert last.flops == 2 * 17 * 24 * 4 * 4 * last.inputs[-1] * 3
    assert [row.name for row in discriminator][-1] == ("embedding" if labels else "logits")


def test_flops_and_parameters_of_the_originals_64x64_networks():
    """By hand: a layer from (32, 32, 64) to (16, 16, 128) multiplies 16 * 16 * 5 * 5 * 64 * 128
    times.
    """
    config = Config(c_dim=3)
    generator, discriminator = list_layer_costs(config.network_config()).values()
    assert discriminator[1].flops == generator[3].flops == 2 * 16 * 16 * 5 * 5 * 64 * 128
    assert sum(row.parameters for row in generator) == 5_135_363
    assert {row.pads for row in generator[1:]} == {((1, 2), (1, 2))}


def test_the_field_is_what_a_unit_sees(tiny):
    """By gradients through the convolutions of a wide input: the pixels that influence one unit."""
    config = tiny(output_height=128, blocks=3)
    network = Discriminator(config.network_config())
    rows = list_discriminator_costs(network.config)
    x = tf.random.stateless_uniform((1, 128, 128, 3), (0, 0))
    for count, row in enumerate(rows[:3], 1):
        with tf.GradientTape() as tape:
            tape.watch(x)
            maps = x
            for block in network.blocks[:count]:
                maps = block.conv(maps)
            unit = maps[0, maps.shape[1] // 2, maps.shape[2] // 2, 0]
        touched = np.abs(tape.gradient(unit, x)[0]).sum(-1) > 0
        assert (touched.any(0).sum(), touched.any(1).sum()) == (row.field, row.field)
    assert [row.field for row in rows] == [5, 13, 29, 0]


@pytest.mark.parametrize(
    ("upsample", "fields"),
    [("transpose", [29, 13, 5, 1]), ("resize", [22, 10, 4, 1]), ("smooth", [31, 15, 7, 3])],
)
def test_the_generators_field_is_what_a_unit_reaches(upsample, fields, tiny):
    config = tiny(output_height=128, blocks=3, upsample=upsample)
    network = Generator(config.network_config())
    rows = list_generator_costs(network.config)
    for first, row in enumerate(rows[:-1]):
        height, width, channels = row.output
        one = np.zeros((1, height, width, channels), np.float32)
        one[0, height // 2, width // 2, 0] = 1
        maps = tf.constant(one)
        for block in network.blocks[first:]:
            block.conv.bias.assign(tf.zeros_like(block.conv.bias))
            maps = block.conv(maps)
        assert (np.abs(maps[0]).sum(-1) > 0).any(0).sum() == row.field
    assert [row.field for row in rows] == fields


def test_penalized_images_take_memory_once_more(tiny):
    """Four tensors of 4 bytes for each number that D's layers output: 8x8x16, 4x4x32 and a logit.

    All real images and all fake ones, against a quarter of each: 1.5 more per real image.
    """
    penalized = {"d_norm": "none", "r1": 1.0, "r2": 1.0, "output_height": 16}
    whole, part = (
        estimate_training_bytes(tiny(**penalized, penalty_batch=share), "float32")
        for share in (1.0, 0.25)
    )
    assert whole - part == 8 * 1.5 * 4 * 4 * (8 * 8 * 16 + 4 * 4 * 32 + 1)
