"""What a training step costs on many devices, on paper.

The assumptions. The first makes steps slower than they need be, the last two make them faster:

- A step computes, or it reduces: nothing overlaps. Ours has no overlap either.
- Gradients, statistics and results are float32, and each network's gradients are one all-reduce.
- An all-reduce of S bytes over n devices takes 2 (n - 1) / n S / bandwidth + 2 (n - 1) latency in a
  ring (Patarasuk & Yuan 2009), and 2 S / bandwidth + 2 ceil(log2 n) latency in two trees (Sanders,
  Speck & Träff 2009). The faster one is taken.
- The network has the same bandwidth between all devices at once, and no other users.
- A device computes at the same rate, however few images it has. Where that does not hold, sharing a
  fixed batch stops paying earlier.
"""

import dataclasses
import math

from benchmarks.floor import count_step_flops
from config.settings import Config
from training.cost import list_layer_costs

FLOAT_BYTES = 4
STATISTICS = 2  # vectors that a batch norm averages, in each direction


@dataclasses.dataclass(frozen=True)
class Network:
    """What joins the devices. bandwidth: bytes a second; latency: seconds for one message."""

    bandwidth: float
    latency: float

    def time_ring(self, size: float, devices: int) -> float:
        """Seconds of an all-reduce of so many bytes."""
        hops = 2 * (devices - 1)
        return hops / devices * size / self.bandwidth + hops * self.latency

    def time_tree(self, size: float, devices: int) -> float:
        if devices == 1:
            return 0.0
        return 2 * size / self.bandwidth + 2 * math.ceil(math.log2(devices)) * self.latency

    def time_fastest(self, size: float, devices: int) -> float:
        return min(self.time_ring(size, devices), self.time_tree(size, devices))


def list_reductions(config: Config) -> list[int]:
    """The bytes of each all-reduce of a step, in no order.

    There is one for each update, with the gradients of its network, and with `sync_batch_norm` one
    for each batch norm that the update passes, forward and, on the way to its weights, backward.
    The passes are those of `benchmarks.floor.count_step_flops`. Left out are the results of a step:
    a few scalars, and the logits.
    """
    layers = list_layer_costs(config.network_config())
    weights = {
        name: FLOAT_BYTES * sum(layer.parameters for layer in network)
        for name, network in layers.items()
    }
    norms = {
        name: [STATISTICS * FLOAT_BYTES * layer.output[-1] for layer in network if layer.has_norm]
        for name, network in layers.items()
    }
    g, d = (norms[name] if config.sync_batch_norm else [] for name in layers)

    d_update = [weights["discriminator"], *g, *(4 * d)]  # real and fake, forward and backward
    g_update = [weights["generator"], *(2 * g), *(2 * d)]
    total = config.d_updates * d_update + config.g_updates * g_update
    if not config.alternate:  # G's first update reuses the last fakes
        for size in g:
            total.remove(size)
    return total


def time_step(config: Config, devices: int, network: Network, flops_per_second: float) -> float:
    """Seconds of a step in which each device has `config.batch_size` images, by the model above."""
    computing = count_step_flops(config) / flops_per_second
    return computing + sum(network.time_fastest(n, devices) for n in list_reductions(config))


def measure_efficiency(config: Config, devices: int, network: Network, rate: float) -> float:
    """Images per second of so many devices, over `devices` times those of one: 0 to 1."""
    alone = count_step_flops(config) / rate
    return alone / time_step(config, devices, network, rate)


def count_paying_devices(config: Config, images: int, network: Network, rate: float) -> int:
    """The most devices, a power of two, that share a batch of so many images at an efficiency of at
    least a half.
    """
    devices = 1
    while 2 * devices <= images:
        share = dataclasses.replace(config, batch_size=images // (2 * devices))
        if measure_efficiency(share, 2 * devices, network, rate) < 0.5:
            break
        devices *= 2
    return devices
