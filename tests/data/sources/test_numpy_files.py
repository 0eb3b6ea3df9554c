import numpy as np
import pytest

from data.load import load_dataset
from data.sources.numpy_files import open_array_archive, open_array_file


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(5, 16, 16, 3), (5, 16, 16), (5, 16, 16, 1), (5, 16, 16, 4)])
@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
def test_arrays_come_out_as_they_went_in(tiny, tmp_path, shape, save):
    images = pixels(*shape)
    (tmp_path / "data").mkdir()
    name = "set.npy" if save is np.save else "set.npz"
    save(tmp_path / "data" / name, images)
    channels = shape[3] if len(shape) == 4 else 1
    for dataset in ("set", name, str(tmp_path / "data" / name)):
        pack = load_dataset(tiny(dataset=dataset, c_dim=channels))
        np.testing.assert_array_equal(pack.images, images.reshape(5, 16, 16, channels))
    assert load_dataset(tiny(dataset="set", c_dim=channels, train_size=2)).manifest["count"] == 2


def test_a_changed_file_is_another_dataset(tiny, tmp_path):
    for seed in (0, 1):
        np.save(tmp_path / "a.npy", pixels(3 + seed, 16, 16))
        assert len(load_dataset(tiny(dataset=str(tmp_path / "a.npy"), c_dim=1)).images) == 3 + seed


@pytest.mark.parametrize(
    ("images", "labels"),
    [("x_train", "y_train"), ("train_images", "train_labels"), ("images", "labels"), ("a", "y")],
)
def test_classes_beside_images(tiny, tmp_path, images, labels):
    """As in Keras's mnist.npz and MedMNIST's files."""
    classes = np.array([2, 0, 1, 2])
    others = {"x_test": pixels(2, 16, 16), "notes": np.zeros(9)}
    for column in (classes, classes[:, None].astype(np.uint8), classes.astype("U1")):
        arrays = {"x_val": np.zeros(3), labels: column, images: pixels(4, 16, 16)} | others
        np.savez(tmp_path / "set.npz", **arrays)
        config = tiny(dataset=str(tmp_path / "set.npz"), labels="own", c_dim=1)
        labelled = load_dataset(config)
        np.testing.assert_array_equal(labelled.images[..., 0], arrays[images])
        assert labelled.labels.names == ("0", "1", "2")
        np.testing.assert_array_equal(labelled.labels.y, np.eye(3)[classes])


def test_other_images_of_an_archive_are_said_to_be_left_out(tmp_path, messages):
    """As in Keras's mnist.npz: the original's users may expect all 70,000."""
    path = tmp_path / "mnist.npz"
    classes = {"y_train": np.zeros(6, np.uint8), "y_test": np.zeros(2, np.uint8)}
    images = {"x_test": pixels(2, 16, 16), "x_train": pixels(6, 16, 16)}
    np.savez(path, **images, **classes, notes=np.zeros(3))
    assert open_array_archive(path).count == 6
    assert messages == [f"{path}: reading x_train, 6 images; left out: x_test (2)."]

    np.savez(path, x_train=images["x_train"], **classes)
    open_array_archive(path)
    assert len(messages) == 1


@pytest.mark.parametrize("labels", [np.zeros((4, 3), int), np.zeros(3, int), np.zeros(4)])
def test_labels_that_are_no_classes_are_one_line(tiny, tmp_path, labels):
    np.savez(tmp_path / "set.npz", x=pixels(4, 16, 16), y=labels)
    assert len(load_dataset(tiny(dataset=str(tmp_path / "set.npz"), c_dim=1)).images) == 4
    with pytest.raises(ValueError, match=r"a class, .* each of the 4 images in x\. Received: y, "):
        load_dataset(tiny(dataset=str(tmp_path / "set.npz"), c_dim=1, labels="own"))


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.zeros((5, 8, 8, 3), np.float32), r"float32 of shape .*\(255 \* x\)\.astype\('uint8'\)"),
        (np.zeros((5, 8, 8), np.uint16), "uint16"),
        (np.zeros((5, 784), np.uint8), r"x\.reshape\(-1, H, W\)"),
        (np.zeros((8, 8, 3), np.uint8), "That is one image"),
        (np.zeros((5, 3, 8, 8), np.uint8), r"x\.transpose\(0, 2, 3, 1\)"),
        (np.zeros((5, 8, 8, 2), np.uint8), "1, 3 or 4 channels"),
        (np.zeros((0, 8, 8), np.uint8), "empty"),
        (np.zeros((5, 8, 0), np.uint8), "empty"),
        (np.zeros((), np.uint8), "N, H, W"),
        (np.asfortranarray(np.zeros((5, 8, 8), np.uint8)), "np.ascontiguousarray"),
    ],
)
def test_arrays_that_are_no_images_are_told_how_to_become_some(tmp_path, array, advice):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=rf"a\.npy must hold images\. Received: .*{advice}"):
        open_array_file(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", x=array)
    with pytest.raises(ValueError, match=rf"a\.npz must hold images\. Received: x: .*{advice}"):
        open_array_archive(tmp_path / "a.npz")


def test_labels_are_not_told_to_become_images(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 8, 8, 3), np.float32), y=np.zeros(3, np.int64))
    with pytest.raises(ValueError, match=r"Received: x: float32 .* for x from 0 to 1\.$"):
        open_array_archive(tmp_path / "a.npz")


def test_an_archive_without_arrays_is_told_how_to_save_some(tmp_path):
    np.savez(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"a\.npz must hold images\. Received: no array\. Save "):
        open_array_archive(tmp_path / "a.npz")
