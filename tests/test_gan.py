"""The training step against one that shares nothing, and against other ways to compile it."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from inputs import LABELLED, batch

import ops
from config.presets import PRESETS
from gan import DCGAN
from kernels import adam as optimizers
from kernels import convolution
from losses import LOSSES
from model import Generator


def weights_of(dcgan):
    networks = (dcgan.generator, dcgan.discriminator)
    return [variable.numpy() for network in networks for variable in network.variables]


def losses_agree(eager, graph, seed, *, rtol):
    """One step of each on the same batch: the first as Python, the second compiled."""
    inputs = batch(eager.config, seed)
    a, b = eager.train_step.python_function(*inputs), graph.train_step(*inputs)
    for name in ("d_loss", "g_loss"):
        np.testing.assert_allclose(a[name], b[name], rtol=rtol)


def test_eager_equals_graph(tiny):
    config = tiny()
    eager, graph = DCGAN(config), DCGAN(config)
    for seed in range(3):
        losses_agree(eager, graph, seed, rtol=1e-4)
    # Images rather than weights: a bias before a batch norm has only rounding errors as gradient,
    # which Adam makes large.
    np.testing.assert_allclose(
        eager.generator(batch(config)[1]), graph.generator(batch(config)[1]), atol=1e-3
    )


@pytest.mark.slow
def test_penalties_are_refused_in_float16_from_python_too(tiny):
    with pytest.raises(ValueError, match="wider range of numbers than float16 has"):
        DCGAN(tiny(d_norm="none", r1=1.0), precision="float16")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 1e-4), ("float16", 0.02), ("bfloat16", 0.05)]
)
def test_jit_equals_no_jit(precision, tolerance, tiny):
    config = tiny(g_updates=1)
    plain, jit = (DCGAN(config, precision=precision, jit=jit) for jit in (False, True))
    for seed in range(2):
        a, b = (
            plain.train_step.python_function(*batch(config, seed)),
            jit.train_step(*batch(config, seed)),
        )
        np.testing.assert_allclose(a["d_loss"], b["d_loss"], rtol=tolerance)
        np.testing.assert_allclose(a["g_loss"], b["g_loss"], rtol=tolerance)


@pytest.mark.slow
def test_jit_equals_no_jit_with_labels_and_with_the_papers_details(tiny):
    details = {
        name: value
        for name, value in PRESETS["paper"].items()
        if name not in ("stem_width", "batch_size")
    }
    config = tiny(**details, **LABELLED, fc_width=16)
    plain, jit = DCGAN(config), DCGAN(config, jit=True)
    real, z = batch(config)
    y = tf.one_hot(tf.range(len(z)) % 3, 3)
    a, b = plain.train_step.python_function(real, z, y), jit.train_step(real, z, y)
    np.testing.assert_allclose(a["d_loss"], b["d_loss"], rtol=1e-4)
    np.testing.assert_allclose(a["g_loss"], b["g_loss"], rtol=1e-4)


def plain_step(dcgan, real, z, y=None):
    """carpedm20's step in the order of its model.py, sharing nothing: D on real and fake apart,
    then G on the same z.
    """
    g, d = dcgan.generator, dcgan.discriminator
    count = dcgan.config.batches_per_step
    ys = [None] * count if y is None else tf.split(y, count)
    parts = zip(tf.split(real, count), tf.split(z, count), ys, strict=True)
    for real_part, z_part, y_part in parts:
        with tf.GradientTape() as tape:
            yes = d(tf.cast(real_part, tf.float32) / 127.5 - 1, y_part, training=True)
            no = d(g(z_part, y_part, training=True), y_part, training=True)
            d_loss = tf.reduce_mean(tf.math.softplus(-yes)) + tf.reduce_mean(tf.math.softplus(no))
            scaled = dcgan.d_optimizer.scale_loss(d_loss)
        dcgan.d_optimizer.apply(tape.gradient(scaled, d.trainable_variables), d.trainable_variables)
    for _ in range(dcgan.config.g_updates):
        with tf.GradientTape() as tape:
            no = d(g(z_part, y_part, training=True), y_part, training=True)
            g_loss = tf.reduce_mean(tf.math.softplus(-no))
            scaled = dcgan.g_optimizer.scale_loss(g_loss)
        dcgan.g_optimizer.apply(tape.gradient(scaled, g.trainable_variables), g.trainable_variables)
    return {"d_loss": d_loss, "g_loss": g_loss}


def make_plain(monkeypatch):
    """From here on, networks use TensorFlow's own convolutions, and optimizers are Keras' Adam."""
    monkeypatch.setattr(convolution, "convolves_on_cpu", lambda: False)
    monkeypatch.setattr(optimizers, "Adam", keras.optimizers.Adam)


def layers_before_a_norm(network):
    """Those whose bias the batch norm after them cancels."""
    owners = [*network.blocks, getattr(network, "stem", None), network.label_block]
    for owner in filter(None, owners):
        layer = getattr(owner, "conv", None) or owner.dense
        if owner.norm and owner.norm.gamma.shape == layer.bias.shape:
            yield layer


def trained(dcgan, step):
    """(losses of `steps`, or ten, and trained weights by name), without the biases that batch norm
    cancels: rounding errors alone move those."""
    compiled, losses = tf.function(step, autograph=False), []
    for seed in range(dcgan.config.steps or 10):
        inputs = batch(dcgan.config, seed)
        y = [tf.one_hot(tf.range(len(inputs[0])) % 3, 3)] if dcgan.config.y_dim else []
        results = compiled(*inputs, *y)
        losses += [float(results["d_loss"]), float(results["g_loss"])]
    weights = {}
    for network in (dcgan.generator, dcgan.discriminator):
        cancelled = {layer.bias.path for layer in layers_before_a_norm(network)}
        weights |= {
            f"{network.name}/{w.path}": w.numpy()
            for w in network.trainable_variables
            if w.path not in cancelled
        }
    return losses, weights


@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        ({"g_updates": 2}, 1e-5),
        pytest.param(
            {"g_updates": 1, "d_updates": 2, "kernel_size": 4}, 1e-5, marks=pytest.mark.slow
        ),
        pytest.param(
            {"output_height": 19, "padding": "symmetric", "g_updates": 1},
            1e-5,
            marks=pytest.mark.slow,
        ),
        # Batch norm of units amplifies rounding errors: from 1e-7 to 1e-3 in ten steps.
        pytest.param(
            LABELLED | {"steps": 3, "batch_size": 64, "g_updates": 1}, 1e-4, marks=pytest.mark.slow
        ),
    ],
)
def test_ten_fast_steps_are_ten_plain_ones(settings, tolerance, tiny, monkeypatch):
    fast = DCGAN(tiny(**settings))
    losses, weights = trained(fast, fast.train_step.python_function)
    make_plain(monkeypatch)
    plain = DCGAN(tiny(**settings))
    plain_losses, plain_weights = trained(plain, functools.partial(plain_step, plain))
    np.testing.assert_allclose(losses, plain_losses, rtol=1e-5)
    for name, weight in weights.items():
        apart = np.abs(weight - plain_weights[name])
        # Adam divides by the gradient's size: where that is near zero, a rounding error weighs as
        # much as a gradient.
        assert np.quantile(apart, 0.995) < tolerance, name
        assert apart.max() < 5 * tolerance, name


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.03), ("float16", 0.005)])
def test_five_fast_steps_in_low_precision(precision, tolerance, tiny, monkeypatch):
    """The two ways round differently: the losses stay within `tolerance`."""

    def make():
        dcgan = DCGAN(tiny(g_updates=1, steps=5), precision=precision)
        # Far from overflow: at its edge a rounding error decides whether a step is skipped.
        for scaler in (dcgan.g_scaler, dcgan.d_scaler):
            scaler.dynamic_scale.assign(2.0**8)
        return dcgan

    fast = make()
    losses, _ = trained(fast, fast.train_step.python_function)
    make_plain(monkeypatch)
    plain = make()
    plain_losses, _ = trained(plain, functools.partial(plain_step, plain))
    np.testing.assert_allclose(losses, plain_losses, rtol=tolerance)


@pytest.mark.slow
def test_ten_steps_by_products_are_ten_plain_ones(tiny, monkeypatch):
    every = dict.fromkeys(convolution.PRODUCTS, (1, 0))
    monkeypatch.setattr(convolution, "PRODUCTS", every)
    plain, products = (DCGAN(tiny(kernel_forms=forms)) for forms in ("plain", "products"))
    losses, weights = trained(plain, plain.train_step.python_function)
    others, other_weights = trained(products, products.train_step.python_function)
    assert losses != others
    np.testing.assert_allclose(losses, others, rtol=1e-5)
    for name, weight in weights.items():
        assert np.abs(weight - other_weights[name]).max() < 5e-5, name


def test_moving_averages_count_a_fake_batch_once(tiny):
    """After a step with one fake batch they are 0.9 * start + 0.1 * the batch's, here by the layers
    one by one.
    """
    config = tiny(g_updates=1)
    dcgan, twin = DCGAN(config), Generator(config.network_config())
    real, z = batch(config)
    dcgan.train_step.python_function(real, z)
    maps = twin.blocks[0].conv(twin.stem(z, None, training=True)).numpy()
    norm, count = dcgan.generator.blocks[0].norm, maps[..., 0].size
    np.testing.assert_allclose(norm.moving_mean, 0.1 * maps.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    variance = maps.var((0, 1, 2)) * count / (count - 1)
    np.testing.assert_allclose(norm.moving_variance, 0.9 + 0.1 * variance, rtol=1e-4)


@pytest.mark.parametrize("precision", ["float32", pytest.param("float16", marks=pytest.mark.slow)])
def test_no_sum_in_the_step_depends_on_the_threads(precision, tiny):
    """AddN starts with the first summand whose memory is free: with three or more, this changes the
    last bits.
    """
    config = tiny(d_updates=2)
    graph = (
        DCGAN(config, precision=precision).train_step.get_concrete_function(*batch(config)).graph
    )
    sums = [
        len(operation.inputs) for operation in graph.get_operations() if operation.type == "AddN"
    ]
    assert sums
    assert max(sums) == 2


def test_d_updates_see_one_part_of_the_batch_each(tiny):
    config = tiny(d_updates=3, g_updates=1)
    dcgan = DCGAN(config)
    real, z = batch(config)
    results = dcgan.train_step.python_function(real, z)
    assert results["real_logits"].shape == (config.batch_size, 1)
    assert int(dcgan.d_optimizer.iterations) == 3
    assert int(dcgan.g_optimizer.iterations) == 1


def test_alternating_gives_every_update_a_batch_and_the_generator_the_first(tiny):
    """The same two minibatches by hand, in the order of Newmu/dcgan_code: G on the first, then D on
    the second.
    """
    config = tiny(alternate=True, g_updates=1)
    ours, plain = DCGAN(config), DCGAN(config)
    real, z = batch(config)
    assert len(z) == 2 * config.batch_size
    ours.train_step.python_function(real, z)
    fake, tape = plain.draw_fakes(z[:8], None)
    plain.update_generator(tape, None, fake, None)
    fake, _ = plain.draw_fakes(z[8:], None)
    plain.update_discriminator(ops.to_float(real[8:]), fake, None)
    for a, b in zip(weights_of(ours), weights_of(plain), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_l2_is_added_to_the_gradient_of_every_weight(precision, tiny, monkeypatch):
    """Newmu/dcgan_code, lib/updates.py: g += l2 * p, before Adam; in float16 after unscaling."""
    seen = {}
    for l2 in (0.0, 0.25):
        dcgan = DCGAN(tiny(l2=l2), precision=precision)

        def record(gradients, weights, key=l2):
            seen[key] = [g.numpy() for g in gradients]

        real, z = batch(dcgan.config)
        monkeypatch.setattr(dcgan.d_optimizer, "apply", record)
        dcgan.update_discriminator(ops.to_float(real), dcgan.draw_fakes(z, None)[0], None)
        scale = float(dcgan.d_optimizer.scale_loss(tf.constant(1.0)))
    weights = [w.numpy() for w in dcgan.discriminator.trainable_variables]
    for without, with_l2, weight in zip(seen[0.0], seen[0.25], weights, strict=True):
        np.testing.assert_allclose(with_l2 - without, 0.25 * weight * scale, atol=2e-4 * scale)


def test_each_update_of_the_discriminator_is_preceded_by_one_power_iteration(tiny):
    """By NumPy, of the kernels before the update; the generator's updates do none."""
    dcgan = DCGAN(tiny(d_norm="spectral", g_updates=2))
    layer = dcgan.discriminator.blocks[1].conv
    matrix, u = layer.kernel.numpy().reshape(-1, 32), layer.spectral_u.numpy()
    v = matrix @ u / np.linalg.norm(matrix @ u)
    dcgan.train_step.python_function(*batch(dcgan.config))
    expected = matrix.T @ v / np.linalg.norm(matrix.T @ v)
    np.testing.assert_allclose(layer.spectral_u, expected, atol=1e-6)


def test_a_loss_that_needs_a_bounded_slope_is_refused_without(tiny):
    DCGAN(tiny(loss="wgan", d_norm="spectral"))
    for d_norm, received in (("batch", "batch norm"), ("none", "no norm")):
        with pytest.raises(ValueError, match=rf"^--loss=wgan needs .* Received: {received}\."):
            DCGAN(tiny(loss="wgan", d_norm=d_norm))


def test_no_sum_in_a_modern_step_depends_on_the_threads(tiny):
    """With spectral norm's gradient, labels, and the loss that passes through D most often."""
    modern = {name: value for name, value in PRESETS["modern"].items() if name != "kernel_size"}
    config = tiny(**modern | LABELLED | {"loss": "relativistic", "fc_width": 8, "blocks": 1})
    y = tf.TensorSpec((config.batch_size, 3))
    graph = DCGAN(config).train_step.get_concrete_function(*batch(config), y).graph
    sums = [len(op.inputs) for op in graph.get_operations() if op.type == "AddN"]
    assert max(sums) == 2


NETWORK_OPTIONS = {
    "upsample": "resize",
    "d_labels": "projection",
    "minibatch_stddev": True,
    "d_dropout": 0.4,
}


@pytest.mark.slow
def test_nor_does_one_with_every_network_option(tiny):
    modern = PRESETS["modern"] | {"stem_width": 32, "loss": "relativistic", "blocks": 1}
    config = tiny(**modern | NETWORK_OPTIONS | LABELLED | {"fc_width": 8})
    y = tf.TensorSpec((config.batch_size, 3))
    graph = DCGAN(config).train_step.get_concrete_function(*batch(config), y).graph
    sums = [len(op.inputs) for op in graph.get_operations() if op.type == "AddN"]
    assert max(sums) == 2


def test_each_pass_of_each_step_drops_units_of_its_own(tiny, monkeypatch):
    """Real and fake images of D's updates, and fake ones of G's: functions of (seed, step)."""
    config = tiny(d_dropout=0.4, d_updates=2, g_updates=2, blocks=1)
    dcgan = DCGAN(config)
    keys, drop = [], ops.drop_units
    monkeypatch.setattr(
        ops, "drop_units", lambda x, share, key: keys.append((*key.numpy(),)) or drop(x, share, key)
    )
    dcgan.train_step.python_function(*batch(config))
    assert len(keys) == 2 * 2 + 2
    for step in (1, 0):
        dcgan.draws.d_passes = itertools.count()
        dcgan.steps_done.assign(step)
        keys += [(*dcgan.make_dropout_key().numpy(),) for _ in range(6)]
    assert len({*keys[:12]}) == 12
    assert keys[:6] == keys[12:]
    assert all(key[0] > 2**32 for key in keys)  # those of the latents have only the seed there


def test_dropout_does_not_change_what_the_discriminator_says_outside_training(tiny):
    images = ops.to_float(batch(tiny())[0])
    plain, dropping = (DCGAN(tiny(d_dropout=share)).discriminator for share in (0.0, 0.9))
    np.testing.assert_array_equal(plain(images), dropping(images))


@pytest.mark.parametrize("preset", ["paper", pytest.param("tutorial", marks=pytest.mark.slow)])
def test_presets_train_eager_and_compiled_alike(preset, tiny):
    settings = {k: v for k, v in PRESETS[preset].items() if k not in ("stem_width", "batch_size")}
    config = tiny(**settings)
    eager, graph = DCGAN(config), DCGAN(config)
    for seed in range(2):
        losses_agree(eager, graph, seed, rtol=1e-3)
    operations = graph.train_step.get_concrete_function(*batch(config)).graph.get_operations()
    assert max(len(operation.inputs) for operation in operations if operation.type == "AddN") == 2


PENALIZED = {"d_norm": "none", "r1": 2.0, "r2": 0.5, "loss": "relativistic", "g_updates": 1}


def record_gradient_calls(monkeypatch):
    """The tapes of all calls from here on."""
    tapes, differentiate = [], tf.GradientTape.gradient

    def record(tape, *args, **how):
        tapes.append(tape)
        return differentiate(tape, *args, **how)

    monkeypatch.setattr(tf.GradientTape, "gradient", record)
    return tapes


@pytest.mark.parametrize(
    ("precision", "tolerance"),
    [("float32", 1e-4), pytest.param("bfloat16", 0.1, marks=pytest.mark.slow)],
)
def test_penalties_add_to_the_gradient_of_the_loss(precision, tolerance, tiny, monkeypatch):
    """D's gradients against those of each term by itself, in float32.

    Slopes are small at first, so gammas are large here, which gives the terms similar weight. The
    tape of the weights is called once: a second call, for the penalty alone, would push zeros
    through all of D, because the second derivative of leaky ReLU is a tensor of zeros.
    """
    gammas = {"r1": 2e4, "r2": 1e4}
    seen, config = [], tiny(**PENALIZED | gammas | {"loss": "bce"}, penalty_batch=0.25)
    dcgan = DCGAN(config, precision=precision)
    monkeypatch.setattr(dcgan.d_optimizer, "apply", lambda gradients, _: seen.extend(gradients))
    real, z = batch(config)
    real, fake = ops.to_float(real), dcgan.draw_fakes(z, None)[0]
    with monkeypatch.context() as patch:
        tapes = record_gradient_calls(patch)
        results = dcgan.update_discriminator(real, fake, None)
    assert len(tapes) == len({*tapes}) == 2  # by the images, and by the weights

    d, terms = DCGAN(config).discriminator, {}
    with tf.GradientTape(persistent=True) as tape:
        terms["d_loss"] = sum(LOSSES["bce"].discriminator(d(real), d(fake)))
        for name, images in (("r1", real[:2]), ("r2", fake[:2])):
            with tf.GradientTape() as inner:
                inner.watch(images)
                logits = d(images)
            terms[name] = tf.reduce_sum(inner.gradient(logits, images) ** 2) / 2
    for name, value in terms.items():
        assert float(results[name]) == pytest.approx(float(value), rel=tolerance)

    parts = [tape.gradient(term, d.trainable_variables) for term in terms.values()]
    for found, of_loss, *of_slopes in zip(seen, *parts, strict=True):
        of_r1, of_r2 = (0.0 if part is None else part for part in of_slopes)  # of a bias
        expected = of_loss + 1e4 * of_r1 + 5e3 * of_r2
        assert np.linalg.norm(found - expected) < tolerance * np.linalg.norm(expected)


def test_equal_updates_with_penalties_are_equal_to_the_bit_also_when_resumed(tiny):
    """With everything that shares weights: two passes of D, labels, spectral norm.

    Twenty updates of D, against ten and ten with the state copied in between.
    """
    settings = {"d_norm": "spectral", "penalty_batch": 0.25, "penalty_decay": 0.1, "fc_width": 8}
    dcgan = DCGAN(tiny(**PENALIZED | LABELLED | settings, blocks=1))
    dcgan.total_steps.assign(20)
    variables = [*dcgan.discriminator.variables, *dcgan.d_optimizer.variables]
    update = tf.function(dcgan.update_discriminator, autograph=False)

    def draw_arguments(step):
        real, fake = (ops.to_float(batch(dcgan.config, seed)[0]) for seed in (step, 100 + step))
        return real, fake, tf.one_hot(tf.range(8) % 3, 3)

    def train_from(state, steps):
        for variable, value in zip(variables, state, strict=True):
            variable.assign(value)
        for step in steps:
            dcgan.steps_done.assign(step)
            update(*draw_arguments(step))
        return [variable.numpy() for variable in variables]

    start = [variable.numpy() for variable in variables]
    middle = train_from(start, range(10))
    pairs = zip(train_from(start, range(20)), train_from(middle, range(10, 20)), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)

    operations = update.get_concrete_function(*draw_arguments(0)).graph.get_operations()
    assert max(len(op.inputs) for op in operations if op.type == "AddN") == 2


def test_gamma_follows_the_share_of_the_run_without_a_new_trace(tiny):
    """A run that becomes longer continues where the longer one would be."""
    dcgan = DCGAN(tiny(**PENALIZED, penalty_decay=0.1))
    weigh = tf.function(lambda: dcgan.add_penalties(tf.constant(1.0), {"r1": tf.constant(3.0)}))
    for done, total, factor in ((0, 2**31 - 1, 1), (30, 100, 0.55), (50, 100, 0.1), (50, 500, 1)):
        dcgan.steps_done.assign(done)
        dcgan.total_steps.assign(total)
        assert float(weigh()) == pytest.approx(1 + 2.0 / 2 * 3 * factor)
    assert weigh.experimental_get_tracing_count() == 1
