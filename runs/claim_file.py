"""run.json: which run a folder belongs to, {"run_id": ..., "run": the run's absolute path}."""

import dataclasses
import os
from pathlib import Path

from config.checks import text_fits_path_setting
from config.stored import read_json_settings

CLAIM_FILE = "run.json"


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a run.json says. run_id is "" if the run began before runs had ids."""

    run_id: str
    run: Path


def read_folder_claim(folder: Path) -> Claim | None:
    """What a folder's run.json says; None without one. Raises ValueError if it is not ours."""
    path = folder / CLAIM_FILE
    if not os.path.lexists(path):
        return None

    content = read_json_settings(path)
    values = [content.get(name) for name in ("run_id", "run")] if isinstance(content, dict) else []
    if not values or not all(
        isinstance(text, str) and text_fits_path_setting(text) for text in values
    ):
        raise ValueError(f"{path} must name a run. Received: something else.")
    return Claim(values[0], Path(values[1]))
