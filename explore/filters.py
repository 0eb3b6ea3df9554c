"""What the discriminator's features respond to (Radford et al. 2016, section 6.2.1, figure 5)."""

import numpy as np
import tensorflow as tf

import ops
from explore.captions import enlarge, join_side_by_side, make_rgb, put_heading_above
from explore.experiments import Findings
from explore.guided_backprop import compute_guided_gradients, compute_last_responses
from explore.subject import Subject
from model import Discriminator
from sample import iterate_draw_batches
from utils import arrange_image_grid, encode_png

FEATURES = 6  # as in figure 5: the first ones of the last layer
COLUMNS = 8  # images of a feature: those that respond most
IMAGES = 2048  # of the dataset, at most, among which these are found
GAP = 4  # white pixels between the halves of a picture
MIN_IMAGE_SIDE, MIN_KERNEL_SIDE = 64, 32  # pixels: smaller ones are enlarged


def run_experiment(subject: Subject) -> Findings:
    """responses.png and kernels.png; in both, random weights are at the left, trained ones at the
    right.

    responses.png has two rows for each of the first features of the last convolution layer: the
    images of the dataset that respond most, and the guided gradients of these responses. In a
    gradient, gray is 0 and the largest absolute value of each image is black or white (or a full
    colour); of RGBA images it shows the colours. kernels.png has the first layer's kernels, each
    shown in the same way.

    The random weights are those of a new discriminator. With labels, even a random network responds
    to them as well as to pixels, so the images of a row may all have one label.
    """
    images, y = choose_images(subject)
    networks = {
        "random weights": Discriminator(subject.config.network_config()),
        "trained": subject.discriminator,
    }
    grids, numbers = [], {}
    for name, network in networks.items():
        responses = measure_responses(network, images, y, name)
        grids.append(put_heading_above(draw_strongest(network, images, y, responses), name))
        numbers[f"selectivity_{name.split()[0]}"] = measure_selectivity(responses)

    kernels = [put_heading_above(draw_kernels(net), name) for name, net in networks.items()]
    files = {"responses.png": encode_png(join_side_by_side(grids, gap=GAP))}
    files["kernels.png"] = encode_png(join_side_by_side(kernels, gap=GAP))
    return Findings(files, numbers, (describe_selectivity(numbers),))


def choose_images(subject: Subject) -> tuple[np.ndarray, np.ndarray | None]:
    """At most IMAGES of the dataset, the same for a seed: uint8 (N, H, W, C), and their labels."""
    pack, labels = subject.pack, subject.labels
    rng = subject.make_generator_of_random_numbers()
    numbers = rng.choice(len(pack.images), min(IMAGES, len(pack.images)), replace=False)
    numbers.sort()
    return pack.images[numbers], labels.y[numbers] if labels else None


def measure_responses(network: Discriminator, images, y, name: str) -> np.ndarray:
    """The strongest response of each feature of the last layer anywhere in an image: (N, c)."""

    @tf.function(autograph=False)
    def find_strongest(batch, labels):
        return tf.reduce_max(compute_last_responses(network, ops.to_float(batch), labels), (1, 2))

    batches = iterate_draw_batches(images, y, desc=name)
    return np.concatenate([find_strongest(*batch) for batch in batches])


def draw_strongest(network: Discriminator, images, y, responses: np.ndarray) -> np.ndarray:
    """A grid (h, w, 3) with two rows for each feature: images, and their guided gradients."""
    rows = []
    for feature in range(min(FEATURES, responses.shape[1])):
        best = np.argsort(-responses[:, feature], kind="stable")[:COLUMNS]
        labels = None if y is None else tf.constant(y[best])
        pixels = ops.to_float(tf.constant(images[best]))
        gradients = compute_guided_gradients(network, pixels, labels, feature=feature).numpy()
        rows += [make_rgb(images[best]), make_rgb(show_signed(gradients))]

    tiles = enlarge(np.concatenate(rows), MIN_IMAGE_SIDE)
    return arrange_image_grid(tiles, min(COLUMNS, len(images)))


def draw_kernels(network: Discriminator) -> np.ndarray:
    """A grid (h, w, 3) of the first layer's kernels, without the parts that read labels."""
    channels = network.config.image_shape[-1]
    kernel = network.blocks[0].conv.read_kernel(tf.float32).numpy()[:, :, :channels]
    kernels = np.moveaxis(kernel, -1, 0)  # (k, k, channels, outputs) -> (outputs, k, k, channels)
    tiles = enlarge(make_rgb(show_signed(kernels)), MIN_KERNEL_SIDE)
    return arrange_image_grid(np.pad(tiles, ((0, 0), (1, 1), (1, 1), (0, 0))))


def show_signed(values: np.ndarray) -> np.ndarray:
    """Numbers (N, H, W, C) -> uint8 (N, H, W, 1 or 3): 0 is 128, gray, and the number farthest from
    0 in each of the N is 1 or 255. An alpha channel is left out.
    """
    values = values[..., :3]
    largest = np.abs(values).max((1, 2, 3), keepdims=True)
    scaled = values / np.where(largest > 0, largest, 1)
    return np.round(128 + 127 * scaled).astype(np.uint8)


def measure_selectivity(responses: np.ndarray) -> float:
    """How far the COLUMNS strongest responses (N, c) of a feature are above the mean of all images,
    in standard deviations: the average over all features that vary.
    """
    strongest = np.sort(responses, axis=0)[-COLUMNS:].mean(0)
    spread = responses.std(0)
    varies = spread > 0
    distances = (strongest - responses.mean(0))[varies] / spread[varies]
    return float(distances.mean()) if varies.any() else 0.0


def describe_selectivity(numbers: dict[str, float]) -> str:
    return (
        f"the {COLUMNS} strongest responses of a feature are on average "
        f"{numbers['selectivity_trained']:.1f} standard deviations above its mean; "
        f"with random weights, {numbers['selectivity_random']:.1f}"
    )
