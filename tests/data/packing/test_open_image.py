import io

import numpy as np
import pytest
from PIL import Image

from data import limits
from data.packing.decode import (
    check_encoded_image_bytes,
    check_image_pixel_count,
    estimate_decoding_bytes,
    list_image_formats,
    open_image,
)


def encode(pixels, kind, **options):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, **options)
    return content.getvalue()


def test_a_path_bytes_and_an_array_open_as_the_same_image(tmp_path, photos):
    pixels = photos(1)[0]
    content = encode(pixels, "PNG")
    (tmp_path / "image.png").write_bytes(content)
    for image in (tmp_path / "image.png", content, pixels):
        with open_image(image) as opened:
            np.testing.assert_array_equal(np.asarray(opened), pixels)
    with open_image(pixels[..., :1]) as opened:
        assert (opened.mode, opened.size) == ("L", (20, 24))


def test_an_exception_in_the_place_of_an_image_is_raised():
    with pytest.raises(ValueError, match="encrypted"):
        open_image(ValueError("encrypted"))


def test_a_large_file_is_read_as_it_is_decoded_and_gives_the_same_pixels(
    tmp_path, photos, monkeypatch
):
    path, pixels = tmp_path / "image.jpg", photos(1)[0]
    path.write_bytes(encode(pixels, "JPEG"))
    with open_image(path) as opened:
        expected = np.asarray(opened)

    monkeypatch.setattr(limits, "MAX_BYTES_READ_AT_ONCE", 100)
    with open_image(path) as opened:
        np.testing.assert_array_equal(np.asarray(opened), expected)

    monkeypatch.setattr(limits, "MAX_JPEG_SCANS", 0)
    with pytest.raises(ValueError, match="a JPEG of 1 scans, more than 0"):
        open_image(path)


def test_one_limit_bounds_bytes_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_ENCODED_BYTES", 2**20)
    (tmp_path / "large.png").write_bytes(bytes(2**20 + 1))
    for image in (tmp_path / "large.png", bytes(2**20 + 1)):
        with pytest.raises(ValueError, match="1 MB, more than 1"):
            open_image(image)
    check_encoded_image_bytes(2**20)


def test_pixels_are_counted_by_the_header(monkeypatch, photos):
    monkeypatch.setattr(limits, "MAX_PIXELS", 24 * 20)
    check_image_pixel_count(Image.fromarray(photos(1)[0]))
    monkeypatch.setattr(limits, "MAX_PIXELS", 24 * 20 - 1)
    with pytest.raises(ValueError, match="20x24 pixels, more than 0 million"):
        check_image_pixel_count(Image.fromarray(photos(1)[0]))


def test_a_progressive_jpeg_takes_more_than_a_plain_one(photos):
    pixels = photos(1)[0]
    with open_image(encode(pixels, "JPEG")) as plain:
        assert estimate_decoding_bytes(plain) == 24 * 20 * 8
    with open_image(encode(pixels, "JPEG", progressive=True)) as progressive:
        assert estimate_decoding_bytes(progressive) == 24 * 20 * 12


def test_formats_that_run_other_programs_are_not_opened():
    formats = list_image_formats()
    assert {"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"} <= {*formats}
    assert not {"EPS", "PDF", "WMF", "FPX"} & {*formats}
    assert formats[-1] == "TGA"  # it has no signature, so it comes after all that have one
