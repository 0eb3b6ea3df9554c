"""StackedMNIST: three digits of MNIST as the red, green and blue of one image; 1,000 classes.

The usual test for mode collapse (Metz et al. 2017; Srivastava et al. 2017). It is made as in
fjxmlzn/PacGAN: 128,000 images of three digits, each drawn from all of MNIST, with replacement.
"""

import numpy as np

from data.sources.source import Source

IMAGES = 128_000
SEED = 0
CHANNELS = 3


def stack_mnist_digits(mnist: Source, *, limit: int | None = None) -> Source:
    """Up to `limit` images, made from those of `mnist`, which are all read into memory.

    The classes, if `mnist` has labels, are "000" to "999": the red digit counts hundreds. Raises
    ValueError unless the images of `mnist` are arrays (H, W) of one size.
    """
    count = min(IMAGES, limit or IMAGES)
    numbers = choose_stacked_digits(count, mnist.count)

    def stack_mnist_digits_as_colours():
        digits = _read_gray_digits(mnist)
        for number, chosen in enumerate(numbers):
            yield str(number), np.moveaxis(digits[chosen], 0, -1)  # (3, H, W) -> (H, W, 3)

    def read_stacked_labels():
        _, classes = mnist.labels()
        hundreds, tens, ones = np.asarray(classes)[numbers].astype(int).T
        return [f"{k:03}" for k in range(1000)], 100 * hundreds + 10 * tens + ones

    return Source(
        place=f"three digits each of {mnist.place}",
        fingerprint=f"stacked {SEED} {count} {mnist.fingerprint}",
        count=count,
        items=stack_mnist_digits_as_colours,
        labels=read_stacked_labels if mnist.labels else None,
    )


def choose_stacked_digits(count: int, digits: int) -> np.ndarray:
    """(count, 3): which of `digits` images are the red, green and blue of each image.

    They are raw numbers from NumPy's PCG64(SEED), three for each image, modulo `digits`. The raw
    numbers are the same in every version.
    """
    bits = np.random.PCG64(SEED).random_raw(CHANNELS * count)
    return (bits % np.uint64(digits)).astype(np.int64).reshape(count, CHANNELS)


def _read_gray_digits(mnist: Source) -> np.ndarray:
    """(N, H, W) uint8."""
    images = [image for _, image in mnist.items()]
    if all(isinstance(image, np.ndarray) for image in images):
        gray = [image[..., 0] if image.ndim == 3 else image for image in images]
        if len({image.shape for image in gray}) == 1:
            return np.stack(gray)

    raise ValueError(
        "--dataset=stacked_mnist is made from MNIST's IDX files. "
        f"Received: other images, {mnist.place}. Run python download.py mnist with another "
        "--data_dir, then use that one here."
    )
