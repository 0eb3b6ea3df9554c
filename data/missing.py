"""Error messages for a missing --dataset: what looks wrong, and what was probably meant."""

import contextlib
import difflib
import os
import re
import shlex
from pathlib import Path

from config.catalog import (
    CONTAINER_SUFFIXES,
    NAMED_SETS,
    cut_suffix_from_dataset_name,
    find_tfds_name_of_named_dataset,
)
from config.urls import describe_url_as_path, find_scheme_of_url
from system.files import expand_home
from system.text import escape_unprintable, shorten_for_error

LISTED = 20  # datasets in data_dir
LEAST_BEGINNING = 3  # letters, of a name that begins as another one does
QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"


def describe_missing_dataset(name: str, data_dir: Path, remedy: str) -> str:
    """One line for a dataset `name` that was not found. remedy: for a named set, else ""."""
    if name in NAMED_SETS:
        return f"There is no {name} in {data_dir}. {remedy}".strip()

    if find_scheme_of_url(name):
        return describe_url_as_path("dataset", name)
    is_file = name.strip(QUOTES).lower().endswith(CONTAINER_SUFFIXES)
    told = f"There is no {'file' if is_file else 'folder or zip'} {_quote_path(name)}."
    if oddity := find_odd_part_of_dataset_path(name):
        return f"{told} {oddity}"
    if os.sep in name or is_file:
        return f"{told} {_suggest_path_nearby(name, data_dir)}"
    if tfds_name := find_tfds_name_of_named_dataset(name):
        remedy = f"TensorFlow Datasets has it: --dataset=tfds:{tfds_name}."
        return f"There is no {shorten_for_error(name)} in {data_dir}. {remedy}"
    return (
        f"--dataset must be {', '.join(NAMED_SETS)}, tfds:NAME, hf:NAME, or a folder, zip, tar, "
        f"npy, npz or parquet, in --data_dir or elsewhere. Received: {shorten_for_error(name)}. "
        f"{_describe_datasets_in_data_dir(name, data_dir)}"
    )


def find_odd_part_of_dataset_path(name: str) -> str:
    """What looks wrong with a missing path, and what to write instead; "" if nothing does."""
    if name != name.strip():
        return f"It begins or ends with a space. Try --dataset={_quote_path(name.strip())}."
    if name[0] in QUOTES or name[-1] in QUOTES:
        return f"It has quotes in it. Try --dataset={_quote_path(name.strip(QUOTES))}."
    return _find_odd_sign_in_dataset_path(name)


def _find_odd_sign_in_dataset_path(name: str) -> str:
    """The same, for characters that the shell or another system would have interpreted."""
    if os.name != "nt" and (drive := re.match(r"([A-Za-z]):[\\/]", name)):
        path = name[3:].replace("\\", "/")
        place = f"/mnt/{drive[1].lower()}/{path}"
        return f"{drive[1]} is a Windows drive. In WSL it is --dataset={_quote_path(place)}."
    if "\\ " in name:
        return f"Drop the \\ or the quotes: --dataset={_quote_path(name.replace(chr(92), ''))}."
    if "\\" in name:
        return f"It has backslashes. Try --dataset={_quote_path(name.replace(chr(92), '/'))}."
    if "~" in name.split("/")[1:]:
        return "~ means the home folder only at the start of a path. Write out the full path."
    if found := re.search(r"\$\{?\w+\}?|%\w+%", name):
        return f"The shell did not expand {found[0]}: drop single quotes, or write it out."
    return ""


def _suggest_path_nearby(name: str, data_dir: Path) -> str:
    """Suggests the nearest name in the part of the path that exists."""
    path = expand_home(name)
    parent = next((parent for parent in path.parents if parent.is_dir()), Path())
    missing = path.relative_to(parent).parts[0] if parent in path.parents else path.name
    if nearest := find_nearest_dataset_name(missing, list_possible_datasets(parent)):
        rest = path.relative_to(parent).parts[1:]
        return f"Did you mean --dataset={_quote_path(str(Path(parent, nearest, *rest)))}?"
    if path.is_absolute():
        return f"Nothing in {parent} is called {shorten_for_error(missing)}."
    return f"Looked in {Path.cwd()} and in {data_dir}."


def _describe_datasets_in_data_dir(name: str, data_dir: Path) -> str:
    """A sentence with the dataset nearest to `name`, or else those that data_dir may have."""
    names = list_possible_datasets(data_dir)
    if nearest := find_nearest_dataset_name(name, [*names, *NAMED_SETS]):
        return f"Did you mean --dataset={_quote_path(nearest)}?"
    try:
        os.listdir(data_dir)
    except OSError as error:
        return f"Looked in {data_dir}: {error.strerror}; give another folder with --data_dir."
    if not names:
        return f"{data_dir} holds no folders or zips."
    listed = ", ".join(map(escape_unprintable, names[:LISTED]))
    return f"In {data_dir}: {listed}{', ...' if len(names) > LISTED else '.'}"


def list_possible_datasets(folder: Path) -> list[str]:
    """The names of the folders, zips and the like in `folder` that may be datasets."""
    with contextlib.suppress(OSError):
        return [
            entry.name
            for entry in sorted(folder.iterdir())
            if (entry.is_dir() or entry.name.lower().endswith(CONTAINER_SUFFIXES))
            and not entry.name.startswith((".", "__"))
            and not is_code_not_images(entry)
        ]
    return []


def find_nearest_dataset_name(name: str, names: list[str]) -> str | None:
    """The one of `names` that is spelled most like `name`, in any case, or else that begins so;
    None if there is none.
    """
    lower = {cut_suffix_from_dataset_name(known.lower()): known for known in names}
    wanted = cut_suffix_from_dataset_name(name.lower())
    nearest = difflib.get_close_matches(wanted, lower, 1, cutoff=0.7)
    begun = [known for known in lower if known.startswith(wanted)]
    if not nearest and len(wanted) >= LEAST_BEGINNING and begun:
        nearest = [min(begun, key=len)]
    return lower[nearest[0]] if nearest else None


def is_code_not_images(folder: Path) -> bool:
    """True for folders of code, such as our own data/sources/, which is in data_dir."""
    with contextlib.suppress(OSError):
        return (folder / "__init__.py").is_file()
    return False


def _quote_path(path: str) -> str:
    """A path, quoted for the shell if necessary."""
    shown = shorten_for_error(path)
    if re.search(r'["$`]', shown):  # these mean something between double quotes
        return shlex.quote(shown)
    return f'"{shown}"' if re.search(r"[^\w@%+=:,./~-]", shown) else shown
