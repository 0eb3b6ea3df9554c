"""Whether an image has an attribute, and where: a classifier on the discriminator's maps."""

import dataclasses

import numpy as np
import tensorflow as tf
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

import ops
from explore.boxes import Box
from model import Discriminator
from sample import iterate_draw_batches

IMAGES = 4096  # of the dataset, at most: three quarters to learn from, the others to be tested on
FEWEST = 8  # images with the attribute, and without it
# The inverse of the L2 penalty. There are more numbers than images: with scikit-learn's default, 1,
# all images that were learnt from are told apart, and the test is no better.
INVERSE_PENALTY = 0.01
MAX_ITERATIONS = 500  # converges in far fewer
EDGE = 0.5  # of the hottest position: where a box ends


class MapReader:
    """Reads maps of a discriminator in inference mode: those that enter its last layer, which are
    twice as fine as the last ones. A network with one layer has only that one's output.
    """

    def __init__(self, discriminator: Discriminator):
        self.discriminator = discriminator
        self._compute_maps = tf.function(self._compute_maps_of_batch, autograph=False)

    def read(self, images: np.ndarray, y: np.ndarray | None = None) -> np.ndarray:
        """uint8 (N, H, W, C), with labels y (N, y_dim) -> float32 (N, h, w, c)."""
        batches = iterate_draw_batches(images, y, desc="read maps")
        return np.concatenate([self._compute_maps(*batch) for batch in batches])

    def _compute_maps_of_batch(self, images, y):
        joined_y = None if self.discriminator.embedding else y
        x = ops.to_float(images)
        for block in self.discriminator.blocks[:-1] or self.discriminator.blocks:
            x = block(x, joined_y, training=False)
        return x


@dataclasses.dataclass(frozen=True)
class AttributeClassifier:
    """A logistic regression on maps (N, h, w, c), with a weight for each number of a map.

    mean: (h, w, c). weights: (h, w, c), for maps less the mean. bias: a number. accuracy: the mean
    of the shares of the images with the attribute and without that were judged rightly, among
    images not learnt from; 0.5 is chance.
    """

    mean: np.ndarray
    weights: np.ndarray
    bias: float
    accuracy: float

    def compute_heat(self, maps: np.ndarray) -> np.ndarray:
        """How much each position speaks for the attribute: (N, h, w), whose sum and bias are the
        logit.
        """
        return ((maps - self.mean) * self.weights).sum(-1)

    def compute_logits(self, maps: np.ndarray) -> np.ndarray:
        """(N,): above 0, the attribute is more likely there than not."""
        return self.compute_heat(maps).sum((1, 2)) + self.bias


def learn_attribute(maps: np.ndarray, has_it: np.ndarray, name: str, rng) -> AttributeClassifier:
    """Learns from three quarters of the maps (N, h, w, c), and is tested on the others.

    has_it: bool (N,). name: of the attribute. Raises ValueError with too few images of either kind.
    """
    present, absent = np.flatnonzero(has_it), np.flatnonzero(~has_it)
    if min(len(present), len(absent)) < FEWEST:
        raise ValueError(
            f"--forget needs at least {FEWEST} images with the attribute and {FEWEST} without. "
            f"Received: {name}, which {len(present):,} of {len(has_it):,} images have. "
            "Choose another attribute, or draw boxes."
        )
    kinds = [rng.permutation(present), rng.permutation(absent)]
    learnt = np.concatenate([kind[len(kind) // 4 :] for kind in kinds])
    tested = np.concatenate([kind[: len(kind) // 4] for kind in kinds])

    mean, spread = maps[learnt].mean(0), maps[learnt].std(0)
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    flat = ((maps - mean) * scale).reshape(len(maps), -1)  # (N, h, w, c) -> (N, h * w * c)
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=MAX_ITERATIONS)
    model.fit(flat[learnt], has_it[learnt])

    accuracy = balanced_accuracy_score(has_it[tested], model.predict(flat[tested]))
    weights = model.coef_.reshape(mean.shape).astype(np.float32) * scale
    return AttributeClassifier(mean, weights, float(model.intercept_[0]), float(accuracy))


def find_hot_box(sample: int, heat: np.ndarray, image: tuple[int, int]) -> Box:
    """The box around the hottest position and all that are at least EDGE as hot and joined to it.

    heat: (h, w). image: (H, W), the pixels that it covers.
    """
    areas, _ = ndimage.label(heat >= EDGE * heat.max(), structure=np.ones((3, 3)))
    hottest = np.unravel_index(heat.argmax(), heat.shape)
    rows, columns = np.nonzero(areas == areas[hottest])
    down, right = image[0] / heat.shape[0], image[1] / heat.shape[1]  # pixels of a position
    return Box(
        sample,
        round(columns.min() * right),
        round(rows.min() * down),
        round((columns.max() + 1) * right),
        round((rows.max() + 1) * down),
    )
