"""100,000 image files: the real program packs them in bounded memory, and later starts as fast as
without them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from common import ROOT
from PIL import Image

from benchmarks import soak

IMAGES = 100_000
FOLDERS = 100
KINDS = 8  # different files; 12,500 names each, below the 65,000 of ext4
# From the program's start to its first step, with the pack there; mostly TensorFlow's import.
WARM_SECONDS = 20
PEAK_GB = 2.0  # the program and its workers together
ROOM = 2**30  # bytes; the pack takes 77 MB
FLAGS = [
    "--train",
    "--output_height",
    "16",
    "--stem_width",
    "32",
    "--batch_size",
    "8",
    "--ckpt_freq",
    "1000",
]


@pytest.fixture
def place(tmp_path):
    """A folder in memory if possible: 100,000 names are hard on a disk. It is always removed
    afterwards.
    """
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < ROOM:
        yield tmp_path
        shutil.rmtree(tmp_path / "photos", ignore_errors=True)
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="dcgan-") as folder:
        yield Path(folder)


def linked_images(place: Path) -> Path:
    """`place`/photos with 100,000 names in a hundred folders, which link to a few small JPEGs and
    PNGs.
    """
    rng, kinds = np.random.default_rng(0), []
    for kind in range(KINDS):
        suffix = (".jpg", ".png")[kind % 2]
        kinds.append(place / f"{kind}{suffix}")
        Image.fromarray(rng.integers(0, 256, (20, 20 + kind, 3), dtype=np.uint8)).save(kinds[-1])
    for number in range(IMAGES):
        folder = place / "photos" / f"{number % FOLDERS:02d}"
        if number < FOLDERS:
            folder.mkdir(parents=True)
        kind = kinds[number // FOLDERS % KINDS]
        os.link(kind, folder / f"{number:06d}{kind.suffix}")
    return place / "photos"


def start(photos: Path, steps: int) -> tuple[str, float, float]:
    """Runs main.py: its messages, the seconds until its last step is logged, and the peak GB of it
    and its workers.
    """
    command = [sys.executable, ROOT / "main.py", "--dataset", photos, *FLAGS, "--steps", str(steps)]
    command += ["--out_dir", photos.parent / "out", "--data_dir", photos.parent / "data"]
    seconds, lines, begin = None, [], time.monotonic()
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process,
        soak.watch_memory(process.pid) as peaks,
    ):
        for line in process.stderr:
            lines.append(line)
            if f"step {steps} of {steps} " in line:
                seconds = time.monotonic() - begin
    messages = "".join(lines)
    assert seconds is not None, messages[-3000:]
    return messages, seconds, max(peaks) * 2**20 / 1e9


@pytest.mark.slow
def test_a_hundred_thousand_files(place):
    photos = linked_images(place)
    packed, pack_seconds, pack_peak = start(photos, 1)
    assert f"found {IMAGES:,} images" in packed
    again, warm_seconds, warm_peak = start(photos, 2)
    assert "Packing" not in again
    print(
        f"{IMAGES:,} files: first step after {pack_seconds:.1f} s with packing and "
        f"{warm_seconds:.1f} s without; "
        f"peak memory {pack_peak:.2f} GB and {warm_peak:.2f} GB"
    )
    assert warm_seconds < WARM_SECONDS
    assert max(pack_peak, warm_peak) < PEAK_GB
    (pack,) = (place / "out" / ".packs").glob("*.npy")
    images = np.load(pack, mmap_mode="r")
    assert images.shape == (IMAGES, 16, 16, 3)
    # In the order of the names: folder 00 has every hundredth number, and eight of those are the
    # eight files in turn.
    assert len(np.unique(images[:KINDS].reshape(KINDS, -1), axis=0)) == KINDS
    for first in (KINDS, 999 * KINDS, IMAGES - KINDS):
        np.testing.assert_array_equal(images[first : first + KINDS], images[:KINDS])
