import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import data.sources.tfds
from data.load import load_dataset
from data.packing.decode import Geometry, decode_image


def test_tfds_prepares_a_dataset_for_real(tiny, photos, monkeypatch):
    import tensorflow_datasets as tfds

    class SmallPhotos(tfds.core.GeneratorBasedBuilder):
        """Five photos that need no download."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "number": tfds.features.Scalar(np.int64),
                "photo": tfds.features.Image(shape=(24, 20, 3)),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from (
                (str(k), {"number": k, "photo": photo}) for k, photo in enumerate(photos(5))
            )

    monkeypatch.setattr(data.sources.tfds, "_is_tfds_host_up", lambda: True)
    config = tiny(dataset="tfds:small_photos")
    pack = load_dataset(config)
    assert (Path(config.data_dir) / "tfds" / "small_photos").is_dir()
    expected = {decode_image(photo, Geometry(16, 16), 3).pixels.tobytes() for photo in photos(5)}
    assert {image.tobytes() for image in pack.images} == expected
    assert load_dataset(tiny(dataset="tfds:small_photos", train_size=2)).manifest["count"] == 2


def test_tfds_is_the_fallback_for_celeba(tiny, monkeypatch):
    import tensorflow_datasets as tfds

    monkeypatch.setattr(data.sources.tfds, "_is_tfds_host_up", lambda: True)
    with tfds.testing.mock_data(num_examples=5):
        assert load_dataset(tiny(dataset="celebA", output_height=64)).images.shape == (5, 64, 64, 3)
    with pytest.raises(ValueError, match="tfds:nosuchset must be a TensorFlow dataset"):
        load_dataset(tiny(dataset="tfds:nosuchset"))


def test_without_network_celeba_says_where_to_put_it(tiny, monkeypatch):
    def no_network(*_, **__):
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setenv("TFDS_DATA_DIR", "/nonexistent")
    with pytest.raises(ValueError) as error:
        load_dataset(tiny(dataset="celebA"))

    text = str(error.value)
    assert text.startswith("There is no celebA in ")
    assert text.index("Run python download.py celebA --data_dir=") < text.index("no network")
    assert all(
        place in text
        for place in ("celebA/,", "/img_align_celeba.zip", "celebA/img_align_celeba.zip")
    )


def test_a_dead_resolver_does_not_hold_up_the_process(tmp_path):
    script = """
import socket, sys, time
socket.getaddrinfo = lambda *_, **__: time.sleep(60)
import data.sources.tfds
data.sources.tfds.NETWORK_SECONDS = 1
print(data.sources.tfds._is_tfds_host_up())
"""
    root = Path(data.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, timeout=30, check=True
    )
    assert done.stdout == b"False\n"


def test_tfds_classes_and_attributes(tiny, photos, monkeypatch):
    import tensorflow_datasets as tfds

    class LabelledPhotos(tfds.core.GeneratorBasedBuilder):
        """Four photos with a class and two attributes."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            truth = {"Hat": np.bool_, "Smiling": np.bool_}
            features = {
                "kind": tfds.features.ClassLabel(names=["cat", "dog"]),
                "photo": tfds.features.Image(shape=(16, 16, 3)),
                "attributes": truth,
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for k in range(4):
                truth = {"Hat": k < 2, "Smiling": k % 2 == 1}
                yield (
                    k,
                    {
                        "kind": k % 2,
                        "photo": np.full((16, 16, 3), 50 * k, np.uint8),
                        "attributes": truth,
                    },
                )

    monkeypatch.setattr(data.sources.tfds, "_is_tfds_host_up", lambda: True)
    pack = load_dataset(tiny(dataset="tfds:labelled_photos", labels="tfds"))
    order = np.round(pack.images.mean((1, 2, 3)) / 50).astype(int)
    assert pack.labels.names == ("cat", "dog")
    np.testing.assert_array_equal(pack.labels.y, np.eye(2)[order % 2])
    pack = load_dataset(tiny(dataset="tfds:labelled_photos", labels="Smiling,Hat"))
    np.testing.assert_array_equal(pack.labels.y, np.stack([order % 2, order < 2], 1))
    with pytest.raises(
        ValueError, match=r"attributes Hat, Smiling \(tfds:labelled_photos\)\. Received: Old\."
    ):
        load_dataset(tiny(dataset="tfds:labelled_photos", labels="Old"))
