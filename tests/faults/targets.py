"""Targets for fuzzing: each takes any bytes, and raises only if something happens that never may.

What may happen: ValueError, OSError and flags.Error, which main.py reports in one line, and images
that are skipped with a reason.
"""

import contextlib
import io
import itertools
import json
import sys

from absl import flags, logging
from absl.testing import flagsaver

import main
from config import stored
from config.presets import apply_preset
from config.settings import Config
from data.packing.decode import Geometry
from data.packing.workers import decode_images
from data.sources.folder import open_image_zip
from data.sources.idx import open_idx_files
from data.sources.lsun import open_lmdb
from data.sources.numpy_files import open_array_archive, open_array_file
from data.sources.parquet import open_parquet_files
from data.sources.tars import open_image_tars
from foreign.carpedm20 import read_carpedm20_weights
from foreign.newmu import read_newmu_weights
from foreign.pytorch import read_pytorch_weights
from tests.faults import seeds
from tests.faults.seeds import ASKED, load_squares, scratch, written

TOLD = (ValueError, OSError, flags.Error)  # which main.py reports in one line
SIDE = 12
MOST = 20  # images read from a container
logging.set_verbosity(logging.ERROR)


# an image, alone and in what datasets come in


def image(data: bytes) -> None:
    _decode([("bytes", data)], channels=(1, 3, 4)[len(data) % 3])


def image_file(data: bytes) -> None:
    _decode([("path", written("image", data))], channels=(1, 3, 4)[len(data) % 3])


def _decode(items: list[tuple], channels: int = 3) -> None:
    pixels, seen = decode_images(items, Geometry(SIDE, SIDE, (9, 9)), channels)
    reasons = [what for _, what in seen if isinstance(what, str)]
    assert len(seen) == len(items)
    assert len(pixels) == (len(items) - len(reasons)) * SIDE * SIDE * channels
    assert all(reason and reason.isprintable() and len(reason) <= 120 for reason in reasons), (
        reasons
    )


def zipped(data: bytes) -> None:
    _items(lambda: open_image_zip(written("images.zip", data)))


def idx(data: bytes) -> None:
    _items(lambda: open_idx_files([written("train-images-idx3-ubyte", data)]))


def idx_gz(data: bytes) -> None:
    _items(lambda: open_idx_files([written("gz/train-images-idx3-ubyte.gz", data)]))


def lmdb(data: bytes) -> None:
    _items(lambda: open_lmdb(written("lmdb/data.mdb", data).parent))


def tar(data: bytes) -> None:
    _items(lambda: open_image_tars([written("images.tar", data)]), with_labels=True)


def tar_gz(data: bytes) -> None:
    _items(lambda: open_image_tars([written("images.tgz", data)]), with_labels=True)


def npy(data: bytes) -> None:
    _items(lambda: open_array_file(written("images.npy", data)))


def npz(data: bytes) -> None:
    _items(lambda: open_array_archive(written("images.npz", data)), with_labels=True)


def parquet(data: bytes) -> None:
    _items(lambda: open_parquet_files([written("images.parquet", data)]), with_labels=True)


def _items(opened, *, with_labels: bool = False) -> None:
    with contextlib.suppress(*TOLD):
        source = opened()
        assert source.count > 0
        with contextlib.closing(iter(source.items())) as given:
            _decode(list(itertools.islice(given, MOST)))
        if with_labels and source.labels:
            names, classes = source.labels()
            assert len(classes) == source.count and classes.max() < len(names)


# settings


def settings(data: bytes) -> None:
    """A config.json, read as a run's and with --config."""
    path = written("config.json", data)
    with contextlib.suppress(*TOLD):
        assert stored.read_config(path).name
    with contextlib.suppress(*TOLD):
        made = Config(
            **apply_preset(
                stored.make_config_from_dict(stored.read_json_settings(path), "it").__dict__
            )
        )
        assert json.loads(made.to_json())
        assert made.run_dir and made.sizes and made.total_steps(10) >= 1


def arguments(data: bytes) -> None:
    """A command line, one argument per line, for a dataset that does not exist."""
    lines = data.decode("utf-8", "surrogateescape").replace("\0", "").split("\n")
    given = [
        line
        for line in lines
        if line.partition("=")[0].removeprefix("--").removeprefix("no") in ASKED
    ]
    _one_line([*given, f"--out_dir={scratch()}/out", "--train", "--dataset=/nonexistent/images"])


def config_argument(data: bytes) -> None:
    """The same, with its settings in a file; if it says where runs are, they are there."""
    path = written("given.json", data)
    _one_line(
        [
            f"--config={path}",
            f"--out_dir={scratch()}/out",
            "--train",
            "--dataset=/nonexistent/images",
        ]
    )


def _one_line(given: list[str]) -> None:
    said, before = io.StringIO(), sorted(scratch().iterdir())
    with (
        flagsaver.flagsaver(),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        code = main.main(["main.py", *given])
    logging.set_verbosity(logging.ERROR)
    assert code in (0, 1, 130), code
    assert code == 0 or said.getvalue().count("\n") == 1, said.getvalue()
    assert said.getvalue().startswith("error: "), said.getvalue()
    assert sorted(scratch().iterdir()) == before


# a pack


def manifest(data: bytes) -> None:
    _pack_is_whole(".json", data)


def pack(data: bytes) -> None:
    _pack_is_whole(".npy", data)


def _pack_is_whole(suffix: str, data: bytes) -> None:
    """Whatever one of its files holds, the pack has the images, or an error says in one line that
    it cannot be written.
    """
    load_squares()
    next((scratch() / "packs").glob(f"*{suffix}")).write_bytes(data)
    made = load_squares()
    assert made.images.shape == (4, 8, 8, 1)
    assert made.manifest["count"] == len(made.manifest["files"]) == 4


# other implementations' weights


def newmu(data: bytes) -> None:
    folder = scratch() / "newmu"
    if not folder.is_dir():
        for number, content in enumerate(seeds.newmu_files()):
            written(f"newmu/1_gen_params.jl_{number:02d}.npy", content)
    written("newmu/1_gen_params.jl_01.npy", data)
    with contextlib.suppress(*TOLD):
        read_newmu_weights(folder)


def torch_file(data: bytes) -> None:
    with contextlib.suppress(*TOLD):
        read_pytorch_weights([written("netG.pth", data)])


def carpedm20(data: bytes) -> None:
    """A checkpoint's index, without its other files."""
    path = written("tf1/model-1.index", data)
    with contextlib.suppress(*TOLD):
        read_carpedm20_weights(str(path.with_suffix("")))


SEEDS = {
    "image": seeds.images,
    "image_file": seeds.images,
    "zipped": seeds.zips,
    "idx": seeds.idx_files,
    "idx_gz": seeds.gz_files,
    "lmdb": seeds.lmdbs,
    "tar": seeds.tars,
    "tar_gz": seeds.gzipped_tars,
    "npy": seeds.npy_files,
    "npz": seeds.npz_files,
    "parquet": seeds.parquet_files,
    "settings": seeds.configs,
    "arguments": seeds.command_lines,
    "config_argument": seeds.configs,
    "manifest": seeds.manifests,
    "pack": seeds.packs,
    "newmu": seeds.newmu_seeds,
    "torch_file": seeds.torch_files,
}
TARGETS = {name: getattr(sys.modules[__name__], name) for name in SEEDS}
