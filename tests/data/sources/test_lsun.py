import lmdb
import numpy as np
import pytest
from PIL import Image

from data.load import load_dataset
from data.packing.decode import Geometry, decode_image


def test_lsun_lmdb(tiny, tmp_path, photos):
    folder = tmp_path / "data" / "lsun" / "bedroom_train_lmdb"
    folder.mkdir(parents=True)
    with lmdb.open(str(folder)) as environment, environment.begin(write=True) as transaction:
        for number, pixels in enumerate(photos(3)):
            Image.fromarray(pixels).save(tmp_path / "image.webp", lossless=True)
            transaction.put(f"{number}".encode(), (tmp_path / "image.webp").read_bytes())

    config = tiny(dataset="lsun")
    pack = load_dataset(config)
    assert pack.images.shape == (3, 16, 16, 3)
    expected = decode_image(photos(3)[2], Geometry(16, 16), 3).pixels
    np.testing.assert_array_equal(pack.images[2], expected)
    assert len(load_dataset(tiny(dataset=str(folder), train_size=2)).images) == 2
    (folder / "data.mdb").write_bytes(b"spoiled")
    with pytest.raises(ValueError, match="must be an LMDB"):
        load_dataset(config)
