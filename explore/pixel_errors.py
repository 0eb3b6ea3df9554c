"""How far images are from others: mean squared errors in the networks' units, and PSNR."""

import numpy as np

UNITS = 127.5  # levels of a byte for 1 unit of the range [-1, 1]
ROUNDING_ERROR = (1 / UNITS) ** 2 / 12  # what 8 bits lose on average


def compute_squared_errors(images: np.ndarray, others: np.ndarray, chosen=None) -> np.ndarray:
    """The mean of (a - b)^2 of each image, pixels in [-1, 1]: uint8 (N, H, W, C) -> (N,) float64.

    chosen (N, H, W) bool: the pixels that count; default: all.
    """
    squares = np.square((images.astype(np.float64) - others) / UNITS).mean(-1)  # (N, H, W)
    if chosen is None:
        return squares.mean((1, 2))
    return (squares * chosen).sum((1, 2)) / chosen.sum((1, 2))


def compute_psnr(errors: np.ndarray) -> np.ndarray:
    """The peak signal-to-noise ratio in dB, 10 log10(2^2 / error), of errors (N,).

    Errors below ROUNDING_ERROR count as that, so that it is never infinite: 58.9 dB at most.
    """
    return 10 * np.log10(2**2 / np.maximum(errors, ROUNDING_ERROR))


def describe_squared_error(error: float) -> str:
    """mean squared error 0.0312 (PSNR 21.1 dB)"""
    return f"mean squared error {error:.4f} (PSNR {compute_psnr(error):.1f} dB)"
