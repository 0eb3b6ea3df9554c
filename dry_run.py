"""`--dry_run`: what a command would do, before it does it."""

import dataclasses
import json
import math

from config import Config
from data import geometry_of
from model import Discriminator, Generator, choose_jit, choose_precision, layer_table

# Fitted to the peaks of eight runs on a CPU (64 and 128 pixels, stem 512 and 1024, batch 64 and 256, both dtypes),
# of which it is within about a tenth.
BYTES_A_WEIGHT = 24  # the weight, its gradient, Adam's two moments, and copies on the way
TENSORS_A_LAYER = 4  # kept for the backward pass: convolution, batch norm, activation, and a gradient
TENSORFLOW_BYTES = 750e6  # the library itself


def describe(config: Config, outlook: tuple) -> str:
    """The settings, both networks' layers and the memory to train them. outlook: as from `data.probe`."""
    images, channels, label_names = outlook
    precision = choose_precision(config.mixed_precision)
    found = {"c_dim": channels, "label_names": label_names}
    config = dataclasses.replace(config, **found, mixed_precision=precision).settled()
    networks = Generator(config), Discriminator(config)
    tables = [layer_table(network) for network in networks]
    sections = [json.dumps(dataclasses.asdict(config), indent=2)]
    sections += [_table(network.name, table) for network, table in zip(networks, tables, strict=True)]
    jit = "with XLA" if choose_jit(config.jit) else "without XLA"
    sections.append(
        f"images   {images:,}: {geometry_of(config)}\n"
        f"run      {config.run_dir}, {config.total_steps(images):,} steps, {precision} {jit}\n"
        f"memory   about {training_bytes(config, tables, precision) / 1e9:.1f} GB while training\n"
        f"disk     {images * math.prod(config.image_shape) / 1e9:.2f} GB for the decoded images"
    )
    return "\n\n".join(sections)


def training_bytes(config: Config, tables: list, precision: str) -> float:
    """An estimate: weights with their Adam, and what the larger of the two updates keeps for its backward pass."""
    generator, discriminator = ([math.prod(shape) for _, shape, _ in table] for table in tables)
    weights = sum(parameters for table in tables for _, _, parameters in table)
    kept = max(2 * sum(discriminator), sum(generator) + sum(discriminator)) * TENSORS_A_LAYER
    bytes_each = 4 if precision == "float32" else 2
    return TENSORFLOW_BYTES + weights * BYTES_A_WEIGHT + kept * config.batch_size * bytes_each


def _table(name: str, rows: list) -> str:
    lines = [f"{name:14} {'output':>14} {'parameters':>12}"]
    lines += [f"  {layer:12} {'x'.join(map(str, shape)):>14} {parameters:12,}" for layer, shape, parameters in rows]
    lines.append(f"  {'total':12} {'':14} {sum(row[2] for row in rows):12,}")
    return "\n".join(lines)
