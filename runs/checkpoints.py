"""The state of a run on disk: all that training needs to go on, or only the networks."""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf
from absl import logging

from config.settings import Config
from gan import DCGAN
from system.files import write_atomic

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

# TensorFlow gives the system's reason for a failed write only in words; these are what it may be.
WRITE_ERRNOS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
)

NOT_FINITE = "it holds NaN or infinity"  # what is wrong with a checkpoint that can be read

# What TensorFlow calls the files of a checkpoint, and the folder in which it writes them. All else
# in their folder is the user's.
FILE_NAME = re.compile(r"step-\d+\.(index|data-\d{5}-of-\d{5})")
TEMPORARY_NAME = re.compile(r"step-\d+_temp")
CHECKPOINT_LIST = "checkpoint"  # TensorFlow's own list of them, written when one is whole

MAX_REASON = 120  # characters of TensorFlow's explanation that are shown


class DivergedError(ValueError):
    """Losses or weights that are NaN or infinite."""


class Checkpoints:
    """The last `max_to_keep` states of a run: networks, optimizers, loss scales and the step.

    Creating one removes what a kill in the middle of a save left: TensorFlow never does.
    """

    def __init__(self, dcgan: DCGAN, config: Config):
        self.config = config
        self.dcgan = dcgan
        # Without the scalers around them, so that a run may change its precision.
        self.g_adam = dcgan.g_scaler.inner_optimizer
        self.d_adam = dcgan.d_scaler.inner_optimizer

        self.step = tf.Variable(0, dtype=tf.int64)
        self.state = self._collect_checkpoint_variables()
        # This creates the counter, which the checkpoints of older runs have.
        self.state.save_counter.assign(0)

        self.folder = config.checkpoint_path
        for path in self.folder.glob("step-*_temp"):
            if TEMPORARY_NAME.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)

    def _collect_checkpoint_variables(self) -> tf.train.Checkpoint:
        """All variables that a checkpoint holds."""
        return tf.train.Checkpoint(
            generator=_map_variables_by_path(self.dcgan.generator),
            discriminator=_map_variables_by_path(self.dcgan.discriminator),
            g_adam=_map_variables_by_path(self.g_adam),
            d_adam=_map_variables_by_path(self.d_adam),
            g_scale=self.dcgan.g_scaler.dynamic_scale.value,
            g_scale_steps=self.dcgan.g_scaler.step_counter.value,
            d_scale=self.dcgan.d_scaler.dynamic_scale.value,
            d_scale_steps=self.dcgan.d_scaler.step_counter.value,
            step=self.step,
        )

    def restore(self) -> int:
        """Restores the newest readable state and returns its step; 0 when there is none.

        Raises ValueError when there are checkpoints and none is readable.
        """
        path = _restore_newest_checkpoint(self.folder, self._read_checkpoint_state)
        for optimizer in (self.g_adam, self.d_adam):
            # The one in the checkpoint would win over the flag.
            optimizer.learning_rate = self.config.current_learning_rate

        if path and not int(self.step):
            logging.info(
                "The weights of %s were imported: both optimizers start afresh.",
                self.config.run_dir,
            )
        return int(self.step)

    def _read_checkpoint_state(self, path: Path) -> None:
        """Raises one of DAMAGE_ERRORS unless the checkpoint is whole and finite."""
        # expect_partial: a failure would otherwise log the name of every variable.
        self.state.read(os.fspath(path)).expect_partial().assert_consumed()
        if not self.has_finite_state():
            raise ValueError(NOT_FINITE)

    def has_finite_state(self) -> bool:
        """Whether no weight, statistic or moment of the optimizers is NaN or infinite."""
        return _has_finite_variables(
            self.dcgan.generator, self.dcgan.discriminator, self.g_adam, self.d_adam
        )

    def save(self, step: int) -> None:
        """Saves the state after `step` steps, then removes the oldest of more than `max_to_keep`.

        Raises DivergedError when something in it is NaN or infinite, and OSError when it cannot be
        written. Either way the earlier checkpoints stay as they are.
        """
        self._check_weights_finite(step)
        self.step.assign(step)
        self.folder.mkdir(parents=True, exist_ok=True)
        prefix = self.folder / f"step-{step}"
        try:
            self._write_checkpoint_files(prefix)
            kept = self._choose_checkpoints_to_keep(step)
            self._write_checkpoint_list(kept)
        except OSError:
            self._remove_failed_checkpoint(prefix)  # it would take the room that the next try needs
            raise

        self._remove_older_checkpoints(_parse_checkpoint_step(kept[0]))

    def _check_weights_finite(self, step: int) -> None:
        if not self.has_finite_state():
            raise DivergedError(
                f"The weights must stay finite. Received: NaN or infinity at step {step:,}."
            )

    def _choose_checkpoints_to_keep(self, step: int) -> list[Path]:
        """The newest `max_to_keep` up to `step`, oldest first."""
        paths = [
            path for path in list_checkpoints(self.folder) if _parse_checkpoint_step(path) <= step
        ]
        return paths[-self.config.max_to_keep :]

    def _write_checkpoint_files(self, prefix: Path) -> None:
        """Writes the files of a checkpoint, and waits until the disk has them.

        Otherwise a power failure could take them when their predecessors are already removed.
        """
        with translate_write_errors(prefix):
            self.state.write(os.fspath(prefix))

        for path in self._list_checkpoint_files(prefix):
            with open(path, "r+b") as file:
                os.fsync(file.fileno())

    def _list_checkpoint_files(self, prefix: Path) -> list[Path]:
        """TensorFlow's files of a checkpoint; others of the user's may begin with its name."""
        paths = self.folder.glob(f"{prefix.name}.*")
        return [path for path in paths if FILE_NAME.fullmatch(path.name)]

    def _write_checkpoint_list(self, paths: list[Path]) -> None:
        """Writes the list that TensorFlow's own tools read. This program goes by the files."""
        lines = [f'model_checkpoint_path: "{paths[-1].name}"\n']
        lines += [f'all_model_checkpoint_paths: "{path.name}"\n' for path in paths]
        write_atomic(self.folder / CHECKPOINT_LIST, "".join(lines).encode())

    def _remove_older_checkpoints(self, step: int) -> None:
        # Backwards, so that each index goes before its data, which do not count without it.
        for path in sorted(self.folder.glob("step-*.*"), reverse=True):
            if FILE_NAME.fullmatch(path.name) and _parse_checkpoint_step(path) < step:
                path.unlink(missing_ok=True)

    def _remove_failed_checkpoint(self, prefix: Path) -> None:
        with contextlib.suppress(OSError):
            for path in self._list_checkpoint_files(prefix):
                path.unlink(missing_ok=True)
            shutil.rmtree(f"{prefix}_temp", ignore_errors=True)


def restore_networks(config: Config, **networks: keras.Model) -> int:
    """Restores `generator=` and/or `discriminator=` from a run's newest readable checkpoint.

    Returns its step. Raises ValueError when the run has no checkpoint, or none that is readable.
    """
    step = tf.Variable(0, dtype=tf.int64)
    variables = {name: _map_variables_by_path(network) for name, network in networks.items()}
    state = tf.train.Checkpoint(step=step, **variables)

    def read_networks(path: Path) -> None:
        state.read(os.fspath(path)).expect_partial().assert_existing_objects_matched()
        if not _has_finite_variables(*networks.values()):
            raise ValueError(NOT_FINITE)

    if not _restore_newest_checkpoint(config.checkpoint_path, read_networks):
        raise ValueError(f"{config.run_dir} has no checkpoint. Add --train.")
    return int(step)


def list_checkpoints(folder: Path) -> list[Path]:
    """The prefixes of the checkpoints that have an index, in the order of their steps."""
    indices = [path for path in folder.glob("step-*.index") if _parse_checkpoint_step(path) >= 0]
    return sorted((path.with_suffix("") for path in indices), key=_parse_checkpoint_step)


@contextlib.contextmanager
def translate_write_errors(path: Path):
    """Turns what TensorFlow raises when it cannot write into an OSError that names `path`."""
    try:
        yield
    except tf.errors.OpError as error:
        told = (number for number in WRITE_ERRNOS if os.strerror(number) in error.message)
        number = next(told, errno.EIO)
        raise OSError(number, os.strerror(number), os.fspath(path)) from error


def _restore_newest_checkpoint(folder: Path, read: Callable[[Path], None]) -> Path | None:
    """Restores the newest readable checkpoint in `folder`; returns its prefix, or None.

    read restores the checkpoint of a prefix, and raises one of DAMAGE_ERRORS when something is
    missing, unreadable or not finite. Raises ValueError when no checkpoint is readable.
    """
    paths = list_checkpoints(folder)
    for path in reversed(paths):
        if _try_to_restore_checkpoint(path, read):
            return path

    if paths:
        raise ValueError(
            "A checkpoint must be readable to go on. "
            f"Received: {len(paths)} in {folder}, all damaged; they were left as they are. "
            "Bring back a copy of them, or start another run with --out_name=NAME."
        )
    return None


def _try_to_restore_checkpoint(path: Path, read: Callable[[Path], None]) -> bool:
    """Whether `read` could restore the checkpoint; warns of one that is damaged."""
    try:
        read(path)
    except DAMAGE_ERRORS as error:
        logging.warning(
            "checkpoint %s cannot be read (%s); trying the one before it.",
            *(path, _shorten_tensorflow_error(error)),
        )
        return False
    return True


def _shorten_tensorflow_error(error: Exception) -> str:
    """An error's first line, without the node of the graph that TensorFlow begins with."""
    first_line = (str(error).splitlines() or [""])[0]
    reason = re.sub(r"^\{\{.*?\}\} *", "", first_line)[:MAX_REASON]
    return reason or type(error).__name__


def _map_variables_by_path(
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


def _has_finite_variables(*owners: keras.Model | keras.optimizers.Optimizer) -> bool:
    values = [variable.value for owner in owners for variable in owner.variables]
    floats = [value for value in values if value.dtype.is_floating]
    return all(bool(tf.reduce_all(tf.math.is_finite(value))) for value in floats)


def _parse_checkpoint_step(path: Path) -> int:
    """The step in the name of a checkpoint's file; -1 for other files."""
    match = re.match(r"step-(\d+)(\.|$)", path.name)
    return int(match[1]) if match else -1
