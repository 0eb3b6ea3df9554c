"""Writes formats into a run's export/, each whole, and lists them in the one model card there."""

import contextlib
import importlib
import json
import re
from pathlib import Path

from absl import logging

from export.card import build_model_card, limit_images_per_request
from export.formats import FORMATS, explain_loading
from export.source import Source
from runs.checkpoint_files import list_checkpoints_to_continue, parse_checkpoint_step
from runs.checkpoints import translate_write_errors
from system.files import find_free_name, put_aside
from system.text import join_names_for_error
from system.written import NAMES_SHOWN, is_unchanged_since_written, replace_files, replace_folder

CARD = "model_card.json"


def write_formats(source: Source, names: list[str]) -> dict[str, Path]:
    """Writes FORMATS and the model card beside them; returns name -> file or folder.

    All files are made before anything is written, then appear together; each folder appears whole.
    What was there stays until then, and so do other formats. Raises ValueError when a format cannot
    hold the networks.
    """
    modules = {name: importlib.import_module(f"export.{name}") for name in names}
    contents = {
        FORMATS[name].file: module.encode_file(source)
        for name, module in modules.items()
        if not FORMATS[name].is_folder
    }
    sizes, entries = {name: len(content) for name, content in contents.items()}, {}
    for name, module in modules.items():
        if FORMATS[name].is_folder:
            with _keep_entry_of_what_moves(source, FORMATS[name].file, entries):
                _put_aside_if_checkpoint_is_gone(source, FORMATS[name].file)
                sizes[FORMATS[name].file] = _write_folder_of_format(source, name, module)

    entries |= {FORMATS[name].file: _describe_format(source, name, sizes) for name in names}
    whats = [FORMATS[name].what for name in names]
    step = f"of step {source.restored.step:,}"
    write_files_with_card(source, contents, entries, what=f"{', '.join(whats)} {step}")
    return {name: source.folder / FORMATS[name].file for name in names}


def _write_folder_of_format(source: Source, name: str, module) -> int:
    """Returns the folder's size in bytes."""
    path = source.folder / FORMATS[name].file
    what = f"{FORMATS[name].what} of step {source.restored.step:,}"
    with replace_folder(path, what=what, kind=_describe_weights(source)) as temporary:
        with translate_write_errors(path):
            module.fill_folder(source, temporary)
        return sum(file.stat().st_size for file in temporary.rglob("*") if file.is_file())


def _describe_format(source: Source, name: str, sizes: dict[str, int]) -> dict:
    """The card's entry for a format."""
    form, has_labels = FORMATS[name], bool(source.config.y_dim)
    entry = {"format": name, "bytes": sizes[form.file]}
    entry |= {"dtype": source.dtype} if form.takes_dtype else {}
    return entry | {"load": explain_loading(name, form.file, has_labels=has_labels)}


def _describe_weights(source: Source) -> str:
    """The `kind` of a folder, as in `system.written.Record`."""
    return f"of the {'averaged' if source.restored.weights == 'ema' else 'current'} weights"


def write_files_with_card(
    source: Source, contents: dict[str, bytes], entries: dict[str, dict], *, what: str
) -> None:
    """Writes `contents` (name -> bytes) into export/, with a model card that lists `entries`.

    entries: name of a file or folder -> what the card says of it; its step and weights are those of
    `source` unless they are given. The card keeps its entries for other files that are still there;
    a line names those of another step. what: as in `system.written.Record`.
    """
    step, weights = source.restored
    files = read_card_entries(source.folder)
    for name in contents:
        with _keep_entry_of_what_moves(source, name, files):
            _put_aside_if_checkpoint_is_gone(source, name)
    made = {"step": step, "weights": weights}
    files |= {name: made | entry for name, entry in entries.items()}
    max_count = limit_images_per_request(source.generator.config)
    card = build_model_card(source.config, step, max_count, weights=weights, files=files)
    contents = contents | {CARD: json.dumps(card, indent=2).encode()}
    replace_files(source.folder, contents, what=what)
    _tell_of_other_steps(source.folder, card["except"])


def _tell_of_other_steps(folder: Path, exceptions: dict[str, dict]) -> None:
    """A line that names the files of other steps. exceptions: those in the card."""
    names = [f"{name} of step {one['step']}" for name, one in exceptions.items() if "step" in one]
    if names:
        listed = join_names_for_error(names, NAMES_SHOWN)
        logging.info("%s also has %s; %s says so.", folder, listed, CARD)


@contextlib.contextmanager
def _keep_entry_of_what_moves(source: Source, name: str, entries: dict[str, dict]):
    """If the block moves export/`name` aside, adds its entry to `entries` under its new name.

    What the user changed is not what the entry is about, and gets none.
    """
    path = source.folder / name
    entry = read_card_entries(source.folder).get(name)
    is_ours = bool(entry) and is_unchanged_since_written(path)
    aside = find_free_name(path)
    yield
    if is_ours and aside.exists():
        load = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w)", aside.name, str(entry.get("load", "")))
        entries[aside.name] = entry | {"load": load}


def _put_aside_if_checkpoint_is_gone(source: Source, name: str) -> None:
    """Renames a file or folder of an earlier step that no checkpoint could write again.

    Not what the user changed, which is of no step: writing moves it aside, and says why.
    """
    step = read_card_entries(source.folder).get(name, {}).get("step", source.restored.step)
    at_hand = {parse_checkpoint_step(path) for path in list_checkpoints_to_continue(source.config)}
    is_gone = isinstance(step, int) and step not in {source.restored.step, *at_hand}
    path = source.folder / name
    if is_gone and is_unchanged_since_written(path):
        text = "%s was moved aside to %s: it is of step %s, whose checkpoint is gone."
        logging.info(text, path, put_aside(path).name, step)


def read_card_entries(folder: Path) -> dict[str, dict]:
    """What the model card in `folder` says of each file that is there; {} without a card."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        entries = {name: dict(entry) for name, entry in card["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}  # none, one from before there were entries, or one that was damaged
    return {name: entry for name, entry in entries.items() if _is_in_folder(folder, name)}


def _is_in_folder(folder: Path, name: str) -> bool:
    return Path(name).name == name and (folder / name).exists()
