"""CUDA as Python packages: loads what TensorFlow does not find, and says why a GPU is not used.

Imports no TensorFlow: its libraries must be there before.
"""

import contextlib
import ctypes
import importlib.util
import os
from pathlib import Path

# One of these exists where an NVIDIA driver is: Linux's own, WSL2's.
DRIVER_FILES = ("/proc/driver/nvidia", "/usr/lib/wsl/lib/libcuda.so.1")

# In `tensorflow[and-cuda]`, below site-packages/nvidia. TensorFlow 2.21 does not look for the first
# three there (readelf -d libtensorflow_framework.so.2), and for the last only from one of its two
# libraries. The last needs all but two of the others, so it comes after them. Other files stay out:
# libnvblas, for one, takes over other libraries' matrix products.
LIBRARIES = (
    "nvjitlink/lib/libnvJitLink.so.*",
    "cuda_nvrtc/lib/libnvrtc.so.*",
    "curand/lib/libcurand.so.*",
    "cublas/lib/libcublasLt.so.*",
    "cublas/lib/libcublas.so.*",
    "cusparse/lib/libcusparse.so.*",
    "cusolver/lib/libcusolver.so.*",
)

INSTALL = "pip install 'tensorflow[and-cuda]==2.21.*'"


def has_nvidia_driver() -> bool:
    return any(Path(name).exists() for name in DRIVER_FILES)


def preload_cuda_libraries() -> list[Path]:
    """Loads LIBRARIES by their paths; returns those that could be loaded.

    Call it before TensorFlow is imported: once a library is loaded, TensorFlow gets it by name.
    Does nothing without a driver or without the packages.
    """
    if not has_nvidia_driver():
        return []
    return [library for library in find_cuda_libraries() if _load_if_possible(library)]


def find_cuda_libraries() -> list[Path]:
    """The files of the installed packages, in the order of LIBRARIES."""
    packages = importlib.util.find_spec("nvidia")
    folders = (packages and packages.submodule_search_locations) or []
    return [
        file
        for pattern in LIBRARIES
        for folder in folders
        for file in sorted(Path(folder).glob(pattern))
    ]


def _load_if_possible(library: Path) -> bool:
    """Loads it for as long as the program runs; returns whether that worked."""
    with contextlib.suppress(OSError):
        ctypes.CDLL(str(library))
        return True
    return False


def explain_unused_gpu(*, is_for_gpus: bool) -> str | None:
    """Why TensorFlow lists no GPU although there is a driver, with the cure; None without a driver.

    None too if the user has hidden the GPUs. is_for_gpus: whether this package of TensorFlow has
    CUDA code.
    """
    if not has_nvidia_driver() or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return None
    told = "TensorFlow cannot use the NVIDIA GPU"
    if not is_for_gpus:
        return (
            f"{told}: the installed package is for CPUs. On x86-64, try: pip uninstall "
            f"tensorflow-cpu, then {INSTALL}"
        )
    if not find_cuda_libraries():
        return f"{told}: it does not find CUDA. Try: {INSTALL}"
    return (
        f"{told}, although CUDA is installed. Check that nvidia-smi lists the GPU; --verbosity=1 "
        "shows TensorFlow's reasons, docs/installing.md has cures."
    )
