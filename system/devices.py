"""What TensorFlow runs on: its import, without its chatter, and the precision and compiler that suit the machine."""

import contextlib
import os
import sys
import tempfile

from absl import logging

WRAPPED_BY_KERAS = (
    "sklearn",
    "matplotlib",
)  # which imports them if it can, for what we do not use: up to two seconds
BF16_CPU_FLAGS = {"avx512_bf16", "amx_bf16"}


def quietly_import_tensorflow() -> None:
    """Imports TensorFlow and looks for GPUs without the lines that its C++ part prints about itself.

    They come before its log level counts. All are shown if the import fails, or with --verbosity=1.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's ~/.keras/keras.json says
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault(
        "TF_FORCE_GPU_ALLOW_GROWTH", "true"
    )  # others may have the GPU memory that we do not use
    if logging.get_verbosity() >= logging.DEBUG:
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            with hidden(*WRAPPED_BY_KERAS):
                import tensorflow as tf

            tf.config.list_physical_devices()
        except Exception:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextlib.contextmanager
def hidden(*modules: str):
    """Within the block, importing these fails as if they were not installed, unless they are imported already."""
    added = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(added))
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


def choose_precision(wanted: str) -> str:
    """`auto` -> bfloat16 where the GPU (compute capability 8 and up) or the CPU has it natively, else float32."""
    if wanted != "auto":
        return wanted
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = tf.config.experimental.get_device_details(gpus[0]).get(
            "compute_capability", (0, 0)
        )
        return "bfloat16" if capability >= (8, 0) else "float32"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = next((line for line in file if line.startswith("flags")), "")
    except OSError:  # not Linux
        return "float32"
    return "bfloat16" if BF16_CPU_FLAGS & set(flags.split()) else "float32"


def choose_jit(wanted: str) -> bool:
    """`auto` -> on a GPU only: XLA makes the convolutions of a CPU ten times slower."""
    import tensorflow as tf

    return wanted == "on" or (wanted == "auto" and bool(tf.config.list_physical_devices("GPU")))
