"""Makes a run from another implementation's trained weights (`--import_weights`)."""

import dataclasses
import math
from pathlib import Path

import keras
import numpy as np
from absl import logging

import ops
from config.settings import IMPORTED, NETWORK_SETTINGS, Config
from config.stored import write_config
from foreign.arrays import Arrays, Weights
from foreign.carpedm20 import find_tf1_prefix, read_carpedm20_weights
from foreign.newmu import read_newmu_weights
from foreign.published import find_published_weights, read_published_weights
from foreign.pytorch import TORCH_SUFFIXES, read_pytorch_weights
from foreign.remote import describe_remote_origin, is_remote, read_remote_weights
from gan import DCGAN
from runs.checkpoints import Checkpoints
from runs.claims import (
    check_run_owns_its_folders,
    claim_run_folders,
    give_run_an_id,
    lock_run_folders,
)
from runs.history import ORIGIN_FILE, put_earlier_training_aside
from runs.read import read_run
from system.console import print_result
from system.files import OTHER_RUN, check_folder_writable, expand_home, write_atomic
from system.text import join_names_for_error

FORMATS = (
    "a TensorFlow 1 checkpoint of carpedm20/DCGAN-tensorflow (its prefix, such as "
    "model.b64-1002, or its folder), a folder of Newmu/dcgan_code's *_gen_params.jl_01.npy ..., "
    "netG.pth,netD.pth of pytorch/examples, or what --export safetensors or hub wrote: its path, "
    "its address with #sha256=, or hf:USER/NAME"
)

# Missing moving statistics are estimated from generated images. After 40 batches the statistics'
# initial values weigh 1.5% (ops.BN_MOMENTUM**40).
STATISTICS_BATCHES = 40
STATISTICS_BATCH_SIZE = 64


def import_weights(names: str, given: dict, *, again: bool = False) -> Config:
    """Makes the run `given["out_name"]` from the files in `names`; returns its config.

    names: a path, two separated by a comma, an address or hf:USER/NAME. given: the user's settings,
    for what the files leave open, such as z_dist. again: return a run that was imported from the
    same files before. Raises ValueError when the files are of an unknown kind or incomplete, when a
    setting contradicts them, or when the run exists.
    """
    _check_given_for_imported_weights(given)
    if again and (stored := _find_earlier_remote_import(names, given)):
        logging.info("%s was imported before: using it.", stored.run_dir)
        return stored

    weights = _read_weights(names, given)
    config = _derive_imported_config(weights, given)
    if stored := read_run(config.run_dir, config.checkpoint_dir):
        _check_same_import(config, weights, again=again)
        logging.info("%s was imported before: using it.", config.run_dir)
        return stored

    config = _write_imported_run(weights, config)
    _log_imported_run(config, weights, is_size_given=bool(given.get("output_height")))
    return config


def _check_given_for_imported_weights(given: dict) -> None:
    if not given.get("out_name"):
        raise ValueError(
            "--import_weights needs a name for the run. Received: none. Add --out_name=NAME."
        )

    if given.get("preset"):
        raise ValueError(
            "Imported weights bring their own preset. "
            f"Received: --preset={given['preset']}. Drop it."
        )


def _find_earlier_remote_import(names: str, given: dict) -> Config | None:
    """The run, if it was imported from this address before: then nothing needs to be fetched."""
    stored = read_run(_locate_new_run(given)) if is_remote(names) else None
    if not stored or _read_import_origin(stored) != describe_remote_origin(names):
        return None
    _check_flags_match_weights(stored, _drop_open_settings(given))
    return stored


def _locate_new_run(given: dict) -> Path:
    places = {name: given[name] for name in ("out_dir", "out_name") if given.get(name)}
    return Config(**places).run_dir


def _read_weights(names: str, given: dict) -> Weights:
    if not is_remote(names):
        return read_foreign_weights([expand_home(name.strip()) for name in names.split(",")])

    run_dir = _locate_new_run(given)
    check_folder_writable(run_dir, OTHER_RUN)
    return read_remote_weights(names, run_dir.parent)


def read_foreign_weights(paths: list[Path]) -> Weights:
    """The weights in one path, or in two for generator and discriminator.

    Raises ValueError when the files are of an unknown kind or incomplete; it says what was found
    and what is missing.
    """
    if all(path.suffix in TORCH_SUFFIXES for path in paths):
        return read_pytorch_weights(paths)

    _check_is_one_folder_or_prefix(paths)
    path = paths[0]
    if published := find_published_weights(path):
        return read_published_weights(published)
    if path.is_dir() and any(path.glob("*_params.jl_*.npy")):
        return read_newmu_weights(path)
    if prefix := find_tf1_prefix(path):
        return read_carpedm20_weights(prefix)
    raise ValueError(
        f"--import_weights must be {FORMATS}. Received: {_describe_unknown_weights(path)}."
    )


def _check_is_one_folder_or_prefix(paths: list[Path]) -> None:
    if len(paths) > 1:
        raise ValueError(
            f"--import_weights takes two paths only for .pth files. Received: {paths[1]}. Give one."
        )

    path = paths[0]
    if path.suffix == ".npy" and path.is_file():
        raise ValueError(
            "--import_weights takes the folder of the arrays. "
            f"Received: one array. Give {path.parent}."
        )


def _describe_unknown_weights(path: Path) -> str:
    """For errors: the path and, if it is a folder, what it holds."""
    if not path.is_dir():
        return f"{path}: no such files"
    return f"{path}: {join_names_for_error(sorted(entry.name for entry in path.iterdir()))}"


def _derive_imported_config(weights: Weights, given: dict) -> Config:
    """The run's Config: what the weights imply, and `given` settings for what they leave open.

    Raises ValueError when a given setting contradicts the weights.
    """
    given = _drop_open_settings(given)
    size = _infer_image_size_from_stem(weights, given)
    settings = {"dataset": IMPORTED} | weights.settings | size
    try:
        implied = Config(**settings)
    except ValueError as error:
        raise ValueError(
            f"{weights.origin} must be networks that this program can build. Received: {error}"
        ) from error

    _check_size_fits_imported_stem(weights, implied)
    _check_flags_match_weights(implied, {name: given[name] for name in given.keys() - size})
    return dataclasses.replace(implied, **given).resolve()


def _drop_open_settings(given: dict) -> dict:
    """`given` without the settings that the user left to the program."""
    return {name: value for name, value in given.items() if value not in (None, "auto")}


def _infer_image_size_from_stem(weights: Weights, given: dict) -> dict:
    """output_height and output_width as given; a missing height follows from the stem's area.

    Without either, the images are taken to be square. Nothing where the weights come with it.
    """
    if "output_height" in weights.settings:
        return {}
    size = {name: given[name] for name in ("output_height", "output_width") if name in given}
    if "output_height" in size:
        return size

    blocks = weights.settings["blocks"]
    columns = math.isqrt(weights.stem_area)
    if "output_width" in size:
        columns = -(-size["output_width"] >> blocks)  # halved `blocks` times, rounded up
    return size | {"output_height": weights.stem_area // columns << blocks}


def _check_size_fits_imported_stem(weights: Weights, config: Config) -> None:
    """Raises ValueError when images of this size do not halve to the stem of the weights."""
    (height, width), *larger_sizes = config.sizes
    if height * width == weights.stem_area:
        return

    blocks, received = len(larger_sizes), f"{config.height}x{config.width}"
    if weights.is_size_known:
        side = math.isqrt(weights.stem_area) << blocks
        raise ValueError(f"These networks draw {side}x{side}. Received: {received}. Drop the flag.")

    raise ValueError(
        f"--output_height and --output_width must halve {blocks} times to a stem of "
        f"{weights.stem_area} positions. Received: {received}, which comes to {height}x{width}. "
        "Give the size of the images that the networks were trained on."
    )


def _check_flags_match_weights(implied: Config, given: dict) -> None:
    """Raises ValueError when a given setting differs from what the weights imply."""
    for name in NETWORK_SETTINGS:
        if name not in given or name == "z_dist":
            continue
        wanted = getattr(dataclasses.replace(Config(), **{name: given[name]}), name)
        fixed = getattr(implied, name)

        if wanted != fixed:
            raise ValueError(
                f"--{name} is fixed by the weights: {fixed}. Received: {wanted}. Drop the flag."
            )


def _check_same_import(config: Config, weights: Weights, *, again: bool) -> None:
    """Raises ValueError unless the run was imported from these files and `again` is set."""
    if again and _read_import_origin(config) == weights.origin:
        return

    raise ValueError(
        f"--out_name must name a new run. Received: {config.run_dir}, which exists. "
        "Give another name, or drop --import_weights to use it."
    )


def _read_import_origin(config: Config) -> str:
    """What the run was imported from; empty for a run that was not."""
    path = config.run_dir / ORIGIN_FILE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _write_imported_run(weights: Weights, config: Config) -> Config:
    """Makes the run's folder, with its origin, config.json and first checkpoint.

    Returns the settings with the run's id.
    """
    check_folder_writable(config.run_dir, OTHER_RUN)
    config = give_run_an_id(config)
    with lock_run_folders(config):
        check_run_owns_its_folders(config)
        dcgan = _build_imported_dcgan(weights, config)
        put_earlier_training_aside(config)
        write_atomic(config.run_dir / ORIGIN_FILE, f"{weights.origin}\n".encode())
        claim_run_folders(config)
        write_config(config)
        Checkpoints(dcgan, config).save(0)  # last: a run counts only once it has a checkpoint
    return config


def _build_imported_dcgan(weights: Weights, config: Config) -> DCGAN:
    dcgan = DCGAN(config)
    _assign_imported_arrays(dcgan.generator, weights.generator, weights.origin)
    if weights.discriminator:
        _assign_imported_arrays(dcgan.discriminator, weights.discriminator, weights.origin)
    else:
        logging.warning("there are no weights for the discriminator: it starts untrained.")

    if not any("moving_mean" in name for name in weights.generator):
        _estimate_moving_statistics(dcgan, config)
    if dcgan.average:
        dcgan.average.restart()
    return dcgan


def _assign_imported_arrays(network: keras.Model, arrays: Arrays, origin: str) -> None:
    """Sets every variable of the network; moving statistics without an array stay as they are."""
    for variable in network.variables:
        array = arrays.get(variable.path)
        if array is None and "moving_" in variable.path:
            continue

        name, shape = f"{network.name} {variable.path}", tuple(variable.shape)
        received = "nothing" if array is None else array.shape
        if received != shape:
            raise ValueError(
                f"{origin} must hold {name} of shape {shape}. Received: {received}. "
                "Check that all files belong to one model."
            )

        if not np.isfinite(array).all():
            raise ValueError(
                f"{origin} must hold finite numbers. Received: NaN or infinity in {name}."
            )
        variable.assign(array)


def _estimate_moving_statistics(dcgan: DCGAN, config: Config) -> None:
    """Sets the moving statistics of both networks, so that --bn_statistics=moving works.

    They are estimated from generated images: each batch in training mode updates them.
    """
    for stream in range(1, STATISTICS_BATCHES + 1):
        z = ops.latents(
            config.seed,
            STATISTICS_BATCH_SIZE,
            z_dim=config.z_dim,
            z_dist=config.z_dist,
            stream=stream,
        )
        dcgan.discriminator(dcgan.generator(z, training=True), training=True)


def _log_imported_run(config: Config, weights: Weights, *, is_size_given: bool) -> None:
    size = "x".join(map(str, config.network_config().image_shape))
    logging.info(
        "imported %s: images %s, z %s %s.", weights.origin, size, config.z_dim, config.z_dist
    )
    if not weights.is_size_known and not is_size_given:
        logging.info(
            "the files do not say the image size: "
            "if the images were not %s, give --output_height and --output_width.",
            f"{config.height}x{config.width}",
        )

    print_result(f"the run is {config.run_dir}")
