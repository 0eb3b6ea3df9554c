import gzip
import struct

import numpy as np
import pytest

from data.load import load_dataset
from data.sources.idx import find_idx_files, open_digits, open_idx_files


def write_idx(path, images, opener=open):
    with opener(path, "wb") as file:
        file.write(b"\0\0\x08\x03" + struct.pack(">3I", *images.shape) + images.tobytes())


def test_idx_files_plain_and_gzipped(tiny, tmp_path):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    write_idx(folder / "t10k-images-idx3-ubyte.gz", images[3:], gzip.open)
    write_idx(folder / "train-images-idx3-ubyte", images[:3])
    (folder / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01")
    pack = load_dataset(tiny(dataset="mnist", output_height=28, c_dim="auto"))
    np.testing.assert_array_equal(pack.images[..., 0], images)
    assert open_idx_files(find_idx_files(folder), limit=4).count == 4
    (folder / "train-images-idx3-ubyte").write_bytes(
        b"\0\0\x08\x03" + struct.pack(">3I", 3, 28, 28)
    )
    with pytest.raises(ValueError, match="as many bytes as its header says"):
        open_idx_files(find_idx_files(folder))

    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b\x08spoiled")
    with pytest.raises(ValueError, match="cannot be read"):
        open_idx_files(find_idx_files(folder)[1:])


def test_digits_are_embedded():
    source = open_digits()
    name, image = next(iter(source.items()))
    assert (source.count, name, image.shape, image.dtype) == (1797, "0", (8, 8), np.uint8)
    assert image.max() > 200
