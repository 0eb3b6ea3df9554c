"""best/: the checkpoint with the best score so far, which newer ones do not push out."""

from absl import logging

from config.settings import Config
from runs.checkpoints import list_checkpoint_files, list_checkpoints
from system.files import link_or_copy, put_aside


def keep_best_checkpoint(config: Config, step: int, evaluated: set[int]) -> None:
    """Makes <run>/best/ hold the checkpoint of `step`, and no other.

    evaluated: the steps that the run knows the scores of. If best/ has that of any other step, the
    run has gone back to before that step: best/ is put aside, since nobody knows which is better.

    Where links work, it takes no room until the original goes. A kill in between leaves the old
    one, the new one or both: `list_checkpoints` then takes the newer. Raises OSError.
    """
    # The index comes last: data without an index are ignored.
    prefix = config.checkpoint_path / f"step-{step}"
    files = sorted(list_checkpoint_files(prefix))
    if not files:
        return

    names = {f"step-{known}" for known in evaluated}
    if any(path.name not in names for path in list_checkpoints(config.best_path)):
        aside = put_aside(config.best_path)
        logging.info(
            "%s held the best checkpoint of later steps; it was put aside as %s.",
            *(config.best_path, aside.name),
        )
    config.best_path.mkdir(parents=True, exist_ok=True)
    for path in files:
        copy = config.best_path / path.name
        if not (copy.exists() and copy.samefile(path)):
            copy.unlink(missing_ok=True)  # of the same step, before a kill
            link_or_copy(path, copy)

    for other in list_checkpoints(config.best_path):
        if other.name != prefix.name:
            for path in sorted(list_checkpoint_files(other), reverse=True):
                path.unlink(missing_ok=True)
