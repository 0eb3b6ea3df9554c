"""The state of a run on disk: everything that training needs to go on, or only the networks."""

import shutil
from pathlib import Path

import keras
import tensorflow as tf
from absl import logging

from config import Config
from model import DCGAN

# What reading a damaged checkpoint raises: truncated data an IndexError, a flipped bit or a missing file an OpError,
# another shape a ValueError, missing variables an AssertionError.
DAMAGE = (IndexError, ValueError, AssertionError, tf.errors.OpError)

DIVERGED = "The last checkpoint is intact: run again with half the --learning_rate, or with --mixed_precision=float32."


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
        self._remove_leftovers()
        self.manager = tf.train.CheckpointManager(
            self.state, str(config.checkpoint_path), config.max_to_keep, checkpoint_name="step"
        )

    def restore(self) -> int:
        """Restores the newest readable state and returns its step; 0 when there is none.

        Raises ValueError when there are checkpoints and none can be read.
        """
        found = _restore_newest(self.state, self.manager.checkpoints, lambda status: status.assert_consumed())
        for optimizer in (self.dcgan.g_scaler.inner_optimizer, self.dcgan.d_scaler.inner_optimizer):
            optimizer.learning_rate = self.config.learning_rate  # a restored one would win over the flag
        if found and not int(self.step):
            logging.info("The weights of %s were imported: both optimizers start afresh.", self.config.run_dir)
        return int(self.step)

    def save(self, step: int) -> None:
        """Saves the state after `step` steps. Raises ValueError, and saves nothing, when a weight is not finite."""
        weights = self.dcgan.generator.variables + self.dcgan.discriminator.variables
        if not all(tf.reduce_all(tf.math.is_finite(weight.value)) for weight in weights):
            raise ValueError(f"The weights must stay finite. Received: others at step {step:,}. {DIVERGED}")
        self.step.assign(step)
        self.manager.save(checkpoint_number=step)

    def _remove_leftovers(self) -> None:
        """What a kill in the middle of a save leaves and TensorFlow never cleans."""
        for path in self.config.checkpoint_path.glob("*_temp"):
            shutil.rmtree(path, ignore_errors=True)


def restore_networks(config: Config, **networks: keras.Model) -> int:
    """Restores `generator=` and/or `discriminator=` from a run's newest readable checkpoint and returns its step.

    Raises ValueError when the run has no checkpoint, or none that can be read.
    """
    step = tf.Variable(0, dtype=tf.int64)
    paths = tf.train.get_checkpoint_state(str(config.checkpoint_path))
    found = _restore_newest(
        tf.train.Checkpoint(step=step, **{name: _by_name(network) for name, network in networks.items()}),
        list(paths.all_model_checkpoint_paths) if paths else [],
        lambda status: status.assert_existing_objects_matched(),
    )
    if not found:
        raise ValueError(f"{config.run_dir} has no checkpoint. Add --train.")
    return int(step)


def _by_name(owner: keras.Model | keras.optimizers.Optimizer) -> dict[str, tf.Variable]:
    """Every variable by its Keras path: TensorFlow's own tracking overlooks the layers in a Keras 3 model's lists."""
    named = {variable.path: variable.value for variable in owner.variables}
    if len(named) != len(owner.variables):
        raise ValueError(f"The variables of {owner.name} must have different names. Received: {sorted(named)}.")
    return named


def _restore_newest(state: tf.train.Checkpoint, paths: list[str], check) -> str | None:
    """Restores the last of `paths` that can be read and returns it; None when there are no paths."""
    for path in reversed(paths):
        try:
            check(state.restore(path).expect_partial())  # no list of a hundred names when it fails
        except DAMAGE as error:
            reason = (str(error).splitlines() or [""])[0][:120] or type(error).__name__
            logging.warning("checkpoint %s cannot be read (%s); trying the one before it.", path, reason)
        else:
            return path
    if paths:
        folder = Path(paths[0]).parent
        raise ValueError(f"None of the {len(paths)} checkpoints in {folder} can be read. Use another --out_name.")
    return None
