"""Trained weights of another implementation as a run of this one (`--import_weights`): to sample, export, train on."""

import dataclasses
import math
import os
from pathlib import Path

import keras
import numpy as np
from absl import logging

import ops
from config.settings import IMPORTED, NETWORK_SETTINGS, Config
from config.stored import write_config
from foreign import (
    TORCH_SUFFIXES,
    Arrays,
    Weights,
    listed,
    read_carpedm20,
    read_newmu,
    read_torch,
    tf1_prefix,
)
from gan import DCGAN
from runs.checkpoints import Checkpoints
from runs.find import read_run
from system.files import check_writable, write_atomic
from system.locks import lock_run

FORMATS = (
    "a TensorFlow 1 checkpoint of carpedm20/DCGAN-tensorflow (its prefix, such as model.b64-1002, or its folder), "
    "a folder of Newmu/dcgan_code's *_gen_params.jl_01.npy ..., or netG.pth,netD.pth of pytorch/examples"
)
ORIGIN = "imported_from.txt"  # in the run's folder
STATISTICS_BATCHES, STATISTICS_BATCH = 40, 64  # with which missing moving statistics are estimated


def import_weights(names: str, given: dict, *, again: bool = False) -> Config:
    """Makes the run folder `given["out_name"]` from the files in `names`, one path or two with a comma between.

    given: settings for what the files leave open, such as z_dist. Returns the run's config. Raises ValueError when the
    files are of no known kind or incomplete, when a setting contradicts them, or when there is such a run, unless
    it was made of the same files and `again` allows to go on with it.
    """
    if not given.get("out_name"):
        raise ValueError(
            "--import_weights makes a run. Received: no name for it. Add --out_name=NAME."
        )
    if given.get("preset"):
        raise ValueError(
            f"Imported weights bring their own preset. Received: --preset={given['preset']}. Drop it."
        )
    weights = read([_path(name.strip()) for name in names.split(",")])
    config = settle(
        weights, {name: value for name, value in given.items() if value not in (None, "auto")}
    )
    if stored := read_run(config.run_dir):
        if again and _origin(config) == weights.origin:
            logging.info("%s was imported before: going on with it.", config.run_dir)
            return stored
        raise ValueError(
            f"--out_name must be a new run. Received: {config.run_dir}, which exists. "
            "Give another, or drop --import_weights to go on with it."
        )
    check_writable(config.run_dir)
    with lock_run(config.run_dir):
        dcgan = _filled(weights, config)
        write_atomic(config.run_dir / ORIGIN, f"{weights.origin}\n".encode())
        write_config(config)  # a run counts once it has a checkpoint
        Checkpoints(dcgan, config).save(0)
    size = "x".join(map(str, config.network_config().image_shape))
    logging.info(
        "imported %s: images %s, z %s %s.", weights.origin, size, config.z_dim, config.z_dist
    )
    if not weights.exact_size and not given.get("output_height"):
        logging.info(
            "the files leave the size open: --output_height and --output_width say if it is another."
        )
    logging.info("the run is %s", config.run_dir)
    return config


def _path(name: str) -> Path:
    return Path(os.path.expanduser(name))  # noqa: PTH111, as Path's own raises RuntimeError for ~nobody


def read(paths: list[Path]) -> Weights:
    """The weights in one path, or in two for generator and discriminator.

    Raises ValueError that lists what was found and what is missing when they are of no known kind or incomplete.
    """
    if all(path.suffix in TORCH_SUFFIXES for path in paths):
        return read_torch(paths)
    if len(paths) > 1:
        raise ValueError(
            f"--import_weights takes two paths only for .pth files. Received: {paths[1]}. Give one."
        )
    path = paths[0]
    if path.suffix == ".npy" and path.is_file():
        raise ValueError(
            f"--import_weights takes the folder of the arrays. Received: one of them. Give {path.parent}."
        )
    if path.is_dir() and any(path.glob("*_params.jl_*.npy")):
        return read_newmu(path)
    prefix = tf1_prefix(path)
    if prefix:
        return read_carpedm20(prefix)
    found = (
        listed(sorted(entry.name for entry in path.iterdir())) if path.is_dir() else "no such files"
    )
    raise ValueError(f"--import_weights must be {FORMATS}. Received: {path}: {found}.")


def settle(weights: Weights, given: dict) -> Config:
    """The Config of the imported run: what the weights imply, and `given` settings where they leave a choice.

    Raises ValueError when a given setting contradicts the weights, or is needed to tell the size of the images.
    """
    settings, blocks = {"dataset": IMPORTED} | weights.settings, weights.settings["blocks"]
    size = {name: given[name] for name in ("output_height", "output_width") if name in given}
    if "output_height" not in size:
        columns = -(-size["output_width"] >> blocks) if size else math.isqrt(weights.stem_area)
        size["output_height"] = weights.stem_area // columns << blocks
    try:
        implied = Config(**(settings | size))
    except ValueError as error:
        raise ValueError(
            f"{weights.origin} must be networks that this program can build. Received: {error}"
        ) from error
    _check_size(weights, implied)
    for name in NETWORK_SETTINGS:
        if name in given and name not in (*size, "z_dist"):
            wanted = getattr(dataclasses.replace(Config(), **{name: given[name]}), name)
            if wanted != getattr(implied, name):
                raise ValueError(
                    f"--{name} is in the weights: {getattr(implied, name)}. Received: {wanted}. Drop the flag."
                )
    return dataclasses.replace(implied, **given).resolve()


def _check_size(weights: Weights, config: Config) -> None:
    if math.prod(config.sizes[0]) == weights.stem_area:
        return
    (height, width), blocks = config.sizes[0], len(config.sizes) - 1
    if weights.exact_size:
        side = math.isqrt(weights.stem_area) << blocks
        raise ValueError(
            f"These networks draw {side}x{side}. Received: {config.height}x{config.width}. Drop the flag."
        )
    raise ValueError(
        f"--output_height and --output_width must halve {blocks} times to a stem of {weights.stem_area} positions. "
        f"Received: {config.height}x{config.width}, which comes to {height}x{width}. "
        "Give the size of the images that the networks were trained on."
    )


def _origin(config: Config) -> str:
    """What the run was imported from, or nothing."""
    path = config.run_dir / ORIGIN
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _filled(weights: Weights, config: Config) -> DCGAN:
    dcgan = DCGAN(config)
    _assign(dcgan.generator, weights.generator, weights.origin)
    if weights.discriminator:
        _assign(dcgan.discriminator, weights.discriminator, weights.origin)
    else:
        logging.warning("there are no weights for the discriminator: it starts untrained.")
    if not any("moving_mean" in name for name in weights.generator):
        _estimate_statistics(dcgan, config)
    return dcgan


def _assign(network: keras.Model, arrays: Arrays, origin: str) -> None:
    """Sets every variable; moving statistics may be missing."""
    variables = {variable.path: variable for variable in network.variables}
    for name, variable in variables.items():
        if name not in arrays and "moving_" in name:
            continue
        shape = arrays[name].shape if name in arrays else "nothing"
        if shape != tuple(variable.shape):
            raise ValueError(
                f"{origin} must hold {network.name} {name} of shape {tuple(variable.shape)}. Received: {shape}. "
                "Check that all files are of one model."
            )
        if not np.isfinite(arrays[name]).all():
            raise ValueError(
                f"{origin} must hold finite numbers. Received: others in {network.name} {name}."
            )
        variable.assign(arrays[name])


def _estimate_statistics(dcgan: DCGAN, config: Config) -> None:
    """Moving statistics for networks that came without, from generated images, so that --bn_statistics=moving works."""
    for stream in range(STATISTICS_BATCHES):
        z = ops.latents(
            config.seed,
            STATISTICS_BATCH,
            z_dim=config.z_dim,
            z_dist=config.z_dist,
            stream=stream + 1,
        )
        dcgan.discriminator(dcgan.generator(z, training=True), training=True)
