"""The model card: what an exported model takes and returns, for readers without this code."""

import dataclasses
import math
from pathlib import Path

from config.network import NetworkConfig
from config.settings import PLACES, Config

# The most that one request may ask `sample` for, so that no caller can exhaust a server's memory:
# images, and bytes of their pixels; the PNGs may take as much again. This allows 4,096 images of up
# to 209x209 in colour, or 682 of 512x512.
MAX_COUNT = 4096
MAX_BYTES = 2**29
# Settings that are not published: they only mean something on the owner's machine.
NOT_PUBLISHED = (*PLACES, "dataset_place", "exclude")
NAMESPACES = ("tfds:", "hf:")  # begin the names of datasets that are not files here


def build_model_card(
    config: Config,
    step: int,
    max_count: int,
    *,
    weights: str = "live",
    files: dict[str, dict] | None = None,
) -> dict:
    """The content of model_card.json.

    max_count: images that one call of `sample` may ask for. weights: the generator's, "ema" or
    "live". files: name -> what the card says of each file or folder beside it; those of another
    step or with other weights are named at the top, too.
    """
    files = files or {}
    height, width, channels = config.network_config().image_shape
    return {
        "labels": config.label_names,
        "y": _describe_y_of_exported_model(config),
        "batch_norm": config.bn_statistics,
        "z_dim": config.z_dim,
        "z_dist": config.z_dist,
        "height": height,
        "width": width,
        "channels": channels,
        "value_range": [-1.0, 1.0],
        "max_count": max_count,
        "step": step,
        "weights": describe_exported_weights(config, weights),
        "except": _list_exceptions(files, {"step": step, "weights": weights}),
        "signatures": _describe_exported_signatures(config.y_dim),
        "frozen_graphs": _describe_frozen_graphs(config.y_dim),
        "flags": list_settings_to_publish(config),
        "files": files,
    }


def _list_exceptions(files: dict[str, dict], usual: dict) -> dict[str, dict]:
    """Name -> what a file's entry says otherwise than `usual`."""
    differences = {
        name: {key: entry[key] for key in usual if entry.get(key, usual[key]) != usual[key]}
        for name, entry in files.items()
    }
    return {name: difference for name, difference in differences.items() if difference}


def limit_images_per_request(network: NetworkConfig) -> int:
    """How many images one request may ask `sample` for."""
    return min(MAX_COUNT, MAX_BYTES // math.prod(network.image_shape))


def list_settings_to_publish(config: Config) -> dict:
    """The settings by name, without places on the owner's machine; of a dataset, its name."""
    settings = dataclasses.asdict(config)
    published = {name: value for name, value in settings.items() if name not in NOT_PUBLISHED}
    for name in ("dataset", "first_dataset"):
        if not settings[name].startswith(NAMESPACES):
            published[name] = Path(settings[name]).name
    return published


def describe_exported_weights(config: Config, weights: str) -> str:
    """Which of the generator's weights the model has."""
    if weights == "live":
        return "live: as training left them"
    half_life = f", half-life {config.ema_half_life:,.0f} images" if config.ema_half_life else ""
    return f"ema: averaged over training{half_life}"


def _describe_exported_signatures(y_dim: int) -> dict:
    """What each signature of the SavedModel takes and returns."""
    z, images = "z (B, z_dim) float32", "images (B, height, width, channels) float32"
    y = f", y (B, {y_dim}) float32" if y_dim else ""
    return {
        "serving_default": f"{z}{y} -> {images}",
        "sample": (
            f"seed int64, count int32{y} -> "
            "png_bytes (count,) encoded images, z (count, z_dim) float32"
        ),
        "discriminate": f"{images}{y} -> logits (B, 1), probability (B, 1) float32",
    }


def _describe_frozen_graphs(y_dim: int) -> dict:
    """The tensors that each frozen graph takes and returns."""
    y = ", y:0" if y_dim else ""
    return {
        "generator.pb": f"z:0{y} -> images:0",
        "discriminator.pb": f"images:0{y} -> logits:0, probability:0",
    }


def _describe_y_of_exported_model(config: Config) -> str | None:
    if not config.y_dim:
        return None
    kind = "a 1 for each attribute that is on, all 0 for none"
    if config.one_hot:
        kind = "exactly one 1"
    return (
        f"(B, {config.y_dim}) float32, a row for each image; column i stands for labels[i]; {kind}"
    )
