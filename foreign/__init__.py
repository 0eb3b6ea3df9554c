"""The files of other implementations, a module each: arrays by the names of our variables, and what they imply."""

from foreign.arrays import Arrays, Weights, listed
from foreign.carpedm20 import read_carpedm20, tf1_prefix
from foreign.newmu import read_newmu
from foreign.pytorch import SUFFIXES as TORCH_SUFFIXES
from foreign.pytorch import read_torch

__all__ = [
    "TORCH_SUFFIXES",
    "Arrays",
    "Weights",
    "listed",
    "read_carpedm20",
    "read_newmu",
    "read_torch",
    "tf1_prefix",
]
