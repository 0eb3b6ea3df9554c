"""One attribute of a dataset's images, whichever kind of labels it comes from."""

import contextlib
import dataclasses
import difflib
from collections.abc import Iterable, Sequence

from config.settings import Config
from data import limits
from data.labels import Labels, list_attributes_of_file, read_dataset_labels
from data.sources.source import Source
from system.text import join_names_for_error, shorten_for_error


def read_dataset_attribute(
    config: Config, source: Source, files: Sequence[str], name: str
) -> Labels:
    """The images that have the attribute `name`, in any case: y (N, 1), 1 where it is on.

    It is one of the dataset's own classes, an attribute of the file beside the images, or a class
    folder, whatever labels the run has. files: as for `read_dataset_labels`. Raises ValueError,
    which lists what there is, when the dataset has no such attribute.
    """
    if source.attributes is not None:  # these are known only to the source, which checks the name
        return read_dataset_labels(dataclasses.replace(config, labels=name), source, files)

    kinds = list_kinds_of_attributes(config, source, files)
    spelled = find_attribute_name(name, kinds, source.place)
    config = dataclasses.replace(config, labels=kinds[spelled])
    labels = read_dataset_labels(config, source, files)
    column = labels.names.index(spelled)
    return Labels((spelled,), labels.y[:, [column]])


def list_kinds_of_attributes(config: Config, source: Source, files: Sequence[str]) -> dict:
    """The name of every attribute -> the value of --labels that reads it."""
    kinds = {}
    with contextlib.suppress(ValueError):  # no class folders
        folders = read_dataset_labels(dataclasses.replace(config, labels="folder"), source, files)
        kinds |= dict.fromkeys(folders.names, "folder")
    kinds |= {name: name for name in list_attributes_of_file(config, source)}
    if source.labels is not None:
        own = read_dataset_labels(dataclasses.replace(config, labels="own"), source, files)
        kinds |= dict.fromkeys(own.names, "own")
    return kinds


def find_attribute_name(name: str, names: Iterable[str], place: str) -> str:
    """`name` as the dataset spells it. Raises ValueError if `names` has none that is the same.

    place: where the dataset is.
    """
    spelled = {known.lower(): known for known in names}
    if name in names:
        return name
    if name.lower() in spelled:
        return spelled[name.lower()]
    if not spelled:
        raise ValueError(
            "An attribute needs a dataset with labels of its own, class folders, or "
            f"list_attr_celeba.txt beside the images. Received: {shorten_for_error(name)}, and "
            f"{place}, which has none of these. Use sample numbers instead."
        )
    nearest = difflib.get_close_matches(name.lower(), spelled, 1)
    listed = join_names_for_error([*spelled.values()], limits.MAX_ATTRIBUTES_LISTED)
    raise ValueError(
        f"An attribute must be one of {listed} ({place}). Received: {shorten_for_error(name)}. "
        + (f'Did you mean "{spelled[nearest[0]]}"?' if nearest else "Pick one of these.")
    )
