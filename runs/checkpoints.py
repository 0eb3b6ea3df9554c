"""Saves and restores a run's state: all that training needs to resume, or only the networks."""

import contextlib
import dataclasses
import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf
from absl import logging

from config.settings import Config
from gan import DCGAN
from runs.checkpoint_files import (
    FILE_NAME,
    TEMPORARY_NAME,
    announce_checkpoint_in_list,
    choose_checkpoints,
    list_checkpoint_files,
    list_checkpoints,
    list_checkpoints_to_continue,
    list_choices_of_checkpoint,
    list_steps_in_checkpoint_list,
    list_steps_saved_by_run,
    parse_checkpoint_step,
    put_unreadable_checkpoints_aside,
    write_checkpoint_list,
)
from runs.claims import check_checkpoints_are_of_run
from runs.not_found import explain_run_without_checkpoint
from runs.other_network import describe_other_network, explain_other_network
from runs.progress import Progress, derive_older_images_per_step
from system.text import join_names_for_error

# What TensorFlow raises for a damaged checkpoint. Truncated data: IndexError. A flipped bit, a
# missing file: OpError. Another shape: ValueError. Missing variables: AssertionError. The others
# come from an index full of nonsense.
DAMAGE_ERRORS = (
    IndexError,
    ValueError,
    AssertionError,
    TypeError,
    RuntimeError,
    OSError,
    tf.errors.OpError,
)

# Of these, the ones that say nothing about the files: no memory, or a disk that does not answer.
PASSING_ERRORS = (
    OSError,
    tf.errors.ResourceExhaustedError,
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.PermissionDeniedError,
)
# TensorFlow gives the system's reason mostly in words. The codes of a disk that does not answer:
READ_ERRNOS = (
    errno.EIO,
    errno.EACCES,
    errno.EPERM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.ENOTCONN,
    errno.EHOSTDOWN,
)

# The same for a failed write, where they are the only reason. The possible codes:
WRITE_ERRNOS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
)

# How TensorFlow names the counters in a checkpoint's file.
STEP, IMAGES_SHOWN, IMAGES_AVERAGED = (
    f"{name}/.ATTRIBUTES/VARIABLE_VALUE" for name in ("step", "images_shown", "images_averaged")
)
NOT_FINITE = "it holds NaN or infinity"  # the fault of a checkpoint that can be read

MAX_REASON = 120  # characters of TensorFlow's explanation that are shown


class Restored(NamedTuple):
    """What was restored: the checkpoint's step, and which of its generators, "ema" or "live"."""

    step: int
    weights: str


class DivergedError(ValueError):
    """Losses or weights that are NaN or infinite."""


class Checkpoints:
    """The last `max_to_keep` states of a run: networks, optimizers, loss scales and progress.

    progress: the steps and images of the restored state.

    The constructor removes what a kill during a save left behind: TensorFlow never does. A
    checkpoint that the run's list does not name, because the user put it there, stays and does not
    count. Damaged ones that `restore` passed over are moved aside by the first save; one that the
    disk could not read just then stays, does not count, and is moved aside before its step is saved
    again.
    """

    def __init__(self, dcgan: DCGAN, config: Config):
        self.config = config
        self.dcgan = dcgan
        # Without the scalers around them, so that a run may change its precision.
        self.g_adam = dcgan.g_scaler.inner_optimizer
        self.d_adam = dcgan.d_scaler.inner_optimizer

        self.progress = Progress()
        self.step = tf.Variable(0, dtype=tf.int64)
        self.images_shown = tf.Variable(0, dtype=tf.int64)
        self.older_state = self._collect_checkpoint_variables()  # for runs up to commit 67980ae
        self.live_state = self._collect_checkpoint_variables(images_shown=self.images_shown)
        self.state = self._collect_checkpoint_variables(
            images_shown=self.images_shown, **self._map_average()
        )
        for state in (self.older_state, self.live_state, self.state):
            # This creates the save counter, which the checkpoints of older runs contain.
            state.save_counter.assign(0)

        self.folder = config.checkpoint_path
        self.passed_over: dict[Path, bool] = {}  # by `restore`; whether the files are at fault
        self.told_of_others = False
        leftovers = self.folder.glob("step-*_temp") if dcgan.replicas.is_chief else ()
        for path in leftovers:
            if TEMPORARY_NAME.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)

    def _map_average(self) -> dict:
        """The variables of the averaged generator, if there is one."""
        average = self.dcgan.average
        if average is None:
            return {}
        variables = _map_checkpoint_variables_by_path(average.generator)
        return {"averaged_generator": variables, "images_averaged": average.images}

    def _collect_checkpoint_variables(self, **more) -> tf.train.Checkpoint:
        """All variables that a checkpoint holds, and `more`."""
        return tf.train.Checkpoint(
            generator=_map_checkpoint_variables_by_path(self.dcgan.generator),
            discriminator=_map_checkpoint_variables_by_path(self.dcgan.discriminator),
            g_adam=_map_checkpoint_variables_by_path(self.g_adam),
            d_adam=_map_checkpoint_variables_by_path(self.d_adam),
            g_scale=self.dcgan.g_scaler.dynamic_scale.value,
            g_scale_steps=self.dcgan.g_scaler.step_counter.value,
            d_scale=self.dcgan.d_scaler.dynamic_scale.value,
            d_scale_steps=self.dcgan.d_scaler.step_counter.value,
            step=self.step,
            **more,
        )

    def restore(self) -> int:
        """Restores the newest readable state, or else best/, and returns its step; 0 if none.

        Raises ValueError when there are checkpoints and none is readable.
        """
        networks = {"generator": self.dcgan.generator, "discriminator": self.dcgan.discriminator}
        failed = {}

        def read_state(prefix: Path) -> None:
            try:
                self._restore_state_of_checkpoint(prefix)
            except DAMAGE_ERRORS as error:
                failed[prefix] = not _is_passing_error(error)
                raise

        path = _restore_newest_checkpoint(self.config, networks, read_state)
        self.passed_over = {
            p: failed[p]
            for p in sorted(failed, key=parse_checkpoint_step)
            if p.parent == self.folder
        }
        if path and path.parent == self.config.best_path:
            logging.warning(
                "%s has no readable checkpoint but the one in best/: training continues from it. "
                "To start over instead, add --out_name=NAME.",
                self.config.run_dir,
            )
        # Otherwise the learning rates in the checkpoint would override the flags.
        with self.dcgan.replicas.scope():
            self.g_adam.learning_rate = self.config.current_learning_rate
            self.d_adam.learning_rate = self.config.current_d_learning_rate

        if path and not int(self.step):
            logging.info(
                "The weights of %s were imported: both optimizers start afresh.",
                self.config.run_dir,
            )
        self.progress = Progress(int(self.step), int(self.images_shown))
        return self.progress.step

    def _restore_state_of_checkpoint(self, path: Path) -> None:
        """Raises one of DAMAGE_ERRORS unless the checkpoint is whole and finite."""
        counts = _checkpoint_holds(path, IMAGES_SHOWN)
        averages = self.dcgan.average and _checkpoint_holds(path, IMAGES_AVERAGED)
        state = self.state if averages else self.live_state if counts else self.older_state
        # expect_partial: otherwise a failure would log the name of every variable. A checkpoint may
        # also hold an average that the run no longer uses.
        state.read(os.fspath(path)).expect_partial().assert_existing_objects_matched()
        if not counts:
            self.images_shown.assign(int(self.step) * derive_older_images_per_step(self.config))
        if self.dcgan.average and not averages:
            self.dcgan.average.restart()
        if not self.has_finite_state():
            raise ValueError(NOT_FINITE)

    def has_finite_state(self) -> bool:
        """Whether no weight, statistic or moment of the optimizers is NaN or infinite."""
        owners = [self.dcgan.generator, self.dcgan.discriminator, self.g_adam, self.d_adam]
        owners += [self.dcgan.average.generator] if self.dcgan.average else []
        return _are_checkpointed_variables_finite(*owners)

    def save(self, step: int) -> None:
        """Saves the state after `step` steps, then removes the run's oldest beyond `max_to_keep`.

        Raises DivergedError when something in it is NaN or infinite, and OSError when it cannot be
        written. Either way the earlier checkpoints stay as they are, unless the new one is whole
        and only the list cannot be written.
        """
        self._check_weights_finite(step)
        self.step.assign(step)
        self.images_shown.assign(
            self.progress.count_images_shown(step, self.config.images_per_step)
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        prefix = self.folder / f"step-{step}"
        self._put_passed_over_checkpoints_aside(prefix)
        try:
            with announce_checkpoint_in_list(prefix):
                self._write_checkpoint_files(prefix)
        except OSError:
            self.remove_failed_checkpoint(step)  # it would take the room that the next try needs
            raise

        # Without a list, a kill may have come right after the first checkpoint.
        saved = list_steps_saved_by_run(self.folder) or {self.progress.step}
        counted = {step, *saved} - set(map(parse_checkpoint_step, self.passed_over))
        kept = self._choose_checkpoints_to_keep(step, counted)
        # The list comes last: until then it names those that a kill may keep from being removed.
        self._remove_older_checkpoints(parse_checkpoint_step(kept[0]), counted)
        write_checkpoint_list(self.folder, kept)

    def _put_passed_over_checkpoints_aside(self, prefix: Path) -> None:
        """Moves aside those that are damaged, and whatever a save at `prefix` would overwrite."""
        passed = self.passed_over
        moved = [path for path in passed if passed[path] or path == prefix]
        put_unreadable_checkpoints_aside(moved)
        self.passed_over = {path: passed[path] for path in passed if path not in moved}

    def _check_weights_finite(self, step: int) -> None:
        if not self.has_finite_state():
            raise DivergedError(
                f"The weights must stay finite. Received: NaN or infinity at step {step:,}."
            )

    def _choose_checkpoints_to_keep(self, step: int, counted: set[int]) -> list[Path]:
        """The newest `max_to_keep` up to `step`, oldest first, of those whose step is `counted`.

        The first time that there are others, it logs them.
        """
        paths = [
            path for path in list_checkpoints(self.folder) if parse_checkpoint_step(path) <= step
        ]
        kept = [path for path in paths if parse_checkpoint_step(path) in counted]
        others = [path.name for path in paths if path not in kept]
        if others and not self.told_of_others:
            self.told_of_others = True
            logging.info(
                "left alone in %s, and not counted for --max_to_keep=%s: %s (unreadable, or not "
                "among the checkpoints of the run's last save).",
                *(self.folder, self.config.max_to_keep, join_names_for_error(others)),
            )
        return kept[-self.config.max_to_keep :]

    def _write_checkpoint_files(self, prefix: Path) -> None:
        """Writes the files of a checkpoint, and waits until the disk has them.

        Otherwise a power failure could destroy them after their predecessors were removed.
        """
        with translate_write_errors(prefix):
            self.state.write(os.fspath(prefix))

        for path in list_checkpoint_files(prefix):
            with open(path, "r+b") as file:
                os.fsync(file.fileno())

    def _remove_older_checkpoints(self, step: int, counted: set[int]) -> None:
        older = {one for one in counted if one < step}
        # Backwards, so that each index goes before its data, which are ignored without it.
        for path in sorted(self.folder.glob("step-*.*"), reverse=True):
            if FILE_NAME.fullmatch(path.name) and parse_checkpoint_step(path) in older:
                path.unlink(missing_ok=True)

    def remove_failed_checkpoint(self, step: int) -> None:
        """Removes what this process wrote of the checkpoint of `step`, as far as it can."""
        prefix = self.folder / f"step-{step}"
        with contextlib.suppress(OSError):
            for path in list_checkpoint_files(prefix):
                path.unlink(missing_ok=True)
            shutil.rmtree(f"{prefix}_temp", ignore_errors=True)


def restore_networks(config: Config, checkpoint: str = "last", **networks: keras.Model) -> Restored:
    """Restores `generator=` and/or `discriminator=` from a checkpoint of a run.

    The generator is the averaged one where the checkpoint has it, unless `config.weights` is live.
    checkpoint: "last", the newest readable one; "best"; or a step. Raises ValueError when the run
    has no such checkpoint or weights, the checkpoint is unreadable, or --checkpoint_dir leads to
    another run's.
    """
    check_checkpoints_are_of_run(config)
    step, weights = tf.Variable(0, dtype=tf.int64), "live"
    variables = {
        name: _map_checkpoint_variables_by_path(network) for name, network in networks.items()
    }

    def read_networks_of_checkpoint(path: Path) -> None:
        nonlocal weights
        stored = dict(variables)
        has_generator = "generator" in stored
        weights = "ema" if has_generator and _should_read_average(config, path) else "live"
        if weights == "ema":
            stored["averaged_generator"] = stored.pop("generator")
        state = tf.train.Checkpoint(step=step, **stored)
        state.read(os.fspath(path)).expect_partial().assert_existing_objects_matched()
        if not _are_checkpointed_variables_finite(*networks.values()):
            raise ValueError(NOT_FINITE)

    # First: a run that is being trained may save another checkpoint at any moment.
    last = max(list_steps_in_checkpoint_list(config.checkpoint_path), default=0)
    paths = choose_checkpoints(config, checkpoint)
    fitting = _leave_out_checkpoints_without_wanted_average(config, paths)
    path = _restore_newest_checkpoint(config, networks, read_networks_of_checkpoint, fitting)
    if not path:
        raise ValueError(explain_run_without_checkpoint(config))
    newer = [one for one in paths[paths.index(path) :] if one not in fitting]
    if newer and last <= parse_checkpoint_step(newer[-1]):
        if "generator" in networks:  # the discriminator is restored beside it, maybe on its own
            _say_which_average_is_used(config, path, newer[-1])
    elif checkpoint.strip().lower() == "last":
        _warn_of_older_checkpoint(config, path, last)
    return Restored(int(step), weights)


def _say_which_average_is_used(config: Config, path: Path, newest: Path) -> None:
    """newest: the checkpoint that --weights=ema passed over for that at `path`."""
    step = f"{parse_checkpoint_step(newest):,}"
    logging.info(
        "step %s of %s has no averaged weights: the last checkpoint with them, of step %s, is "
        "used. --weights=live takes step %s.",
        *(step, config.run_dir, f"{parse_checkpoint_step(path):,}", step),
    )


def _warn_of_older_checkpoint(config: Config, path: Path, last: int) -> None:
    """Says if `path`, the newest readable checkpoint, is older than `last`, which was saved."""
    step = parse_checkpoint_step(path)
    if path.parent == config.best_path:
        text = "%s has no readable checkpoint but the one in best/, of step %s, which is used."
        logging.warning(text, config.run_dir, f"{step:,}")
    elif last > step:
        text = "%s has lost its checkpoint of step %s: that of step %s is used."
        logging.warning(text, config.run_dir, f"{last:,}", f"{step:,}")


def _should_read_average(config: Config, path: Path) -> bool:
    """Whether to take the averaged generator. Raises one of DAMAGE_ERRORS."""
    holds = _checkpoint_holds(path, IMAGES_AVERAGED)
    if config.weights == "ema" and not holds:
        raise ValueError("it holds no averaged weights")
    return holds and config.weights != "live"


def _leave_out_checkpoints_without_wanted_average(config: Config, paths: list[Path]) -> list[Path]:
    """For --weights=ema those of `paths` that have an average, and damaged ones; else all.

    Raises ValueError for --weights=ema if none has an average.
    """
    if config.weights != "ema" or not paths:
        return paths
    found = {path: _find_average(path) for path in paths}
    if True in found.values():
        return [path for path in paths if found[path] is not False]
    is_whole_run = paths == list_checkpoints_to_continue(config)
    raise ValueError(
        "--weights=ema needs averaged weights. "
        f"Received: {config.run_dir if is_whole_run else paths[-1]}, which has none. "
        "Drop the flag, or continue training with --ema_half_life=50000."
    )


def _find_average(path: Path) -> bool | None:
    """Whether a checkpoint has averaged weights; None for a damaged one."""
    try:
        return _checkpoint_holds(path, IMAGES_AVERAGED)
    except DAMAGE_ERRORS:
        return None


def read_progress(config: Config) -> Progress:
    """The progress of the run's newest readable checkpoint. Raises ValueError if none is whole."""
    found = Progress()

    def read_progress_of_checkpoint(path: Path) -> None:
        nonlocal found
        reader = tf.train.load_checkpoint(os.fspath(path))
        step = int(reader.get_tensor(STEP))
        if reader.has_tensor(IMAGES_SHOWN):
            found = Progress(step, int(reader.get_tensor(IMAGES_SHOWN)))
        else:
            found = Progress(step, step * derive_older_images_per_step(config))

    _restore_newest_checkpoint(config, {}, read_progress_of_checkpoint)
    return found


def keep_images_per_step_of_checkpoints(config: Config) -> Config:
    """The settings, with the images per step of checkpoints that have no `images_shown`.

    config.json must keep that number: it is about to get today's --batch_size, and a kill may come
    before the first checkpoint that counts its images.
    """
    if not any(map(_is_older_checkpoint, list_checkpoints_to_continue(config))):
        return config
    return dataclasses.replace(config, older_images_per_step=derive_older_images_per_step(config))


@contextlib.contextmanager
def translate_write_errors(path: Path):
    """Turns what TensorFlow raises when it cannot write into an OSError that names `path`."""
    try:
        yield
    except tf.errors.OpError as error:
        told = (number for number in WRITE_ERRNOS if os.strerror(number) in error.message)
        number = next(told, errno.EIO)
        raise OSError(number, os.strerror(number), os.fspath(path)) from error


def _restore_newest_checkpoint(
    config: Config,
    networks: dict[str, keras.Model],
    read: Callable[[Path], None],
    paths: list[Path] | None = None,
) -> Path | None:
    """Restores the newest readable checkpoint of a run, or of `paths`; returns its prefix, or None.

    networks: name -> what is restored. read: restores the checkpoint with the given prefix; raises
    one of DAMAGE_ERRORS when something is missing, unreadable or not finite. Raises ValueError when
    no checkpoint is readable.
    """
    paths = list_checkpoints_to_continue(config) if paths is None else paths
    _check_some_checkpoint_fits(config, networks, paths)
    for path in reversed(paths):
        if _try_to_restore_checkpoint(path, read):
            return path
    if paths:
        raise ValueError(_explain_damaged_checkpoints(config, paths))
    return None


def _explain_damaged_checkpoints(config: Config, paths: list[Path]) -> str:
    """For when none of `paths` can be read: the one that the user chose, or all."""
    if others := [path for path in list_checkpoints_to_continue(config) if path not in paths]:
        step, folder = parse_checkpoint_step(paths[-1]), paths[-1].parent
        return (
            f"The checkpoint of step {step:,} in {folder} is damaged, and left as it is. "
            f"Others for --checkpoint: {', '.join(list_choices_of_checkpoint(config, others))}."
        )
    are, they_are = ("is", "it is") if len(paths) == 1 else ("are", "they are")
    return (
        f"No checkpoint of {config.run_dir} can be read: {len(paths)} {are} damaged, and left as "
        f"{they_are}. Restore one from a backup, or train another run with --out_name=NAME."
    )


def _check_some_checkpoint_fits(
    config: Config, networks: dict[str, keras.Model], paths: list[Path]
) -> None:
    """Raises ValueError if all checkpoints are whole, but belong to other networks."""
    expected = {
        f"{name}/{variable.path}": tuple(variable.shape)
        for name, network in networks.items()
        for variable in network.variables
    }
    difference = ""
    for path in paths:
        difference = describe_other_network(_read_variable_shapes(path), expected)
        if not difference:
            return
    if difference:
        raise ValueError(explain_other_network(config, difference))


def _read_variable_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes in a checkpoint by paths such as generator/conv1/kernel; {} if it is damaged."""
    with contextlib.suppress(*DAMAGE_ERRORS):
        shapes = tf.train.load_checkpoint(os.fspath(path)).get_variable_to_shape_map()
        # TensorFlow ends its keys with /.ATTRIBUTES/VARIABLE_VALUE and writes .S for a slash.
        return {
            key.split("/.ATTRIBUTES")[0].replace(".S", "/"): tuple(shape)
            for key, shape in shapes.items()
        }
    return {}


def _try_to_restore_checkpoint(path: Path, read: Callable[[Path], None]) -> bool:
    """Whether `read` could restore the checkpoint; warns of one that is damaged."""
    try:
        read(path)
    except DAMAGE_ERRORS as error:
        logging.warning(
            "checkpoint %s cannot be read (%s).", *(path, _shorten_checkpoint_error(error))
        )
        return False
    return True


def _is_passing_error(error: Exception) -> bool:
    """Whether a checkpoint that could not be read may be whole: the fault was the disk's."""
    told = str(error)
    return isinstance(error, PASSING_ERRORS) or (
        isinstance(error, tf.errors.OpError) and any(os.strerror(n) in told for n in READ_ERRNOS)
    )


def _checkpoint_holds(path: Path, name: str) -> bool:
    """Whether a checkpoint has the variable `name`. May raise one of DAMAGE_ERRORS.

    Checkpoints up to commit 67980ae have no IMAGES_SHOWN; those with an average have
    IMAGES_AVERAGED.
    """
    return tf.train.load_checkpoint(os.fspath(path)).has_tensor(name)


def _is_older_checkpoint(path: Path) -> bool:
    """Whether a checkpoint does not count its images; False for a damaged one."""
    try:
        return not _checkpoint_holds(path, IMAGES_SHOWN)
    except DAMAGE_ERRORS:
        return False


def _shorten_checkpoint_error(error: Exception) -> str:
    """An error's first line, without the graph node that TensorFlow puts first."""
    first_line = (str(error).splitlines() or [""])[0]
    reason = re.sub(r"^\{\{.*?\}\} *", "", first_line)[:MAX_REASON]
    return reason or type(error).__name__


def _map_checkpoint_variables_by_path(
    owner: keras.Model | keras.optimizers.Optimizer,
) -> dict[str, tf.Variable]:
    """Keras path -> variable. TensorFlow's tracking misses layers in a Keras 3 model's lists."""
    variables = {variable.path: variable.value for variable in owner.variables}
    if len(variables) != len(owner.variables):
        raise ValueError(
            f"The variables of {owner.name} must have different names. "
            f"Received: {sorted(variables)}."
        )
    return variables


def _are_checkpointed_variables_finite(*owners: keras.Model | keras.optimizers.Optimizer) -> bool:
    values = [variable.value for owner in owners for variable in owner.variables]
    floats = [value for value in values if value.dtype.is_floating]
    return all(bool(tf.reduce_all(tf.math.is_finite(value))) for value in floats)
