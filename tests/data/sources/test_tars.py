import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from data.load import load_dataset
from data.sources.tars import open_image_tars


def encoded(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def write_tar(path, entries, mode="w"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz")])
def test_a_tar_gives_the_folders_pixels(tiny, image_folder, tmp_path, suffix, mode):
    folder = image_folder(5)
    expected = load_dataset(tiny(dataset="faces")).images
    with tarfile.open(tmp_path / "data" / f"set{suffix}", mode) as archive:
        (tmp_path / "notes.txt").touch()
        archive.add(tmp_path / "notes.txt", "notes.txt")
        for path in sorted(folder.iterdir()):
            archive.add(path, f"./images/{path.name}")
    for name in ("set", f"set{suffix}", str(tmp_path / "data" / f"set{suffix}")):
        np.testing.assert_array_equal(load_dataset(tiny(dataset=name)).images, expected)

    assert load_dataset(tiny(dataset="set", train_size=2)).manifest["count"] == 2
    with pytest.raises(ValueError, match=r"must hold files like \*\.jpg\. Received: \d \.png"):
        open_image_tars([tmp_path / "data" / f"set{suffix}"], pattern="*.jpg")


def test_images_that_cannot_be_read_are_skipped(tiny, tmp_path, photos):
    good = {f"{k}.png": encoded(photos(1)[0]) for k in range(4)}
    write_tar(tmp_path / "data" / "set.tar", good | {"text.png": b"text", "._a.png": b"fork"})
    manifest = load_dataset(tiny(dataset="set")).manifest
    assert (manifest["files"], manifest["skipped"]) == (list(good), {"text.png": "not an image"})


def test_classes_by_folder_in_a_tar_and_by_tar(tiny, tmp_path, photos):
    a, b = map(encoded, photos(2))
    write_tar(tmp_path / "data" / "one.tar", {"set/dog/1.png": a, "set/cat/1.png": b})
    labels = load_dataset(tiny(dataset="one", labels="folder")).labels
    assert (labels.names, labels.y.tolist()) == (("cat", "dog"), [[0, 1], [1, 0]])

    for name in ("bird", "fish"):  # like ImageNet
        write_tar(tmp_path / "data" / "many" / f"{name}.tar", {"1.png": a, "2.png": b})
    labels = load_dataset(tiny(dataset="many", labels="folder")).labels
    assert (labels.names, labels.y.argmax(1).tolist()) == (("bird", "fish"), [0, 0, 1, 1])


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_webdataset_shards_bring_their_classes(tiny, tmp_path, photos, suffix):
    """In any order within a sample, over several shards, with other files next to each image."""
    images, words = [encoded(photo) for photo in photos(6)], ["2", "0", "2", "1", "0", "2"]
    for shard in range(2):
        entries = {}
        for k in range(3 * shard, 3 * shard + 3):
            parts = {f"in/{k:03d}.v.png": images[k], f"in/{k:03d}.cls": f"{words[k]}\n".encode()}
            entries |= dict(reversed(parts.items())) if k % 2 else parts
            entries[f"in/{k:03d}.json"] = b"{}"
        mode = "w" if suffix == ".tar" else "w:gz"
        write_tar(tmp_path / "data" / "shards" / f"train-{shard:04d}{suffix}", entries, mode)

    pack = load_dataset(tiny(dataset="shards", labels="own"))
    assert pack.labels.names == ("0", "1", "2")
    assert pack.labels.y.argmax(1).tolist() == list(map(int, words))
    assert pack.manifest["files"] == list("012345")
    pack = load_dataset(tiny(dataset="shards", labels="own", train_size=4))
    assert pack.labels.y.argmax(1).tolist() == [2, 0, 2, 1]


@pytest.mark.parametrize("text", [None, b"x" * 1001])
def test_an_image_without_a_class_is_named(tiny, tmp_path, photos, text):
    image = encoded(photos(1)[0])
    entries = {"a.png": image, "a.cls": b"0", "b.png": image} | ({"b.cls": text} if text else {})
    write_tar(tmp_path / "data" / "set.tar", entries)
    with pytest.raises(
        ValueError, match=r"must have a \.cls file for every .* Received: none for b"
    ):
        load_dataset(tiny(dataset="set", labels="own"))
    assert len(load_dataset(tiny(dataset="set")).images) == 2
