import json
import subprocess
import sys

import imageio.v3 as iio
import numpy as np
import pytest
import tensorflow as tf

import ops
from config.stored import change_settings
from data import label_choice
from export.card import MAX_COUNT
from export.saved_model import fill_folder, write_saved_model
from export.source import restore_source
from gan import DCGAN
from kernels import convolution
from model import Discriminator
from runs.checkpoints import Checkpoints, restore_networks
from sample import sample

# Runs with TensorFlow only: -I keeps this repository off the path.
READER = """
import sys, tensorflow as tf
folder, out = sys.argv[1:]
sample = tf.saved_model.load(folder).signatures["sample"]
drawn = sample(seed=tf.constant(3, tf.int64), count=tf.constant(70))
for number, png in enumerate(drawn["png_bytes"].numpy()):
    open(f"{out}/{number:06d}.png", "wb").write(png)
"""


@pytest.fixture(scope="module")
def signatures(trained):
    return tf.saved_model.load(str(trained.run_dir / "export" / "saved_model")).signatures


@pytest.mark.slow
def test_plain_tensorflow_draws_the_pixels_of_sample(trained, tmp_path):
    folder = trained.run_dir / "export" / "saved_model"
    drawn = sample(trained, 70)
    (tmp_path / "drawn").mkdir()
    subprocess.run(
        [sys.executable, "-I", "-c", READER, folder, tmp_path / "drawn"], check=True, cwd=tmp_path
    )
    for number in range(70):
        name = f"{number:06d}.png"
        np.testing.assert_array_equal(
            iio.imread(tmp_path / "drawn" / name), iio.imread(drawn / name)
        )


@pytest.mark.slow
def test_the_graph_does_not_depend_on_the_machine(trained, tmp_path, monkeypatch):
    """A machine with a GPU would choose other convolutions; its export has those of a CPU."""
    source = restore_source(trained, "last")
    monkeypatch.setattr(convolution.tf.config, "list_physical_devices", lambda kind=None: [kind])
    assert not convolution.convolves_on_cpu()
    fill_folder(source, tmp_path)
    monkeypatch.undo()

    written = tf.saved_model.load(str(trained.run_dir / "export" / "saved_model"))
    with_gpu = tf.saved_model.load(str(tmp_path))
    for name in written.signatures:
        assert list_operations(with_gpu, name) == list_operations(written, name)


def list_operations(saved_model, name: str) -> list[str]:
    """The operations of a signature, sorted, with those of the functions that it calls."""
    graph = saved_model.signatures[name].graph.as_graph_def()
    nodes = [*graph.node, *(node for one in graph.library.function for node in one.node_def)]
    return sorted(node.op for node in nodes)


def test_signatures_take_any_batch(trained, signatures):
    assert set(signatures) == {"serving_default", "sample", "discriminate"}
    discriminator = Discriminator(trained.network_config())
    restore_networks(trained, discriminator=discriminator)
    for count in (1, 5):
        z = ops.latents(0, count, z_dim=8, z_dist="normal01")
        images = signatures["serving_default"](z=z)["images"]
        assert images.shape == (count, 16, 16, 3)
        assert images.dtype == tf.float32
        judged = signatures["discriminate"](images=images)
        np.testing.assert_allclose(judged["logits"], discriminator(images), atol=1e-5)
        np.testing.assert_allclose(judged["probability"], tf.sigmoid(judged["logits"]))
        drawn = signatures["sample"](seed=tf.constant(9, tf.int64), count=tf.constant(count))
        np.testing.assert_array_equal(
            drawn["z"], ops.latents(9, count, z_dim=8, z_dist=trained.z_dist)
        )


def test_one_request_may_not_ask_for_any_number(signatures):
    sample = signatures["sample"]
    for count in (-1, -(2**31), MAX_COUNT + 1, 2**31 - 1):
        rule = f"count must be from 0 to {MAX_COUNT}. Received: {count}. Split it"
        with pytest.raises(tf.errors.InvalidArgumentError, match=rule):
            sample(seed=tf.constant(0, tf.int64), count=tf.constant(count))


def test_no_images_are_no_images(signatures):
    assert signatures["serving_default"](z=tf.zeros((0, 8)))["images"].shape == (0, 16, 16, 3)
    assert signatures["discriminate"](images=tf.zeros((0, 16, 16, 3)))["logits"].shape == (0, 1)
    drawn = signatures["sample"](seed=tf.constant(0, tf.int64), count=tf.constant(0))
    assert (drawn["png_bytes"].shape, drawn["z"].shape) == ((0,), (0, 8))


def test_images_of_another_size_are_an_error(signatures):
    """They used to give several logits each."""
    discriminate = signatures["discriminate"]
    for side in (8, 32):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="not compatible with expected shape"
        ):
            discriminate(images=tf.zeros((4, side, side, 3)))


def test_a_run_without_a_checkpoint_is_an_error_and_leaves_nothing(tiny):
    config = tiny()
    with pytest.raises(ValueError, match="has no checkpoint"):
        write_saved_model(config)
    assert not (config.run_dir / "export").exists()


@pytest.mark.parametrize("statistics", ["moving", pytest.param("batch", marks=pytest.mark.slow)])
def test_with_labels_every_signature_takes_y(tiny, tmp_path, statistics):
    names = {"labels": "folder", "label_names": ("a", "b"), "fc_width": 16}
    config = tiny(bn_statistics=statistics, **names).resolve()
    Checkpoints(DCGAN(config), config).save(0)
    signatures = tf.saved_model.load(str(write_saved_model(config))).signatures
    y = label_choice.encode_dataset_labels_by_name(config, "b,a", 6)
    drawn = signatures["sample"](
        seed=tf.constant(3, tf.int64), count=tf.constant(6), y=tf.constant(y)
    )
    folder = sample(change_settings(config, {"seed": 3}), 6, "b,a")
    assert folder.name == "seed_3_b,a"
    np.testing.assert_array_equal(np.load(folder / "y.npy"), y)
    for number, encoded in enumerate(drawn["png_bytes"].numpy()):
        np.testing.assert_array_equal(
            tf.io.decode_png(encoded), iio.imread(folder / f"{number:06d}.png")
        )
    for wrong in (
        np.tile(y, (1, 2)),
        y[:5],
        np.tile(y, (2, 1)),
    ):  # the first used to give wrong images
        with pytest.raises(tf.errors.InvalidArgumentError):
            signatures["sample"](
                seed=tf.constant(3, tf.int64), count=tf.constant(6), y=tf.constant(wrong)
            )
    images = signatures["serving_default"](z=drawn["z"], y=tf.constant(y))["images"]
    assert signatures["discriminate"](images=images, y=tf.constant(y))["logits"].shape == (6, 1)
    card = json.loads((config.run_dir / "export" / "model_card.json").read_text())
    assert (card["labels"], card["batch_norm"]) == (["a", "b"], statistics)
    assert "exactly one 1" in card["y"]


@pytest.mark.slow
def test_with_the_statistics_of_the_batch_one_image_is_not_its_own_batch(tiny):
    """Alone, it would be normalised to uniform gray."""
    config = tiny(bn_statistics="batch").resolve()
    Checkpoints(DCGAN(config), config).save(0)
    serve = tf.saved_model.load(str(write_saved_model(config))).signatures["serving_default"]
    z = ops.latents(0, 2, z_dim=8, z_dist="normal01")
    one, other = (serve(z=z[k : k + 1])["images"].numpy() for k in (0, 1))
    assert np.abs(one - other).mean() > 0.1 * np.abs(one).mean()


def test_exporting_again_keeps_what_the_user_added_or_changed(tiny, messages):
    config = tiny(blocks=1).resolve()
    dcgan = DCGAN(config)
    Checkpoints(dcgan, config).save(0)
    folder = write_saved_model(config)
    card = folder.parent / "model_card.json"
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "warm-up").write_text("mine")
    card.write_text(card.read_text() + "mine")

    Checkpoints(dcgan, config).save(1)
    write_saved_model(config)
    assert (folder / "assets.extra" / "warm-up").read_text() == "mine"
    assert card.with_name("model_card.1.json").read_text().endswith("mine")
    assert json.loads(card.read_text())["step"] == 1
    assert tf.saved_model.load(str(folder)).signatures
    assert f"replaced the SavedModel of step 0 in {folder}" in messages
    text = (
        f"{card} was moved aside to model_card.1.json: it was changed after this program wrote it."
    )
    assert text in messages


@pytest.mark.slow
def test_networks_with_every_option_are_exported_and_answer_for_any_batch(tiny, messages):
    """The answers are the networks' own; one line says that images are compared."""
    config = tiny(
        labels="folder",
        label_names=("a", "b"),
        upsample="resize",
        d_labels="projection",
        minibatch_stddev=True,
        d_dropout=0.4,
    ).resolve()
    dcgan = DCGAN(config)
    Checkpoints(dcgan, config).save(0)
    signatures = tf.saved_model.load(str(write_saved_model(config))).signatures
    assert sum("compares the images of a batch" in message for message in messages) == 1
    for count in (0, 1, 6):
        z, y = tf.ones((count, 8)) * tf.range(count, dtype=tf.float32)[:, None], tf.ones((count, 2))
        images = signatures["serving_default"](z=z, y=y)["images"]
        np.testing.assert_allclose(images, dcgan.generator(z, y), atol=1e-6)
        logits = signatures["discriminate"](images=images, y=y)["logits"]
        assert logits.shape == (count, 1)
        if count:
            np.testing.assert_allclose(logits, dcgan.discriminator(images, y), atol=1e-5)
