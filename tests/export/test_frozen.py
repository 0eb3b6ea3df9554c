import numpy as np
import tensorflow as tf

import ops
from export.frozen import write_frozen_graphs
from export.writing import read_card_entries
from gan import DCGAN
from model import Discriminator, Generator
from runs.checkpoints import Checkpoints, restore_networks


def test_frozen_graphs_in_tensorflow_1s_way(trained):
    """import_graph_def in a session: any batch size, the pixels and logits of the networks."""
    folder = write_frozen_graphs(trained)
    entries = read_card_entries(folder)
    assert {"saved_model", "generator.pb", "discriminator.pb"} <= {*entries}
    assert entries["generator.pb"]["step"] == 3
    generator, discriminator = (
        Generator(trained.network_config()),
        Discriminator(trained.network_config()),
    )
    restore_networks(trained, generator=generator, discriminator=discriminator)
    for count in (1, 5):
        z = ops.latents(4, count, z_dim=8, z_dist="normal01").numpy()
        images = run_frozen(folder / "generator.pb", {"z:0": z}, "images:0")
        np.testing.assert_allclose(images, generator(z), atol=1e-6)
        logits = run_frozen(folder / "discriminator.pb", {"images:0": images}, "logits:0")
        np.testing.assert_allclose(logits, discriminator(images), atol=1e-5)


def run_frozen(path, feed, fetch):
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(path.read_bytes())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.import_graph_def(definition, name="")
        return session.run(fetch, feed)


def test_with_labels_a_frozen_generator_takes_y(tiny):
    config = tiny(labels="folder", label_names=("a", "b"), fc_width=16, blocks=1).resolve()
    dcgan = DCGAN(config)
    Checkpoints(dcgan, config).save(0)
    z = ops.latents(3, 2, z_dim=8, z_dist="normal01").numpy()
    y = np.eye(2, dtype=np.float32)
    images = run_frozen(
        write_frozen_graphs(config) / "generator.pb", {"z:0": z, "y:0": y}, "images:0"
    )
    np.testing.assert_allclose(images, dcgan.generator(z, y), atol=1e-6)


def test_freezing_again_replaces_its_own_graphs_alone(tiny, messages):
    config = tiny(blocks=1).resolve()
    dcgan = DCGAN(config)
    Checkpoints(dcgan, config).save(0)
    folder = write_frozen_graphs(config)
    (folder / "discriminator.pb").write_bytes(b"optimized by hand")

    dcgan.generator.stem.dense.kernel.assign_add(tf.ones_like(dcgan.generator.stem.dense.kernel))
    Checkpoints(dcgan, config).save(1)
    write_frozen_graphs(config)
    assert (folder / "discriminator.1.pb").read_bytes() == b"optimized by hand"
    assert not (folder / "generator.1.pb").exists()
    assert f"replaced generator.pb, model_card.json in {folder}" in messages
