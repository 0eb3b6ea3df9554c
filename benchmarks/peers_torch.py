"""The training step in PyTorch: pytorch/examples' dcgan with the sizes and updates of a Config."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from config.network import NetworkConfig
from config.settings import Config

# Both are copied from ops.py, which would import TensorFlow.
LEAKY_SLOPE = 0.2
BN_MOMENTUM = 0.1  # the weight of the new value; ops.py has that of the old one


def build_generator(network: NetworkConfig) -> nn.Sequential:
    """z (B, z_dim) -> images (B, C, H, W) in [-1, 1]."""
    height, width, channels = network.stem_shape
    layers = [
        nn.Linear(network.z_dim, math.prod(network.stem_shape), bias=network.bias),
        nn.Unflatten(1, (channels, height, width)),
        build_norm(network, channels),
        nn.ReLU(inplace=True),
    ]
    for inputs, outputs in pairwise(network.generator_widths):
        layers += [
            build_conv_transpose(network, inputs, outputs),
            build_norm(network, outputs),
            nn.ReLU(inplace=True),
        ]

    last = build_conv_transpose(network, network.generator_widths[-1], network.image_shape[-1])
    return nn.Sequential(*layers, last, nn.Tanh())


def build_discriminator(network: NetworkConfig) -> nn.Sequential:
    """Images (B, C, H, W) in [-1, 1] -> logits (B, 1)."""
    widths = network.discriminator_widths
    layers = [
        build_conv(network, network.image_shape[-1], widths[0]),
        nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
    ]
    for inputs, outputs in pairwise(widths):
        layers += [
            build_conv(network, inputs, outputs),
            build_norm(network, outputs),
            nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
        ]

    head = nn.Linear(network.features, 1, bias=network.bias)
    return nn.Sequential(*layers, nn.Flatten(), head)


def build_norm(network: NetworkConfig, channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, network.bn_epsilon, BN_MOMENTUM)


def build_conv_transpose(network: NetworkConfig, inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """Doubles the side."""
    k = network.kernel_size
    return nn.ConvTranspose2d(
        inputs, outputs, k, 2, (k - 1) // 2, output_padding=k % 2, bias=network.bias
    )


def build_conv(network: NetworkConfig, inputs: int, outputs: int) -> nn.Conv2d:
    """Halves the side."""
    k = network.kernel_size
    return nn.Conv2d(inputs, outputs, k, 2, (k - 1) // 2, bias=network.bias)


class TorchDCGAN:
    """Both networks with their optimizers.

    channels_last: memory format of weights and maps. autocast: to bfloat16. compiled: with
    torch.compile.
    """

    def __init__(
        self, config: Config, *, channels_last=False, autocast=False, compiled=False, device="cpu"
    ):
        self.config = config
        self.device = torch.device(device)
        self.autocast = autocast
        self.layout = torch.channels_last if channels_last else torch.contiguous_format

        network = config.network_config()
        place = {"device": self.device, "memory_format": self.layout}
        self.generator = build_generator(network).to(**place)
        self.discriminator = build_discriminator(network).to(**place)
        self.g_optimizer = self.make_optimizer(self.generator)
        self.d_optimizer = self.make_optimizer(self.discriminator)
        if compiled:
            self.generator = torch.compile(self.generator, dynamic=False)
            self.discriminator = torch.compile(self.discriminator, dynamic=False)

    def make_optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        betas = (self.config.beta1, 0.999)
        return torch.optim.Adam(network.parameters(), self.config.learning_rate, betas, fused=True)

    def train_step(self, real, z):
        """real (d_updates * B, H, W, C) uint8, z (d_updates * B, z_dim) -> last losses of D and G.

        Updates D `d_updates` times, then G `g_updates` times on the last z. G's first update reuses
        the fakes of D's last one, with their graph. D's weights get no gradients while G is
        updated.
        """
        reals, zs = self.move_to_device(real, z)
        for real, z in zip(reals, zs, strict=True):
            with self.use_precision():
                fake = self.generator(z)
                real_loss = self.compute_loss(real, is_real=True)
                d_loss = real_loss + self.compute_loss(fake.detach(), is_real=False)
            update(self.d_optimizer, d_loss)

        self.discriminator.requires_grad_(False)
        for number in range(self.config.g_updates):
            with self.use_precision():
                if number > 0:
                    fake = self.generator(z)
                g_loss = self.compute_loss(fake, is_real=True)
            update(self.g_optimizer, g_loss)
        self.discriminator.requires_grad_(True)
        return d_loss, g_loss

    def move_to_device(self, real, z) -> tuple[tuple, tuple]:
        """Batches of images (B, C, H, W) in [-1, 1] and of z (B, z_dim)."""
        real = torch.as_tensor(real).to(self.device)
        real = real.permute(0, 3, 1, 2)  # (N, H, W, C) -> (N, C, H, W)
        real = real.to(torch.float32, memory_format=self.layout) / 127.5 - 1
        z = torch.as_tensor(z).to(self.device)
        return real.split(self.config.batch_size), z.split(self.config.batch_size)

    def use_precision(self):
        """A block for one update: at its end, autocast drops its copies of the weights."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast)

    def compute_loss(self, images, *, is_real: bool):
        logits = self.discriminator(images)
        return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))


def update(optimizer: torch.optim.Optimizer, loss) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def make_program(
    config: Config, options: dict, real: np.ndarray, z: np.ndarray
) -> Callable[[int], None]:
    """A function that trains for `steps` steps and returns when they are done.

    options: those of TorchDCGAN.
    """
    on_gpu = torch.cuda.is_available()
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, TensorFlow's default
    dcgan = TorchDCGAN(config, **options, device="cuda" if on_gpu else "cpu")

    def run(steps: int) -> None:
        for _ in range(steps):
            dcgan.train_step(real, z)
        if on_gpu:
            torch.cuda.synchronize()

    return run
