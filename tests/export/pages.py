"""Pages for the tests in browsers, and what they must draw."""

import numpy as np
from generators import LABELS, make_generator

from export.page import encode_page
from export.plain import make_plain_generator
from sample import Sampler

HOSTILE = ("it's", '"quoted"', "</script><script>alert(1)</script>", "<!--", "a&b; ü 笑")
RUNS = {
    "colour": {"output_height": 32, "z_dim": 100},
    "gray": {"c_dim": 1, "output_height": 21, "output_width": 33, "preset": "modern"} | LABELS,
    "alpha": {"c_dim": 4, "output_width": 24, "preset": "tutorial", "z_dim": 7},
    "attributes": LABELS | {"labels": "A,B", "label_names": HOSTILE, "z_dist": "uniform_unsigned"},
}
# What dcgan.draw gives, as (width, height, numbers), for `options`, JSON.
DRAW = """(async (options) => {{
  const image = await dcgan.draw(options);
  return [image.width, image.height, Array.from(image.data)];
}})({options})"""


class Pages:
    """The pages of RUNS in a folder, each made once."""

    def __init__(self, folder):
        self.folder, self.made = folder, {}

    def make(self, name: str) -> tuple:
        """(the file, a Sampler of the same generator)."""
        if name not in self.made:
            generator, config = make_generator(**RUNS[name])
            plain = make_plain_generator(generator, config.label_names)
            path = self.folder / f"{name}.html"
            path.write_bytes(encode_page(plain, config, step=5, weights="live"))
            self.made[name] = path, Sampler(config, generator)
        return self.made[name]


def read_image(answer: list) -> np.ndarray:
    """(width, height, numbers) -> (H, W, 4) uint8."""
    width, height, numbers = answer
    return np.array(numbers, np.uint8).reshape(height, width, 4)


def show_as_rgba(images: np.ndarray) -> np.ndarray:
    """(..., 1 or 3 or 4) -> (..., 4) uint8."""
    if images.shape[-1] == 4:
        return images
    opaque = np.full((*images.shape[:-1], 1), 255, np.uint8)
    colours = np.broadcast_to(images, (*images.shape[:-1], 3))
    return np.concatenate([colours, opaque], -1)


def assert_same_picture(drawn, expected) -> None:
    difference = np.abs(drawn.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.1  # float16 weights; pixels that are random everywhere
