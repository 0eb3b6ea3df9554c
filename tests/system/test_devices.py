"""TensorFlow's import, and the choices for the machine."""

import os
import subprocess
import sys

import pytest
import tensorflow as tf
from common import ROOT

from system import cuda, devices


def test_precision_and_jit_are_chosen_by_the_machine(monkeypatch):
    assert devices.choose_precision_for_device("float16") == "float16"
    assert devices.choose_precision_for_device("auto") in ("bfloat16", "float32")
    assert devices.choose_jit_for_device("on")
    assert not devices.choose_jit_for_device("off")
    monkeypatch.setattr(
        tf.config, "list_physical_devices", lambda kind: ["gpu"] if kind == "GPU" else []
    )
    for capability, precision in (((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")):
        monkeypatch.setattr(
            tf.config.experimental,
            "get_device_details",
            lambda _, c=capability: {"compute_capability": c},
        )
        assert devices.choose_precision_for_device("auto") == precision
    assert devices.choose_jit_for_device("auto")
    assert not devices.choose_jit_for_device("auto", is_distributed=True)
    with pytest.raises(ValueError, match="--jit=on needs a step on one device"):
        devices.choose_jit_for_device("on", is_distributed=True)


def test_only_a_cpu_is_split_and_only_before_tensorflow_starts(monkeypatch):
    assert tf.config.list_logical_devices("CPU")  # TensorFlow has started
    devices.split_cpu_for_trials(1)
    with pytest.raises(ValueError, match=r"before TensorFlow starts.*2, too late"):
        devices.split_cpu_for_trials(2)
    monkeypatch.setattr(devices, "find_device_type", lambda: "GPU")
    with pytest.raises(ValueError, match=r"splits a CPU.*Try --virtual_devices=1"):
        devices.split_cpu_for_trials(2)


@pytest.mark.slow
def test_tensorflow_comes_without_what_keras_wraps_which_can_still_be_imported():
    script = """
import sys
from system import devices
devices.quietly_import_tensorflow()
assert "keras" in sys.modules
assert not any(name.startswith(("sklearn", "scipy.stats")) for name in sys.modules)
import sklearn.datasets
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("flags", "precision"),
    [("fpu sse avx512_bf16", "bfloat16"), ("fpu amx_bf16", "bfloat16"), ("fpu avx2", "float32")],
)
def test_a_cpu_that_has_bfloat16_gets_it(flags, precision, monkeypatch):
    monkeypatch.setattr(devices, "_read_cpu_flags", lambda: set(flags.split()))
    assert devices.choose_precision_for_device("auto") == precision


def test_only_a_cpu_with_a_matrix_unit_gets_products(monkeypatch):
    for flags, forms in (("fpu avx512_bf16", "plain"), ("fpu amx_bf16", "products")):
        monkeypatch.setattr(devices, "_read_cpu_flags", lambda flags=flags: set(flags.split()))
        assert devices.choose_kernel_forms_for_device("auto", "auto") == forms
        assert devices.choose_kernel_forms_for_device("auto", "float32") == "plain"
        assert devices.choose_kernel_forms_for_device("products", "float32") == "products"
    monkeypatch.setattr(devices, "find_device_type", lambda: "GPU")
    assert devices.choose_kernel_forms_for_device("auto", "bfloat16") == "plain"


def test_hidden_modules_fail_to_import_and_come_back():
    assert "this" not in sys.modules
    with devices.hide_modules_from_import("this", "json"), pytest.raises(ImportError):
        import this  # noqa: F401
    assert "this" not in sys.modules
    with devices.hide_modules_from_import("json"):
        import json
    assert json.loads("[1]") == [1]  # imported before, so it stays


def test_what_c_prints_is_held_back_unless_it_fails(capfd):
    with devices.hold_stderr_until_error():
        os.write(2, b"chatter")
    assert capfd.readouterr().err == ""
    with pytest.raises(ValueError, match="x"), devices.hold_stderr_until_error():
        os.write(2, b"the reason")
        raise ValueError("x")
    assert capfd.readouterr().err == "the reason"


def test_the_device_is_named(monkeypatch):
    assert devices.find_device_type() == "CPU"
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    assert devices.find_device_type() == "GPU"
    assert devices.explain_unused_gpu() is None


def test_an_unused_gpu_is_explained_by_what_tensorflow_was_built_for(tmp_path, monkeypatch):
    monkeypatch.setattr(cuda, "DRIVER_FILES", (str(tmp_path),))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    is_for_gpus = tf.sysconfig.get_build_info()["is_cuda_build"]
    assert ("is for CPUs" in devices.explain_unused_gpu()) == (not is_for_gpus)
