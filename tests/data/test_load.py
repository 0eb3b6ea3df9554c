import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import data.sources.tfds
from data.load import (
    Outlook,
    choose_crop_and_resize,
    load_dataset,
    probe_dataset,
    warn_of_small_dataset,
)


def odd_folder(folder):
    """One image of each kind that users have, and three files that only look like images."""
    (folder / "nested" / "deep").mkdir(parents=True)
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (30, 20, 3), dtype=np.uint8)
    Image.fromarray(colour[..., 0]).save(folder / "gray.png")
    Image.fromarray(np.dstack([colour, np.full((30, 20), 128, np.uint8)])).save(folder / "rgba.png")
    Image.fromarray(colour).quantize(16).save(folder / "palette.gif")
    Image.fromarray(colour[..., 0].astype(np.uint16) * 257).save(folder / "sixteen.png")
    Image.fromarray(colour).convert("CMYK").save(folder / "cmyk.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees to see it upright
    Image.fromarray(colour).save(folder / "rotated.jpg", exif=exif)
    Image.fromarray(colour).save(folder / "UPPER.JPEG")
    Image.fromarray(colour).save(folder / "größe 猫.webp", lossless=True)
    Image.fromarray(colour).save(folder / "nested" / "deep" / "image.bmp")
    Image.fromarray(colour).save(folder / "scan.tiff")
    (folder / "linked.png").symlink_to(folder / "gray.png")
    (folder / "truncated.jpg").write_bytes((folder / "UPPER.JPEG").read_bytes()[:300])
    (folder / "empty.png").touch()
    (folder / "text.jpg").write_text("not an image")
    (folder / "notes.txt").write_text("not even called one")
    (folder / ".hidden.png").write_bytes((folder / "gray.png").read_bytes())
    return {"truncated.jpg", "empty.png", "text.jpg"}


def test_what_was_said_of_a_dataset_is_not_said_again(tiny, image_folder, messages):
    """The same images are loaded again where a run of another name has them."""
    for name in "ab":
        image_folder(3, f"faces/{name}")
    image_folder(2, "faces/b")
    config = tiny(dataset="faces", labels="folder")
    before = load_dataset(config)
    said = [text for text in messages if text.startswith(("found ", "labels: "))]
    assert len(said) == 2

    messages.clear()
    again = load_dataset(replace(config, out_name="other"), before=before)
    assert again.labels.names == ("a", "b") and messages == []
    load_dataset(replace(config, labels="none"), before=before)
    assert messages == []
    assert load_dataset(config, before=replace(before, labels=None)).labels
    assert messages == [said[1]]
    load_dataset(replace(config, crop=False), before=before)
    assert any(text.startswith("found ") for text in messages)


def test_every_kind_of_image_is_packed_and_the_bad_ones_are_named(tiny, messages):
    config = tiny(dataset="odd", c_dim="auto")
    bad = odd_folder(Path(config.data_dir) / "odd")
    pack = load_dataset(config)
    assert set(pack.manifest["skipped"]) == bad
    assert pack.images.shape == (11, 16, 16, 3)
    skipped = next(
        message
        for message in messages
        if message.startswith("skipped 3 of 14 images as unreadable")
    )
    assert all(name in skipped for name in bad)
    assert skipped.count("(not an image)") == 2
    assert any("11 images" in message for message in messages)
    assert any("transparent images: 1, placed on white" in message for message in messages)
    assert (
        "left out because they are hidden or have no image extension: .hidden.png, notes.txt"
        in messages
    )
    assert not any("cannot be read here" in message for message in messages)
    load_dataset(replace(config, c_dim=3))
    assert sum("left out" in message for message in messages) == 1  # not when a run resumes


def test_shards_beside_images_are_named_each_time(tiny, image_folder, messages):
    """A folder of shards becomes a dataset of other images as soon as an image is there."""
    folder = image_folder(1)
    for name in ("a.tar", "b.tar", "notes.txt"):
        (folder / name).touch()
    config = tiny(dataset=str(folder), c_dim="auto")
    told = (
        f"left out, because {folder} also has image files: a.tar, b.tar. "
        f"For these: --dataset='{folder}/*.tar'."
    )
    others = "left out because they are hidden or have no image extension: notes.txt"
    pack = load_dataset(config)
    assert [text for text in messages if "left out" in text] == [told, others]
    assert any(text.startswith("found 1 image, ") for text in messages)
    messages.clear()
    probe_dataset(config)
    assert [text for text in messages if "left out" in text] == [told, others]

    messages.clear()
    going_on = replace(config, c_dim=pack.images.shape[-1])
    before = load_dataset(going_on)
    assert [text for text in messages if "left out" in text] == [told]
    messages.clear()
    load_dataset(going_on, before=before)
    assert messages == []
    with pytest.raises(ValueError, match="--labels=own needs"):
        load_dataset(replace(going_on, labels="own"))
    assert told in messages


def test_files_of_datasets_in_a_zip_of_images_have_no_name_of_their_own(
    tiny, image_folder, tmp_path, messages
):
    folder = image_folder(2)
    (folder / "a.npy").touch()
    path = Path(shutil.make_archive(str(tmp_path / "faces"), "zip", folder))
    load_dataset(tiny(dataset=str(path), c_dim="auto"))
    assert "left out because they are hidden or have no image extension: a.npy" in messages


def test_a_missing_data_dir_is_not_created(tiny, jpegs, tmp_path):
    """Neither for a pack of images that are elsewhere."""
    config = tiny(dataset=str(jpegs), data_dir=str(tmp_path / "typo"))
    load_dataset(config)
    assert not (tmp_path / "typo").exists()
    assert list((Path(config.out_dir) / ".packs").glob("*.npy"))


def save_with_alpha(path, alpha):
    """A 12x10 image whose alpha is 255, except for one pixel with `alpha`."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 10, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[5, 5, 3] = alpha
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_an_alpha_channel_alone_is_not_transparent(tiny, messages):
    config = tiny(dataset="opaque", c_dim="auto")
    for number, alpha in enumerate((255, 255, 254)):
        save_with_alpha(Path(config.data_dir) / "opaque" / f"{number}.png", alpha)

    assert load_dataset(config).manifest["transparent"] == 1
    said = [message for message in messages if "transparent" in message]
    assert said == ["transparent images: 1, placed on white; --c_dim=4 keeps alpha"]

    (Path(config.data_dir) / "opaque" / "2.png").unlink()
    messages.clear()
    assert load_dataset(config).manifest["transparent"] == 0
    assert not any("transparent" in message for message in messages)


def test_an_animation_gives_its_first_frame_and_that_is_said(tiny, messages):
    folder = Path(tiny().data_dir) / "moving"
    folder.mkdir(parents=True)
    frames = [Image.new("L", (16, 16), level) for level in (200, 50, 90)]
    for name in ("a.gif", "b.webp", "c.png"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(folder / "still.gif")

    pack = load_dataset(tiny(dataset="moving", c_dim="auto"))
    assert (np.abs(pack.images.astype(int) - 200) <= 1).all()
    assert pack.manifest["animated"] == 3
    assert "animations: 3, of each its first frame" in messages


def test_transparency_is_said_while_the_channels_are_open_only(tiny, messages):
    """A resumed run has its channels already."""
    config = tiny(dataset="clear", c_dim="auto")
    save_with_alpha(Path(config.data_dir) / "clear" / "0.png", 0)
    for c_dim, said in (("auto", 1), (3, 0), (4, 0)):
        messages.clear()
        load_dataset(tiny(dataset="clear", c_dim=c_dim))
        assert sum("transparent" in message for message in messages) == said


def test_one_line_says_what_was_found(tiny, messages, photos):
    config = tiny(dataset="celebA", output_height=64, c_dim="auto")
    folder = Path(config.data_dir) / "CelebA" / "img_align_celeba"
    folder.mkdir(parents=True)
    for number, pixels in enumerate(photos(3, 218, 178)):
        Image.fromarray(pixels).save(folder / f"{number:06d}.jpg")
    pack = load_dataset(config)
    assert "found 3 images, 178x218 -> centre crop 108 -> 64x64" in messages
    assert pack.images.shape == (3, 64, 64, 3)


def test_images_that_are_enlarged_are_counted_with_the_size_they_have(tiny, messages):
    line = "1,797 of 1,797 images were enlarged to 32x32, most of them from 8x8"
    load_dataset(tiny(dataset="digits", output_height=32, c_dim="auto"))
    assert f"{line}; --output_height=8 is enough for all their detail." in messages
    messages.clear()
    load_dataset(tiny(dataset="digits", output_height=32, c_dim=1))  # of a run, whose size is fixed
    assert f"{line}." in messages


def test_what_the_crop_leaves_counts_not_the_whole_image(tiny, messages, image_folder):
    image_folder(2)  # 24 high, 20 wide
    load_dataset(tiny(dataset="faces", output_height=20))
    assert not any("enlarged" in message for message in messages)
    load_dataset(tiny(dataset="faces", output_height=20, input_height=12))
    assert any("2 of 2 images were enlarged to 20x20" in message for message in messages)
    load_dataset(tiny(dataset="faces", output_height=40, output_width=20))
    assert "2 of 2 images were enlarged to 20x40, most of them from 12x24." in messages


def test_a_size_is_called_frequent_only_if_most_images_have_it(tiny, messages, tmp_path, photos):
    folder = tmp_path / "data" / "photos"
    folder.mkdir(parents=True)
    for side in (10, 12, 14):
        Image.fromarray(photos(1, side, 20)[0]).save(folder / f"{side}.png")
    load_dataset(tiny(dataset="photos", output_height=32))
    assert "found 3 images, 20x10 to 20x14 -> largest centre crop -> 32x32" in messages
    assert "3 of 3 images were enlarged to 32x32." in messages
    for name in "abc":
        Image.fromarray(photos(1, 14, 20)[0]).save(folder / f"{name}.png")
    load_dataset(tiny(dataset="photos", output_height=32))
    found = "found 6 images, 20x10 to 20x14, mostly 20x14 -> largest centre crop -> 32x32"
    assert found in messages


def test_a_batch_larger_than_the_dataset_is_told(messages):
    warn_of_small_dataset(1000, 1000)
    assert messages == []
    warn_of_small_dataset(2, 999)
    assert messages.pop() == "fewer than 1,000 images: the networks will memorise them."
    warn_of_small_dataset(1001, 1000)
    line = "a batch of 1001 is larger than the dataset of 1000 images and repeats some."
    assert messages == [f"{line} Try --batch_size=1000."]


def test_a_dry_run_says_of_the_images_what_training_says(tiny, messages, image_folder):
    image_folder(5)  # 24 high, 20 wide
    small = {"dataset": "faces", "batch_size": 6, "output_height": 32}
    for c_dim in ("auto", "3"):  # a run knows its channels
        messages.clear()
        probe_dataset(tiny(**small, c_dim=c_dim))
        assert messages == [
            "5 of the first 5 images would be enlarged to 32x32, most of them from 20x20; "
            "--output_height=20 is enough for all their detail.",
            "fewer than 1,000 images: the networks will memorise them.",
            "a batch of 6 is larger than the dataset of 5 images and repeats some. "
            "Try --batch_size=5.",
        ]

    messages.clear()
    probe_dataset(tiny(dataset="digits", output_height=8, batch_size=64))
    assert messages == []


def test_a_dry_run_counts_images_as_training_would(tiny, jpegs):
    """150 JPEGs: three of the first 64 are unreadable, and three of the others."""
    config = tiny(dataset=str(jpegs))
    assert probe_dataset(config) == Outlook(147, 3, None, is_exact=False, place=str(jpegs))
    pack = load_dataset(config)
    assert len(pack.images) == 144
    packed = probe_dataset(config)
    assert packed[:5] == (144, 3, None, True, str(jpegs))
    np.testing.assert_array_equal(packed.packed, pack.images)
    few = probe_dataset(tiny(dataset=str(jpegs), train_size=10))
    assert few == Outlook(8, 3, None, place=str(jpegs))  # all were read
    assert probe_dataset(tiny(dataset="digits")).is_exact  # an array, which cannot be damaged


def test_everything_that_changes_pixels_makes_another_pack(tiny, image_folder):
    image_folder(4)
    changes = [
        {},
        {"crop": False},
        {"input_height": 10},
        {"output_height": 8},
        {"c_dim": 1},
        {"train_size": 2},
        {"input_fname_pattern": "000[12]*"},
    ]
    packs = [np.array(load_dataset(tiny(dataset="faces", **change)).images) for change in changes]
    assert len({pack.tobytes() for pack in packs}) == len(packs)
    assert [len(pack) for pack in packs] == [4, 4, 4, 4, 4, 2, 2]


def test_channels_are_gray_only_if_every_image_is(tiny, image_folder):
    config = tiny(dataset="faces", c_dim="auto")
    folder = image_folder(3)
    assert load_dataset(config).images.shape[-1] == 3
    assert probe_dataset(config)[:3] == (3, 3, None)
    for path in folder.iterdir():
        Image.open(path).convert("L").save(path)

    gray = load_dataset(config).images
    assert gray.shape[-1] == 1
    assert probe_dataset(config)[:3] == (3, 1, None)
    np.testing.assert_array_equal(gray, load_dataset(tiny(dataset="faces", c_dim=1)).images)
    np.testing.assert_array_equal(gray, load_dataset(config).images)


def test_a_missing_side_of_the_crop_follows_the_output(tiny):
    def crop(**changes):
        return choose_crop_and_resize(tiny(**changes)).crop

    assert crop(dataset="celebA") == (108, 108)
    assert crop(dataset="celebA", output_height=64, output_width=32) == (216, 108)
    assert crop(dataset="celebA", output_height=32, output_width=64) == (108, 216)
    assert crop(dataset="celebA", crop=False) is None
    assert crop(dataset="cats") is None
    assert crop(dataset="cats", input_width=50, output_height=32, output_width=16) == (100, 50)
    assert crop(dataset="celebA", input_height=96, input_width=80) == (96, 80)


def test_a_dry_run_fetches_nothing(tiny, monkeypatch):
    monkeypatch.setattr(data.sources.tfds, "_is_tfds_host_up", lambda: pytest.fail("asked"))
    with pytest.raises(ValueError, match="--train fetches it"):
        probe_dataset(tiny(dataset="tfds:cifar10"))
