"""The other implementations with random weights: their files, and what their networks compute.

It uses no code of ours: only TensorFlow 1's own graph, SciPy and PyTorch's modules.
"""

import itertools

import numpy as np
import tensorflow as tf
from scipy import signal

from model import Discriminator, Generator
from runs.checkpoints import restore_networks

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
    """Generates and takes images in [0, 1]."""
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
    """dnn_conv(x, w, subsample=(2, 2), border_mode=(2, 2)): a true convolution, with the kernel
    flipped.
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
    """Its adjoint, to twice the size: zeros between units, correlation, and a crop of the two rows
    of padding.
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
