import ast
from pathlib import Path

from PIL import Image

import data
from data import limits

FOLDER = Path(data.__file__).parent
MODULES = [path for place in ("", "sources", "packing") for path in (FOLDER / place).glob("*.py")]
BOUNDS = {name for name in vars(limits) if name.isupper()} - {"MB", "GB"}


def test_no_bound_stands_anywhere_else():
    """PREFETCH and the like are our choices; MAX_PICTURE_ROWS limits what we draw."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            targets = node.targets if isinstance(node, ast.Assign) else []
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            bounds = {name for name in names if name.startswith(("MAX_", "LARGEST"))}
            assert path.name == "limits.py" or bounds <= {"MAX_PICTURE_ROWS"}, path


def test_every_bound_is_used_and_always_as_an_attribute_so_that_one_patch_changes_it():
    texts = {path: path.read_text() for path in MODULES if path.name != "limits.py"}
    assert BOUNDS
    for name in BOUNDS:
        assert any(f"limits.{name}" in text for text in texts.values()), name
    assert not any("from data.limits import" in text for text in texts.values())


def test_bounds_that_hang_together():
    workers = limits.MAX_WORKERS * limits.MAX_WORKER_BYTES
    assert workers <= limits.MAX_DECODING_BYTES
    assert limits.MAX_UNGATED_BYTES < limits.MAX_WORKER_BYTES
    assert limits.MAX_BYTES_READ_AT_ONCE < limits.MAX_ENCODED_BYTES
    assert limits.MAX_IMAGES_IN_FLIGHT // (2 * limits.MAX_WORKERS) >= 1  # images per task


def test_pillow_stops_where_we_do():
    assert Image.MAX_IMAGE_PIXELS == limits.MAX_PIXELS
