"""The state of a run on disk: everything that training needs to go on, or only the networks."""

import contextlib
import errno
import os
import re
import shutil
from pathlib import Path

import keras
import tensorflow as tf
from absl import logging

from config.settings import Config
from gan import DCGAN
from system.files import write_atomic

# What reading a damaged checkpoint raises: truncated data an IndexError, a flipped bit or a missing file an OpError,
# another shape a ValueError, missing variables an AssertionError, an index full of nonsense the others.
DAMAGE = (
    IndexError,
    ValueError,
    AssertionError,
    TypeError,
    RuntimeError,
    OSError,
    tf.errors.OpError,
)

# TensorFlow tells what the system said only in words.
SYSTEM_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOENT,
)


class DivergedError(ValueError):
    """Losses or weights that are no finite numbers any more."""


class Checkpoints:
    """The last `max_to_keep` states of a DCGAN: weights, statistics, both Adams, both loss scales and the step."""

    def __init__(self, dcgan: DCGAN, config: Config):
        self.config = config
        self.dcgan = dcgan
        self.step = tf.Variable(0, dtype=tf.int64)
        self.state = tf.train.Checkpoint(
            generator=_by_name(dcgan.generator),
            discriminator=_by_name(dcgan.discriminator),
            # The Adams without their scalers, so that a run may change its precision.
            g_adam=_by_name(dcgan.g_scaler.inner_optimizer),
            d_adam=_by_name(dcgan.d_scaler.inner_optimizer),
            g_scale=dcgan.g_scaler.dynamic_scale.value,
            g_scale_steps=dcgan.g_scaler.step_counter.value,
            d_scale=dcgan.d_scaler.dynamic_scale.value,
            d_scale_steps=dcgan.d_scaler.step_counter.value,
            step=self.step,
        )
        self.state.save_counter.assign(0)  # makes it exist, since older runs' checkpoints have one
        self.folder = config.checkpoint_path
        for path in self.folder.glob(
            "*_temp"
        ):  # of a kill in the middle of a save; TensorFlow never cleans them
            shutil.rmtree(path, ignore_errors=True)

    def restore(self) -> int:
        """Restores the newest readable state and returns its step; 0 when there is none.

        Raises ValueError when there are checkpoints and none can be read.
        """
        found = _restore_newest(
            self.state, self.folder, lambda status: status.assert_consumed(), self.finite
        )
        for optimizer in (self.dcgan.g_scaler.inner_optimizer, self.dcgan.d_scaler.inner_optimizer):
            optimizer.learning_rate = (
                self.config.current_learning_rate
            )  # a restored one would win over the flag
        if found and not int(self.step):
            logging.info(
                "The weights of %s were imported: both optimizers start afresh.",
                self.config.run_dir,
            )
        return int(self.step)

    def finite(self) -> bool:
        """Whether every weight, statistic and moment of Adam is a finite number."""
        networks = (self.dcgan.generator, self.dcgan.discriminator)
        return _finite(
            *networks, self.dcgan.g_scaler.inner_optimizer, self.dcgan.d_scaler.inner_optimizer
        )

    def save(self, step: int) -> None:
        """Saves the state after `step` steps, then drops the oldest of more than `max_to_keep`.

        Raises OSError when it cannot be written, and DivergedError when a number in it is not finite; those before it
        stay as they are.
        """
        if not self.finite():
            raise DivergedError(f"The weights must stay finite. Received: others at step {step:,}.")
        self.step.assign(step)
        prefix = self.folder / f"step-{step}"
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with tensorflow_writes(prefix):
                self.state.write(os.fspath(prefix))
            for path in self.folder.glob(f"{prefix.name}.*"):
                _to_disk(path)
            kept = [path for path in checkpoint_paths(self.folder) if _step(path) <= step]
            kept = kept[-self.config.max_to_keep :]
            self._list(kept)
        except OSError:
            self._remove(prefix)  # it would take the room that the next try needs
            raise
        self._drop_before(_step(kept[0]))

    def _list(self, paths: list[Path]) -> None:
        """Tells TensorFlow's own tools which checkpoints there are; here the files themselves count."""
        lines = [f'model_checkpoint_path: "{paths[-1].name}"\n']
        lines += [f'all_model_checkpoint_paths: "{path.name}"\n' for path in paths]
        write_atomic(self.folder / "checkpoint", "".join(lines).encode())

    def _drop_before(self, step: int) -> None:
        # An index goes before its data, which do not count without it.
        for path in sorted(self.folder.glob("step-*.*"), reverse=True):
            if _step(path) < step:
                path.unlink(missing_ok=True)

    def _remove(self, prefix: Path) -> None:
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f"{prefix.name}.*"):
                path.unlink(missing_ok=True)
            shutil.rmtree(f"{prefix}_temp", ignore_errors=True)


@contextlib.contextmanager
def tensorflow_writes(path: Path):
    """Turns what TensorFlow raises when it cannot write into an OSError that names `path`."""
    try:
        yield
    except tf.errors.OpError as error:
        number = next(
            (number for number in SYSTEM_ERRORS if os.strerror(number) in error.message), errno.EIO
        )
        raise OSError(number, os.strerror(number), os.fspath(path)) from error


def checkpoint_paths(folder: Path) -> list[Path]:
    """The prefixes of the checkpoints that have an index, by their steps."""
    return sorted(
        (path.with_suffix("") for path in folder.glob("step-*.index") if _step(path) >= 0),
        key=_step,
    )


def _step(path: Path) -> int:
    """The step in the name of a checkpoint's file; -1 for other files."""
    found = re.match(r"step-(\d+)(\.|$)", path.name)
    return int(found[1]) if found else -1


def _to_disk(path: Path) -> None:
    """Waits until a file is on the disk, so that not even a power failure takes it when its forerunner is gone."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def restore_networks(config: Config, **networks: keras.Model) -> int:
    """Restores `generator=` and/or `discriminator=` from a run's newest readable checkpoint and returns its step.

    Raises ValueError when the run has no checkpoint, or none that can be read.
    """
    step = tf.Variable(0, dtype=tf.int64)
    found = _restore_newest(
        tf.train.Checkpoint(
            step=step, **{name: _by_name(network) for name, network in networks.items()}
        ),
        config.checkpoint_path,
        lambda status: status.assert_existing_objects_matched(),
        lambda: _finite(*networks.values()),
    )
    if not found:
        raise ValueError(f"{config.run_dir} has no checkpoint. Add --train.")
    return int(step)


def _finite(*owners: keras.Model | keras.optimizers.Optimizer) -> bool:
    values = [
        variable.value
        for owner in owners
        for variable in owner.variables
        if variable.value.dtype.is_floating
    ]
    return all(bool(tf.reduce_all(tf.math.is_finite(value))) for value in values)


def _by_name(owner: keras.Model | keras.optimizers.Optimizer) -> dict[str, tf.Variable]:
    """Every variable by its Keras path: TensorFlow's own tracking overlooks the layers in a Keras 3 model's lists."""
    named = {variable.path: variable.value for variable in owner.variables}
    if len(named) != len(owner.variables):
        raise ValueError(
            f"The variables of {owner.name} must have different names. Received: {sorted(named)}."
        )
    return named


def _restore_newest(state: tf.train.Checkpoint, folder: Path, check, finite) -> Path | None:
    """Restores the newest checkpoint in `folder` that can be read and returns it; None when there is none."""
    paths = checkpoint_paths(folder)
    for path in reversed(paths):
        try:
            check(
                state.read(os.fspath(path)).expect_partial()
            )  # no list of a hundred names when it fails
            if not finite():
                raise ValueError("it holds numbers that are not finite")
        except DAMAGE as error:
            first_line = (str(error).splitlines() or [""])[0]
            reason = (
                re.sub(r"^\{\{.*?\}\} *", "", first_line)[:120] or type(error).__name__
            )  # without TensorFlow's node
            logging.warning(
                "checkpoint %s cannot be read (%s); trying the one before it.", path, reason
            )
        else:
            return path
    if paths:
        raise ValueError(
            f"A checkpoint must be readable to go on. Received: {len(paths)} in {folder}, all damaged; they were left "
            "as they are. Bring back a copy of them, or start another run with --out_name=NAME."
        )
    return None
