"""The training step in PyTorch, in the order of pytorch/examples' dcgan, with the sizes and the updates of a Config."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from config.settings import Config

LEAKY_SLOPE = 0.2  # this and the momentum as in ops.py, which would import TensorFlow
BN_MOMENTUM = 0.1  # of the new value; ops.py has that of the old one


def generator(config: Config) -> nn.Sequential:
    """z (B, z_dim) -> images (B, C, H, W) in [-1, 1]."""
    (height, width), widths = config.sizes[0], config.generator_widths
    stem = nn.Linear(config.z_dim, widths[0] * height * width, bias=config.bias)
    layers = [
        stem,
        nn.Unflatten(1, (widths[0], height, width)),
        _norm(config, widths[0]),
        nn.ReLU(inplace=True),
    ]
    for inputs, outputs in pairwise(widths):
        layers += [
            _doubling(config, inputs, outputs),
            _norm(config, outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, _doubling(config, widths[-1], config.c_dim), nn.Tanh())


def discriminator(config: Config) -> nn.Sequential:
    """Images (B, C, H, W) in [-1, 1] -> logits (B, 1)."""
    (height, width), widths = config.sizes[0], config.discriminator_widths
    layers = [_halving(config, config.c_dim, widths[0]), nn.LeakyReLU(LEAKY_SLOPE, inplace=True)]
    for inputs, outputs in pairwise(widths):
        layers += [
            _halving(config, inputs, outputs),
            _norm(config, outputs),
            nn.LeakyReLU(LEAKY_SLOPE, inplace=True),
        ]
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(widths[-1] * height * width, 1, bias=config.bias)
    )


def _norm(config: Config, channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, config.bn_epsilon, BN_MOMENTUM)


def _doubling(config: Config, inputs: int, outputs: int) -> nn.ConvTranspose2d:
    k = config.kernel_size
    return nn.ConvTranspose2d(
        inputs, outputs, k, 2, (k - 1) // 2, output_padding=k % 2, bias=config.bias
    )


def _halving(config: Config, inputs: int, outputs: int) -> nn.Conv2d:
    k = config.kernel_size
    return nn.Conv2d(inputs, outputs, k, 2, (k - 1) // 2, bias=config.bias)


class TorchDCGAN:
    """Both networks with their optimizers.

    channels_last: memory format of weights and maps; autocast: to bfloat16; compiled: by torch.compile.
    """

    def __init__(
        self, config: Config, *, channels_last=False, autocast=False, compiled=False, device="cpu"
    ):
        self.config, self.device, self.autocast = config, torch.device(device), autocast
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        nets = [
            net.to(self.device, memory_format=self.layout)
            for net in (generator(config), discriminator(config))
        ]
        self.generator, self.discriminator = (
            torch.compile(net, dynamic=False) if compiled else net for net in nets
        )
        self.g_optimizer, self.d_optimizer = (
            torch.optim.Adam(
                net.parameters(), config.learning_rate, (config.beta1, 0.999), fused=True
            )
            for net in nets
        )

    def step(self, real, z):
        """real (d_updates * B, H, W, C) uint8, z (d_updates * B, z_dim) -> the last losses.

        D `d_updates` times, then G `g_updates` times on the last z. The fakes of D's last update, with their graph,
        serve G's first; D's weights take no gradients while G is updated.
        """
        real = (
            torch.as_tensor(real).to(self.device).permute(0, 3, 1, 2)
        )  # (B, H, W, C) -> (B, C, H, W)
        real = real.to(torch.float32, memory_format=self.layout) / 127.5 - 1
        z, batch = torch.as_tensor(z).to(self.device), self.config.batch_size
        for real_part, z_part in zip(real.split(batch), z.split(batch), strict=True):
            with self._precision():
                fake = self.generator(z_part)
                d_loss = self._loss(real_part, is_real=True) + self._loss(
                    fake.detach(), is_real=False
                )
            _update(self.d_optimizer, d_loss)
        self.discriminator.requires_grad_(False)
        for update in range(self.config.g_updates):
            with self._precision():
                fake = self.generator(z_part) if update else fake
                g_loss = self._loss(fake, is_real=True)
            _update(self.g_optimizer, g_loss)
        self.discriminator.requires_grad_(True)
        return d_loss, g_loss

    def _precision(self):
        # One block an update: autocast keeps the cast weights until its end.
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.autocast)

    def _loss(self, images, *, is_real: bool):
        logits = self.discriminator(images)
        return binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(is_real)))


def _update(optimizer, loss) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def program(
    config: Config, options: dict, real: np.ndarray, z: np.ndarray
) -> Callable[[int], None]:
    """A function that trains for so many steps and returns when they are done. options: TorchDCGAN's."""
    on_gpu = torch.cuda.is_available()
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, TensorFlow's default
    dcgan = TorchDCGAN(config, **options, device="cuda" if on_gpu else "cpu")

    def run(steps: int) -> None:
        for _ in range(steps):
            dcgan.step(real, z)
        if on_gpu:
            torch.cuda.synchronize()

    return run
