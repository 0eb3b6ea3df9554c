"""Damaged packs, and what is in memory and in the queue while one is made."""

import json
from pathlib import Path

import numpy as np
import pytest

import data.packing.pack
from data import limits
from data.load import load_dataset
from data.sources.source import Source
from tests.faults.hostile import pack_of, png


def test_encoded_images_in_flight_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_ENCODED_BYTES_IN_FLIGHT", 2**20)
    given, done, most = [], [], []

    class Bar(data.packing.pack.tqdm):
        def update(self, n=1):
            done.append(n)

    def items():
        for number in range(100):
            most.append(len(given) - sum(done))
            given.append(number)
            yield str(number), png() + bytes(2**18)

    monkeypatch.setattr(data.packing.pack, "tqdm", Bar)
    assert pack_of(Source("test", "", 100, items), tmp_path).manifest["count"] == 100
    assert max(most) <= 5  # of a quarter of the bytes each


def test_packing_stops_as_soon_as_too_many_are_unreadable(tmp_path):
    given = []

    def items():
        for number in range(10_000):
            given.append(number)
            yield str(number), b"bad" if number % 2 else png()

    with pytest.raises(
        ValueError, match=r"Received: \d+ of the first \d+ in test: 1 \(not an image\)"
    ):
        pack_of(Source("test", "", 1000, items), tmp_path / "packs")

    assert len(given) < 400
    assert not list((tmp_path / "packs").iterdir())


@pytest.mark.parametrize(
    "change",
    [
        *(
            {name: None}
            for name in (
                "count",
                "files",
                "sizes",
                "skipped",
                "transparent",
                "all_gray",
                "fingerprint",
            )
        ),
        *({"files": files} for files in ([1, 2, 3], ["0000.png"], {}, "abc")),
        *({"sizes": sizes} for sizes in ([], [1], [[1, 2]], [[1, 2, "3"]], {})),
        *({"sizes": [[size, 2, 3]]} for size in (0, -1, 10**400)),
        *({"skipped": skipped} for skipped in ([], {"a": 1})),
        *({"count": count} for count in (3.0, "3", True)),
    ],
)
def test_a_manifest_that_is_not_ours_is_no_pack(tiny, image_folder, change):
    folder = image_folder(3)
    load_dataset(tiny(dataset="faces"))
    path = next((folder.parent / ".packs").glob("*.json"))
    good = json.loads(path.read_text())
    changed = {name: value for name, value in (good | change).items() if value is not None}
    path.write_text(json.dumps(changed))
    assert len(load_dataset(tiny(dataset="faces")).images) == 3
    assert json.loads(path.read_text()) == good


@pytest.mark.parametrize(
    "harm", ["float", "flat", "narrow", "objects", "zip", "[" * 5000, '{"count": ' + "9" * 5000]
)
def test_an_array_of_another_kind_is_no_pack(tiny, image_folder, harm):
    folder = image_folder(3)
    images = np.array(load_dataset(tiny(dataset="faces")).images)
    path = next((folder.parent / ".packs").glob("*.npy"))
    others = {"float": images.astype(float), "flat": images.reshape(3, -1), "narrow": images[:, :8]}
    others["objects"] = np.array([{}, 1, "2"], object)
    if harm in others:
        np.save(path, others[harm], allow_pickle=True)
    elif harm == "zip":
        with open(path, "wb") as file:
            np.savez(file, images=images)
    else:
        path.with_suffix(".json").write_text(harm)

    np.testing.assert_array_equal(load_dataset(tiny(dataset="faces")).images, images)


def test_a_pack_that_names_other_images_is_one_line_where_it_has_labels(tiny):
    config = tiny(dataset="digits", train_size=5, labels="own")
    load_dataset(config)
    path = next((Path(config.out_dir) / ".packs").glob("*.json"))
    for names in (list("abcde"), ["0", "1", "2", "3", "1797"], ["9" * 30] * 5):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"files": names}))
        with pytest.raises(ValueError, match=r"Delete .packs"):
            load_dataset(config)
