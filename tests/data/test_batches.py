import os
import threading

import numpy as np
import pytest

from data.batches import PREFETCH, Order, open_image_row_reader, prefetch_batches


def test_order_is_a_permutation_an_epoch_and_a_function_of_seed_and_step():
    order = Order(10, seed=3)
    stream = np.concatenate(
        [order.pick_shuffled_images(4 * step, 4 * step + 4) for step in range(5)]
    )
    assert sorted(stream[:10]) == sorted(stream[10:]) == list(range(10))
    assert list(stream[:10]) != list(stream[10:])
    np.testing.assert_array_equal(
        Order(10, seed=3).pick_shuffled_batches(range(3, 4), 4)[0], stream[12:16]
    )
    assert not np.array_equal(Order(10, seed=4).pick_shuffled_images(0, 10), stream[:10])
    np.testing.assert_array_equal(
        np.bincount(Order(3, seed=0).pick_shuffled_images(0, 9)), [3, 3, 3]
    )


def test_batches_start_anywhere_and_come_any_number_a_call(photos):
    images = photos(7)
    singly = [range(step, step + 1) for step in range(6)]
    whole = np.concatenate(
        [batch for (batch,) in prefetch_batches(images, batch_size=3, seed=0, calls=singly)]
    )
    assert whole.shape == (6, 3, 24, 20, 3)
    rest = [
        batch
        for (batch,) in prefetch_batches(
            images, batch_size=3, seed=0, calls=[range(1, 2), range(2, 6)]
        )
    ]
    np.testing.assert_array_equal(rest[0], whole[1:2])
    np.testing.assert_array_equal(rest[1], whole[2:])
    ((wrapped,),) = prefetch_batches(images, batch_size=20, seed=0, calls=[range(1)])
    assert wrapped.shape == (1, 20, 24, 20, 3)


def test_batches_of_another_size_go_on_where_the_order_was(photos):
    """Two batches of 3 took 6 images. Then batches of 2 begin at 6: as if the first were at 2."""
    images = photos(7)
    order = Order(7, seed=0).pick_shuffled_images(6, 12)
    steps = range(2, 5)
    for batch_size, origin, count in ((2, 6 - 2 * 2, 6), (1, 6 - 2 * 1, 3), (4, 6 - 2 * 4, 6)):
        chosen = Order(7, 0, origin).pick_shuffled_batches(steps, batch_size).ravel()
        np.testing.assert_array_equal(chosen[:count], order[:count])
        ((batches,),) = prefetch_batches(
            images, batch_size=batch_size, seed=0, calls=[steps], origin=origin
        )
        np.testing.assert_array_equal(batches.reshape(-1, 24, 20, 3), images[chosen])


def test_batches_are_gathered_ahead_by_one_thread_that_ends(photos):
    before = threading.active_count()
    calls = iter([range(step, step + 1) for step in range(100)])
    some = prefetch_batches(photos(7), batch_size=3, seed=0, calls=calls)
    next(some)
    assert threading.active_count() == before + 1
    assert next(calls).start == PREFETCH + 1  # no more than that are in memory
    some.close()
    assert threading.active_count() == before


def test_only_the_rows_that_are_asked_for_come(photos):
    """As from an array of only these images, with labels."""
    images, rows = photos(9), np.array([1, 3, 4, 8])
    y = np.eye(9, dtype=np.float32)
    how = {"batch_size": 3, "seed": 2, "calls": [range(5)]}
    ((found, labels),) = prefetch_batches(images, y, rows=rows, **how)
    ((expected,),) = prefetch_batches(images[rows], **how)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found, images[np.argmax(labels, -1)])


def test_labels_come_with_their_images(photos):
    images = photos(7)
    y = np.eye(7, dtype=np.float32)
    for batch, batch_y in prefetch_batches(
        images, y, batch_size=3, seed=0, calls=[range(2), range(2, 5)]
    ):
        np.testing.assert_array_equal(batch, images[np.argmax(batch_y, -1)])


@pytest.mark.parametrize("is_opened_before", [True, False])
def test_rows_of_a_file_that_is_deleted_come_from_what_was_mapped(
    photos, tmp_path, is_opened_before
):
    path, images, rows = tmp_path / "pack.npy", photos(5), np.array([4, 0])
    np.save(path, images)
    mapped = np.load(path, mmap_mode="r")
    if is_opened_before:
        with open_image_row_reader(mapped):
            pass
    path.unlink()
    with open_image_row_reader(mapped) as read_rows:
        np.testing.assert_array_equal(read_rows(rows), images[rows])
    if is_opened_before:  # else nothing tells the old file from the new one
        np.save(path, images[:1])
    with open_image_row_reader(mapped) as read_rows:
        np.testing.assert_array_equal(read_rows(rows), images[rows])


def test_a_mapped_file_is_opened_once_and_closed_with_its_map(photos, tmp_path):
    np.save(tmp_path / "pack.npy", photos(5))
    mapped = np.load(tmp_path / "pack.npy", mmap_mode="r")
    opened = []
    with open_image_row_reader(mapped) as read_rows:
        opened.append(read_rows.args[0])
    with open_image_row_reader(mapped) as read_rows:
        opened.append(read_rows.args[0])
    assert opened[0] == opened[1] and os.fstat(opened[0]).st_size
    del mapped, read_rows
    with pytest.raises(OSError):
        os.fstat(opened[0])
