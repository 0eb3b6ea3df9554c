import numpy as np
import pytest
from PIL import Image, ImageOps

from data.packing.decode import Geometry, decode_image

GEOMETRY = Geometry(16, 16, (20, 18))
MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@pytest.mark.parametrize(
    ("geometry", "size", "box"),
    [
        # The original's offsets for CelebA.
        (Geometry(64, 64, (108, 108)), (218, 178), (35, 55, 143, 163)),
        (Geometry(64, 64), (218, 178), (0, 20, 178, 198)),
        (Geometry(64, 32), (100, 100), (25, 0, 75, 100)),
        (Geometry(64, 64, squash=True), (218, 178), (0, 0, 178, 218)),
        # Smaller than the crop: less is cut out.
        (Geometry(64, 64, (108, 108)), (50, 200), (75, 0, 125, 50)),
        (Geometry(8, 512), (10, 10), (0, 4, 10, 5)),
    ],
)
def test_crop_boxes(geometry, size, box):
    assert geometry.find_crop_box(*size) == box


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_a_pixel_makes_an_image_transparent(tmp_path, mode):
    """Opaque images keep their pixels, with or without an alpha channel."""
    colour = np.random.default_rng(0).integers(1, 256, (16, 16, 3), dtype=np.uint8)
    for alpha in (255, 254, 0):
        image = Image.fromarray(colour)
        if mode in ("P", "RGB"):
            image = image.quantize(8) if mode == "P" else image
            clear = (0, 0, 0) if alpha == 255 else tuple(map(int, colour[0, 0]))
            image.info["transparency"] = clear if mode == "RGB" else 0 if alpha < 255 else 255
        else:
            image = image.convert("RGBA")
            image.putpixel((0, 0), (9, 9, 9, alpha))
            image = image.convert("LA") if mode == "LA" else image
        image.save(tmp_path / "image.png")

        decoded = decode_image(tmp_path / "image.png", Geometry(16, 16), 3)
        assert decoded.transparent == (alpha < 255), (mode, alpha)
        if alpha == 255:
            expected = np.asarray(Image.open(tmp_path / "image.png").convert("RGB"))
            np.testing.assert_array_equal(decoded.pixels, expected)


def test_crop_boxes_never_leave_the_image():
    rng = np.random.default_rng(0)
    for height, width, crop_height, crop_width in rng.integers(1, 300, (500, 4)).tolist():
        geometry = Geometry(16, 16, (crop_height, crop_width))
        left, top, right, bottom = geometry.find_crop_box(height, width)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_decoding_keeps_the_pixels_that_need_no_change(tmp_path):
    colour = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    same = Geometry(16, 16)
    path = tmp_path / "image.png"
    Image.fromarray(colour).save(path)

    np.testing.assert_array_equal(decode_image(path, same, 3).pixels, colour)
    np.testing.assert_array_equal(decode_image(path.read_bytes(), same, 3).pixels, colour)
    np.testing.assert_array_equal(decode_image(colour, same, 3).pixels, colour)

    luma = np.round(colour @ [0.299, 0.587, 0.114])
    np.testing.assert_allclose(decode_image(colour, same, 1).pixels[..., 0], luma, atol=1)
    assert decode_image(colour, same, 4).pixels[..., 3].min() == 255

    sixteen = colour[..., 0].astype(np.uint16) * 257
    for brightness in (1, 257):  # a dark image stays dark
        Image.fromarray(sixteen // 257 * brightness).save(path)
        expected = np.round(colour[..., 0] * (brightness / 257))
        np.testing.assert_array_equal(decode_image(path, same, 1).pixels[..., 0], expected)

    clear = np.dstack([colour, np.zeros((16, 16), np.uint8)])
    assert (decode_image(clear, same, 3).pixels == 255).all()
    np.testing.assert_array_equal(decode_image(clear, same, 4).pixels[..., 3], 0)


def test_exif_rotation_is_applied(tmp_path):
    colour = np.zeros((10, 20, 3), np.uint8)
    colour[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(colour).save(tmp_path / "turned.png", exif=exif)
    upright = decode_image(tmp_path / "turned.png", Geometry(20, 10), 3)
    assert upright.size == (20, 10)
    assert upright.pixels[:10].min() == 255
    assert upright.pixels[10:].max() == 0


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpegs_are_decoded_as_by_pillows_own_steps(tmp_path, photos, mode, orientation):
    path, exif = tmp_path / "image.jpg", Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photos(1)[0]).convert(mode).save(path, exif=exif)
    for channels, wanted in MODES.items():
        upright = ImageOps.exif_transpose(Image.open(path)).convert(wanted)
        box = GEOMETRY.find_crop_box(upright.height, upright.width)
        expected = np.asarray(upright.resize((16, 16), Image.Resampling.BILINEAR, box)).reshape(
            16, 16, channels
        )
        for image in (path, path.read_bytes()):
            result = decode_image(image, GEOMETRY, channels)
            np.testing.assert_array_equal(result.pixels, expected)
            assert (result.size, result.gray) == ((upright.height, upright.width), mode == "L")


@pytest.mark.parametrize("cut", [0, 1, 2, 20, 400])
def test_a_cut_jpeg_in_a_folder_fails_as_pillow_says(tmp_path, photos, cut):
    path = tmp_path / "image.jpg"
    Image.fromarray(photos(1)[0]).save(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(OSError) as expected, Image.open(path) as image:
        image.load()
    with pytest.raises(type(expected.value)) as received:
        decode_image(path, GEOMETRY, 3)
    # "image file is truncated". If more is cut, the message contains a path or an object's address.
    if cut == 400:
        assert str(received.value) == str(expected.value)
