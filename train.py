"""The training loop. Its parts are in training/."""

import system.quiet_tensorflow  # noqa: F401  (before anything that imports TensorFlow)

# isort: split
import contextlib
import dataclasses
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from augmentation import settle_augmentation
from config.checks import note_settings_for_python
from config.settings import SETTINGS, Config, check_is_config
from config.stored import write_config
from data.given_arrays import check_training_images, take_training_labels
from data.identity import fingerprint_labels
from data.labels import Labels, check_labels_are_those_of_run
from data.load import warn_of_small_dataset
from data.split import Split, split_rows_for_holdout
from distribution import settle_replicas, translate_lost_worker
from evaluate.monitor import Monitor
from evaluate.report import write_report_of_run
from gan import DCGAN
from runs.changes import record_changed_settings
from runs.checkpoints import Checkpoints, DivergedError, keep_images_per_step_of_checkpoints
from runs.claims import (
    check_run_owns_its_folders,
    claim_run_folders,
    give_run_an_id,
    lock_run_folders,
)
from runs.dataset import (
    announce_change_of_dataset,
    find_run_of_same_images,
    keep_label_names_of_run,
    keep_new_place_of_same_images,
    name_run_of_array,
    read_label_names_of_run,
    take_dataset_into_settings,
)
from runs.history import (
    keep_run_metrics_of_lost_checkpoints,
    locate_metrics,
    put_earlier_training_aside,
    read_seconds_of_training,
)
from runs.moved import check_run_is_in_place, run_kept_in_place
from runs.new_run import warn_of_new_run_inside_another
from runs.progress import (
    Progress,
    keep_planned_steps,
    read_run_settings_before_flags,
    record_epoch_size,
    restate_progress_for_epoch_size,
)
from runs.read import read_run_settings
from system import console
from system.cluster import Workers, find_workers
from system.devices import (
    choose_jit_for_device,
    choose_kernel_forms_for_device,
    choose_precision_for_device,
)
from system.files import remove_temporary_leftovers
from system.signals import Stop, catch_stop_signals
from training.announcements import (
    announce_augmentation,
    announce_change_of_step_size,
    announce_changed_settings,
    announce_complete_training,
    announce_end_of_training,
    announce_held_out_images,
    announce_planned_steps,
    announce_stop_of_training,
    announce_training,
)
from training.chief import (
    END,
    GO_BACK,
    GO_ON,
    Lead,
    agree_on_start,
    check_workers_agree,
    hear_chief,
    take_settings_of_chief,
    wait_for_workers,
)
from training.cost import estimate_training_bytes
from training.diagnosis import Verdict
from training.logs import Logs, OnLog
from training.minutes import RunLength, Scoring, estimate_total_steps
from training.pictures import Pictures
from training.recovery import (
    check_losses_finite,
    halve_learning_rate,
    is_out_of_memory,
    translate_step_errors,
)
from training.schedule import Due, find_actions_due_after_step, plan_step_calls
from training.steps import Steps, choose_steps_per_call, should_train_from_device_memory


def train(
    config: Config,
    images: np.ndarray,
    labels: Labels | np.ndarray | None = None,
    on_log: OnLog | None = None,
) -> Config | None:
    """Trains from the run's newest checkpoint to `config.total_steps`, or for `config.minutes`;
    returns the run's settings, as `sample.Sampler` takes them, or None if it ended early.

    A run without an out_name is called array-<height>x<width>, or after its Config.dataset.
    images: (N, H, W, C) uint8, H and W as in the settings. labels: one for each image, if
    Config.labels asks for them: whole numbers (N,), or Labels. on_log: called at each logged step
    with the numbers of its line in metrics.jsonl; its exceptions reach the caller, and the next
    call resumes from the last checkpoint.

    Ctrl-C, SIGTERM and SIGHUP end training early: it saves everything and returns None, as it does
    after a collapse with `config.on_collapse` "stop", and in all workers but the first. If that
    takes long, a line says so, and another signal raises KeyboardInterrupt. Outside the main
    thread, signals are left alone. If logging is not set up, as in notebooks, it shows its own
    log lines. It locks the run: only one thread at a time may train it.

    When losses or weights become NaN or infinite, it goes back to the newest checkpoint with half
    the learning rate, up to three times in a run. After a collapse with `config.on_collapse`
    "restore", it goes back to the best checkpoint in the same way. Raises ValueError instead of
    going back a fourth time, when no checkpoint of the run is readable, when images or labels are
    of the wrong kind or not the run's, or when memory runs out; OSError when a checkpoint cannot be
    written.
    """
    check_is_config(config, "train", "config.settings.Config(steps=2000)")
    if not (on_log is None or callable(on_log)):
        raise ValueError(
            "on_log must be a function that takes a dict, or None. "
            f"Received: {type(on_log).__name__}. Pass the function itself, without calling it."
        )
    with note_settings_for_python(SETTINGS):
        return train_on_dataset(config, images, labels, on_log, place="")


def train_on_dataset(
    config: Config,
    images: np.ndarray,
    labels: Labels | np.ndarray | None = None,
    on_log: OnLog | None = None,
    *,
    place: str,
) -> Config | None:
    """Like `train`, for a dataset read from `place`, as `data.load` gives it; "" for an array.

    The run remembers the place. Images there may change; images from another place must be the
    same as before.
    """
    with console.show_log_where_none_is_set_up():
        check_training_images(config, images)
        if not place:
            config = name_run_of_array(config, images)
        known = read_label_names_of_run(config.resolve())
        labels = take_training_labels(config, labels, len(images), known)
        if not place:  # logs a renamed run, as main.py does for a command
            find_run_of_same_images(config.resolve(), {"out_name": config.name}, images)
            if not read_run_settings(config.run_dir):
                warn_of_new_run_inside_another(config.run_dir, in_python=True)
        config = take_dataset_into_settings(config.resolve(), images, place)
        config = keep_label_names_of_run(config, known)
        config = give_run_an_id(complete_training_settings_from_data(config, images, labels))
        split = split_rows_for_holdout(images, config.holdout)
        warn_of_small_dataset(config.batch_size, len(split.training))
        config = keep_images_per_step_of_checkpoints(settle_replicas(config))
        set_tensorflow_options_for_training(config)
        announce_held_out_images(split)
        stored = read_run_settings_before_flags(config)
        config = settle_augmentation(config, len(split.training), stored)
        forms = choose_kernel_forms_for_device(config.kernel_forms, config.mixed_precision)
        config = dataclasses.replace(config, kernel_forms=forms)

        workers = find_workers(config.distribute)
        with translate_lost_worker(workers):
            check_workers_agree(workers, config)
            if workers and not workers.is_chief:
                return follow_chief(workers, config, images, labels, split)
            with lock_run_folders(config):
                check_run_owns_its_folders(config)
                put_earlier_training_aside(config)
                trained = train_through_divergence(config, images, labels, split, on_log)
            wait_for_workers(workers)
            return trained


def train_through_divergence(
    config: Config, images: np.ndarray, labels: Labels | None, split: Split, on_log: OnLog | None
) -> Config | None:
    """Like `train`, once the data are known to fit and the run is locked."""
    while True:
        try:
            return train_or_raise_divergence(config, images, labels, split, on_log)
        except DivergedError as error:
            config = halve_learning_rate(config, error)


def set_tensorflow_options_for_training(config: Config) -> None:
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    # TensorFlow's fusing optimizer fails on some networks (one block, labels) and speeds none up.
    tf.config.optimizer.set_experimental_options({"remapping": False})


def complete_training_settings_from_data(
    config: Config, images: np.ndarray, labels: Labels | None
) -> Config:
    """The settings with the data's channels, label names and a fingerprint of the labels.

    Raises ValueError when an existing run has other labels.
    """
    names = labels.names if labels else None
    check_labels_are_those_of_run(config, names)
    fingerprint = fingerprint_labels(labels.y) if labels else ""
    settings = {"label_names": names, "labels_fingerprint": fingerprint}
    return dataclasses.replace(config, c_dim=images.shape[-1], **settings).resolve()


class TrainingData(NamedTuple):
    """Images, with labels also y (N, y_dim), which of them are trained on, and how many were shown.

    origin: where the order of the images starts, as in `data.batches.Order`. shown: how many images
    would have been shown before step 0 if every step so far had shown as many as a step does now;
    may be negative.
    """

    images: np.ndarray
    y: np.ndarray | None
    split: Split
    origin: int
    shown: int


def train_or_raise_divergence(
    config: Config, images: np.ndarray, labels: Labels | None, split: Split, on_log: OnLog | None
) -> Config | None:
    """Like `train`, but raises DivergedError at the first loss that is not finite."""
    count, workers = len(split.training), find_workers(config.distribute)
    config = take_settings_of_chief(workers, keep_planned_steps(config))
    config, checkpoints, progress = restore_training(config, count)
    start, dcgan = checkpoints.progress.step, checkpoints.dcgan
    seconds = read_seconds_of_training(locate_metrics(config), start)
    total = estimate_total_steps(config, count, progress, seconds)
    agree_on_start(workers, start, total)
    if start >= total:
        epochs = progress.images_shown / count
        keep_new_place_of_same_images(config)
        announce_complete_training(config, start, epochs=epochs, seconds=seconds)
        return config

    announce_change_of_dataset(config, len(images))
    announce_change_of_step_size(config, progress, count)
    announce_changed_settings(config, read_run_settings_before_flags(config))
    keep_run_metrics_of_lost_checkpoints(config, start)
    record_changed_settings(config, start)
    prepare_folders_for_training(config)
    needed = estimate_training_bytes(config, dcgan.precision)
    how = {"precision": dcgan.precision, "jit": dcgan.jit, "step_bytes": needed}
    announce_training(config, start=start, total=total, seconds=seconds, **how)
    announce_augmentation(config, count)
    data = combine_training_data(images, labels, split, progress, checkpoints)
    logs = Logs(config, range(start, total), count, origin=data.origin, on_log=on_log)
    dcgan.total_steps.assign(total)
    length = RunLength(config, total, choose_steps_per_call(config.steps_per_call))
    with (
        translate_step_errors(config, step_bytes=needed, image_bytes=images.nbytes),
        catch_stop_signals() as stop,
    ):
        finished = run_training_steps(data, checkpoints, logs, length, stop)
    # An impatient second Ctrl-C does not interrupt what the first one asked for.
    with contextlib.nullcontext() if finished else catch_stop_signals(doing="drawing the report"):
        report_end_of_training(config, logs, finished=finished)
    return length.config if finished else None


def restore_training(config: Config, count: int) -> tuple[Config, Checkpoints, Progress]:
    """Builds both networks and restores the newest checkpoint, if there is one.

    count: images in an epoch. Returns the settings with the sizes of all epochs so far, the
    checkpoints, whose `progress` is as stored, and the progress in epochs of `count` images.
    """
    precision = choose_precision_for_device(config.mixed_precision)
    jit = choose_jit_for_device(config.jit, is_distributed=config.is_distributed)
    checkpoints = Checkpoints(DCGAN(config, precision=precision, jit=jit), config)
    checkpoints.restore()
    config = record_epoch_size(config, checkpoints.progress, count)
    return config, checkpoints, restate_progress_for_epoch_size(config, checkpoints.progress, count)


def combine_training_data(
    images: np.ndarray,
    labels: Labels | None,
    split: Split,
    progress: Progress,
    checkpoints: Checkpoints,
) -> TrainingData:
    """progress, checkpoints: as `restore_training` returns them."""
    size = checkpoints.dcgan.config.images_per_step
    origin, shown = (each.count_images_shown(0, size) for each in (progress, checkpoints.progress))
    return TrainingData(images, labels.y if labels else None, split, origin, shown)


def follow_chief(
    workers: Workers, config: Config, images: np.ndarray, labels: Labels | None, split: Split
) -> None:
    """Like `train`, as one of several workers but not the first: it takes its share of each step,
    writes nothing, and goes on, ends and goes back when the chief does. Returns None.
    """
    logging.info("%s writes the run's files and reports.", workers.name_worker(0).capitalize())
    word = GO_BACK
    while word == GO_BACK:
        config = take_settings_of_chief(workers, config)
        config, checkpoints, progress = restore_training(config, len(split.training))
        start = checkpoints.progress.step
        total = agree_on_start(workers, start, 0)
        if start >= total:
            break
        data = combine_training_data(images, labels, split, progress, checkpoints)
        length = RunLength(config, total, choose_steps_per_call(config.steps_per_call))
        needed = estimate_training_bytes(config, checkpoints.dcgan.precision)
        with translate_step_errors(config, step_bytes=needed, image_bytes=images.nbytes):
            word = follow_training_steps(workers, checkpoints.dcgan, data, length, start)
    wait_for_workers(workers)


def follow_training_steps(
    workers: Workers, dcgan: DCGAN, data: TrainingData, length: RunLength, start: int
) -> int:
    """Takes steps from `start` until the chief says otherwise; returns its last word."""
    dcgan.total_steps.assign(length.total)
    step, word = start, GO_ON
    with catch_stop_signals() as stop:
        calls = take_training_steps(dcgan, data, length, start)
        while word == GO_ON:
            step = next(calls)[0].stop
            word, total = hear_chief(workers, stop)
            dcgan.total_steps.assign(total)
    if word == END:
        logging.info("training ended at step %s.", f"{step:,}")
    return word


def report_end_of_training(config: Config, logs: Logs, *, finished: bool) -> None:
    """Draws the run's report, and says how long training took and what to do next."""
    report = write_report_of_run(config, needs_scores=True)
    before = logs.seconds_before
    times = {"seconds": logs.seconds - before, "seconds_before": before}
    announce_end_of_training(config, **times, finished=finished, report=report)


def prepare_folders_for_training(config: Config) -> None:
    """Makes the run's folders, removes a killed process's leftovers, writes run.json, config.json.

    The order matters: a run.json without checkpoints shows that an earlier start was killed.
    """
    for folder in (config.run_dir, config.sample_path):
        folder.mkdir(parents=True, exist_ok=True)
    places = (config.run_dir, config.sample_path, config.checkpoint_path)
    for folder in (*places, *config.run_dir.glob("*/")):
        remove_temporary_leftovers(folder)
    claim_run_folders(config)
    write_config(config)


def run_training_steps(
    data: TrainingData, checkpoints: Checkpoints, logs: Logs, length: RunLength, stop: Stop
) -> bool:
    """Trains from the start of `logs.steps` for `length`; False when `stop` or the scores ended it
    early.
    """
    dcgan, start, (images, y, split, *_) = checkpoints.dcgan, logs.steps.start, data
    config, workers = dcgan.config, dcgan.replicas.workers
    pictures = Pictures(config, dcgan.drawn_generator, dcgan.generator)
    how = {"discriminator": dcgan.discriminator, "y": y}
    monitor, verdict = Monitor(config, images, pictures.sampler, split, **how), Verdict(config)

    with logs, Lead(workers, stop, length) as lead:
        pictures.write_grid_of_reals(logs, images, y, split.training)
        calls = take_training_steps(dcgan, data, length, start)
        for call, results in lead.lead_through_calls(calls):
            step = call.stop  # steps done so far
            logs.advance_progress_bar(len(call))
            plan_steps_by_minutes(length, step, logs, dcgan, monitor)
            stopping = stop.is_set()  # read once; a later signal ends the next call
            is_first, is_done = call.start == start, step >= length.total
            is_last = is_done or stopping
            due = find_actions_due_after_step(config, step, is_first=is_first, is_last=is_last)
            is_finite = any(due) and check_losses_finite(step, results)
            saves = due.save and is_finite
            if any(due):
                check_run_is_in_place(checkpoints, step, saves=is_finite)
            scored = {}, ""
            if saves and (is_done or not stopping):  # a signal must not wait for scores
                scored = score_if_due(monitor, verdict, step, is_last=is_done)
                stopping = verdict.ends_training
            log_and_draw_if_due(logs, pictures, due, step, results, scored)
            if is_done:
                pictures.write_film_of_training(step)
            # Last: if killed before this, training redoes all of it from the previous checkpoint.
            if saves:
                # Again: scores and pictures may have taken minutes.
                with run_kept_in_place(checkpoints, step):
                    checkpoints.save(step)
                    monitor.keep_best_scored_checkpoint(step)
            if is_done or stopping:
                break
    if not is_done:
        announce_stop_of_training(step)
        stop.doing = "drawing the animation and the report"  # what is left to do
        pictures.write_film_of_training(step)
    return is_done


def plan_steps_by_minutes(
    length: RunLength, step: int, logs: Logs, dcgan: DCGAN, monitor: Monitor
) -> None:
    """Sets the run's length once its speed is known, and when the speed changes; stores it."""
    scoring = Scoring(monitor.seconds, monitor.estimate_share_of_time(), monitor.seconds_of_last)
    total = length.plan_total_steps(step, logs.measure_seconds_of_training(), scoring)
    if total == length.total:
        return

    images_per_step = length.config.images_per_step
    announce_planned_steps(
        length.config,
        step,
        total,
        before=length.total,
        images_per_second=images_per_step / length.seconds_per_step,
        epochs=(logs.origin + total * images_per_step) / logs.images,
    )
    length.total = total
    length.config = dataclasses.replace(length.config, planned_steps=total)
    dcgan.total_steps.assign(total)
    logs.set_total_steps(total)
    write_config(length.config)


def take_training_steps(
    dcgan: DCGAN, data: TrainingData, length: RunLength, start: int
) -> Iterator[tuple[range, dict]]:
    """Takes steps from `start`, `length.steps_per_call` per call; yields the steps of each call and
    its last step's results, with loss scales and learning rates.
    """
    config, (images, y, split, origin, shown) = dcgan.config, data
    on_device = should_train_from_device_memory(config.data_on_device, images)
    how = {"on_device": on_device, "origin": origin, "shown": shown, "rows": split.training}
    trainer = Steps(dcgan, images, y, **how)
    steps = length.list_steps_from(start)
    calls, same_calls = itertools.tee(plan_step_calls(config, steps, length.steps_per_call))
    for call, results in zip(calls, trainer.run(same_calls), strict=True):
        yield call, results | dcgan.read_loss_scales() | dcgan.read_learning_rates()


def log_and_draw_if_due(
    logs: Logs, pictures: Pictures, due: Due, step: int, results: dict, scored: tuple[dict, str]
) -> None:
    """scored: what `score_if_due` returned; scores are logged even if no log is due."""
    scores, words = scored
    if due.log or scores:
        logs.log_training_step(step, results, scores, verdict=words)
    if due.draw:
        logs.log_training_histograms(step, results)
        pictures.write_grid_of_fakes(logs, step, results)


def score_if_due(
    monitor: Monitor, verdict: Verdict, step: int, *, is_last: bool
) -> tuple[dict[str, float], str]:
    """The generator's scores by name, and the verdict, which it logs; ({}, "") if not due.

    ({}, "") with a warning, too, if a file cannot be read or memory is short: no score is worth the
    steps since the last checkpoint.
    """
    if not monitor.is_evaluation_due(step, is_last=is_last):
        return {}, ""
    try:
        scores = monitor.score_fakes_against_reals(step)
    except (OSError, MemoryError, tf.errors.OpError) as error:
        if is_out_of_memory(error):
            error = MemoryError()
        elif not isinstance(error, OSError):
            raise
        text = "step %s has no scores: %s Training continues."
        logging.warning(text, f"{step:,}", console.explain_error(error))
        return {}, ""
    floor = monitor.comparison.floor
    return scores, verdict.announce_training_verdict(monitor.history, floor)
