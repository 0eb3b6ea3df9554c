import pytest
from PIL import Image

from config.catalog import CONTAINER_SUFFIXES
from data.conversions import (
    CONVERSIONS,
    explain_files_without_images,
    explain_unread_photos,
    suggest_conversion,
)
from data.find import find_dataset_source
from data.sources.source import IMAGE_SUFFIXES


def test_what_is_read_needs_no_conversion():
    assert not set(CONVERSIONS) & {*IMAGE_SUFFIXES, *CONTAINER_SUFFIXES}


def test_the_first_that_is_known_is_told():
    assert suggest_conversion(["a.txt", "b.HEIC", "c.mat"]).startswith(
        "Convert them in their folder: magick"
    )
    assert suggest_conversion(["notes.txt"]) == suggest_conversion([]) == ""


@pytest.mark.parametrize("suffix", CONVERSIONS)
def test_each_file_is_told_how_to_convert_it_in_one_line(tiny, tmp_path, suffix):
    path = tmp_path / f"images{suffix}"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ValueError, match="must be a folder, or a zip, tar, npy, npz or") as error:
        find_dataset_source(tiny(dataset=str(path)))
    assert str(error.value).endswith(f"of images. {CONVERSIONS[suffix]}.")
    assert "\n" not in str(error.value)


def test_photos_among_images_are_counted():
    told = explain_unread_photos(["a.jpg", "b.HEIC", "c.heic", "notes.txt", "d.nef"])
    assert told.startswith("these photos cannot be read here: 2 .heic, 1 .nef. Convert them in ")
    assert explain_unread_photos(["a.jpg", "notes.txt", "film.mp4"]) == ""


def test_pillow_reads_none_of_them_with_what_is_installed():
    """Otherwise the advice would be unnecessary."""
    Image.init()
    ours = {"JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"}
    readable = {suffix for suffix, name in Image.EXTENSION.items() if name in ours}
    assert not readable & set(CONVERSIONS)


def test_what_holds_no_images_is_told_by_its_kinds_of_files():
    names = ["a.txt", "b/c.TXT", "LICENSE", "d.heic", "e/"]
    kinds = "2 .txt, 1 without a suffix, 1 .heic"
    assert explain_files_without_images("x.zip", names, "") == (
        "x.zip must hold images (.bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp). "
        f"Received: {kinds}. {CONVERSIONS['.heic']}."
    )
    told = explain_files_without_images("x.tar", [], "*.png")
    assert told == "x.tar must hold files like *.png. Received: no files."
    assert len(explain_files_without_images("x.zip", ["a." + "b" * 999], "")) < 200
