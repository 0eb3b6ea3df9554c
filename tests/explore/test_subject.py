"""What experiments see of a run."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from config.stored import write_config
from data.load import load_dataset
from explore.subject import Subject
from gan import DCGAN
from runs.checkpoints import Checkpoints
from runs.read import read_run
from sample import Sampler


def test_networks_are_the_runs(trained):
    config = trained(bn_statistics="batch")
    subject = Subject(config)
    assert subject.config.bn_statistics == subject.sampler.config.bn_statistics == "moving"
    dcgan = DCGAN(config)
    Checkpoints(dcgan, config).restore()
    for ours, theirs in zip(
        subject.discriminator.variables, dcgan.discriminator.variables, strict=True
    ):
        tf.debugging.assert_equal(ours, theirs)
    assert subject.folder == config.run_dir / "explore"
    with pytest.raises(ValueError, match=r"^--checkpoint must be one"):
        _ = Subject(config, checkpoint="7").sampler


@pytest.mark.parametrize("labels", [{}, {"labels": "own", "label_names": ("a", "b", "c")}])
def test_latents_of_samples_draw_those_samples(trained, labels):
    config = trained(**labels)
    subject = Subject(config)
    z, y = subject.choose_latents_of_samples([70, 2])
    assert (y is None) is (not labels)
    assert (subject.sampler.draw(z, y) == Sampler(config).images(config.seed, 71)[[70, 2]]).all()


def test_images_are_the_datasets_and_random_numbers_repeat(trained, image_folder, messages):
    image_folder(9)
    subject = Subject(trained(dataset="faces", dataset_fingerprint="of others"))
    assert (subject.pack.images == load_dataset(subject.config).images).all()
    told = f"{subject.config.run_dir} was trained on other images"
    assert sum(told in message for message in messages) == 1
    assert subject.labels is None
    first, second = (subject.make_generator_of_random_numbers().random(3) for _ in range(2))
    assert (first == second).all() and np.unique(first).size == 3


def test_images_that_are_gone_are_told_as_in_training(tiny, tmp_path):
    """Whatever an experiment changes: the size of the images, or their labels."""
    config = tiny(dataset="photos", dataset_place=str(tmp_path / "photos"), out_name="run")
    config.checkpoint_path.mkdir(parents=True)
    (config.checkpoint_path / "step-5.index").touch()
    write_config(config.resolve())
    subject = Subject(read_run(config.run_dir))
    told = f"^{config.run_dir}/config.json names {tmp_path}/photos, where there are no longer any "
    with pytest.raises(ValueError, match=told):
        _ = subject.pack
    for changes in ({"output_height": 32}, {"labels": "folder"}, {"attribute": "Smiling"}):
        with pytest.raises(ValueError, match=told):
            subject.load_images(**changes)
    typed = Subject(subject.config, typed={"is_typed": True})
    with pytest.raises(ValueError, match=r"photos.* give their new place as --dataset to cont"):
        _ = typed.pack


def test_labels_that_only_an_experiment_asks_for_are_not_the_runs(tiny, image_folder):
    config = tiny(dataset="imported", out_name="run")
    config.checkpoint_path.mkdir(parents=True)
    (config.checkpoint_path / "step-5.index").touch()
    write_config(config.resolve())
    subject = Subject(dataclasses.replace(config, dataset=str(image_folder(3))))
    with pytest.raises(ValueError, match=r"^--labels=folder needs every image of "):
        subject.load_images(labels="folder")


def test_labels_are_those_that_the_run_knows(trained, image_folder):
    """Of the class folders, one is gone, or another has come."""
    folder = image_folder(3, "shapes/square").parent
    image_folder(2, "shapes/triangle")
    known = {"labels": "folder", "label_names": ("circle", "square", "triangle")}
    config = trained(dataset=str(folder), **known)
    labels = Subject(config).labels
    assert labels.names == config.label_names
    assert labels.y.argmax(1).tolist() == [1, 1, 1, 2, 2]

    image_folder(2, "shapes/cross")
    with pytest.raises(
        ValueError, match=r"^The labels .* Received: cross, square, triangle\. Give"
    ):
        _ = Subject(config).labels
