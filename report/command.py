"""The command that repeats a run, from its settings."""

import contextlib
import dataclasses
from pathlib import Path

from config.presets import PRESETS, SHAPE_SETTINGS, apply_preset
from config.settings import FROM_ARRAY, IMPORTED, PLACES, SETTINGS, Config
from config.stored import drop_lengths_in_vain
from runs.commands import spell_command

NOT_REPEATED = (*PLACES, "out_name")  # they change no result


def suggest_command_that_repeats(config: Config) -> str:
    """A command line with the preset that needs the fewest flags; "" if there is no such command.

    A path of the user's becomes /path/to/NAME. Without c_dim=3, which most images have anyway.
    """
    if config.dataset in (FROM_ARRAY, IMPORTED):
        return ""
    config, choices = _give_steps_instead_of_minutes(drop_lengths_in_vain(config)), {}
    for preset in PRESETS:
        with contextlib.suppress(ValueError):  # a preset that contradicts the run's settings
            choices[preset] = find_flags_beside_preset(config, preset)
    for preset in sorted(choices, key=lambda name: len(choices[name])):
        flags = drop_flags_in_vain(config, preset, choices[preset])
        if None not in flags.values():  # which no flag can take
            return _spell_command(config, {"dataset": config.dataset, "preset": preset} | flags)
    return ""


def _give_steps_instead_of_minutes(config: Config) -> Config:
    """Another machine, or another day, fits other steps into the same minutes."""
    if not (config.minutes and config.planned_steps):
        return config
    return dataclasses.replace(
        config, steps=config.planned_steps, minutes=None, epoch=Config.epoch, planned_steps=None
    )


def _spell_command(config: Config, flags: dict) -> str:
    """flags: name -> value, with the dataset and the preset."""
    if flags["preset"] == "reference":
        del flags["preset"]
    if flags.get("c_dim") == 3:
        del flags["c_dim"]
    if flags.get("global_batch_size"):  # the number of devices gives each one's
        flags.pop("batch_size", None)
    for name in ("dataset", "exclude"):
        if is_path_of_user(flags.get(name, "")):
            flags[name] = f"/path/to/{Path(flags[name]).name}"

    flags["out_name"] = f"{config.name}-again"
    return spell_command(flags, "--train")


def find_flags_beside_preset(config: Config, preset: str) -> dict:
    """Name -> value of settings that, with the preset and the dataset, give the run's.

    Some may be in vain, and some None, which no flag can take.
    """
    base, wanted = {"dataset": config.dataset, "preset": preset}, config.resolve()
    flags = {}
    # Some settings change the defaults of others: each round finds those that the last one changed.
    while differ := _list_settings_that_differ(base | flags, wanted):
        # For MNIST, one setting of the network's shape switches off the defaults of the others.
        names = {*differ, *(SHAPE_SETTINGS if {*differ} & {*SHAPE_SETTINGS} else ())}
        flags |= {name: getattr(wanted, name) for name in SETTINGS if name in names}
    return flags


def drop_flags_in_vain(config: Config, preset: str, flags: dict) -> dict:
    """`flags` (name -> value) without those that the preset and the others give anyway."""
    base, wanted = {"dataset": config.dataset, "preset": preset}, config.resolve()
    for name in [*flags]:
        fewer = {other: value for other, value in flags.items() if other != name}
        with contextlib.suppress(ValueError):  # settings that contradict each other
            if not _list_settings_that_differ(base | fewer, wanted):
                flags = fewer
    return flags


def _list_settings_that_differ(given: dict, wanted: Config) -> list[str]:
    """The flags whose values, with `given`, are not those of `wanted`; places do not count."""
    found = Config(**apply_preset(given)).resolve()
    names = [name for name, setting in SETTINGS.items() if setting.flag]
    names = [name for name in names if name not in NOT_REPEATED]
    return [name for name in names if getattr(found, name) != getattr(wanted, name)]


def is_path_of_user(value: str) -> bool:
    """Whether a setting names a place on the user's machine, not a dataset by name."""
    return Path(value).is_absolute() or value.startswith("~")
