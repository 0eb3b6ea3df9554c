"""Features that are kept are those of the same rows and network; failures cost only time."""

import numpy as np
import pytest
from disks import limit

from data.packing.pack import Pack
from evaluate.features.cache import FeatureCache, open_feature_cache

ROWS = np.array([5, 2, 9])
FEATURES = np.arange(12, dtype=np.float32).reshape(3, 4)


@pytest.fixture
def recall(tmp_path):
    """Recalls features from a new cache in one folder; (features, whether they were computed)."""

    def call(rows=ROWS, network="n", pack="p", cache=None):
        calls = []
        cache = cache or FeatureCache(tmp_path / "features", pack)
        found = cache.recall_or_compute(rows, network, lambda: calls.append(1) or FEATURES)
        np.testing.assert_array_equal(found, FEATURES)
        return bool(calls)

    return call


def test_only_the_same_rows_in_their_order_of_the_same_pack_and_network_are_recalled(recall):
    assert recall()
    assert not recall()
    assert not recall(np.array([5, 2, 9], np.int32))
    assert recall(ROWS[::-1])
    assert recall(network="m")
    assert recall(pack="q")
    assert not recall()


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-4], lambda b: b"", lambda b: b[:40] + b"?" + b[41:]]
)
def test_a_damaged_file_is_put_aside_with_a_line_and_computed_again(
    recall, tmp_path, messages, damage
):
    recall()
    [path] = (tmp_path / "features").iterdir()
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    assert recall()
    assert not recall()
    aside = path.with_name(f"{path.stem}.1.features")
    assert aside.read_bytes() == damaged
    assert messages == [
        f"{path} is damaged: it was moved aside to {aside.name}, and its features are computed "
        "again."
    ]


def test_where_nothing_can_be_written_one_line_says_so(recall, tmp_path, messages):
    (tmp_path / "features").touch()
    cache = FeatureCache(tmp_path / "features", "p")
    assert recall(cache=cache) and recall(cache=cache) and recall(network="m", cache=cache)
    assert len(messages) == 1
    assert messages[0].endswith(" exists. The features of the dataset are not kept.")


def test_a_full_disk_leaves_nothing_half_written(recall, tmp_path, messages):
    with limit(50):
        assert recall()
    assert not [*(tmp_path / "features").iterdir()]
    assert messages[0].endswith("File too large. The features of the dataset are not kept.")
    assert recall()
    assert not recall()


def test_it_lies_beside_the_pack_and_knows_its_pixels(tmp_path):
    def open_cache(shade, fingerprint="f"):
        np.save(tmp_path / "set-1.npy", np.full((5, 8, 8, 3), shade, np.uint8))
        images = np.load(tmp_path / "set-1.npy", mmap_mode="r")
        return open_feature_cache(Pack(images, {"fingerprint": fingerprint}))

    caches = [open_cache(0), open_cache(1), open_cache(1, "g")]
    assert len({cache.pack for cache in caches}) == 3
    assert caches[0].folder == tmp_path / "set-1.features"
