"""`--export`: writes a trained run in several formats, checks each, and says how to load it."""

import shlex
from pathlib import Path

from config.settings import Config
from export.formats import FLOAT32, FORMATS, check_formats_fit_statistics, explain_loading
from export.read_back import read_format_back
from export.source import restore_source
from export.writing import write_formats
from runs.commands import find_typed_program
from system.console import print_result


def export_run(
    config: Config, names: list[str], *, checkpoint: str = "last", dtype: str = FLOAT32
) -> dict[str, Path]:
    """Writes formats to <run>/export/; returns name -> file or folder.

    names: of export.formats.FORMATS. dtype: float32 or float16, for formats with a choice. Raises
    ValueError when the run has no readable checkpoint, or a format cannot hold its networks.
    """
    check_formats_fit_statistics(names, config.bn_statistics)
    source = restore_source(config, checkpoint, dtype=dtype)
    paths = write_formats(source, names)
    for name in names:
        read_format_back(source, name)

    for name, path in paths.items():
        print_result(f"{FORMATS[name].what} of step {source.restored.step:,} is in {path}")
        how = {"has_labels": bool(config.y_dim), "program": shlex.join(find_typed_program())}
        load = explain_loading(name, path.as_posix(), **how)
        print_result(f"to load it: {load}")
    return paths
