"""Files of --image become what the networks take, and others are refused."""

import numpy as np
import pytest
from PIL import Image

from data.load import choose_crop_and_resize
from data.packing.decode import decode_image
from explore import given_images
from explore.given_images import arrange_rows_of_images, read_given_images


@pytest.fixture
def faces(tmp_path, photos):
    paths = [tmp_path / "a.png", tmp_path / "b,c.bmp"]
    for path, pixels in zip(paths, photos(2), strict=True):
        Image.fromarray(pixels).save(path)
    return paths


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_go_the_way_of_the_dataset(tiny, faces, channels):
    config = tiny(c_dim=channels, output_width=12)
    found = read_given_images(f"{faces[0]}, {faces[0]}", config)
    decoded = decode_image(faces[0], choose_crop_and_resize(config), channels)
    assert [image.name for image in found] == ["a.png"] * 2
    assert found[1].pixels.shape == (16, 12, channels)
    assert (found[1].pixels == decoded.pixels).all()
    assert found[1].size == (24, 20)


def test_a_comma_may_be_part_of_a_name(tiny, faces):
    assert [image.name for image in read_given_images(str(faces[1]), tiny())] == ["b,c.bmp"]


def test_what_is_no_image_is_refused_in_one_line(tiny, faces, tmp_path):
    (tmp_path / "text.png").write_text("text")
    cut = tmp_path / "cut.png"
    cut.write_bytes(faces[0].read_bytes()[:500])
    refused = {
        "missing.png": "No such file or directory",
        ".": "not a file",
        "text.png": "not an image",
        "cut.png": "",
        "a" * 5000: "File name too long",
    }
    for name, reason in refused.items():
        with pytest.raises(ValueError, match=f": {reason}") as refusal:
            read_given_images(f"{faces[0]},{tmp_path / name}", tiny())
        assert str(refusal.value).startswith("--image must be a readable image file. Received: ")
        assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match="Received: nothing: "):
        read_given_images("", tiny())


def test_many_images_are_refused(tiny, faces):
    with pytest.raises(ValueError, match=r"at most 64 files. Received: 65"):
        read_given_images(",".join([str(faces[0])] * 65), tiny())


def test_images_that_belong_together_are_above_one_another(monkeypatch):
    monkeypatch.setattr(given_images, "COLUMNS", 2)
    monkeypatch.setattr(given_images, "MIN_SIDE", 2)
    above = np.array([10, 20, 30], np.uint8)[:, None, None, None]  # (3, 1, 1, 1)
    picture = arrange_rows_of_images([above, above + 1])
    assert picture[::2, ::2, 0].tolist() == [[10, 20], [11, 21], [30, 0], [31, 0]]
