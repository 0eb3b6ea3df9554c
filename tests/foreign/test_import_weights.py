"""Every format against an independent forward pass: TensorFlow 1's own graph, SciPy, PyTorch's own
modules.
"""

import contextlib
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl import logging
from common import ROOT
from scipy import signal

import ops
from config.stored import change_settings, read_config
from data.labels import Labels
from export.saved_model import export
from foreign.import_weights import import_weights
from gan import DCGAN
from model import Discriminator, Generator
from runs.checkpoints import Checkpoints, restore_networks
from sample import DRAW_BATCH, Sampler
from train import train

SVHN = ROOT.parent / "shared" / "reference" / "newmu_svhn"
v1 = tf.compat.v1


def networks(config):
    generator, discriminator = (
        Generator(config.network_config()),
        Discriminator(config.network_config()),
    )
    restore_networks(config, generator=generator, discriminator=discriminator)
    return generator, discriminator


def logits_agree(ours, theirs, tolerance=1e-4):
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max())


# carpedm20: a graph of TensorFlow 1 with its scopes and names


def variable(name, shape, rng, mean=0.0, deviation=0.1):
    return v1.get_variable(name, initializer=rng.normal(mean, deviation, shape).astype(np.float32))


def linear(x, outputs, name, rng):
    with v1.variable_scope(name):
        matrix = variable("Matrix", (x.shape[1], outputs), rng)
        return tf.matmul(x, matrix) + variable("bias", (outputs,), rng)


def conv2d(x, outputs, name, rng):
    with v1.variable_scope(name):
        w = variable("w", (5, 5, x.shape[-1], outputs), rng)
        return tf.nn.conv2d(x, w, 2, "SAME") + variable("biases", (outputs,), rng)


def deconv2d(x, shape, name, rng):
    with v1.variable_scope(name):
        w = variable("w", (5, 5, shape[-1], x.shape[-1]), rng)
        return tf.nn.conv2d_transpose(x, w, shape, 2) + variable("biases", (shape[-1],), rng)


def batch_norm(x, name, rng):
    """In inference mode."""
    with v1.variable_scope(name):
        beta, gamma = variable("beta", x.shape[-1:], rng), variable("gamma", x.shape[-1:], rng, 1.0)
        mean = variable("moving_mean", x.shape[-1:], rng)
        variance = tf.abs(variable("moving_variance", x.shape[-1:], rng, 1.0))
        return gamma * (x - mean) / tf.sqrt(variance + 1e-5) + beta


def lrelu(x):
    return tf.maximum(x, 0.2 * x)


def unconditional(z, images, rng, width=4, side=64, channels=3):
    count, sides = z.shape[0], [-(-side // 2**k) for k in (4, 3, 2, 1, 0)]
    with v1.variable_scope("generator"):
        x = tf.reshape(
            linear(z, sides[0] ** 2 * width * 8, "g_h0_lin", rng),
            (count, sides[0], sides[0], width * 8),
        )
        x = tf.nn.relu(batch_norm(x, "g_bn0", rng))
        for k, maps in enumerate((width * 4, width * 2, width), 1):
            x = tf.nn.relu(
                batch_norm(
                    deconv2d(x, (count, sides[k], sides[k], maps), f"g_h{k}", rng), f"g_bn{k}", rng
                )
            )
        drawn = tf.tanh(deconv2d(x, (count, side, side, channels), "g_h4", rng))
    with v1.variable_scope("discriminator"):
        x = lrelu(conv2d(images, width, "d_h0_conv", rng))
        for k in (1, 2, 3):
            x = lrelu(batch_norm(conv2d(x, width * 2**k, f"d_h{k}_conv", rng), f"d_bn{k}", rng))
        return drawn, linear(tf.reshape(x, (count, -1)), 1, "d_h4_lin", rng)


def with_y(x, y):
    return tf.concat([x, y[:, None, None] * tf.ones((*x.shape[:3], y.shape[-1]))], 3)


def conditional(z, images, y, rng, gf=4, df=3, fc=8):
    """Draws and sees [0, 1]."""
    count = z.shape[0]
    with v1.variable_scope("generator"):
        x = tf.nn.relu(batch_norm(linear(tf.concat([z, y], 1), fc, "g_h0_lin", rng), "g_bn0", rng))
        x = tf.nn.relu(
            batch_norm(linear(tf.concat([x, y], 1), gf * 2 * 49, "g_h1_lin", rng), "g_bn1", rng)
        )
        x = with_y(tf.reshape(x, (count, 7, 7, gf * 2)), y)
        x = tf.nn.relu(batch_norm(deconv2d(x, (count, 14, 14, gf * 2), "g_h2", rng), "g_bn2", rng))
        drawn = tf.sigmoid(deconv2d(with_y(x, y), (count, 28, 28, 1), "g_h3", rng))
    with v1.variable_scope("discriminator"):
        x = with_y(lrelu(conv2d(with_y(images, y), 1 + 10, "d_h0_conv", rng)), y)
        x = lrelu(batch_norm(conv2d(x, df + 10, "d_h1_conv", rng), "d_bn1", rng))
        x = tf.concat([tf.reshape(x, (count, -1)), y], 1)
        x = lrelu(batch_norm(linear(x, fc, "d_h2_lin", rng), "d_bn2", rng))
        return drawn, linear(tf.concat([x, y], 1), 1, "d_h3_lin", rng)


def tf1_checkpoint(folder, build, *inputs, version=v1.train.SaverDef.V2):
    """Saves a randomly initialised graph as TensorFlow 1 did; returns the prefix and what the graph
    computes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with v1.Graph().as_default(), v1.Session() as session:
        outputs = build(*(tf.constant(array) for array in inputs), np.random.default_rng(0))
        v1.get_variable("beta1_power", initializer=0.5)
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver(write_version=version)
        prefix = saver.save(session, str(folder / "model.b64"), global_step=1002)
        return prefix, session.run(outputs)


def random_inputs(side, channels, z_dim=6, count=5, low=-1):
    rng = np.random.default_rng(1)
    z = rng.uniform(-1, 1, (count, z_dim)).astype(np.float32)
    return z, rng.uniform(low, 1, (count, side, side, channels)).astype(np.float32)


@pytest.mark.parametrize(("side", "channels", "flag"), [(64, 3, None), (50, 1, 50)])
def test_carpedm20_draws_the_same_pixels(tmp_path, side, channels, flag):
    def build(z, images, rng):
        return unconditional(z, images, rng, side=side, channels=channels)

    z, images = random_inputs(side, channels)
    prefix, (drawn, logits) = tf1_checkpoint(tmp_path / "theirs", build, z, images)
    given = {"out_dir": str(tmp_path / "out"), "out_name": "theirs"} | (
        {"output_height": flag} if flag else {}
    )
    config = import_weights(prefix, given)
    assert config == read_config(config.run_dir / "config.json")
    assert (config.network_config().image_shape, config.z_dim, config.stem_width) == (
        (side, side, channels),
        6,
        32,
    )
    generator, discriminator = networks(config)
    np.testing.assert_allclose(generator(z), drawn, atol=1e-5)
    logits_agree(discriminator(images), logits)


def test_carpedm20_by_folder_and_in_tensorflow_0s_format(tmp_path):
    inputs = random_inputs(64, 3)
    _, (drawn, _) = tf1_checkpoint(tmp_path / "new", unconditional, *inputs)
    old, _ = tf1_checkpoint(tmp_path / "old", unconditional, *inputs, version=v1.train.SaverDef.V1)
    for number, path in enumerate(
        [tmp_path / "new", tmp_path / "new" / "model.b64-1002.index", old, tmp_path / "old"]
    ):
        config = import_weights(
            str(path), {"out_dir": str(tmp_path / "out"), "out_name": f"run{number}"}
        )
        np.testing.assert_allclose(networks(config)[0](inputs[0]), drawn, atol=1e-5)


def test_carpedm20s_conditional_pair_for_mnist(tmp_path):
    """Theirs draws and sees [0, 1], ours [-1, 1]; zeros round the image are black there and gray
    here.
    """
    z, images = random_inputs(28, 1, low=0)
    y = np.eye(10, dtype=np.float32)[[3, 1, 4, 1, 5]]
    prefix, (drawn, logits) = tf1_checkpoint(tmp_path / "theirs", conditional, z, images, y)
    config = import_weights(prefix, {"out_dir": str(tmp_path / "out"), "out_name": "mnist"})
    assert config.label_names == tuple("0123456789")
    assert (config.network_config().image_shape, config.z_dim, config.fc_width) == (
        (28, 28, 1),
        6,
        8,
    )
    generator, discriminator = networks(config)
    np.testing.assert_allclose((generator(z, y) + 1) / 2, drawn, atol=1e-5)
    logits_agree(discriminator(images * 2 - 1, y), logits)


def test_mnist_by_default_has_the_shapes_of_carpedm20s(tmp_path):
    """In full size, so that real checkpoints load: 11 and 74 maps in D, 128 and 128 in G, 1024
    units.
    """
    from config.presets import with_preset
    from config.settings import Config

    z, images = random_inputs(28, 1, z_dim=100, count=1)

    def build(z, images, y, rng):
        return conditional(z, images, y, rng, gf=64, df=64, fc=1024)

    prefix, _ = tf1_checkpoint(
        tmp_path / "theirs", build, z, images, np.eye(10, dtype=np.float32)[:1]
    )
    imported = import_weights(prefix, {"out_dir": str(tmp_path / "out"), "out_name": "mnist"})
    ours = Config(
        **with_preset({"dataset": "mnist"}), label_names=imported.label_names, c_dim=1
    ).resolve()
    for network in (Generator, Discriminator):
        shapes = [
            [(v.path, tuple(v.shape)) for v in network(config.network_config()).variables]
            for config in (imported, ours)
        ]
        assert shapes[0] == shapes[1]


# Newmu: arrays, and a forward pass by the definition of Theano's convolution


def write_newmu(folder, rng, *, blocks=3, width=2, z_dim=6, channels=3):
    """Small arrays in its order; returns what gen and discrim of its train_uncond_dcgan.py compute
    from them.
    """
    folder.mkdir()
    normal = lambda *shape: rng.normal(0, 0.2, shape).astype(np.float32)  # noqa: E731
    gain = lambda maps: [1 + normal(maps), normal(maps)]  # noqa: E731
    widths = [width << k for k in range(blocks - 1, -1, -1)]
    gen = [normal(z_dim, widths[0] * 16), *gain(widths[0] * 16)]
    for inputs, outputs in itertools.pairwise(widths):
        gen += [normal(inputs, outputs, 5, 5), *gain(outputs)]
    gen.append(normal(widths[-1], channels, 5, 5))
    discrim = [normal(width, channels, 5, 5)]
    for outputs, inputs in zip(widths[-2::-1], widths[:0:-1], strict=True):
        discrim += [normal(outputs, inputs, 5, 5), *gain(outputs)]
    discrim.append(normal(widths[0] * 16, 1))
    for name, arrays in (("gen", gen), ("discrim", discrim)):
        for number, array in enumerate(arrays, 1):
            np.save(folder / f"200_{name}_params.jl_{number:02d}.npy", array)
    return gen, discrim


def theano_norm(x, gain, shift):
    """Of the batch, channels first."""
    axes = (0,) if x.ndim == 2 else (0, 2, 3)
    shape = (1, -1) if x.ndim == 2 else (1, -1, 1, 1)
    normed = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-8)
    return normed * gain.reshape(shape) + shift.reshape(shape)


def theano_conv(x, w):
    """dnn_conv(x, w, subsample=(2, 2), border_mode=(2, 2)): true convolution, with the kernel
    turned.
    """
    padded = np.pad(x, [(0, 0), (0, 0), (2, 2), (2, 2)])
    maps = [
        [
            sum(signal.convolve2d(c, k, "valid") for c, k in zip(one, kernel, strict=True))
            for kernel in w
        ]
        for one in padded
    ]
    return np.array(maps)[:, :, ::2, ::2]


def theano_deconv(x, w):
    """Its adjoint to twice the size: zeros between, correlation, and a crop of the two rows that
    the padding was.
    """
    count, inputs, height, width = x.shape
    stretched = np.zeros((count, inputs, 2 * height, 2 * width))
    stretched[:, :, ::2, ::2] = x
    maps = [
        [
            sum(signal.correlate2d(c, k, "full") for c, k in zip(one, w[:, o], strict=True))
            for o in range(w.shape[1])
        ]
        for one in stretched
    ]
    return np.array(maps)[:, :, 2 : 2 + 2 * height, 2 : 2 + 2 * width]


def newmu_gen(z, arrays):
    x = np.maximum(theano_norm(z @ arrays[0], *arrays[1:3]), 0)
    x = x.reshape(len(z), -1, 4, 4)
    for k in range(3, len(arrays) - 1, 3):
        x = np.maximum(theano_norm(theano_deconv(x, arrays[k]), *arrays[k + 1 : k + 3]), 0)
    return np.tanh(theano_deconv(x, arrays[-1])).transpose(0, 2, 3, 1)


def newmu_discrim(images, arrays):
    x = theano_conv(images.transpose(0, 3, 1, 2), arrays[0])
    x = np.where(x > 0, x, 0.2 * x)
    for k in range(1, len(arrays) - 1, 3):
        x = theano_norm(theano_conv(x, arrays[k]), *arrays[k + 1 : k + 3])
        x = np.where(x > 0, x, 0.2 * x)
    return x.reshape(len(x), -1) @ arrays[-1]


def test_newmu_draws_the_same_pixels(tmp_path):
    gen, discrim = write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    z, images = random_inputs(32, 3, count=8)
    config = import_weights(
        str(tmp_path / "theirs"), {"out_dir": str(tmp_path / "out"), "out_name": "theirs"}
    )
    assert (config.bn_statistics, config.padding, config.bias, config.z_dist) == (
        "batch",
        "symmetric",
        False,
        "normal01",
    )
    generator, discriminator = networks(config)
    np.testing.assert_allclose(generator(z), newmu_gen(z, gen), atol=1e-4)
    logits_agree(discriminator(images), newmu_discrim(images, discrim))


def test_newmu_can_use_moving_statistics_after_all(tmp_path):
    """Then an image no longer depends on its batch, and comes out much the same."""
    write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    config = import_weights(
        str(tmp_path / "theirs"), {"out_dir": str(tmp_path / "out"), "out_name": "theirs"}
    )
    z = ops.latents(0, 64, z_dim=config.z_dim, z_dist=config.z_dist)
    of_batch = networks(config)[0](z)
    moving = networks(change_settings(config, {"bn_statistics": "moving"}))[0]
    np.testing.assert_allclose(moving(z[:1]), moving(z)[:1], atol=1e-5)
    assert np.abs(moving(z) - of_batch).mean() < 0.25 * np.abs(of_batch).mean()


@pytest.mark.skipif(not SVHN.is_dir(), reason=f"the official SVHN weights are not at {SVHN}")
def test_the_official_svhn_weights_draw_what_they_must(tmp_path):
    config = import_weights(str(SVHN), {"out_dir": str(tmp_path / "out"), "out_name": "svhn"})
    expected = np.load(SVHN / "expected_generator.npz")
    generator, discriminator = networks(config)
    images = generator(expected["z"]).numpy()
    np.testing.assert_allclose(images, expected["images"], atol=1e-4)
    discrim = [np.load(path) for path in sorted(SVHN.glob("200_discrim*.npy"))]
    logits_agree(discriminator(images[:4]), newmu_discrim(images[:4], discrim))


# pytorch/examples: its own modules


def torch_pair(torch, *, z_dim=6, ngf=4, ndf=3, channels=3):
    nn = torch.nn
    up, down = (
        [nn.ConvTranspose2d(z_dim, ngf * 8, 4, 1, 0, bias=False)],
        [nn.Conv2d(channels, ndf, 4, 2, 1, bias=False)],
    )
    for k in (8, 4, 2, 1):
        last = k == 1
        up += [
            nn.BatchNorm2d(ngf * k),
            nn.ReLU(),
            nn.ConvTranspose2d(ngf * k, channels if last else ngf * k // 2, 4, 2, 1, bias=False),
        ]
    for k in (1, 2, 4):
        down += [
            nn.LeakyReLU(0.2),
            nn.Conv2d(ndf * k, ndf * k * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * k * 2),
        ]
    up.append(nn.Tanh())
    down += [nn.LeakyReLU(0.2), nn.Conv2d(ndf * 8, 1, 4, 1, 0, bias=False)]
    torch.manual_seed(0)
    pair = [nn.Sequential(*layers) for layers in (up, down)]
    for module in (module for net in pair for module in net.modules()):
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (
                module.weight.data,
                module.bias.data,
                module.running_mean,
                module.running_var,
            ):
                tensor.uniform_(0.5, 1.5)
    return [net.eval() for net in pair]


def torch_outputs(torch, pair, z, images):
    with torch.no_grad():
        drawn = pair[0](torch.from_numpy(z)[:, :, None, None]).numpy().transpose(0, 2, 3, 1)
        return drawn, pair[1](
            torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        ).numpy().reshape(-1, 1)


def test_pytorch_draws_the_same_pixels(tmp_path):
    torch = pytest.importorskip(
        "torch", reason="reading a state dict takes PyTorch: pip install torch"
    )
    pair = torch_pair(torch)
    paths = [tmp_path / "netD_epoch_24.pth", tmp_path / "netG_epoch_24.pth"]
    for path, net, parallel in zip(paths, pair[::-1], ("module.", ""), strict=True):
        torch.save(
            {f"{parallel}main.{name}": tensor for name, tensor in net.state_dict().items()}, path
        )
    z, images = random_inputs(64, 3)
    given = {"out_dir": str(tmp_path / "out"), "out_name": "theirs"}
    config = import_weights(",".join(map(str, paths)), given)
    assert (config.kernel_size, config.z_dist, config.bn_statistics) == (4, "normal01", "moving")
    generator, discriminator = networks(config)
    drawn, logits = torch_outputs(torch, pair, z, images)
    np.testing.assert_allclose(generator(z), drawn, atol=1e-4)
    logits_agree(discriminator(images), logits)
    alone = import_weights(str(paths[1]), given | {"out_name": "alone"})
    np.testing.assert_allclose(networks(alone)[0](z), drawn, atol=1e-4)


def test_without_pytorch_the_error_gives_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match=r"takes PyTorch.* pip install torch"):
        import_weights("netG.pth,netD.pth", {"out_dir": str(tmp_path), "out_name": "x"})


# all of them


def test_imported_weights_train_on(tmp_path, photos, monkeypatch):
    prefix, _ = tf1_checkpoint(tmp_path / "theirs", unconditional, *random_inputs(64, 3))
    config = import_weights(prefix, {"out_dir": str(tmp_path / "out"), "out_name": "theirs"})
    z = ops.latents(0, 4, z_dim=config.z_dim, z_dist=config.z_dist)
    before = Sampler(config).draw(z)
    config = change_settings(
        config, {"steps": 2, "batch_size": 4, "mixed_precision": "float32", "dataset": "faces"}
    )
    said = []
    monkeypatch.setattr(logging, "info", lambda text, *values: said.append(text % values))
    train(config, photos(8, 64, 64))
    assert any("were imported: both optimizers start afresh" in line for line in said)
    assert not np.array_equal(before, Sampler(config).draw(z))
    state = Checkpoints(DCGAN(config), config)
    assert state.restore() == 2


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
        ({"stem_width": 64}, "--stem_width is in the weights: 32. Received: 64. Drop the flag."),
        ({"z_dim": 100}, "--z_dim is in the weights: 6. Received: 100. Drop the flag."),
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
            "--import_weights makes a run. Received: no name for it. Add --out_name=NAME.",
        ),
    ],
)
def test_flags_that_contradict_the_weights(tmp_path, given, message):
    prefix, _ = tf1_checkpoint(tmp_path / "theirs", unconditional, *random_inputs(64, 3))
    with pytest.raises(ValueError, match="Received") as raised:
        import_weights(prefix, {"out_dir": str(tmp_path / "out"), "out_name": "x"} | given)
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
    with pytest.raises(ValueError, match="must be a whole TensorFlow checkpoint"):
        import_weights(str(tmp_path / "model.b64-7"), out)
    with pytest.raises(ValueError, match="must be a whole TensorFlow checkpoint"):
        import_weights(str(tmp_path / "a.txt"), out)


def test_import_sample_and_export_from_the_command_line(tmp_path):
    """One line imports, samples and exports; the SavedModel in plain TensorFlow draws the
    original's pixels.
    """
    z, images = random_inputs(64, 3)
    prefix, (drawn, logits) = tf1_checkpoint(tmp_path / "theirs", unconditional, z, images)
    line = [
        "main.py",
        "--import_weights",
        prefix,
        "--out_name",
        "theirs",
        "--out_dir",
        str(tmp_path / "out"),
    ]
    line += ["--sample", "3", "--export"]
    done = subprocess.run([sys.executable, *line], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "out" / "theirs"
    assert len(list((run / "samples" / "seed_0").glob("0*.png"))) == 3
    assert json.loads((run / "export" / "model_card.json").read_text())["z_dim"] == 6
    signatures = tf.saved_model.load(str(run / "export" / "saved_model")).signatures
    np.testing.assert_allclose(
        signatures["serving_default"](z=tf.constant(z))["images"], drawn, atol=1e-5
    )
    logits_agree(signatures["discriminate"](images=tf.constant(images))["logits"], logits)


@pytest.mark.parametrize("origin", ["newmu", "pytorch"])
def test_the_saved_model_of_an_import_draws_the_originals_pixels(tmp_path, origin):
    """A whole drawing batch, since Newmu's batch norm goes by the batch."""
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
    signatures = tf.saved_model.load(str(export(config))).signatures
    np.testing.assert_allclose(
        signatures["serving_default"](z=tf.constant(z))["images"], drawn, atol=1e-4
    )
    logits_agree(signatures["discriminate"](images=tf.constant(images))["logits"], logits)


def test_labels_are_kept_for_training_on(tmp_path, photos):
    z, images = random_inputs(28, 1, low=0)
    y = np.eye(10, dtype=np.float32)[[3, 1, 4, 1, 5]]
    prefix, _ = tf1_checkpoint(tmp_path / "theirs", conditional, z, images, y)
    config = import_weights(prefix, {"out_dir": str(tmp_path / "out"), "out_name": "mnist"})
    config = change_settings(config, {"steps": 1, "batch_size": 4, "mixed_precision": "float32"})
    digits = photos(8, 28, 28)[..., :1]
    with pytest.raises(
        ValueError, match=r"The labels are fixed once a run has started.* Received: cat, dog\."
    ):
        train(config, digits, Labels(("cat", "dog"), np.eye(2, dtype=np.float32)[[0, 1] * 4]))
    train(config, digits, Labels(tuple("0123456789"), np.eye(10, dtype=np.float32)[np.arange(8)]))
    assert sorted(path.name for path in (config.run_dir / "samples").glob("train_*")) == [
        "train_00000001.png"
    ]


def test_pytorch_layers_with_biases(tmp_path):
    """Its default, though not the example's: they must count, and nothing may be left unread."""
    torch = pytest.importorskip(
        "torch", reason="reading a state dict takes PyTorch: pip install torch"
    )
    net = torch_pair(torch)[0]
    layers = [
        torch.nn.ConvTranspose2d(m.in_channels, m.out_channels, 4, *((1, 0) if k == 0 else (2, 1)))
        if isinstance(m, torch.nn.ConvTranspose2d)
        else m
        for k, m in enumerate(net)
    ]
    net = torch.nn.Sequential(*layers).eval()
    path, z = tmp_path / "netG.pth", random_inputs(64, 3)[0]
    torch.save(net.state_dict(), path)
    config = import_weights(str(path), {"out_dir": str(tmp_path / "out"), "out_name": "biased"})
    with torch.no_grad():
        drawn = net(torch.from_numpy(z)[:, :, None, None]).numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(networks(config)[0](z), drawn, atol=1e-4)
    torch.save(net.state_dict() | {"12.weight": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"must be netG or netD .*12\.weight \(3,\)"):
        import_weights(str(path), {"out_dir": str(tmp_path / "out"), "out_name": "odd"})


def test_pytorch_files_that_are_no_state_dict(tmp_path):
    torch = pytest.importorskip(
        "torch", reason="reading a state dict takes PyTorch: pip install torch"
    )
    out = {"out_dir": str(tmp_path / "out"), "out_name": "x"}
    net = torch_pair(torch)[0]
    torch.save({"netG": net.state_dict(), "epoch": torch.tensor(3)}, tmp_path / "nested.pth")
    with pytest.raises(ValueError, match=r"must be a state dict: .* Received: a dict of netG\."):
        import_weights(str(tmp_path / "nested.pth"), out)
    torch.save(net, tmp_path / "module.pth")
    (tmp_path / "text.pth").write_text("text")
    for name in ("module.pth", "text.pth"):
        with pytest.raises(
            ValueError, match=r"Received: what PyTorch cannot read as one \(\w+\)\.$"
        ):
            import_weights(str(tmp_path / name), out)
    torch.save(net.state_dict(), tmp_path / "netG.pth")
    with pytest.raises(ValueError, match="two of a generator"):
        import_weights(f"{tmp_path}/netG.pth,{tmp_path}/netG.pth", out)
    assert not (tmp_path / "out").exists()


def test_newmu_imported_for_moving_statistics_at_once(tmp_path):
    write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    given = {"out_dir": str(tmp_path / "out"), "out_name": "theirs", "bn_statistics": "moving"}
    assert (
        abs(
            networks(import_weights(str(tmp_path / "theirs"), given))[
                0
            ].stem.norm.moving_mean.numpy()
        ).max()
        > 0
    )


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


def test_the_same_import_goes_on_only_if_more_is_asked_for(tmp_path):
    prefix, _ = tf1_checkpoint(tmp_path / "theirs", unconditional, *random_inputs(64, 3))
    given = {"out_dir": str(tmp_path / "out"), "out_name": "x"}
    config = import_weights(prefix, given)
    with pytest.raises(ValueError, match="must be a new run"):
        import_weights(prefix, given)
    assert import_weights(prefix, given, again=True) == config
    other, _ = tf1_checkpoint(tmp_path / "other", unconditional, *random_inputs(64, 3))
    with pytest.raises(ValueError, match="must be a new run"):
        import_weights(other, given, again=True)


def test_sizes_that_the_arrays_settle_cannot_be_changed(tmp_path):
    write_newmu(tmp_path / "theirs", np.random.default_rng(0))
    given = {"out_dir": str(tmp_path / "out"), "out_name": "x", "output_height": 64}
    with pytest.raises(ValueError, match=r"These networks draw 32x32\. Received: 64x64\."):
        import_weights(str(tmp_path / "theirs"), given)
    with pytest.raises(ValueError, match=r"takes the folder of the arrays\."):
        import_weights(str(tmp_path / "theirs" / "200_gen_params.jl_01.npy"), given)


def test_our_own_checkpoints_need_no_import(tmp_path, tiny):
    config = tiny().resolve()
    Checkpoints(DCGAN(config), config).save(1)
    with pytest.raises(ValueError, match="Runs of ours need no import"):
        import_weights(
            str(config.checkpoint_path), {"out_dir": str(tmp_path / "out"), "out_name": "x"}
        )
