"""The training loop: it reads like a table of contents, and the chapters are in training/."""

import dataclasses

import numpy as np
import tensorflow as tf
from absl import logging

from config.settings import Config
from config.stored import write_config
from data.labels import Labels
from gan import DCGAN
from runs.checkpoints import Checkpoints, DivergedError
from runs.history import claim_checkpoint_folder, put_earlier_training_aside
from system.devices import choose_jit, choose_precision
from system.files import remove_temporary_leftovers
from system.signals import catch_stop_signals
from training.announcements import announce_training
from training.cost import estimate_training_bytes
from training.logs import Logs
from training.pictures import Pictures
from training.recovery import check_losses_finite, halve_learning_rate, translate_step_errors
from training.schedule import find_actions_due_after_step, plan_step_calls
from training.steps import Steps, choose_images_on_device, choose_steps_per_call


def train(config: Config, images: np.ndarray, labels: Labels | None = None) -> Config | None:
    """Trains until `config.total_steps`, from the run's newest checkpoint on; returns the run's
    settings.

    images (N, H, W, C) uint8 and labels, as `data.load.load_dataset` gives them. Ctrl-C, SIGTERM
    and SIGHUP end it early with everything saved, and None is returned. When losses or weights
    become NaN or infinite, it goes back to the newest checkpoint with half the learning rate, up to
    three times in a run; after that it raises ValueError, as it does when no checkpoint of the run
    is readable, the labels are not the run's, or memory runs out; OSError when a checkpoint cannot
    be written. One process at a time may train a run: `system.locks.lock_run`.
    """
    config = take_settings_from_data(config, images, labels)
    set_tensorflow_options(config)
    put_earlier_training_aside(config)
    while True:
        try:
            return train_until_divergence(config, images, labels)
        except DivergedError as error:
            config = halve_learning_rate(config, error)


def set_tensorflow_options(config: Config) -> None:
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    # TensorFlow's fusing optimizer fails over some networks (one block, labels) and speeds none up.
    tf.config.optimizer.set_experimental_options({"remapping": False})


def take_settings_from_data(config: Config, images: np.ndarray, labels: Labels | None) -> Config:
    """The settings with the data's channels and names of labels.

    Raises ValueError when the run that exists has other labels.
    """
    names = labels.names if labels else None
    if config.label_names and names != config.label_names:
        raise ValueError(
            "The labels are fixed once a run has started: "
            f"{config.run_dir} has {', '.join(config.label_names)}. "
            f"Received: {', '.join(names or ()) or 'none'}. Start another run with --out_name=NAME."
        )
    return dataclasses.replace(config, c_dim=images.shape[-1], label_names=names).resolve()


def train_until_divergence(
    config: Config, images: np.ndarray, labels: Labels | None
) -> Config | None:
    """Like `train`, but raises DivergedError at the first loss that is not finite."""
    precision, jit = choose_precision(config.mixed_precision), choose_jit(config.jit)
    dcgan = DCGAN(config, precision=precision, jit=jit)
    checkpoints = Checkpoints(dcgan, config)
    start, total = checkpoints.restore(), config.total_steps(len(images))
    if start >= total:
        say_training_is_complete(config, start, total)
        return config

    prepare_run_folders(config)
    needed = estimate_training_bytes(config, precision)
    announce_training(
        config, start=start, total=total, precision=precision, jit=jit, step_bytes=needed
    )
    with translate_step_errors(config, step_bytes=needed, image_bytes=images.nbytes):
        finished = run_training_steps(dcgan, images, labels, checkpoints, range(start, total))
    return config if finished else None


def say_training_is_complete(config: Config, step: int, total: int) -> None:
    logging.info(
        "%s is at step %s of %s: raise --epoch or --steps.",
        *(config.run_dir, f"{step:,}", f"{total:,}"),
    )


def prepare_run_folders(config: Config) -> None:
    """Makes the run's folders, removes a killed process's leftovers, writes config.json."""
    for folder in (config.run_dir, config.sample_path):
        folder.mkdir(parents=True, exist_ok=True)
    claim_checkpoint_folder(config)
    places = (config.run_dir, config.sample_path, config.checkpoint_path)
    for folder in (*places, *config.run_dir.glob("*/")):
        remove_temporary_leftovers(folder)
    write_config(config)


def run_training_steps(
    dcgan: DCGAN, images: np.ndarray, labels: Labels | None, checkpoints: Checkpoints, steps: range
) -> bool:
    """Trains for `steps`, counted from 0; False when a signal stopped it."""
    config, total = dcgan.config, steps.stop
    y = labels.y if labels else None
    pictures = Pictures(config, dcgan.generator)
    on_device = choose_images_on_device(config.data_on_device, images)
    trainer = Steps(dcgan, images, y, on_device=on_device)
    calls = plan_step_calls(config, steps, choose_steps_per_call(config.steps_per_call))

    with catch_stop_signals() as stop, Logs(config, steps, len(images)) as logs:
        pictures.write_grid_of_reals(logs, images, y)

        for call, results in zip(calls, trainer.run(calls), strict=True):
            step = call.stop  # steps done so far
            logs.advance_progress_bar(len(call))
            stopping = stop.is_set()  # read once; later signals end the next one
            is_first, is_last = call.start == steps.start, step == total or stopping
            due = find_actions_due_after_step(config, step, is_first=is_first, is_last=is_last)

            if any(due):
                results |= dcgan.read_loss_scales()
                is_finite = check_losses_finite(step, results)
            if due.log:
                logs.log_training_step(step, results)
            if due.draw:
                logs.log_training_histograms(step, results)
                pictures.write_grid_of_fakes(logs, step, results)
            if step == total:
                pictures.write_training_film(step)
            # Last: after an earlier kill, all of this is redone from the checkpoint before.
            if due.save and is_finite:
                checkpoints.save(step)
            if stopping:
                break

    return say_how_training_ended(config, step, total)


def say_how_training_ended(config: Config, step: int, total: int) -> bool:
    """Logs the outcome; True if complete."""
    if step < total:
        logging.info("stopped and saved at step %s; the same command resumes there.", f"{step:,}")
        return False

    logging.info("the pictures are in %s", config.sample_path)
    return True
