"""What a Config must satisfy. Every error gives the rule, the value received and a remedy."""

import contextlib
import dataclasses
import itertools
import os
import re
import shlex
import types
import typing
from collections.abc import Collection, Iterable
from pathlib import Path

from config.mistakes import find_meant_choice, find_meant_flag
from config.urls import check_path_is_no_url
from system.text import SHOWN_CHARACTERS, shorten_for_error

MAX_TEXT = 4096  # characters of a setting: Linux's longest path
MAX_WIDTH = 65536  # feature maps of a layer
STEM_WIDTH_MULTIPLE = 16  # so that the first blocks' widths, halved each time, are whole
RUN_PATHS = ("out_dir", "checkpoint_dir", "sample_dir")
PATHS = ("dataset", "data_dir", "exclude", *RUN_PATHS)


@contextlib.contextmanager
def note_settings_for_python(names: Iterable[str]):
    """Within the block, a ValueError that names flags gets a note: how to write them in a Config.

    Python users see the note in the traceback. main.py prints the message alone.
    """
    try:
        yield
    except ValueError as error:
        arguments = _spell_flags_for_python(re.findall(r"--(\w+)", str(error)), {*names})
        note = f"In Python: Config({', '.join(arguments)})."
        if arguments and note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise


def _spell_flags_for_python(words: list[str], known: set[str]) -> list[str]:
    """["crop=False", "seed=..."] for nocrop and seed; other words are left out."""
    values = {}
    for word in words:
        if word in known:
            values.setdefault(word, "...")
        elif word.removeprefix("no") in known:
            values.setdefault(word.removeprefix("no"), "False")
    return [f"{name}={value}" for name, value in values.items()]


def check_config(config) -> None:
    """Raises ValueError when a value or a combination of a Config is not allowed."""
    for field in dataclasses.fields(config):
        _check_setting_type(config, field)
        _check_setting_text(config, field.name)
    for field in dataclasses.fields(config):
        _check_setting_bounds_and_choices(config, field)

    _check_stem_width(config)
    _check_blocks_setting(config)
    _check_width_settings(config)
    _check_empty_paths(config)
    _check_home_folders(config)
    _check_places_are_on_disks(config)
    _check_out_name_setting(config)
    _check_crop_settings(config)
    _check_labels_setting(config)
    _check_on_collapse_setting(config)
    _check_length_settings(config)
    _check_epoch_sizes(config)


def check_training_settings(config) -> None:
    """Raises ValueError for settings that cannot be trained with.

    Not every Config is checked: one made from a few flags still lacks its run's other settings.
    """
    if config.weights == "ema" and not config.ema_half_life:
        raise ValueError(
            "--weights=ema needs an average of the weights. Received: no average. "
            "Try --weights=auto, or --ema_half_life=50000."
        )
    if config.loss == "wgan" and config.d_norm != "spectral" and not config.r1:
        raise ValueError(
            "--loss=wgan needs a discriminator with a bounded slope: --d_norm=spectral in a new "
            "run, or --r1=10 in a run without batch norm. "
            f"Received: {_name_d_norm(config)}. Add one, or try --loss=hinge."
        )
    if config.label_smoothing and config.loss != "bce":
        raise ValueError(
            "--label_smoothing needs --loss=bce, the only loss with targets. "
            f"Received: {config.loss}. Try --label_smoothing=0, or --loss=bce."
        )
    _check_penalty_settings(config)
    _check_network_options(config)


def _check_penalty_settings(config) -> None:
    is_penalized = any(config.penalties.values())
    if is_penalized and config.d_norm == "batch":
        raise ValueError(
            "Gradient penalties (r1, r2) need a discriminator without batch norm, which mixes the "
            "images of a batch. Received: batch norm. Start a new run with --d_norm=spectral or "
            "--d_norm=none."
        )
    if is_penalized and config.mixed_precision == "float16":
        raise ValueError(
            "Gradient penalties (r1, r2) need a wider range of numbers than float16 has. "
            "Received: float16. Try --mixed_precision=bfloat16."
        )
    if is_penalized and config.minibatch_stddev:
        raise ValueError(
            "Gradient penalties (r1, r2) need a discriminator that judges each image alone. "
            "Received: minibatch_stddev, which compares the images of a batch. Start a new run "
            "without one of the two."
        )
    changed = [name for name in ("penalty_batch", "penalty_decay") if getattr(config, name) != 1]
    if changed and not is_penalized:
        raise ValueError(
            f"--{changed[0]} needs a penalty, --r1 or --r2. Received: neither. Add --r1=1, or "
            f"set --{changed[0]}=1."
        )


def _name_d_norm(config) -> str:
    return {"batch": "batch norm", "spectral": "spectral norm", "none": "no norm"}[config.d_norm]


def _check_network_options(config) -> None:
    """Raises ValueError for parts of the networks that have nothing to work on."""
    if config.d_labels == "projection" and config.labels == "none":
        raise ValueError(
            "--d_labels=projection needs labels. Received: none. Add --labels (folder, own or "
            "attributes), or drop --d_labels."
        )
    if config.minibatch_stddev and config.batch_size == 1:
        raise ValueError(
            "--batch_size must be at least 2 with --minibatch_stddev, which compares the images of "
            "a batch. Received: 1. Try --batch_size=64."
        )


def _check_setting_bounds_and_choices(config, field: dataclasses.Field) -> None:
    """Checks a value against the bounds and choices of its declaration."""
    setting = field.metadata["setting"]
    if setting.low is not None:
        _check_setting_range(config, field.name, setting.low, setting.high)
    if setting.choices:
        _check_setting_choice(config, field.name, setting.choices)


def check_arguments_of_config(settings: dict, known: Collection[str]) -> None:
    """Raises ValueError unless all `settings`, the arguments of Config, have `known` names."""
    if "preset" in settings:
        raise ValueError(
            "Config must only hold settings of this program. Received: preset. "
            "Write Config(**apply_preset({...})), with config.presets.apply_preset."
        )
    check_setting_names(settings, "Config", known)


def check_setting_names(settings: dict, source: str, known: Collection[str]) -> None:
    """Raises ValueError unless `settings`, from `source`, is a dict with `known` names."""
    if not isinstance(settings, dict):
        raise ValueError(
            f"{source} must hold one JSON object of settings. Received: {type(settings).__name__}."
        )
    for name in settings:
        if name not in known:
            meant = find_meant_flag(name, known)
            hint = f"Did you mean {meant}?" if meant else "python main.py --help lists them."
            raise ValueError(
                f"{source} must only hold settings of this program. "
                f"Received: {shorten_for_error(name)}. {hint}"
            )


def list_types_of_setting(field: dataclasses.Field) -> tuple:
    """The types that a field's annotation allows: `int | None` -> (int, NoneType)."""
    is_union = isinstance(field.type, types.UnionType)
    return typing.get_args(field.type) if is_union else (field.type,)


def _check_setting_type(config, field: dataclasses.Field) -> None:
    value = getattr(config, field.name)
    hints = list_types_of_setting(field)
    kinds = tuple(typing.get_origin(hint) or hint for hint in hints)
    if float in kinds:
        kinds += (int,)

    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = {type(None): "None (in JSON: null)"}
        wanted = " or ".join(names.get(kind, kind.__name__) for kind in kinds)
        raise ValueError(
            f"--{field.name} must be of type {wanted}. Received: {shorten_for_error(repr(value))}."
        )

    if isinstance(value, tuple):
        _check_setting_items(field, value)


def _check_setting_items(field: dataclasses.Field, items: tuple) -> None:
    """Raises ValueError unless each item has the type that the field's annotation says."""
    hints = list_types_of_setting(field)
    (item_type,) = {typing.get_args(hint)[0] for hint in hints if typing.get_origin(hint) is tuple}
    if not all(type(item) is item_type for item in items):
        raise ValueError(
            f"--{field.name} must be a list of {item_type.__name__}. "
            f"Received: {shorten_for_error(str(list(items)))}."
        )


def _check_setting_text(config, name: str) -> None:
    """No setting may hold text that a path, a flag or our files cannot hold."""
    values = getattr(config, name)
    for value in values if isinstance(values, tuple) else (values,):
        if isinstance(value, str) and not text_fits_path_setting(value):
            raise ValueError(
                f"--{name} must be text that a path can hold, of at most {MAX_TEXT} characters. "
                f"Received: {shorten_for_error(value)}. {_suggest_setting(config, name)}"
            )


def text_fits_path_setting(text: str) -> bool:
    """Whether a path can hold `text`: no NUL, no half of a surrogate pair, not too long."""
    if "\0" in text or len(text) > MAX_TEXT:
        return False
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write
        return False
    return True


def _check_setting_range(config, name: str, low, high) -> None:
    value = getattr(config, name)
    if value is None:
        return
    if value < low:
        # Whoever types 5 more likely wants a common size than the smallest one, and a narrow stem
        # than the default.
        usual = {"output_height": 16, "output_width": 16, "stem_width": 64}
        usual |= {"steps": 2000, "minutes": 20}  # which have no default
        remedy = f"Try --{name}={usual[name]}." if name in usual else _suggest_setting(config, name)
        raise ValueError(
            f"--{name} must be at least {low}. Received: {shorten_for_error(str(value))}. {remedy}"
        )
    if not value <= high:
        is_side = name in ("output_height", "output_width")
        remedy = f"Try --{name}={high}." if is_side else _suggest_setting(config, name)
        raise ValueError(
            f"--{name} must be at most {high}. Received: {shorten_for_error(str(value))}. {remedy}"
        )


def _check_setting_choice(config, name: str, choices: tuple) -> None:
    value = getattr(config, name)
    if value not in choices:
        known = [*map(str, choices)]
        meant = find_meant_choice(str(value), known)
        raise ValueError(
            f"--{name} must be one of {', '.join(known)}. "
            f"Received: {shorten_for_error(str(value))}. "
            f"{f'Try --{name}={meant}.' if meant else _suggest_setting(config, name)}"
        )


def stem_width_halves_evenly(stem_width: int) -> bool:
    """Whether stem_width is a multiple of STEM_WIDTH_MULTIPLE; SETTINGS has its bounds."""
    return stem_width % STEM_WIDTH_MULTIPLE == 0


def _check_stem_width(config) -> None:
    if not stem_width_halves_evenly(config.stem_width):
        multiples = round(config.stem_width / STEM_WIDTH_MULTIPLE)
        nearest = max(32, multiples * STEM_WIDTH_MULTIPLE)
        raise ValueError(
            f"--stem_width must be a multiple of {STEM_WIDTH_MULTIPLE}. "
            f"Received: {config.stem_width}. Try --stem_width={nearest}."
        )


def _check_blocks_setting(config) -> None:
    short = min(config.height, config.width)
    if config.blocks and -(-short // 2**config.blocks) < 2:
        fitting = dataclasses.replace(config, blocks=None, g_widths=None, d_widths=None)
        raise ValueError(
            "--blocks must leave a stem of at least 2 pixels on the short side. "
            f"Received: {config.blocks} for {config.height}x{config.width}. "
            f"Try --blocks={len(fitting.sizes) - 1}."
        )


def _check_width_settings(config) -> None:
    for name in ("g_widths", "d_widths"):
        widths, blocks = getattr(config, name), len(config.sizes) - 1
        if widths and (len(widths) != blocks or min(widths) < 1 or max(widths) > MAX_WIDTH):
            received = shorten_for_error(",".join(map(str, widths)))
            raise ValueError(
                f"--{name} must be {blocks} numbers of feature maps, one per block, "
                f"each from 1 to {MAX_WIDTH}. Received: {received}. Leave it out."
            )


def _check_empty_paths(config) -> None:
    for name in ("dataset", "data_dir", "out_dir"):
        if not getattr(config, name).strip():
            raise ValueError(
                f"--{name} must not be empty. Received: nothing. {_suggest_setting(config, name)}"
            )


def _check_home_folders(config) -> None:
    """No path may start with the home folder of an unknown user."""
    for name in PATHS:
        path = getattr(config, name)
        # Path's own expanduser raises RuntimeError.
        if path.startswith("~") and os.path.expanduser(path) == path:  # noqa: PTH111
            raise ValueError(
                f"--{name} must be a path. Received: {shorten_for_error(path)}, but this "
                "machine has no such user. Give the full path."
            )


def _check_places_are_on_disks(config) -> None:
    """A URL is not a folder. As a path, it would be one called gs: on this machine."""
    for name in PATHS:
        if name != "dataset":  # data/find.py knows which of them it takes
            check_path_is_no_url(name, getattr(config, name), written=name in RUN_PATHS)


def _check_out_name_setting(config) -> None:
    name = config.out_name
    if name and not name.strip():
        raise ValueError("--out_name must be a name. Received: spaces. Leave it out.")
    if name and (Path(name).name != name or name == ".."):
        folder, plain = shorten_for_error(str(Path(name).parent)), Path(name).name
        split = plain not in ("", "..") and len(name) < SHOWN_CHARACTERS
        places = shlex.join([f"--out_dir={folder}", f"--out_name={plain}"])
        remedy = f"Try {places}." if split else "Pick another."
        raise ValueError(
            "--out_name must be a plain name, without folders. "
            f"Received: {shorten_for_error(name)}. {remedy}"
        )


def _check_crop_settings(config) -> None:
    if not config.crop and (config.input_height or config.input_width):
        raise ValueError(
            "--nocrop squashes the whole image, so --input_height and --input_width have nothing "
            f"to crop. Received: {config.input_height or config.input_width}. "
            "Use --crop, or leave out the crop's size."
        )


def _check_labels_setting(config) -> None:
    if not config.labels.strip(", "):
        raise ValueError(
            "--labels must be none, own, folder or attributes. Received: nothing. "
            "Try --labels=none."
        )


def _suggest_setting(config, name: str) -> str:
    default = getattr(type(config), name)
    return "Leave it out." if default in (None, "") else f"Try --{name}={default}."


def _check_on_collapse_setting(config) -> None:
    if config.on_collapse != "warn" and config.eval_freq == 0:
        raise ValueError(
            f"--eval_freq must not be 0 with --on_collapse={config.on_collapse}, which needs the "
            "scores. Received: 0. Leave out --eval_freq, or add --on_collapse=warn."
        )


def _check_length_settings(config) -> None:
    """A run has one length. (The default number of epochs counts as not given.)"""
    others = [name for name in ("epoch", "steps") if not _has_default(config, name)]
    if config.minutes and others:
        raise ValueError(
            f"--minutes and --{others[0]} cannot be combined. "
            f"Received: {config.minutes:g} and {getattr(config, others[0])}. Drop one of them."
        )


def _has_default(config, name: str) -> bool:
    return getattr(config, name) == getattr(type(config), name)


def _check_epoch_sizes(config) -> None:
    """Only a config.json edited by hand can break this rule."""
    numbers = config.epoch_sizes or ()
    starts, sizes = numbers[::2], numbers[1::2]
    is_ordered = starts[:1] in ((), (0,)) and all(a < b for a, b in itertools.pairwise(starts))
    if len(starts) != len(sizes) or not is_ordered or min(sizes, default=1) < 1:
        raise ValueError(
            "epoch_sizes must be pairs of images shown, starting at 0, and images per epoch. "
            f"Received: {shorten_for_error(str(list(numbers)))}. Set it to null."
        )
