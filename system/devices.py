"""Imports TensorFlow without its chatter; chooses precision and compiler for the machine."""

import contextlib
import os
import sys
import tempfile

from absl import logging

from system import cuda
from system.signals import delay_first_stop_signal

# Keras imports these if it can, for features we do not use. That takes up to two seconds.
UNNEEDED_BY_KERAS = ("sklearn", "matplotlib")
MATRIX_UNIT_FLAG = "amx_bf16"
BFLOAT16_CPU_FLAGS = {"avx512_bf16", MATRIX_UNIT_FLAG}


def quietly_import_tensorflow(*, has_workers: bool = False) -> None:
    """Imports TensorFlow and looks for GPUs without the lines that its C++ part prints.

    It prints them before its log level takes effect. All are shown if the import fails, or with
    --verbosity=1. has_workers: whether other processes take part; if one is lost, all parts of
    TensorFlow that wait for it print so, besides the error that we report.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever the user's ~/.keras/keras.json says
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if has_workers else "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # leaves memory to other programs
    cuda.preload_cuda_libraries()
    if logging.get_verbosity() >= logging.DEBUG:
        return

    with delay_first_stop_signal(), hold_stderr_until_error():
        with hide_modules_from_import(*UNNEEDED_BY_KERAS):
            import tensorflow as tf

        tf.config.list_physical_devices()


@contextlib.contextmanager
def hold_stderr_until_error():
    """Holds back stderr within the block; an exception shows all of it.

    With --verbosity=1, everything is shown at once.
    """
    if logging.get_verbosity() >= logging.DEBUG:
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextlib.contextmanager
def hide_modules_from_import(*names: str):
    """Within the block, importing these modules fails as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def choose_precision_for_device(wanted: str) -> str:
    """`auto` -> bfloat16 if the device has it natively, else float32; other values as they are.

    GPUs have it from compute capability 8 on.
    """
    if wanted != "auto":
        return wanted
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return "bfloat16" if details.get("compute_capability", (0, 0)) >= (8, 0) else "float32"
    return "bfloat16" if BFLOAT16_CPU_FLAGS & _read_cpu_flags() else "float32"


def choose_kernel_forms_for_device(wanted: str, mixed_precision: str) -> str:
    """`auto` -> products on a CPU whose matrix unit computes in this precision, else plain; other
    values as they are.
    """
    if wanted != "auto":
        return wanted
    is_low = choose_precision_for_device(mixed_precision) == "bfloat16"
    has_unit = MATRIX_UNIT_FLAG in _read_cpu_flags() and find_device_type() == "CPU"
    return "products" if is_low and has_unit else "plain"


def choose_jit_for_device(wanted: str, *, is_distributed: bool = False) -> bool:
    """`auto` -> True on a GPU only: on a CPU, XLA makes convolutions ten times slower.

    XLA cannot compile the step of several devices, so `auto` is then False. Raises ValueError for
    `on`.
    """
    import tensorflow as tf

    if is_distributed and wanted == "on":
        raise ValueError(
            "--jit=on needs a step on one device: XLA cannot compile one that several devices "
            "share. Received: on. Try --jit=auto, or --distribute=off."
        )
    if is_distributed:
        return False

    return wanted == "on" or (wanted == "auto" and bool(tf.config.list_physical_devices("GPU")))


def count_gpus() -> int:
    """How many GPUs TensorFlow uses; unlike `list_devices_for_replicas`, it does not start it."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def list_devices_for_replicas() -> list[str]:
    """The GPUs, or else the CPU, as one device or as the virtual ones that it is split into."""
    import tensorflow as tf

    return [device.name for device in tf.config.list_logical_devices(find_device_type())]


def split_cpu_for_trials(count: int) -> None:
    """Makes TensorFlow see the CPU as `count` devices; 1 leaves it whole.

    Raises ValueError on a machine with a GPU, or once TensorFlow has started.
    """
    import tensorflow as tf

    if count == 1:
        return
    if find_device_type() == "GPU":
        raise ValueError(
            "--virtual_devices splits a CPU, for trials without a GPU. "
            f"Received: {count} on a machine with a GPU. Try --virtual_devices=1."
        )
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        if len(tf.config.get_logical_device_configuration(cpu) or ()) != count:
            tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        raise ValueError(
            "--virtual_devices must be set before TensorFlow starts. "
            f"Received: {count}, too late. Start a new process."
        ) from error


def _read_cpu_flags() -> set[str]:
    """What the processor can do; empty where there is no /proc/cpuinfo."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("flags"):
                return set(line.split())
    return set()


def find_device_type() -> str:
    """GPU or CPU: what training runs on."""
    import tensorflow as tf

    return "GPU" if tf.config.list_physical_devices("GPU") else "CPU"


def explain_unused_gpu() -> str | None:
    """Why TensorFlow does not use the machine's NVIDIA GPU, and the cure; None if all is well."""
    import tensorflow as tf

    if find_device_type() == "GPU":
        return None
    return cuda.explain_unused_gpu(is_for_gpus=tf.test.is_built_with_cuda())
