"""The Inception network of 2015-12-05, whose features are those of FID (Heusel et al. 2017).

The frozen graph itself runs, in a TensorFlow 1 session: a tf.function refuses its batch
normalisation, an op that was removed in version 9 of the format. It takes pixels from 0 to 255 at
ExpandDims:0, enlarges them to 299x299 as TensorFlow 1 did, and gives 2,048 features at pool_3:0.
The graph's own input is one decoded JPEG. A placeholder replaces it, so that all shapes up to
pool_3 are inferred again, for batches. A reshape after pool_3 is fixed to one image, so the logits
are computed here, without the bias, as improved-gan did for the Inception score.

There is no automatic download, because we know no reliable checksum to verify it.
"""

import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from evaluate.image_sets import read_rgb_batches
from system.text import shorten_to_one_line

FOLDER = ".inception"  # in data_dir
GRAPH_FILE = "classify_image_graph_def.pb"
ARCHIVE_FILE = "inception-2015-12-05.tgz"
URL = f"http://download.tensorflow.org/models/image/imagenet/{ARCHIVE_FILE}"

INPUT, POOL, LOGITS = "ExpandDims", "pool_3", "softmax/logits/MatMul"  # names of operations
BATCH = 32  # images: their largest maps, of 147 x 147 x 64, take 180 MB
LARGEST_GRAPH = 2**29  # bytes; the original is 96 MB
GZIP_START = b"\x1f\x8b"


class Inception:
    """The graph, ready to run. name: with its hash. weights: of the logits, (d, classes)."""

    resize = "299x299, bilinear of TensorFlow 1, in the graph"

    def __init__(self, path: Path):
        """path: a .pb, or a .tgz with it. Raises ValueError when it is not the graph."""
        content = read_graph_file(path)
        self.path = path
        self.name = f"Inception graph, sha256 {hashlib.sha256(content).hexdigest()[:12]}"
        definition = _parse_inception_graph(content, path)
        with tf.Graph().as_default() as graph:
            self._pixels = tf.compat.v1.placeholder(tf.float32, (None, None, None, 3))
            self._pool, logits = _import_inception_graph(definition, self._pixels, path)
        self._session = tf.compat.v1.Session(graph=graph)
        self.weights = self._session.run(logits.inputs[1])

    def extract(self, images) -> Iterator[np.ndarray]:
        """Chunks (n, d) float32 of a set: gray is repeated, RGBA laid on white and rounded.

        Memory: one batch and its maps, 0.9 GB, however many images there are.
        """
        for batch in read_rgb_batches(images, BATCH):
            yield self._run(batch)[:, 0, 0]  # (n, 1, 1, d) -> (n, d)

    def _run(self, batch: np.ndarray) -> np.ndarray:
        try:
            return self._session.run(self._pool, {self._pixels: batch})
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
            raise _explain_wrong_graph(
                self.path, f"an error: {shorten_to_one_line(error)}"
            ) from error


class Logits:
    """features @ weights, (N, classes), computed when they are read."""

    def __init__(self, features: np.ndarray, weights: np.ndarray):
        self.features = features
        self.weights = weights

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, part: slice) -> np.ndarray:
        return np.asarray(self.features[part]) @ self.weights


def find_inception_file(given: Path | None, data_dir: Path) -> Path:
    """The file that the user gave, or the one in data_dir. Raises ValueError when there is none."""
    if given is not None:
        places = [given / GRAPH_FILE, given / ARCHIVE_FILE] if given.is_dir() else [given]
        missing = f"{given} must be or hold {GRAPH_FILE} or {ARCHIVE_FILE}, but neither is there"
    else:
        places = [data_dir / FOLDER / name for name in (GRAPH_FILE, ARCHIVE_FILE)]
        missing = "the Inception network is not on this disk, and is not downloaded automatically"

    for place in places:
        if place.is_file():
            return place
    raise ValueError(f"{missing}: download {URL} to {data_dir / FOLDER / ARCHIVE_FILE}")


def read_graph_file(path: Path) -> bytes:
    """The bytes of the graph, out of the .tgz if `path` is one. Raises ValueError if none."""
    try:
        with path.open("rb") as file:
            is_archive = file.read(len(GZIP_START)) == GZIP_START
        if is_archive:
            return _read_graph_in_archive(path)
        if path.stat().st_size > LARGEST_GRAPH:
            raise _explain_wrong_graph(path, f"{path.stat().st_size:,} bytes")
        content = path.read_bytes()
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise _explain_wrong_graph(path, f"an error: {shorten_to_one_line(error)}") from error

    if not content:
        raise _explain_wrong_graph(path, "an empty file")
    return content


def _read_graph_in_archive(path: Path) -> bytes:
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            named = Path(member.name).name == GRAPH_FILE and member.isfile()
            if named and 0 < member.size <= LARGEST_GRAPH:
                return archive.extractfile(member).read()
    raise _explain_wrong_graph(path, f"an archive without {GRAPH_FILE}")


def _parse_inception_graph(content: bytes, path: Path) -> tf.compat.v1.GraphDef:
    try:
        definition = tf.compat.v1.GraphDef.FromString(content)
    except DecodeError as error:
        raise _explain_wrong_graph(path, "damaged, or no graph") from error

    names = {node.name for node in definition.node}
    if missing := [name for name in (INPUT, POOL, LOGITS) if name not in names]:
        raise _explain_wrong_graph(path, f"a graph without {', '.join(missing)}")
    for node in definition.node:
        node.attr.pop("_output_shapes", None)  # fixed to one image; TensorFlow would trust it
    return definition


def _import_inception_graph(
    definition, pixels: tf.Tensor, path: Path
) -> tuple[tf.Tensor, tf.Operation]:
    """(pool_3, the product that gives the logits), with `pixels` in place of the decoded JPEG."""
    try:
        pool, logits = tf.graph_util.import_graph_def(
            definition,
            input_map={f"{INPUT}:0": pixels},
            return_elements=[f"{POOL}:0", LOGITS],
            name="",
        )
        depth, weights = pool.shape[3], logits.inputs[1].shape
    except (ValueError, LookupError, tf.errors.OpError) as error:
        raise _explain_wrong_graph(path, f"an error: {shorten_to_one_line(error)}") from error

    if pool.shape.rank != 4 or weights.rank != 2 or weights[0] != depth:
        found = f"{POOL} {pool.shape} and weights {weights}"
        raise _explain_wrong_graph(path, f"a graph with {found}")
    return pool, logits


def _explain_wrong_graph(path: Path, found: str) -> ValueError:
    return ValueError(
        f"{path} must hold the Inception graph of 2015-12-05. Received: {found}. Download {URL}"
    )
