"""What the tests of hostile files share."""

import io
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

import data
from data.packing.decode import Geometry
from data.packing.pack import load_or_make_pack
from data.packing.workers import decode_images

ROOT = Path(data.__file__).parent.parent
GEOMETRY = Geometry(16, 16)
# Not getrusage's, which starts from the parent's peak.
PEAK = """
import re, sys
from pathlib import Path

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024
"""
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells the peak so"
)


def png(width=10, height=10, colour=(1, 2, 3)):
    content = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(content, "PNG")
    return content.getvalue()


def png_header(width, height):
    header = b"IHDR" + struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = (
        struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0\0\0\0IDAT"
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


def reason(image):
    """Why an image is skipped; None if it is not."""
    ((_, what),) = decode_images([("image", image)], GEOMETRY, 3)[1]
    return what if isinstance(what, str) else None


def reasons(source):
    return {name: reason(image) for name, image in source.items()}


def pack_of(source, folder):
    return load_or_make_pack(
        source, [folder], label="test", geometry=GEOMETRY, c_dim=3, settings={}
    )


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


def megabytes(script, *arguments):
    """Runs a script that prints a number of megabytes first; returns (megabytes, the rest)."""
    command = [sys.executable, "-c", PEAK + script, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    used, rest = done.stdout.split(maxsplit=1)
    return int(used), rest
