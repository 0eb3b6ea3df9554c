"""Where searches start, how they move, and where latents may be."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import ops
from explore import latent_search
from explore.choices import Choices
from explore.latent_search import LatentSearch, choose_starts, compute_adam_step, limit_latents
from explore.subject import Subject


def test_each_label_starts_with_its_best():
    y = np.eye(3)[[0, 0, 0, 1, 1, 2]]
    losses = np.array([3, 1, 2, 9, 8, 0.5])
    assert choose_starts(losses, y, 6).tolist() == [5, 1, 4, 2, 3, 0]
    assert choose_starts(losses, y, 2).tolist() == [5, 1]
    assert choose_starts(losses, None, 4).tolist() == [5, 1, 2, 0]


def test_only_the_chosen_labels_are_tried(vivid, monkeypatch):
    monkeypatch.setattr(latent_search, "CANDIDATES", 64)
    subject = Subject(vivid(labels="own", label_names=("a", "b", "c")))
    for label, tried in ((None, "abc"), ("C", "c"), ("a, c", "ac")):
        subject.choices = Choices(label=label)
        search = LatentSearch(subject, None)
        assert {*search.y.argmax(1)} == {"abc".index(name) for name in tried}
        assert (search.images == subject.sampler.draw(search.z, search.y)).all()


def test_steps_are_those_of_adam():
    variable = keras.Variable(np.array([3.0, -1.0, 0.5], np.float32))
    z, moments = tf.constant([3.0, -1.0, 0.5]), (tf.zeros(3), tf.zeros(3))
    adam = keras.optimizers.Adam(0.1, epsilon=1e-8)
    for number in range(1, 6):
        adam.apply([2 * variable.value], [variable])
        step, moments = compute_adam_step(2 * z, moments, tf.constant(float(number)))
        z = z - 0.1 * step
    assert z.numpy() == pytest.approx(np.array(variable), rel=1e-4)


@pytest.mark.parametrize("z_dist", ["uniform_signed", "uniform_unsigned", "normal01"])
def test_latents_are_left_where_they_are_drawn(z_dist):
    z = ops.latents(0, 500, z_dim=20, z_dist=z_dist)
    moved = np.any(limit_latents(z, z_dist).numpy() != z.numpy(), axis=1)
    assert moved.mean() <= (0.01 if z_dist == "normal01" else 0)


def test_latents_come_back():
    far = tf.constant([[5.0, -5.0, 0.5], [0.0, 0.0, 0.0]])
    assert limit_latents(far, "uniform_signed").numpy().tolist() == [[1, -1, 0.5], [0, 0, 0]]
    assert limit_latents(far, "uniform_unsigned").numpy().tolist() == [[1, 0, 0.5], [0, 0, 0]]
    shortened = limit_latents(far, "normal01").numpy()
    # 99.9 % of chi square with 3 degrees of freedom: 16.266, from tables.
    assert (shortened[0] ** 2).sum() == pytest.approx(16.266, abs=1e-2)
    assert shortened[0] / shortened[0, 0] == pytest.approx([1, -1, 0.1])
    assert (shortened[1] == 0).all()
