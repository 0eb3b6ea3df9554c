"""What layers cost: shapes, parameters, FLOPs, and the memory of a step."""

import dataclasses
import math

from config.network import NetworkConfig
from config.settings import Config
from kernels.convolution import STRIDE, choose_conv_padding
from kernels.resize import MERGED_KERNEL, RESIZED_KERNEL

# Fitted to the peak memory of eight runs on a CPU (64 and 128 pixels, stem 512 and 1024, batch 64
# and 256, float32 and bfloat16). Estimates match these to within about a tenth.
BYTES_PER_WEIGHT = 24  # the weight, its gradient, Adam's two moments, and copies on the way
BYTES_PER_AVERAGED_WEIGHT = 8  # the average, and its difference from the weight
TENSORS_PER_LAYER = 4  # kept for the backward pass: convolution, batch norm, activation, a gradient
SMOOTHED_NEIGHBOURS = 2  # pixels: --upsample smooth adds one on each side
TENSORFLOW_BYTES = 750e6  # the library itself

Shape = tuple[int, ...]  # (h, w, channels) or (units,)
MapShape = tuple[int, int, int]  # (h, w, channels)


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """One layer with its batch norm. inputs, output: (h, w, channels) or (units,), labels included.

    kernel is 0 for a dense layer. stride is 1 where the inputs are resized first. pads: zeros
    (before, after) on both axes. field: pixels along one side that a unit sees, or, in the
    generator, that it reaches; 0 for all of them.
    """

    name: str
    inputs: Shape
    kernel: int
    pads: tuple[tuple[int, int], ...]
    output: Shape
    field: int
    parameters: int
    flops: int  # of the forward pass of one image: two for each multiplication
    has_norm: bool
    stride: int = STRIDE


def list_layer_costs(network: NetworkConfig) -> dict[str, list[LayerCost]]:
    """Both networks' layers in order, by "generator" and "discriminator"."""
    return {
        "generator": list_generator_costs(network),
        "discriminator": list_discriminator_costs(network),
    }


def list_generator_costs(network: NetworkConfig) -> list[LayerCost]:
    if network.upsample == "resize":
        merged = {"upsample": "transpose", "kernel_size": MERGED_KERNEL}
        layers = list_generator_costs(dataclasses.replace(network, **merged))
        return [_show_merged_kernel_as_resize(layer) for layer in layers]
    layers, inputs = [], network.z_dim + network.y_dim
    if network.y_dim:
        layers.append(_compute_label_layer_cost(inputs, network, bias=network.bias, norm=True))
        inputs = network.fc_width + network.y_dim

    units, widths = math.prod(network.stem_shape), network.generator_widths
    norm = units if network.stem_norm == "units" else widths[0]
    stem = _compute_dense_cost("stem", inputs, network.stem_shape, bias=network.bias, norm=norm)
    reached = _compute_generator_field_for_cost(network, len(widths))
    stem = dataclasses.replace(stem, field=reached)
    return [*layers, stem, *_list_generator_conv_costs(network)]


def _list_generator_conv_costs(network: NetworkConfig) -> list[LayerCost]:
    channels = [*network.generator_widths, network.image_shape[-1]]
    layers, last = [], len(channels) - 1
    for k in range(1, len(channels)):
        small, large = network.sizes[k - 1], network.sizes[k]
        inputs = (*small, channels[k - 1] + network.y_dim)
        norm = 0 if k == last else channels[k]
        field = _compute_generator_field_for_cost(network, last - k)
        layers.append(
            _compute_conv_cost(
                f"conv{k}",
                inputs,
                (*large, channels[k]),
                network,
                bias=network.bias,
                norm=norm,
                field=field,
            )
        )
    if network.upsample == "smooth":
        layers[-1] = _widen_kernel_of_cost(layers[-1])
    return layers


def _widen_kernel_of_cost(layer: LayerCost) -> LayerCost:
    """The last layer's arithmetic, with the smoothing in its kernel."""
    wider = layer.kernel + SMOOTHED_NEIGHBOURS
    return dataclasses.replace(layer, flops=layer.flops * wider**2 // layer.kernel**2)


def _compute_generator_field_for_cost(network: NetworkConfig, blocks: int) -> int:
    """The pixels of the image that a unit reaches through this many more blocks."""
    smoothed = SMOOTHED_NEIGHBOURS if network.upsample == "smooth" else 0
    return _compute_receptive_field_for_cost(network.kernel_size, blocks) + smoothed


def list_discriminator_costs(network: NetworkConfig) -> list[LayerCost]:
    y, channels = network.joined_y_dim, [network.image_shape[-1], *network.discriminator_widths]
    sizes, bias = network.sizes[::-1], network.discriminator_bias
    has_norms = network.d_norm == "batch"
    layers = []
    for k in range(1, len(channels)):
        inputs = (*sizes[k - 1], channels[k - 1] + y)
        norm = channels[k] if has_norms and k > 1 else 0
        field = _compute_receptive_field_for_cost(network.kernel_size, k)
        layers.append(
            _compute_conv_cost(
                f"conv{k}",
                inputs,
                (*sizes[k], channels[k]),
                network,
                bias=bias,
                norm=norm,
                field=field,
            )
        )

    features = network.features + y
    if y:
        layers.append(_compute_label_layer_cost(features, network, bias=bias, norm=has_norms))
        features = network.fc_width + y
    layers.append(_compute_dense_cost("logits", features, (1,), bias=bias, norm=0))
    if network.d_labels == "projection":
        embedded = (network.features,)
        layers.append(_compute_dense_cost("embedding", network.y_dim, embedded, bias=False, norm=0))
    return layers


def estimate_training_bytes(config: Config, precision: str) -> float:
    """An estimate: weights with Adam's moments, and what the larger update keeps for backprop."""
    layers = list_layer_costs(config.network_config())
    generator, discriminator = (
        sum(math.prod(layer.output) for layer in layers[name])
        for name in ("generator", "discriminator")
    )
    weights = sum(layer.parameters for network in layers.values() for layer in network)
    # A slope keeps as much as a forward pass over its images (measured: 0.9 to 1.3 times).
    penalized = sum(map(bool, config.penalties.values())) * config.penalty_batch
    in_d_update = (2 + penalized) * discriminator
    kept = max(in_d_update, generator + discriminator) * TENSORS_PER_LAYER
    bytes_each = 4 if precision == "float32" else 2
    averaged = sum(layer.parameters for layer in layers["generator"]) if config.ema_half_life else 0
    return (
        TENSORFLOW_BYTES
        + weights * BYTES_PER_WEIGHT
        + averaged * BYTES_PER_AVERAGED_WEIGHT
        + kept * config.batch_size * bytes_each
    )


def _compute_label_layer_cost(
    inputs: int, network: NetworkConfig, *, bias: bool, norm: bool
) -> LayerCost:
    """The dense layer that both networks have with labels."""
    units = network.fc_width
    return _compute_dense_cost("fc", inputs, (units,), bias=bias, norm=units if norm else 0)


def _compute_dense_cost(
    name: str, inputs: int, output: Shape, *, bias: bool, norm: int
) -> LayerCost:
    """norm: channels of the batch norm that follows, 0 for none."""
    units = math.prod(output)
    parameters = inputs * units + bias * units + 2 * norm
    return LayerCost(
        name, (inputs,), 0, (), output, 0, parameters, 2 * inputs * units, has_norm=bool(norm)
    )


def _compute_conv_cost(
    name: str,
    inputs: MapShape,
    output: MapShape,
    network: NetworkConfig,
    *,
    bias: bool,
    norm: int,
    field: int,
) -> LayerCost:
    """A convolution, or a transposed one: both multiply at every position of the smaller maps."""
    kernel = network.kernel_size
    small, large = sorted([inputs[:2], output[:2]])
    weights = kernel**2 * inputs[2] * output[2]
    return LayerCost(
        name,
        inputs,
        kernel,
        tuple(choose_conv_padding(network.padding, side, kernel) for side in large),
        output,
        field,
        parameters=weights + bias * output[2] + 2 * norm,
        flops=2 * weights * math.prod(small),
        has_norm=bool(norm),
    )


def _show_merged_kernel_as_resize(layer: LayerCost) -> LayerCost:
    """The 3x3 kernel of a convolution after a resize, which is computed as a 4x4 one."""
    if not layer.kernel:
        return layer
    fewer = (MERGED_KERNEL**2 - RESIZED_KERNEL**2) * layer.inputs[-1] * layer.output[-1]
    return dataclasses.replace(
        layer,
        kernel=RESIZED_KERNEL,
        stride=1,
        pads=((1, 1), (1, 1)),
        parameters=layer.parameters - fewer,
    )


def _compute_receptive_field_for_cost(kernel: int, count: int) -> int:
    """Pixels along one side that a unit sees through `count` stride-2 convolutions.

    Ignores the image's border. By symmetry, a unit reaches as many pixels through transposed
    convolutions.
    """
    field = 1
    for _ in range(count):
        field = (field - 1) * STRIDE + kernel
    return field
