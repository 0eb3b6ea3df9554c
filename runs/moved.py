"""What happens to a run whose folder is renamed, moved or removed while it trains."""

import dataclasses
import shlex

from config.settings import Config
from config.stored import derive_out_settings_of_folder, write_config
from runs.checkpoints import Checkpoints
from system.locks import find_locked_folder, locked_folder_is_in_place


def check_run_is_in_place(checkpoints: Checkpoints, step: int, *, saves: bool) -> None:
    """Raises ValueError if the run, which this thread has locked, has been moved or removed.

    It would go on in a second folder of the old name. saves: whether to save the state after `step`
    steps first: where the run is now, or in its old place if it was removed.
    """
    config = checkpoints.config
    if locked_folder_is_in_place(config.run_dir):
        return

    place = find_locked_folder(config.run_dir)
    told = f"was moved to {place}" if place else "was moved or removed"
    now = dataclasses.replace(config, **derive_out_settings_of_folder(place or config.run_dir))
    if not saves:
        raise ValueError(f"{config.run_dir} {told} while it trained, and training stopped.")

    now.run_dir.mkdir(parents=True, exist_ok=True)
    if not place:
        write_config(now)
    checkpoints.config, checkpoints.folder = now, now.checkpoint_path
    checkpoints.save(step)
    raise ValueError(
        f"{config.run_dir} {told} while it trained: training stopped, and step {step:,} was saved "
        f"in {now.run_dir}. To continue, add --train {_spell_place(now)}."
    )


def _spell_place(config: Config) -> str:
    """The flags that lead to a run's folder."""
    return shlex.join([f"--out_dir={config.out_dir}", f"--out_name={config.name}"])
