"""What the tests of hostile files share."""

import io
import re
import struct
import zipfile
import zlib
from pathlib import Path

from PIL import Image

import data
import data.decode
import data.encoded
import data.folder
import data.idx
import data.lsun
import data.pack
import data.workers
from data.decode import Geometry
from data.pack import load_pack
from data.workers import decode_all

ROOT = Path(data.__file__).parent.parent
GEOMETRY = Geometry(16, 16)


def png(width=10, height=10, colour=(1, 2, 3)):
    content = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(content, "PNG")
    return content.getvalue()


def png_header(width, height):
    header = b"IHDR" + struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\0IDAT"
    return b"\x89PNG\r\n\x1a\n" + chunks


def reason(image):
    """Why an image is skipped; None when it is not."""
    ((_, what),) = decode_all([("image", image)], GEOMETRY, 3)[1]
    return what if isinstance(what, str) else None


def reasons(source):
    return {name: reason(image) for name, image in source.items()}


def pack_of(source, folder):
    return load_pack(source, [folder], label="test", geometry=GEOMETRY, c_dim=3, settings={})


def zip_with(path, entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def patched(path, offset, form, value):
    """Overwrites a field of every entry of a zip's list of files."""
    content = bytearray(path.read_bytes())
    for found in re.finditer(b"PK\x01\x02", bytes(content)):
        struct.pack_into(form, content, found.start() + offset, value)
    path.write_bytes(content)
    return path
