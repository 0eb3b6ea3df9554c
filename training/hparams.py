"""A run's settings in TensorBoard's table of hyperparameters."""

import contextlib
import tempfile
from pathlib import Path

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from config.settings import SETTINGS, Config
from system.files import write_atomic

# TensorBoard shows the first settings that it reads, in the order of the files' names, which hold
# the time. So this file, with time 0, comes before all others; every process rewrites it.
FILE = "events.out.tfevents.0000000000.hparams"


def write_hparams_for_tensorboard(config: Config, folder: Path) -> None:
    """Writes the settings of this process into `folder`; if that fails, training continues."""
    with contextlib.suppress(OSError, tf.errors.OpError):
        write_atomic(folder / FILE, _make_event_file_of_hparams(config))


def _make_event_file_of_hparams(config: Config) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        writer = tf.summary.create_file_writer(place)
        with writer.as_default(0):
            hparams.hparams(_list_shown_hparams(config), trial_id=config.name)
        writer.close()
        [path] = Path(place).iterdir()
        return path.read_bytes()


def _list_shown_hparams(config: Config) -> dict:
    shown = {}
    for name, setting in SETTINGS.items():
        value = getattr(config, name)
        if setting.hparam and value is not None:
            shown[name] = ",".join(map(str, value)) if isinstance(value, tuple) else value
    return shown
