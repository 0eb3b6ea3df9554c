"""What a Config must satisfy. Every error says the rule, what was received and what to do. Imports no TensorFlow."""

import dataclasses
import difflib
import os
import types
import typing
from pathlib import Path

MIN_SIDE, MAX_SIDE = 8, 512
LARGEST = 2**31 - 1  # of what counts images or steps, as TensorFlow and the file formats count
MAX_WIDTH = 65536
MAX_TEXT = 4096  # characters of a setting: Linux's longest path
SHOWN = 200  # characters of what was received, in an error

BOUNDS = (
    ("output_height", MIN_SIDE, MAX_SIDE),
    ("output_width", MIN_SIDE, MAX_SIDE),
    ("input_height", 1, LARGEST),
    ("input_width", 1, LARGEST),
    ("train_size", 1, LARGEST),
    ("stem_width", 32, 8192),
    ("fc_width", 1, MAX_WIDTH),
    ("blocks", 1, 9),
    ("z_dim", 1, 65536),
    ("bn_epsilon", 0, 0.1),
    ("gain_stddev", 0, 1),
    ("epoch", 1, LARGEST),
    ("steps", 1, LARGEST),
    ("batch_size", 1, 65536),
    ("beta1", 0, 0.9999),
    ("learning_rate", 1e-9, 1),
    ("halvings", 0, 30),
    ("l2", 0, 1),
    ("d_updates", 1, 100),
    ("g_updates", 1, 100),
    ("seed", 0, LARGEST),
    ("sample_freq", 1, LARGEST),
    ("ckpt_freq", 1, LARGEST),
    ("max_to_keep", 1, LARGEST),
    ("steps_per_call", 1, LARGEST),
)
CHOICES = {
    "c_dim": ("auto", 1, 3, 4),
    "kernel_size": (5, 4),
    "z_dist": ("uniform_signed", "uniform_unsigned", "normal01"),
    "padding": ("same", "symmetric"),
    "stem_order": ("hwc", "chw"),
    "stem_norm": ("auto", "channels", "units"),
    "bn_statistics": ("moving", "batch"),
    "conv_init": ("truncated", "normal"),
    "adam_form": ("tensorflow", "kingma"),
    "mixed_precision": ("auto", "float32", "bfloat16", "float16"),
    "jit": ("auto", "on", "off"),
    "data_on_device": ("auto", "on", "off"),
}


def check(config) -> None:
    """Raises ValueError when a value or a combination of a Config is not allowed."""
    _check_types(config)
    _check_text(config)
    for name, low, high in BOUNDS:
        _check_range(config, name, low, high)
    for name, choices in CHOICES.items():
        _check_choice(config, name, choices)
    _check_widths(config)
    _check_paths(config)
    if not config.crop and (config.input_height or config.input_width):
        raise ValueError(
            "--nocrop squashes the whole image, so --input_height and --input_width have nothing to crop. "
            f"Received: {config.input_height or config.input_width}. Say --crop, or leave out the crop's size."
        )
    if not config.labels.strip(", "):
        raise ValueError(
            "--labels must be none, own, folder or attributes. Received: nothing. Try --labels=none."
        )


def check_names(settings: dict, source: str, known: list[str]) -> None:
    """Raises ValueError when `settings`, which come from `source`, are no object or hold a name that is not `known`."""
    if not isinstance(settings, dict):
        raise ValueError(
            f"{source} must hold one JSON object of settings. Received: {type(settings).__name__}."
        )
    for name in settings:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {close[0]}?" if close else "python main.py --help lists them."
            raise ValueError(
                f"{source} may only hold flags of main.py. Received: {shown(name)}. {hint}"
            )


def _check_types(config) -> None:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        kinds = (
            typing.get_args(field.type)
            if isinstance(field.type, types.UnionType)
            else (field.type,)
        )
        items = [typing.get_args(kind)[0] for kind in kinds if typing.get_origin(kind) is tuple]
        kinds = tuple(typing.get_origin(kind) or kind for kind in kinds)
        if float in kinds:
            kinds += (int,)
        if (isinstance(value, bool) and bool not in kinds) or not isinstance(value, kinds):
            wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
            raise ValueError(
                f"--{field.name} must be of type {wanted}. Received: {shown(repr(value))}."
            )
        if isinstance(value, tuple) and not all(type(item) is items[0] for item in value):
            raise ValueError(
                f"--{field.name} must be a list of {items[0].__name__}. Received: {shown(str(list(value)))}."
            )


def _check_text(config) -> None:
    """No setting may hold what no path, no flag and no file of ours can."""
    for field in dataclasses.fields(config):
        values = getattr(config, field.name)
        for value in values if isinstance(values, tuple) else (values,):
            if isinstance(value, str) and (
                "\0" in value or len(value) > MAX_TEXT or not _encodable(value)
            ):
                raise ValueError(
                    f"--{field.name} must be text of at most {MAX_TEXT} characters that a path can hold. "
                    f"Received: {shown(value)}. {_remedy(config, field.name)}"
                )


def _encodable(text: str) -> bool:
    try:
        return bool(os.fsencode(text)) or not text
    except UnicodeEncodeError:  # half of a pair, as JSON can write it
        return False


def shown(text: str) -> str:
    """A value for an error: the start of a long one, and what cannot be printed as escapes."""
    start = text[:SHOWN] + ("..." if len(text) > SHOWN else "")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in start)


def _check_range(config, name: str, low, high) -> None:
    value = getattr(config, name)
    if value is None:
        return
    size = name in ("output_height", "output_width")
    if value < low:
        # 5 is likelier a slip for a common size than for the smallest one.
        remedy = f"Try --{name}=16." if size else _remedy(config, name)
        raise ValueError(
            f"--{name} must be at least {low}. Received: {shown(str(value))}. {remedy}"
        )
    if not value <= high:
        remedy = f"Try --{name}={high}." if size else _remedy(config, name)
        raise ValueError(
            f"--{name} must be at most {high}. Received: {shown(str(value))}. {remedy}"
        )


def _check_choice(config, name: str, choices: tuple) -> None:
    value = getattr(config, name)
    if value not in choices:
        listed = ", ".join(map(str, choices))
        raise ValueError(
            f"--{name} must be one of {listed}. Received: {shown(str(value))}. {_remedy(config, name)}"
        )


def _check_widths(config) -> None:
    if config.stem_width % 16:
        nearest = max(32, round(config.stem_width / 16) * 16)
        raise ValueError(
            f"--stem_width must be a multiple of 16. Received: {config.stem_width}. Try --stem_width={nearest}."
        )
    short = min(config.height, config.width)
    if config.blocks and -(-short // 2**config.blocks) < 2:
        fitting = dataclasses.replace(config, blocks=None, g_widths=None, d_widths=None)
        raise ValueError(
            "--blocks must leave a stem of at least 2 pixels on the short side. "
            f"Received: {config.blocks} for {config.height}x{config.width}. Try --blocks={len(fitting.sizes) - 1}."
        )
    for name in ("g_widths", "d_widths"):
        widths, blocks = getattr(config, name), len(config.sizes) - 1
        if widths and (len(widths) != blocks or min(widths) < 1 or max(widths) > MAX_WIDTH):
            received = shown(",".join(map(str, widths)))
            raise ValueError(
                f"--{name} must be {blocks} numbers of feature maps, one a block, at most {MAX_WIDTH}. "
                f"Received: {received}. Leave it out."
            )


def _check_paths(config) -> None:
    for name in ("dataset", "data_dir", "out_dir"):
        if not getattr(config, name).strip():
            raise ValueError(
                f"--{name} must not be empty. Received: nothing. {_remedy(config, name)}"
            )
    for name in ("dataset", "data_dir", "out_dir", "checkpoint_dir", "sample_dir"):
        path = getattr(config, name)
        if path.startswith("~") and os.path.expanduser(path) == path:  # noqa: PTH111, as Path's own raises RuntimeError
            raise ValueError(
                f"--{name} must be a path. Received: {shown(path)}, of nobody here. Write it out."
            )
    if config.out_name and (
        Path(config.out_name).name != config.out_name or config.out_name == ".."
    ):
        raise ValueError(
            f"--out_name must be a plain name, without folders. Received: {shown(config.out_name)}. "
            "Folders go to --out_dir."
        )


def _remedy(config, name: str) -> str:
    default = getattr(type(config), name)
    return "Leave it out." if default in (None, "") else f"Try --{name}={default}."
