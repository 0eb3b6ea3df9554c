"""Networks told apart by their variables' shapes; tests/faults/test_damage.py has checkpoints."""

import dataclasses

import pytest

from config.stored import write_config
from model import Discriminator, Generator
from runs.other_network import (
    describe_other_network,
    explain_other_network,
    infer_flags_from_checkpoint_shapes,
)

TWO_LABELS = "2 labels, from --labels=folder or what they were trained with"


def shapes_of(config, *kinds):
    networks = [kind(config.network_config()) for kind in kinds or (Generator, Discriminator)]
    return {
        f"{network.name}/{variable.path}": tuple(variable.shape)
        for network in networks
        for variable in network.variables
    }


def test_the_same_network_does_not_differ_nor_does_a_part_of_it(tiny):
    found = shapes_of(tiny())
    assert describe_other_network(found, found) == ""
    assert describe_other_network(found, shapes_of(tiny(), Discriminator)) == ""
    assert describe_other_network({}, found) == ""  # nothing is known of it
    assert describe_other_network({**found, "generator/more": (1,)}, found) == ""


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"z_dim": 9}, "--z_dim=9 (here 8)"),
        ({"stem_width": 48}, "--stem_width=48 (here 32)"),
        ({"kernel_size": 4}, "--kernel_size=4 (here 5)"),
        ({"c_dim": 1}, "--c_dim=1 (here 3)"),
        ({"blocks": 1}, "--blocks=1 (here 2)"),
        ({"bias": False}, "--bias=False (here True)"),
        ({"z_dim": 9, "kernel_size": 4}, "--kernel_size=4 (here 5), --z_dim=9 (here 8)"),
        (
            {"stem_width": 48, "z_dim": 9, "labels": "own", "label_names": ("a", "b")},
            f"{TWO_LABELS} (here none), --z_dim=9 (here 8), --stem_width=48 (here 32)",
        ),
        ({"d_norm": "spectral"}, "--d_norm=spectral (here batch)"),
        ({"d_norm": "none"}, "--d_norm=none (here batch)"),
        ({"labels": "own", "label_names": ("a", "b")}, f"{TWO_LABELS} (here none)"),
        ({"upsample": "resize"}, "--upsample=resize (here transpose)"),
        (
            {"upsample": "resize", "kernel_size": 4},
            "--upsample=resize (here transpose), --kernel_size=4 (here 5)",
        ),
        ({"minibatch_stddev": True}, "discriminator/logits/kernel is 528x1 (here 512x1)"),
        ({"output_height": 32, "blocks": 2}, "--output_height=32 (here 16)"),
        (
            {"output_height": 32, "output_width": 16, "blocks": 2},
            "discriminator/logits/kernel is 1024x1 (here 512x1)",
        ),
        ({"d_widths": (8, 32)}, "discriminator/conv1/bias is 8 (here 16)"),
    ],
)
def test_the_flag_that_differs_is_named(tiny, changes, difference):
    found, here = shapes_of(tiny(**changes)), shapes_of(tiny())
    assert describe_other_network(found, here) == difference
    assert describe_other_network(here, found) != ""


def test_the_number_of_labels_is_told(tiny):
    none, two, three = (
        shapes_of(tiny(labels="own", label_names=names) if names else tiny())
        for names in ("", ("a", "b"), ("a", "b", "c"))
    )
    assert describe_other_network(two, three) == f"{TWO_LABELS} (here 3)"
    assert describe_other_network(none, three) == "--labels=none (here 3 labels)"


def test_two_ways_to_take_labels_are_told_apart(tiny):
    labels = {"labels": "own", "label_names": ("a", "b")}
    found, here = (shapes_of(tiny(**labels, d_labels=way)) for way in ("projection", "concat"))
    assert describe_other_network(found, here) == "--d_labels=projection (here concat)"


def test_what_the_shapes_show_is_what_the_settings_say(tiny):
    config = tiny()
    flags = infer_flags_from_checkpoint_shapes(shapes_of(config, Generator))
    settings = dataclasses.asdict(config.resolve()) | {"labels": 0}
    assert flags == {name: settings[name] for name in flags}
    assert len(flags) == 9
    assert infer_flags_from_checkpoint_shapes(shapes_of(config, Discriminator)) == {}


def test_the_remedy_depends_on_what_config_json_says(tiny):
    config = tiny().resolve()
    assert "Give its settings, or start" in explain_other_network(config, "")
    config.run_dir.mkdir(parents=True)
    write_config(config)
    assert "Restore the config.json of their run, or" in explain_other_network(config, "")
    changed = dataclasses.replace(config, labels="own", label_names=("a", "b"))
    assert "Give its settings, or start" in explain_other_network(changed, "")
