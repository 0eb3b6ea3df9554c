"""Each change against NumPy, on fixed draws: as in the paper's code, image by image."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from inputs import batch

import ops
from augmentation import (
    DITHER,
    UNCHANGED,
    Augmenter,
    augment_images,
    describe_augmentation,
    draw_changes,
    mirror_images,
    move_and_cut,
    read_augmentation_plan,
    settle_augmentation,
)
from config.settings import MAX_COUNT
from gan import DCGAN

DRAWS = np.array([UNCHANGED] * 6, np.float32)
DRAWS[1, :3] = 0.9, 0.1, 0.8
DRAWS[2, 3:5] = 0, 0.999  # far up, far to the right
DRAWS[3, 5:] = 0, 0.999  # the cut's centre in the upper right corner
DRAWS[4] = 0.1, 0.7, 0.3, 0.6, 0.2, 0.4, 0.7
DRAWS[5] = 0.999, 0.999, 0.999, 0.999, 0.001, 0.5, 0.5


def random_images(channels=3, height=16, width=11, count=6):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (count, height, width, channels)).astype(np.float32)


def augment_one_image(image, draws):
    """Step by step: brightness, saturation, contrast, translation, cutout."""
    height, width, channels = image.shape
    colours = image[..., :3].astype(np.float64)
    colours = colours + (draws[0] - 0.5)
    gray = colours.mean(-1, keepdims=True)
    colours = (colours - gray) * (draws[1] * 2) + gray
    colours = (colours - colours.mean()) * (draws[2] + 0.5) + colours.mean()
    image = np.concatenate([colours, image[..., 3:]], -1)

    most = [int(side / 8 + 0.5) for side in (height, width)]
    down, right = (
        int(np.floor(u * (2 * m + 1))) - m for u, m in zip(draws[3:5], most, strict=True)
    )
    padded = np.zeros((3 * height, 3 * width, channels))
    padded[height : 2 * height, width : 2 * width] = image
    image = padded[height - down :, width - right :][:height, :width].copy()

    if draws[5] <= 1:
        image[tuple(map(cut_span, draws[5:], (height, width)))] = 0
    return image


def cut_span(draw, side):
    size = int(side / 2 + 0.5)
    start = int(np.floor(draw * (side + (1 - size % 2)))) - size // 2
    return slice(max(start, 0), start + size)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_it_is_the_papers_code_image_by_image(channels):
    images = random_images(channels)
    found = augment_images(tf.constant(images), tf.constant(DRAWS)).numpy()
    for image, draws, ours in zip(images, DRAWS, found, strict=True):
        np.testing.assert_allclose(ours, augment_one_image(image, draws), atol=2e-6)


def test_draws_that_change_nothing_leave_every_bit():
    images = random_images()
    draws = tf.constant([UNCHANGED] * len(images))
    np.testing.assert_array_equal(augment_images(tf.constant(images), draws), images)


def test_no_colour_reaches_alpha_and_no_saturation_a_gray_image():
    draws = np.array([UNCHANGED] * len(DRAWS), np.float32)
    draws[:, :3] = DRAWS[:, :3]
    images = random_images(4)
    found = augment_images(tf.constant(images), tf.constant(draws)).numpy()
    np.testing.assert_array_equal(found[..., 3], images[..., 3])

    gray = tf.constant(random_images(1))
    found = []
    for saturation in (0, 0.5, 0.999):
        draws[:, 1] = saturation
        found.append(augment_images(gray, tf.constant(draws)).numpy())
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    np.testing.assert_allclose(found[2], found[1], atol=1e-6)


def test_of_the_colours_only_brightness_changes_a_constant_image():
    draws = np.array([UNCHANGED] * len(DRAWS), np.float32)
    draws[:, :3] = DRAWS[:, :3]
    flat = np.full((len(DRAWS), 8, 8, 3), 0.25, np.float32)
    found = augment_images(tf.constant(flat), tf.constant(draws)).numpy()
    expected = 0.25 + (draws[:, 0] - 0.5)
    np.testing.assert_allclose(found, np.tile(expected[:, None, None, None], (8, 8, 3)), atol=1e-6)


@pytest.mark.parametrize("channels", [3, 4])
def test_its_gradient_is_that_of_finite_differences(channels):
    """For given draws it is an affine map, so any step is exact: a large one rounds least."""
    images, rng = random_images(channels, 8, 9), np.random.default_rng(1)
    weights = tf.constant(rng.normal(size=images.shape).astype(np.float32))
    direction = rng.normal(size=images.shape).astype(np.float32)

    def weigh(x):
        return tf.reduce_sum(weights * augment_images(x, tf.constant(DRAWS)), (1, 2, 3))

    x = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = weigh(x)
    slope = np.sum(tape.gradient(total, x).numpy() * direction, (1, 2, 3))
    differences = (weigh(x + direction).numpy() - weigh(x - direction).numpy()) / 2
    np.testing.assert_allclose(slope, differences, rtol=1e-4, atol=1e-4)


def test_pixels_and_gradients_move_to_their_places():
    """By np.pad, past the image too, without a cut; the gradient of a sum shows where pixels came
    from.
    """
    images, shifts = random_images(2, 5, 6, count=4), [(0, 0), (2, -1), (-5, 3), (9, 0)]
    down, right = (tf.constant(values) for values in zip(*shifts, strict=True))
    x, beyond = tf.constant(images), tf.fill((4,), 99)
    with tf.GradientTape() as tape:
        tape.watch(x)
        moved = move_and_cut(x, down, right, beyond, beyond)
        total = tf.reduce_sum(moved * images)
    gradient = tape.gradient(total, x).numpy()

    def shift(image, by):
        padded = np.pad(image, ((9, 9), (9, 9), (0, 0)))
        return padded[9 - by[0] : 14 - by[0], 9 - by[1] : 15 - by[1]]

    for image, by, ours, slope in zip(images, shifts, moved.numpy(), gradient, strict=True):
        np.testing.assert_array_equal(ours, shift(image, by))
        np.testing.assert_array_equal(slope, shift(image, (-by[0], -by[1])))


def test_mirrored_images_are_numpys_and_the_others_stay():
    images = random_images(count=3)
    found = mirror_images(tf.constant(images), tf.constant([True, False, True]))
    np.testing.assert_array_equal(found, [images[0, :, ::-1], images[1], images[2, :, ::-1]])


def test_half_of_the_images_are_mirrored_others_at_every_step(tiny):
    config = tiny(flip=True, batch_size=5000)
    first, second = (draw_changes(config, step, 0)["mirrored"].numpy() for step in (1, 2))
    for mirrored in (first, second):
        assert mirrored.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(5000))
    assert (first != second).mean() == pytest.approx(0.5, abs=0.03)


def test_dither_is_uniform_over_about_one_level(tiny):
    dither = draw_changes(tiny(dither=True), 3, 0)["dither"].numpy()
    assert dither.shape == (1, 8, 16, 16, 3)
    assert dither.min() >= 0
    assert 0.99 * DITHER < dither.max() < DITHER == 1 / 128
    assert dither.mean() == pytest.approx(DITHER / 2, rel=0.03)


def test_draws_are_functions_of_seed_and_step_and_no_two_batches_share_any(tiny):
    config = tiny(augment="diffaugment", d_updates=2, g_updates=1)
    drawn = draw_changes(config, 7, 0)["augmented"].numpy()
    assert drawn.shape == (6, 8, 7)
    assert len(np.unique(drawn)) == drawn.size
    assert 0 <= drawn.min() < drawn.max() < 1
    np.testing.assert_array_equal(drawn, draw_changes(config, tf.constant(7), 99)["augmented"])
    for seed, step in ((0, 8), (1, 7)):
        others = draw_changes(dataclasses.replace(config, seed=seed), step, 0)["augmented"]
        assert not np.isin(drawn, others).any()
    z = ops.latents(0, 48, z_dim=7, z_dist="uniform_unsigned", stream=7)
    assert not np.isin(drawn, z).any()


@pytest.mark.parametrize(("shown", "share"), [(0, 0), (500, 0.3), (1000, 0.6), (10**12, 0.6)])
def test_a_share_grows_with_the_images_shown(shown, share, tiny):
    """Each chosen kind is applied independently; colour, which was not chosen, never is."""
    chosen = {"augment_kinds": "translation,cutout", "augment_share": 0.6, "augment_ramp": 1000}
    config = tiny(augment="auto", batch_size=1000, **chosen)
    changed = draw_changes(config, 1, shown)["augmented"].numpy() != np.float32(UNCHANGED)
    assert not changed[..., :3].any()
    assert changed[..., 3].mean() == pytest.approx(share, abs=0.02)
    assert changed[..., 5].mean() == pytest.approx(share, abs=0.02)
    assert (changed[..., 3] & changed[..., 5]).mean() == pytest.approx(share**2, abs=0.02)
    np.testing.assert_array_equal(changed[..., 3], changed[..., 4])


def test_nothing_is_drawn_where_all_is_off(tiny):
    assert draw_changes(tiny(), 1, 0) == {}
    images = tf.constant(random_images())
    assert Augmenter()(images) is images


def test_every_batch_takes_the_next_draws():
    images, draws = tf.constant(random_images()), tf.constant(np.stack([DRAWS, DRAWS[::-1]]))
    augment = Augmenter(draws)
    for expected in draws:
        np.testing.assert_array_equal(augment(images), augment_images(images, expected))


@pytest.mark.parametrize(
    ("images", "kinds", "share", "ramp"),
    [
        (1000, "colour,translation,cutout", 1, 0),
        (4000, "colour,translation,cutout", 1, 0),
        (10_000, "translation,cutout", 0.6, 50_000),  # a fifth of 25 epochs
        (200_000, "none", 1, 0),
    ],
)
def test_auto_goes_by_the_number_of_images_and_a_run_keeps_it(images, kinds, share, ramp, tiny):
    config = settle_augmentation(tiny(augment="auto"), images)
    found = config.augment_kinds, config.augment_share, config.augment_ramp
    assert found == (kinds, share, ramp)
    assert ",".join(read_augmentation_plan(config).kinds) == kinds.replace("none", "")
    for other in (500, 10_000, 10**6):
        assert settle_augmentation(tiny(augment="auto"), other, stored=config) == config

    without = settle_augmentation(dataclasses.replace(config, augment="none"), images, config)
    assert without == tiny()
    assert read_augmentation_plan(without).kinds == ()
    assert settle_augmentation(tiny(augment="auto"), 200_000, without).augment_kinds == "none"


def test_a_ramp_of_a_run_that_ends_by_the_clock_is_that_of_the_epochs(tiny):
    config = settle_augmentation(tiny(augment="auto", minutes=5), 10_000)
    assert config.augment_ramp == 50_000
    assert config.minutes == 5


def test_a_ramp_is_at_most_what_a_setting_holds(tiny):
    config = tiny(augment="auto", steps=MAX_COUNT, batch_size=65536)
    assert settle_augmentation(config, 10_000).augment_ramp == MAX_COUNT


def test_auto_is_refused_before_the_number_of_images_is_known(tiny):
    with pytest.raises(ValueError, match=r"^--augment=auto needs the number of images\. Received"):
        draw_changes(tiny(augment="auto"), 1, 0)


@pytest.mark.parametrize(
    ("settings", "images", "line"),
    [
        ({}, 9, ""),
        ({"augment": "auto"}, 1000, "1,000 images: DiffAugment, colour, translation, cutout"),
        (
            {"augment": "auto", "flip": True},
            10_000,
            "10,000 images: DiffAugment, translation, cutout, each applied to 60% of the images, "
            "reached gradually over the first 50,000; real ones mirrored at random",
        ),
        ({"augment": "auto"}, 30_000, "30,000 images: too many for DiffAugment to help"),
        (
            {"augment": "diffaugment", "dither": True},
            30_000,
            "30,000 images: DiffAugment, colour, translation, cutout; real ones dithered",
        ),
        (
            {"flip": True, "label_smoothing": 0.1},
            20,
            "20 images: real ones mirrored at random; the target for real ones is 0.9",
        ),
    ],
)
def test_a_line_says_what_is_on_and_why(settings, images, line, tiny):
    assert describe_augmentation(settle_augmentation(tiny(**settings), images), images) == line


@pytest.fixture
def seen(monkeypatch):
    """The batches that D looks at in a step, in order."""
    batches = []

    def look(dcgan):
        call = dcgan.discriminator.call

        def record(images, *rest, **how):
            batches.append(images.numpy())
            return call(images, *rest, **how)

        monkeypatch.setattr(dcgan.discriminator, "call", record)
        return batches

    return look


def test_a_step_shows_both_players_images_that_are_augmented(tiny, seen):
    """Real and fake for D, then both for G, which compares them; each with the next draws."""
    settings = {"flip": True, "dither": True, "augment": "diffaugment", "loss": "relativistic"}
    config = tiny(**settings, blocks=1, g_updates=1)
    dcgan = DCGAN(config)
    real, z = batch(config)
    drawn = draw_changes(config, 1, 0)
    fake = dcgan.generator(z, training=True).numpy()
    batches = seen(dcgan)
    dcgan.train_step.python_function(real, z, drawn=drawn)

    plain = real.numpy().astype(np.float32) / 127.5 - 1
    mirrored = np.where(drawn["mirrored"][0][:, None, None, None], plain[:, :, ::-1], plain)
    varied = mirrored + drawn["dither"][0].numpy()
    for found, images, draws in zip(
        batches, (varied, fake, varied, fake), drawn["augmented"], strict=True
    ):
        np.testing.assert_allclose(found, augment_images(images, draws), atol=1e-5)


def test_a_step_without_any_shows_the_images_as_they_are(tiny, seen):
    config = tiny(blocks=1, g_updates=1)
    dcgan = DCGAN(config)
    real, z = batch(config)
    batches = seen(dcgan)
    dcgan.train_step.python_function(real, z, drawn=draw_changes(config, 1, 0))
    np.testing.assert_array_equal(batches[0], real.numpy().astype(np.float32) / 127.5 - 1)


def test_a_penalty_is_of_the_gradient_at_what_is_seen(tiny):
    dcgan = DCGAN(tiny(d_norm="none", r1=1.0, blocks=1, batch_size=6))
    images = tf.constant(random_images(width=16))
    seen = augment_images(images, tf.constant(DRAWS))
    with tf.GradientTape() as tape:
        tape.watch(seen)
        logits = dcgan.discriminator(seen, None, training=True)
    slope = np.sum(tape.gradient(logits, seen).numpy() ** 2) / 6
    dcgan.draws.augment = Augmenter(tf.constant(np.stack([DRAWS, DRAWS[::-1]])))
    found = dcgan.update_discriminator(images, images, None)["r1"]
    assert float(found) == pytest.approx(slope, rel=1e-5)


def test_no_sum_in_an_augmented_step_depends_on_the_threads(tiny):
    settings = {"flip": True, "dither": True, "augment": "diffaugment", "label_smoothing": 0.1}
    settings |= {"d_norm": "none", "r1": 1.0, "r2": 1.0}
    config = tiny(**settings, blocks=1, g_updates=1, c_dim=4)
    inputs = (*batch(config), None, None, draw_changes(config, 1, 0))
    graph = DCGAN(config).train_step.get_concrete_function(*inputs).graph
    sums = [len(op.inputs) for op in graph.get_operations() if op.type == "AddN"]
    assert max(sums) == 2


@pytest.mark.slow
def test_with_xla_a_step_makes_the_same_changes(tiny):
    """XLA adds in another order, so the losses agree only approximately."""
    settings = {"flip": True, "dither": True, "augment": "diffaugment", "label_smoothing": 0.1}
    config = tiny(**settings, g_updates=1)
    inputs = (*batch(config), None, None, draw_changes(config, 1, 0))
    plain, compiled = DCGAN(config), DCGAN(config, jit=True)
    for _ in range(2):
        a, b = plain.train_step.python_function(*inputs), compiled.train_step(*inputs)
        np.testing.assert_allclose(a["d_loss"], b["d_loss"], rtol=1e-4)
        np.testing.assert_allclose(a["g_loss"], b["g_loss"], rtol=1e-4)
