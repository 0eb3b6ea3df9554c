"""Settings small enough that a training step takes milliseconds, and images to train on."""

import os
import shutil
import subprocess
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Results are compared bit for bit, which GPUs do not promise.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# TensorFlow reads these when it is imported: one more attempt, soon, and small pieces.
os.environ.setdefault("GCS_RETRY_CONFIG_MAX_RETRIES", "1")
os.environ.setdefault("GCS_RETRY_CONFIG_INIT_DELAY_TIME_US", "1000")
os.environ.setdefault("GCS_READ_CACHE_BLOCK_SIZE_MB", "1")

import numpy as np
import pytest
from absl import logging
from common import ROOT, TINY
from PIL import Image

from config.settings import Config


@pytest.fixture
def tiny(tmp_path):
    """A factory of Configs of TINY networks, writing below tmp_path."""

    def make(**changes):
        places = {"out_dir": str(tmp_path / "out"), "data_dir": str(tmp_path / "data")}
        return Config(**(TINY | places | changes))

    return make


@pytest.fixture
def photos():
    """A factory of n different upright colour images (n, height, width, 3) uint8."""

    def make(count, height=24, width=20):
        rng = np.random.default_rng(0)
        return rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)

    return make


@pytest.fixture
def image_folder(tmp_path, photos):
    """A factory of data_dir/<name> with n PNG files."""

    def make(count, name="faces"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, pixels in enumerate(photos(count)):
            Image.fromarray(pixels).save(folder / f"{number:04d}.png")
        return folder

    return make


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


@pytest.fixture
def mnist_digits(tmp_path):
    """20 images (20, 28, 28) in the two IDX files of data_dir/mnist, with labels 0 to 9, twice."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    classes = np.arange(20, dtype=np.uint8) % 10
    for name, part in (("train", slice(0, 15)), ("t10k", slice(15, 20))):
        for kind, array in (("images-idx3", images[part]), ("labels-idx1", classes[part])):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / f"{name}-{kind}-ubyte").write_bytes(header + array.tobytes())
    return images


@pytest.fixture
def messages(monkeypatch):
    """Everything logged, as text."""
    said = []
    for level in ("info", "warning"):
        monkeypatch.setattr(logging, level, lambda text, *values: said.append(text % values))
    return said


HELD = """
import pathlib, sys, time
from system import locks
with locks.lock_folder(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held(tmp_path):
    """Another process that holds the run's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, tmp_path / "out" / "run"], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="module")
def browser():
    """Chromium, driven by playwright; without either, the test is skipped."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: make test-page installs it"
    )
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if not chromium:
        pytest.skip("no chromium is installed: make test-page installs it")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def trained(tiny):
    """A factory of runs with a checkpoint of step 5. The networks are untrained: any pixels do."""
    # Imported here, as most tests need no TensorFlow.
    from config.stored import write_config
    from gan import DCGAN
    from runs.checkpoints import Checkpoints

    def make(**changes):
        config = tiny(**changes).resolve()
        Checkpoints(DCGAN(config), config).save(5)
        write_config(config)
        return config

    return make
