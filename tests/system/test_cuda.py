"""CUDA's packages: libraries that a compiler made just now take the place of NVIDIA's."""

import shutil
import subprocess
import sys

import pytest
from common import ROOT

from system import cuda

PRELOAD = """
import ctypes, sys
from system import cuda
cuda.DRIVER_FILES = sys.argv[1:2]
sys.path.append(sys.argv[2])
names = [path.name for path in cuda.preload_cuda_libraries()]
print(*names)
for name in ("libcurand.so.10", "libcusolver.so.11"):
    try:
        print(ctypes.CDLL(name).answer())
    except OSError:
        print("not found")
"""


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A file that stands for the driver's. GPUs are not hidden, as they are in other tests."""
    path = tmp_path / "driver"
    path.touch()
    monkeypatch.setattr(cuda, "DRIVER_FILES", (str(path),))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return path


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder like site-packages, with empty files for libraries."""
    folder = tmp_path / "site-packages"
    for name in ("curand/lib/libcurand.so.10", "cublas/lib/libcublas.so.12"):
        (folder / "nvidia" / name).parent.mkdir(parents=True)
        (folder / "nvidia" / name).touch()
    (folder / "nvidia" / "cublas" / "lib" / "libnvblas.so.12").touch()
    monkeypatch.syspath_prepend(folder)
    return folder


def compile_library(folder, name, answer, *options):
    """A library whose function `answer` returns that number; its soname is its file's name."""
    folder.mkdir(parents=True)
    source = folder / "source.c"
    source.write_text(answer)
    command = ["cc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", folder / name, source]
    subprocess.run([*command, *options], check=True)
    source.unlink()


def run_preload(driver, packages):
    command = [sys.executable, "-c", PRELOAD, driver, packages]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_libraries_are_found_by_name_once_they_are_loaded_by_path(tmp_path):
    """The second needs the first, and neither says where it is: so their order matters."""
    driver, packages = tmp_path / "driver", tmp_path / "site-packages"
    driver.touch()
    solver = packages / "nvidia" / "cusolver" / "lib"
    blas = packages / "nvidia" / "cublas" / "lib"
    random = packages / "nvidia" / "curand" / "lib"
    compile_library(random, "libcurand.so.10", "int answer() { return 10; }")
    compile_library(blas, "libcublas.so.12", "int base() { return 12; }")
    needed = blas / "libcublas.so.12"
    compile_library(
        solver, "libcusolver.so.11", "int base(); int answer() { return base() - 1; }", needed
    )

    loaded = "libcurand.so.10 libcublas.so.12 libcusolver.so.11"
    assert run_preload(driver, packages) == [loaded, "10", "11"]
    assert run_preload(tmp_path / "no driver", packages) == ["", "not found", "not found"]
    assert run_preload(driver, tmp_path / "no packages") == ["", "not found", "not found"]


def test_a_file_that_is_no_library_is_passed_over(driver, packages):
    names = [path.name for path in cuda.find_cuda_libraries()]
    assert names == ["libcurand.so.10", "libcublas.so.12"]
    assert cuda.preload_cuda_libraries() == []


def test_nothing_is_said_without_a_driver_or_if_the_user_hid_the_gpus(driver, monkeypatch):
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert cuda.explain_unused_gpu(is_for_gpus=True) is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert cuda.explain_unused_gpu(is_for_gpus=True)
    driver.unlink()
    assert cuda.explain_unused_gpu(is_for_gpus=True) is None


def test_the_cure_fits_what_is_missing(driver, packages, monkeypatch):
    assert "although CUDA is installed" in cuda.explain_unused_gpu(is_for_gpus=True)
    shutil.rmtree(packages)
    without = cuda.explain_unused_gpu(is_for_gpus=True)
    assert without.endswith("Try: pip install 'tensorflow[and-cuda]==2.21.*'")
    assert "pip uninstall tensorflow-cpu" in cuda.explain_unused_gpu(is_for_gpus=False)


def test_the_document_that_it_names_has_cures():
    text = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    assert cuda.INSTALL in text
    assert "LD_LIBRARY_PATH" in text
