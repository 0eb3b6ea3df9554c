"""What distinguishes two datasets."""

from pathlib import Path

import numpy as np

from data.find import find_dataset_source
from data.identity import fingerprint_labels, fingerprint_pixels, name_place_of_dataset


def test_every_image_of_a_small_set_counts_and_its_shape(photos):
    images = photos(6, 4, 8)
    prints = {fingerprint_pixels(images)}
    for number in range(6):
        changed = images.copy()
        changed[number, 3, 7, 2] ^= 1
        prints.add(fingerprint_pixels(changed))
    prints |= {fingerprint_pixels(images.reshape(6, 8, 4, 3)), fingerprint_pixels(images[:5])}
    assert len(prints) == 9
    assert fingerprint_pixels(images.copy()) in prints
    many = np.zeros((5000, 1, 1, 1), np.uint8)
    assert fingerprint_pixels(many) != fingerprint_pixels(many[:4999])


def test_labels_are_known_by_their_vectors():
    y = np.eye(9, dtype=np.float32)[np.arange(12) % 9]
    others = (y[::-1], y[:11], np.roll(y, 1, axis=1), y.reshape(9, 12))
    assert len({fingerprint_labels(each) for each in (y, y.copy(), *others)}) == 5


def test_a_dataset_lies_where_its_flag_leads(tiny, image_folder, tmp_path, monkeypatch):
    folder = image_folder(2)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    for dataset in ("faces", "data/faces", str(folder), str(Path("link").absolute())):
        config = tiny(dataset=dataset)
        assert name_place_of_dataset(config, find_dataset_source(config)) == str(folder)
    assert name_place_of_dataset(tiny(), find_dataset_source(tiny())) == "digits"
