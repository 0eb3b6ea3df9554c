"""`--dry_run`: what a command would do, before it does it."""

import dataclasses
import json
import math

import ops
from config.settings import Config
from data.load import geometry_of
from kernels import convolution
from model import Discriminator, Generator
from system.devices import choose_jit, choose_precision

# Fitted to the peaks of eight runs on a CPU (64 and 128 pixels, stem 512 and 1024, batch 64 and 256, both dtypes),
# of which it is within about a tenth.
BYTES_A_WEIGHT = 24  # the weight, its gradient, Adam's two moments, and copies on the way
TENSORS_A_LAYER = (
    4  # kept for the backward pass: convolution, batch norm, activation, and a gradient
)
TENSORFLOW_BYTES = 750e6  # the library itself

LEGEND = (
    "i, k, s, p -> o   input, kernel, stride, zeros before+after (cropped, where the layer enlarges), output "
    "(Dumoulin & Visin 2016)\n"
    "overlap           uneven where k is no multiple of s: the layer can leave a checkerboard (Odena et al. 2016)\n"
    "field             pixels of the image that a unit sees, in the generator those that it reaches\n"
    "MFLOP             two for each multiplication of the forward pass, an image"
)


@dataclasses.dataclass(frozen=True)
class Row:
    """A layer's arithmetic. inputs, output: (h, w, channels) or (units,). kernel is 0 for a dense layer.

    pads: zeros (before, after) on both axes. field: pixels along one side.
    """

    name: str
    inputs: tuple[int, ...]
    kernel: int
    pads: tuple[tuple[int, int], ...]
    output: tuple[int, ...]
    field: int
    parameters: int
    flops: int


def describe(config: Config, outlook: tuple) -> str:
    """The settings, both networks' layers and the memory to train them. outlook: as from `data.probe`."""
    images, channels, label_names = outlook
    precision = choose_precision(config.mixed_precision)
    found = {"c_dim": channels, "label_names": label_names}
    config = dataclasses.replace(config, **found, mixed_precision=precision).settled()
    tables = tables_of(Generator(config), Discriminator(config))
    sections = [json.dumps(dataclasses.asdict(config), indent=2)]
    sections += [_table(name, table) for name, table in tables.items()]
    jit = "with XLA" if choose_jit(config.jit) else "without XLA"
    sections.append(LEGEND)
    sections.append(
        f"images   {images:,}: {geometry_of(config)}\n"
        f"run      {config.run_dir}, {config.total_steps(images):,} steps, {precision} {jit}\n"
        f"memory   about {training_bytes(config, tables, precision) / 1e9:.1f} GB while training\n"
        f"disk     {images * math.prod(config.image_shape) / 1e9:.2f} GB for the decoded images"
    )
    return "\n\n".join(sections)


def tables_of(generator: Generator, discriminator: Discriminator) -> dict[str, list[Row]]:
    return {"generator": layer_table(generator), "discriminator": layer_table(discriminator)}


def layer_table(network: Generator | Discriminator) -> list[Row]:
    """A row a layer, in order, with its batch norm's parameters."""
    rows, config = [], network.config
    plan = network.plan()
    drawing = isinstance(network, Generator)
    fields = _fields([layer for layer, *_ in plan], backwards=drawing)
    shape = (
        config.image_shape
    )  # of the discriminator's input; the generator's first layers are dense
    for (layer, norm, output), field in zip(plan, fields, strict=True):
        weights = layer.trainable_variables + (norm.trainable_variables if norm else [])
        parameters = sum(math.prod(weight.shape) for weight in weights)
        multiplications, pads, kernel, inputs = (
            math.prod(layer.kernel.shape),
            (),
            0,
            (layer.kernel.shape[0],),
        )
        if not isinstance(layer, ops.Dense):
            large, small = (output, shape) if drawing else (shape, output)
            kernel = layer.kernel.shape[0]
            pads = tuple(convolution.pads(config.padding, side, kernel) for side in large[:2])
            multiplications *= small[0] * small[1]
            inputs = (*shape[:2], layer.kernel.shape[3 if drawing else 2])  # labels included
        rows.append(
            Row(layer.name, inputs, kernel, pads, output, field, parameters, 2 * multiplications)
        )
        shape = output
    return rows


def _fields(layers: list, *, backwards: bool) -> list[int]:
    """Pixels that a unit of each layer sees; `backwards`: that it reaches through the layers after it.

    Without the image's border: the dense layers see all of it, and 0 stands for that.
    """
    kernels = [0 if isinstance(layer, ops.Dense) else layer.kernel.shape[0] for layer in layers]
    field, fields = 1, []
    if backwards:
        for kernel in kernels[::-1]:
            fields.append(field)
            field = (field - 1) * convolution.STRIDE + kernel if kernel else 0
        return fields[::-1]
    step = 1
    for kernel in kernels:
        field, step = (
            (field + (kernel - 1) * step, step * convolution.STRIDE) if kernel else (0, step)
        )
        fields.append(field)
    return fields


def training_bytes(config: Config, tables: dict[str, list[Row]], precision: str) -> float:
    """An estimate: weights with their Adam, and what the larger of the two updates keeps for its backward pass."""
    generator, discriminator = (
        sum(math.prod(row.output) for row in table) for table in tables.values()
    )
    weights = sum(row.parameters for table in tables.values() for row in table)
    kept = max(2 * discriminator, generator + discriminator) * TENSORS_A_LAYER
    bytes_each = 4 if precision == "float32" else 2
    return TENSORFLOW_BYTES + weights * BYTES_A_WEIGHT + kept * config.batch_size * bytes_each


def _table(name: str, rows: list[Row]) -> str:
    heads = f"{'overlap':>8} {'field':>6} {'parameters':>12} {'MFLOP':>9}"
    lines = [f"{name:14} {'i':>11} {'k':>2} {'s':>2} {'p':>8} {'o':>12} {heads}", *map(_line, rows)]
    parameters, flops = sum(row.parameters for row in rows), sum(row.flops for row in rows)
    return "\n".join([*lines, f"  {'total':12} {'':54} {parameters:12,} {flops / 1e6:9,.1f}"])


def _line(row: Row) -> str:
    inputs, output = ("x".join(map(str, shape)) for shape in (row.inputs, row.output))
    kernel, stride = (row.kernel, convolution.STRIDE) if row.kernel else ("", "")
    pads = ",".join(
        dict.fromkeys(f"{before}+{after}" for before, after in row.pads)
    )  # once where both axes agree
    overlap = ("uneven" if row.kernel % convolution.STRIDE else "even") if row.kernel else ""
    field = row.field or "all"
    return (
        f"  {row.name:12} {inputs:>11} {kernel:>2} {stride:>2} {pads:>8} {output:>12} {overlap:>8} {field:>6} "
        f"{row.parameters:12,} {row.flops / 1e6:9,.1f}"
    )
