"""Both networks' arrays as a safetensors file, which holds numbers and text, never code.

Each array has the path of its variable, such as generator/conv1/kernel, in float32. The metadata
are texts: config, the run's settings as JSON; step; weights, "ema" if the generator is the averaged
one, else "live".
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors import numpy as safetensors
from safetensors import safe_open

from config.stored import make_config_from_dict
from export.card import list_settings_to_publish
from export.saved_model import make_generate_signature
from export.source import Source
from model import Generator


def encode_file(source: Source) -> bytes:
    """The bytes of weights.safetensors."""
    arrays = {
        f"{network.name}/{variable.path}": variable.numpy()
        for network in (source.generator, source.discriminator)
        for variable in network.variables
    }
    config = json.dumps(list_settings_to_publish(source.config))
    step, weights = source.restored
    metadata = {"format": "np", "config": config, "step": str(step), "weights": weights}
    return safetensors.save(arrays, metadata)


def load_generator(path: Path) -> Callable[..., np.ndarray]:
    """A function z (B, z_dim), with labels y (B, y_dim) -> images (B, H, W, C), in TensorFlow.

    The file alone says how to build the network.
    """
    with safe_open(path, framework="np") as file:
        settings = json.loads(file.metadata()["config"])
        config = make_config_from_dict(settings, str(path))
        generator = Generator(config.network_config())
        for variable in generator.variables:
            variable.assign(file.get_tensor(f"{generator.name}/{variable.path}"))
    draw = make_generate_signature(generator)
    return lambda **inputs: draw(**inputs)["images"].numpy()
