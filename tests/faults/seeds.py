"""What the mutations of test_fuzz.py start from: small valid files of every kind, and odd ones."""

import contextlib
import functools
import gzip
import io
import json
import struct
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from config.settings import SETTINGS, Config
from data.packing.decode import Geometry
from data.packing.pack import Pack, load_or_make_pack
from data.sources.source import Source

ASKED = {*SETTINGS, "preset", "label", "sample", "train", "dry_run", "visualize_option", "config"}


@functools.cache
def scratch() -> Path:
    """A folder that is deleted when the process ends."""
    holder = tempfile.TemporaryDirectory(prefix="dcgan-faults-")
    scratch.holder = holder
    return Path(holder.name)


def written(name: str, data: bytes) -> Path:
    path = scratch() / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def load_squares() -> Pack:
    """Four small images, from their pack if there is one."""
    source = Source(
        "four squares", "4", 4, lambda: ((str(k), np.full((8, 8), k, np.uint8)) for k in range(4))
    )
    with contextlib.redirect_stderr(io.StringIO()):
        return load_or_make_pack(
            source, [scratch() / "packs"], label="4", geometry=Geometry(8, 8), settings={}, c_dim=1
        )


@functools.cache
def images() -> list[bytes]:
    colour = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    made = [
        (Image.fromarray(colour), kind, {})
        for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "TGA")
    ]
    made += [(Image.fromarray(colour), "JPEG", {"exif": exif, "progressive": True})]
    made += [
        (Image.fromarray(colour).convert("CMYK"), "JPEG", {}),
        (Image.fromarray(colour[..., 0]), "JPEG", {}),
    ]
    made += [
        (Image.fromarray(colour[..., 0].astype(np.uint16) * 257), kind, {})
        for kind in ("PNG", "TIFF")
    ]
    made += [(Image.fromarray(colour[..., 0] / np.float32(3)), "TIFF", {"compression": "tiff_lzw"})]
    made += [
        (Image.fromarray(np.dstack([colour, colour[..., 0]])), kind, {})
        for kind in ("PNG", "WEBP", "ICO", "DDS")
    ]
    made += [(Image.fromarray(colour).quantize(8), kind, {}) for kind in ("PNG", "GIF", "PCX")]
    made += [
        (Image.fromarray(colour), kind, {})
        for kind in ("SGI", "JPEG2000", "AVIF", "QOI")
        if kind in Image.SAVE
    ]
    return [_saved(*one) for one in made] + [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    ]


def _saved(made: Image.Image, kind: str, options: dict) -> bytes:
    content = io.BytesIO()
    made.save(content, kind, **options)
    return content.getvalue()


@functools.cache
def zips() -> list[bytes]:
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", method) as archive:
            for name, encoded in zip(("a.png", "../b/c.jpg", "größe.bmp"), images(), strict=False):
                archive.writestr(name, encoded)
        made.append(content.getvalue())
    return made


@functools.cache
def idx_files() -> list[bytes]:
    return [
        b"\0\0\x08\x03" + struct.pack(">3I", 3, 4, 5) + bytes(range(60)),
        b"\0\0\x08\x03" + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 1),
    ]


@functools.cache
def gz_files() -> list[bytes]:
    return [gzip.compress(content, mtime=0) for content in idx_files()]


@functools.cache
def lmdbs() -> list[bytes]:
    import lmdb as library

    made = []
    for entries in (images(), [bytes([k]) * 5000 for k in range(40)]):
        folder = scratch() / f"lmdb-{len(entries)}"
        with (
            library.open(str(folder), map_size=2**24) as environment,
            environment.begin(write=True) as transaction,
        ):
            for number, value in enumerate(entries):
                transaction.put(f"{number:04d}".encode(), value)
        made.append((folder / "data.mdb").read_bytes())
    return made


@functools.cache
def tars() -> list[bytes]:
    """Of images and their classes, in every format, with a name that needs two headers."""
    made = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=form) as archive:
            for number, encoded in enumerate(images()[:3]):
                name = "größe/" * 20 + "a" if form != tarfile.USTAR_FORMAT else "../a"
                for suffix, body in (("png", encoded), ("cls", b"%d" % number)):
                    info = tarfile.TarInfo(f"{name}{number}.{suffix}")
                    info.size = len(body)
                    archive.addfile(info, io.BytesIO(body))
        made.append(content.getvalue())
    return made


@functools.cache
def gzipped_tars() -> list[bytes]:
    return [gzip.compress(content, mtime=0) for content in tars()]


@functools.cache
def npy_files() -> list[bytes]:
    shapes = ((3, 4, 5), (3, 4, 5, 1), (3, 4, 5, 3), (3, 4, 5, 4), (3, 20), (0, 4, 5))
    return [_npy(np.zeros(shape, np.uint8)) for shape in shapes]


@functools.cache
def npz_files() -> list[bytes]:
    made = []
    for save in (np.savez, np.savez_compressed):
        content = io.BytesIO()
        save(content, x=np.zeros((3, 4, 5), np.uint8), y=np.arange(3), z=np.array(["a", "bc", ""]))
        made.append(content.getvalue())
    return made


@functools.cache
def parquet_files() -> list[bytes]:
    import pyarrow.parquet

    cells = [{"bytes": encoded, "path": "a.png"} for encoded in images()[:6]]
    note = json.dumps({"info": {"features": {"label": {"names": ["a", "b", "c"]}}}})
    made = []
    for column in (cells, [cell["bytes"] for cell in cells]):
        table = pyarrow.table({"image": column, "label": [k % 3 for k in range(6)]})
        for options in ({}, {"compression": "none", "use_dictionary": False}):
            content = io.BytesIO()
            noted = table.replace_schema_metadata({"huggingface": note})
            pyarrow.parquet.write_table(noted, content, row_group_size=4, **options)
            made.append(content.getvalue())
    return made


@functools.cache
def configs() -> list[bytes]:
    whole = Config(dataset="images").resolve()
    odd = {
        "epoch": 1e400,
        "l2": float("nan"),
        "g_widths": [1, None],
        "out_name": "\ud800",
        "labels": "a,b",
    }
    return [
        whole.to_json().encode(),
        b"\xef\xbb\xbf" + whole.to_json().encode(),
        *(json.dumps({name: value}).encode() for name, value in odd.items()),
        json.dumps({"preset": [], "seed": 10**400, "data_dir": "~nobody-there/\0"}).encode(),
        b"[" * 100_000,
    ]


@functools.cache
def command_lines() -> list[bytes]:
    values = (
        "",
        "0",
        "-1",
        "1e999",
        "nan",
        "9" * 5000,
        "x" * 5000,
        "~nobody-there/x",
        "\udcff",
        "a,b",
        "../..",
        "8,4,2,1",
    )
    names = sorted(ASKED)
    lines = [f"--{name}={value}" for name in names for value in values]
    return [line.encode("utf-8", "surrogateescape") for line in lines] + [
        b"--epoch=1\n--steps=2",
        b"--nocrop\n--seed=1",
    ]


@functools.cache
def manifests() -> list[bytes]:
    load_squares()
    return [next((scratch() / "packs").glob("*.json")).read_bytes()]


@functools.cache
def packs() -> list[bytes]:
    load_squares()
    return [next((scratch() / "packs").glob("*.npy")).read_bytes()]


@functools.cache
def newmu_files() -> list[bytes]:
    rng, made = np.random.default_rng(0), []
    for shape in ((6, 64), (64,), (64,), (4, 2, 5, 5), (2,), (2,), (2, 3, 5, 5)):
        made.append(_npy(rng.normal(size=shape).astype(np.float32)))
    return made


def newmu_seeds() -> list[bytes]:
    """Its arrays, and malformed ones."""
    made = newmu_files().copy()
    for shape, kind in (
        ((), "f4"),
        ((0, 0), "f4"),
        ((1, 2, 3), "f4"),
        ((0, 0, 0, 0), "f4"),
        ((2,) * 5, "f4"),
    ):
        made.append(_npy(np.zeros(shape, kind)))
    made += [_npy(np.zeros((6, 64), kind)) for kind in ("c8", "U1", "M8[s]", "f4,i4", "?", "i8")]
    return made


def _npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@functools.cache
def torch_files() -> list[bytes]:
    import torch

    state = {"main.0.weight": torch.zeros(6, 4, 4, 4), "main.3.weight": torch.zeros(4, 3, 4, 4)}
    state |= {
        f"main.1.{name}": torch.ones(4)
        for name in ("weight", "bias", "running_mean", "running_var")
    }
    others = [
        torch.zeros(6, 0, 4, 4),
        torch.zeros(1).expand(6, 2**40, 4, 4),
        torch.zeros(6, 4, 4, 4).to_sparse(),
    ]
    others += [
        torch.tensor(1.0),
        torch.zeros(6, 4, 4, 4, dtype=torch.complex64),
        torch.zeros(6, 4, 4, 4, device="meta"),
    ]
    made = [
        _torch_file(state),
        _torch_file(state, _use_new_zipfile_serialization=False),
        _torch_file([1]),
    ]
    return made + [_torch_file(state | {"main.0.weight": other}) for other in others]


def _torch_file(state, **options) -> bytes:
    import torch

    content = io.BytesIO()
    torch.save(state, content, **options)
    return content.getvalue()
