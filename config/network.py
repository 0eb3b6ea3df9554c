"""What the two networks are built from: every value concrete, nothing left to derive."""

import dataclasses
import math

# Pixels on the short side where the first block starts (Radford et al. 2016, figure 1).
MIN_STEM_SIDE = 4
MIN_WIDTH = 4  # feature maps; reached only by narrow stems at large sizes


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """A generator and its discriminator, as numbers; `Config.network_config` makes it.

    The generator goes from sizes[0], the stem, to sizes[-1], the image, and the discriminator back.
    """

    image_shape: tuple[int, int, int]  # (H, W, C)
    z_dim: int
    z_dist: str  # uniform_signed, uniform_unsigned or normal01
    y_dim: int  # entries of a label vector; 0: no labels
    sizes: tuple[tuple[int, int], ...]  # (height, width) of the stem's maps and after each block
    generator_widths: tuple[int, ...]  # feature maps of the stem and of every block but the last
    discriminator_widths: tuple[int, ...]  # feature maps of every block
    kernel_size: int  # but see upsample
    upsample: str  # transpose, smooth or resize, in the generator; resize has 3x3 kernels
    fc_width: int  # units of the dense layer that each network with labels has
    bias: bool  # but see discriminator_bias
    d_norm: str  # batch, spectral or none, in the discriminator
    d_labels: str  # concat or projection, in the discriminator
    minibatch_stddev: bool
    d_dropout: float  # share of the numbers before the discriminator's last layer, in training
    padding: str  # same or symmetric
    stem_order: str  # hwc or chw
    stem_norm: str  # channels or units
    bn_statistics: str  # moving or batch, in inference
    bn_epsilon: float
    sync_batch_norm: bool  # if several devices train them
    gain_stddev: float
    conv_init: str  # truncated or normal
    seed: int

    @property
    def stem_shape(self) -> tuple[int, int, int]:
        """(h, w, maps) at the input of the generator's first block."""
        return (*self.sizes[0], self.generator_widths[0])

    @property
    def discriminator_bias(self) -> bool:
        """Whether the discriminator's layers have biases: without batch norm, nothing else shifts
        their output.
        """
        return self.bias or self.d_norm != "batch"

    @property
    def joined_y_dim(self) -> int:
        """Label entries appended to the input of each of the discriminator's layers."""
        return self.y_dim if self.d_labels == "concat" else 0

    @property
    def features(self) -> int:
        """How many numbers the discriminator's last maps hold."""
        return math.prod(self.sizes[0]) * (self.discriminator_widths[-1] + self.minibatch_stddev)
