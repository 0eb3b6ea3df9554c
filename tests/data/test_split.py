"""Held-out images: the choice depends only on their pixels."""

import hashlib

import numpy as np
import pytest

from data.split import split_rows_for_holdout


@pytest.fixture
def images():
    """4,000 different images of 8x8, too many for one block of those below."""
    return np.random.default_rng(0).integers(0, 256, (4000, 8, 8, 3), np.uint8)


def held_out_pixels(images, share):
    return {images[row].tobytes() for row in split_rows_for_holdout(images, share).held_out}


def test_without_a_share_all_rows_train_and_no_image_is_read():
    class Unreadable:
        def __len__(self):
            return 5

    split = split_rows_for_holdout(Unreadable(), 0.0)
    assert (split.training.tolist(), split.held_out.tolist()) == ([0, 1, 2, 3, 4], [])
    assert split.training.dtype == split.held_out.dtype == np.int64


def test_it_is_the_hash_that_is_published(images):
    """Other programs can compute it, and no later version may change it."""
    expected = [
        row
        for row, image in enumerate(images)
        if int.from_bytes(
            hashlib.blake2b(image.tobytes(), digest_size=8, key=b"DCGAN holdout 1").digest(), "big"
        )
        < 0.05 * 2**64
    ]
    split = split_rows_for_holdout(images, 0.05)
    assert split.held_out.tolist() == expected
    assert sorted([*split.training, *split.held_out]) == list(range(4000))
    assert split.training.dtype == split.held_out.dtype == np.int64
    assert len(expected) == pytest.approx(200, abs=4 * np.sqrt(4000 * 0.05 * 0.95))


def test_order_and_other_images_change_nobodys_side(images):
    expected = held_out_pixels(images, 0.1)
    shuffled = images[np.random.default_rng(1).permutation(4000)]
    assert held_out_pixels(shuffled, 0.1) == expected
    assert held_out_pixels(images[:1000], 0.1) == {
        image.tobytes() for image in images[:1000] if image.tobytes() in expected
    }
    assert held_out_pixels(images, 0.2) > expected  # a larger share holds out these and others


def test_copies_are_on_one_side(images):
    twice = np.concatenate([images[:300], images[:300]])
    held_out = split_rows_for_holdout(twice, 0.3).held_out
    assert (
        held_out[: len(held_out) // 2].tolist() == (held_out[len(held_out) // 2 :] - 300).tolist()
    )


def test_a_mapped_pack_is_read_in_blocks(images, tmp_path, monkeypatch):
    np.save(tmp_path / "pack.npy", images)
    mapped = np.load(tmp_path / "pack.npy", mmap_mode="r")
    monkeypatch.setattr("data.split.BLOCK_BYTES", 700 * 8 * 8 * 3)
    found = split_rows_for_holdout(mapped, 0.05)
    np.testing.assert_array_equal(found.held_out, split_rows_for_holdout(images, 0.05).held_out)
    fortran = np.asfortranarray(images)
    np.testing.assert_array_equal(found.held_out, split_rows_for_holdout(fortran, 0.05).held_out)


@pytest.mark.parametrize(("count", "share"), [(10, 0.0001), (1, 0.5), (2, 0.5)])
def test_a_share_that_leaves_a_side_empty_is_one_line(images, count, share):
    with pytest.raises(ValueError) as error:
        split_rows_for_holdout(images[:count], share)
    text = str(error.value)
    assert text.startswith("--holdout must hold out one image or more, and leave two or more to ")
    assert f"{share:g}, which holds out " in text
    assert text.endswith(f" of {count}. Add images, or choose another --holdout.")
