"""Every format against an independent forward pass: TensorFlow 1's own graph, SciPy, PyTorch's own
modules.
"""

import contextlib
import json

import numpy as np
import pytest
import tensorflow as tf
from absl import logging
from originals import (
    batch_norm,
    conditional,
    conv2d,
    deconv2d,
    linear,
    logits_agree,
    lrelu,
    networks,
    newmu_discrim,
    newmu_gen,
    random_inputs,
    tf1_checkpoint,
    torch_outputs,
    torch_pair,
    unconditional,
    v1,
    write_newmu,
)
from program import run_here

import ops
from config.stored import change_settings
from data.labels import Labels
from export.saved_model import write_saved_model
from foreign.import_weights import import_weights
from gan import DCGAN
from runs.checkpoints import Checkpoints
from sample import DRAW_BATCH, Sampler
from train import train


@pytest.mark.slow
def test_imported_weights_train_on(carpedm20, tmp_path, photos, monkeypatch):
    config = import_weights(
        carpedm20.prefix, {"out_dir": str(tmp_path / "out"), "out_name": "theirs"}
    )
    z = ops.latents(0, 4, z_dim=config.z_dim, z_dist=config.z_dist)
    before = Sampler(config).draw(z)
    short = {"steps": 2, "batch_size": 4, "g_updates": 1, "mixed_precision": "float32"}
    config = change_settings(config, short | {"dataset": "faces"})
    said = []
    monkeypatch.setattr(logging, "info", lambda text, *values: said.append(text % values))
    train(config, photos(8, 64, 64))
    assert any("were imported: both optimizers start afresh" in line for line in said)
    assert not np.array_equal(before, Sampler(config).draw(z))
    state = Checkpoints(DCGAN(config), config)
    assert state.restore() == 2


@pytest.mark.slow
def test_an_import_puts_aside_a_config_that_is_there(tmp_path):
    folder, run_dir = tmp_path / "theirs", tmp_path / "out" / "run"
    write_newmu(folder, np.random.default_rng(0))
    run_dir.mkdir(parents=True)
    mine = '{"batch_size": 9}'
    (run_dir / "config.json").write_text(mine)
    import_weights(str(folder), {"out_dir": str(tmp_path / "out"), "out_name": "run"})
    assert (run_dir / "config.1.json").read_text() == mine


def test_a_missing_array_is_named_with_what_was_found(tmp_path):
    out = {"out_dir": str(tmp_path / "out"), "out_name": "x"}
    inputs = random_inputs(64, 3)

    def without_d(z, images, rng):
        with contextlib.suppress(ZeroDivisionError):
            drawn, _ = unconditional(z, images, rng)
        return drawn

    prefix, _ = tf1_checkpoint(tmp_path / "whole", without_d, *inputs)
    with v1.Graph().as_default(), v1.Session() as session:
        reader = tf.train.load_checkpoint(prefix)
        for name in reader.get_variable_to_shape_map():
            if "d_bn2/gamma" not in name:
                v1.get_variable(name, initializer=reader.get_tensor(name))
        session.run(v1.global_variables_initializer())
        partial = v1.train.Saver().save(session, str(tmp_path / "partial"))
    with pytest.raises(ValueError, match=r"Missing: d_bn2/gamma\. Received: d_bn1/beta, "):
        import_weights(partial, out)
    write_newmu(tmp_path / "newmu", np.random.default_rng(0))
    (tmp_path / "newmu" / "200_gen_params.jl_03.npy").unlink()
    with pytest.raises(
        ValueError, match=r"Received: 01 \(6, 128\), .* Missing: 03\. Copy the folder again\."
    ):
        import_weights(str(tmp_path / "newmu"), out)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"stem_width": 64}, "--stem_width is fixed by the weights: 32. Received: 64."),
        (
            {"upsample": "resize"},
            "--upsample is fixed by the weights: transpose. Received: resize.",
        ),
        ({"z_dim": 100}, "--z_dim is fixed by the weights: 6. Received: 100."),
        (
            {"output_height": 128},
            "must halve 4 times to a stem of 16 positions. Received: 128x128, which comes to 8x8.",
        ),
        (
            {"preset": "paper"},
            "Imported weights bring their own preset. Received: --preset=paper. Drop it.",
        ),
        (
            {"out_name": ""},
            "--import_weights needs a name for the run. Received: none. Add --out_name=NAME.",
        ),
    ],
)
def test_flags_that_contradict_the_weights(carpedm20, tmp_path, given, message):
    with pytest.raises(ValueError, match="Received") as raised:
        import_weights(
            carpedm20.prefix, {"out_dir": str(tmp_path / "out"), "out_name": "x"} | given
        )
    assert message in str(raised.value)


def test_what_is_no_such_file_is_told(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    out = {"out_dir": str(tmp_path / "out"), "out_name": "x"}
    with pytest.raises(
        ValueError, match=r"must be a TensorFlow 1 checkpoint .*Received: .*: a\.txt\."
    ):
        import_weights(str(tmp_path), out)
    with pytest.raises(ValueError, match="no such files"):
        import_weights(str(tmp_path / "nosuch"), out)
    (tmp_path / "model.b64-7.index").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="must be a complete TensorFlow checkpoint"):
        import_weights(str(tmp_path / "model.b64-7"), out)
    with pytest.raises(ValueError, match="must be a complete TensorFlow checkpoint"):
        import_weights(str(tmp_path / "a.txt"), out)


@pytest.mark.slow
def test_import_sample_and_export_from_the_command_line(carpedm20, tmp_path):
    """One line imports, samples and exports; the SavedModel draws the original's pixels."""
    place = (f"--out_dir={tmp_path / 'out'}", "--out_name=theirs")
    line = (f"--import_weights={carpedm20.prefix}", *place, "--sample=3", "--export")
    assert run_here(*line, tiny=()) == 0
    run, (z, images) = tmp_path / "out" / "theirs", carpedm20.inputs
    assert len(list((run / "samples" / "seed_0").glob("0*.png"))) == 3
    assert json.loads((run / "export" / "model_card.json").read_text())["z_dim"] == 6
    signatures = tf.saved_model.load(str(run / "export" / "saved_model")).signatures
    np.testing.assert_allclose(
        signatures["serving_default"](z=tf.constant(z))["images"], carpedm20.drawn, atol=1e-5
    )
    logits_agree(signatures["discriminate"](images=tf.constant(images))["logits"], carpedm20.logits)


@pytest.mark.slow
@pytest.mark.parametrize("origin", ["newmu", "pytorch"])
def test_the_saved_model_of_an_import_draws_the_originals_pixels(tmp_path, origin):
    """A whole drawing batch, because Newmu's batch norm uses the statistics of the batch."""
    z, images = random_inputs(32 if origin == "newmu" else 64, 3, count=DRAW_BATCH)
    if origin == "newmu":
        arrays = write_newmu(tmp_path / "theirs", np.random.default_rng(0))
        drawn, logits, paths = (
            newmu_gen(z, arrays[0]),
            newmu_discrim(images, arrays[1]),
            str(tmp_path / "theirs"),
        )
    else:
        torch = pytest.importorskip(
            "torch", reason="reading a state dict takes PyTorch: pip install torch"
        )
        pair, paths = torch_pair(torch), f"{tmp_path}/netG.pth,{tmp_path}/netD.pth"
        for path, net in zip(paths.split(","), pair, strict=True):
            torch.save(net.state_dict(), path)
        drawn, logits = torch_outputs(torch, pair, z, images)
    config = import_weights(paths, {"out_dir": str(tmp_path / "out"), "out_name": "theirs"})
    signatures = tf.saved_model.load(str(write_saved_model(config))).signatures
    np.testing.assert_allclose(
        signatures["serving_default"](z=tf.constant(z))["images"], drawn, atol=1e-4
    )
    logits_agree(signatures["discriminate"](images=tf.constant(images))["logits"], logits)


@pytest.mark.slow
def test_labels_are_kept_for_training_on(tmp_path, photos):
    z, images = random_inputs(28, 1, low=0)
    y = np.eye(10, dtype=np.float32)[[3, 1, 4, 1, 5]]
    prefix, _ = tf1_checkpoint(tmp_path / "theirs", conditional, z, images, y)
    config = import_weights(prefix, {"out_dir": str(tmp_path / "out"), "out_name": "mnist"})
    short = {"steps": 1, "batch_size": 4, "g_updates": 1, "mixed_precision": "float32"}
    config = change_settings(config, short)
    digits = photos(8, 28, 28)[..., :1]
    with pytest.raises(
        ValueError, match=r"The labels are fixed once a run has started.* Received: cat, dog\."
    ):
        train(config, digits, Labels(("cat", "dog"), np.eye(2, dtype=np.float32)[[0, 1] * 4]))
    train(config, digits, Labels(tuple("0123456789"), np.eye(10, dtype=np.float32)[np.arange(8)]))
    assert sorted(path.name for path in (config.run_dir / "samples").glob("train_*")) == [
        "train_00000001.png"
    ]


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    path = tmp_path / "theirs" / "200_gen_params.jl_04.npy"
    np.save(path, np.full_like(np.load(path), np.nan))
    with pytest.raises(ValueError, match="must hold finite numbers"):
        import_weights(
            str(tmp_path / "theirs"), {"out_dir": str(tmp_path / "out"), "out_name": "x"}
        )


def test_the_height_follows_from_a_given_width(tmp_path):
    def build(z, images, rng):
        with v1.variable_scope("generator"):
            x = tf.reshape(linear(z, 2 * 8 * 32, "g_h0_lin", rng), (5, 2, 8, 32))
            x = tf.nn.relu(batch_norm(x, "g_bn0", rng))
            for k, maps in enumerate((16, 8, 4), 1):
                shape = (5, 2 << k, 8 << k, maps)
                x = tf.nn.relu(batch_norm(deconv2d(x, shape, f"g_h{k}", rng), f"g_bn{k}", rng))
            drawn = tf.tanh(deconv2d(x, (5, 32, 128, 3), "g_h4", rng))
        with v1.variable_scope("discriminator"):
            x = lrelu(conv2d(images, 4, "d_h0_conv", rng))
            for k in (1, 2, 3):
                x = lrelu(batch_norm(conv2d(x, 4 * 2**k, f"d_h{k}_conv", rng), f"d_bn{k}", rng))
            return drawn, linear(tf.reshape(x, (5, -1)), 1, "d_h4_lin", rng)

    z = random_inputs(32, 3)[0]
    images = np.random.default_rng(2).uniform(-1, 1, (5, 32, 128, 3)).astype(np.float32)
    prefix, (drawn, logits) = tf1_checkpoint(tmp_path / "theirs", build, z, images)
    config = import_weights(
        prefix, {"out_dir": str(tmp_path / "out"), "out_name": "x", "output_width": 128}
    )
    assert config.network_config().image_shape == (32, 128, 3)
    generator, discriminator = networks(config)
    np.testing.assert_allclose(generator(z), drawn, atol=1e-5)
    logits_agree(discriminator(images), logits)


def test_the_same_import_goes_on_only_if_more_is_asked_for(carpedm20, tmp_path):
    prefix = carpedm20.prefix
    given = {"out_dir": str(tmp_path / "out"), "out_name": "x"}
    config = import_weights(prefix, given)
    with pytest.raises(ValueError, match="must name a new run"):
        import_weights(prefix, given)
    assert import_weights(prefix, given, again=True) == config
    other, _ = tf1_checkpoint(tmp_path / "other", unconditional, *carpedm20.inputs)
    with pytest.raises(ValueError, match="must name a new run"):
        import_weights(other, given, again=True)


def test_sizes_that_the_arrays_settle_cannot_be_changed(tmp_path):
    write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    given = {"out_dir": str(tmp_path / "out"), "out_name": "x", "output_height": 64}
    with pytest.raises(ValueError, match=r"These networks draw 32x32\. Received: 64x64\."):
        import_weights(str(tmp_path / "theirs"), given)
    with pytest.raises(ValueError, match=r"takes the folder of the arrays\."):
        import_weights(str(tmp_path / "theirs" / "200_gen_params.jl_01.npy"), given)
