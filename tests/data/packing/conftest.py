import pytest
from PIL import Image


@pytest.fixture
def jpegs(tmp_path, photos):
    """A folder of 150 JPEGs, more than may be in flight; six are unreadable: cut, empty or text."""
    folder = tmp_path / "jpegs"
    folder.mkdir()
    for number, pixels in enumerate(photos(150)):
        Image.fromarray(pixels).save(folder / f"{number:04d}.jpg")
    for number, content in zip((0, 5, 63, 64, 100, 149), (b"", b"text", None) * 2, strict=True):
        path = folder / f"{number:04d}.jpg"
        path.write_bytes(path.read_bytes()[:400] if content is None else content)

    return folder
