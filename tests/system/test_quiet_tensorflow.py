"""Importing our modules from Python prints none of TensorFlow's messages."""

import subprocess
import sys

import pytest
from common import ROOT


@pytest.mark.parametrize("name", ["train.py", "sample.py"])
def test_it_comes_before_anything_that_may_import_tensorflow(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    first = next(line for line in lines if line.startswith(("import ", "from ")))
    assert first.startswith("import system.quiet_tensorflow ")


@pytest.mark.slow
def test_importing_sample_and_train_prints_nothing():
    command = [sys.executable, "-c", "import sample, train"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_import_that_fails_shows_all_that_was_said():
    script = """
import os, sys
class Broken:
    def find_spec(name, *_):
        if name == "tensorflow":
            os.write(2, b"the library says why\\n")
            raise ImportError("no TensorFlow")
sys.meta_path.insert(0, Broken)
import train
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "the library says why" in done.stderr
    assert "ImportError: no TensorFlow" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "warns"), [("compile_for_instance", False), ("tf.function", True)]
)
def test_a_function_that_each_instance_makes_anew_is_not_called_traced_too_often(name, warns):
    """As a few short trainings in one process do; in a process of its own, as others may have
    silenced TensorFlow's log.
    """
    script = f"""
from system.quiet_tensorflow import compile_for_instance
import tensorflow as tf
class Doubler:
    def __init__(self):
        self.call = {name}(self.double)
    def double(self, x):
        return 2 * x
for _ in range(6):
    assert float(Doubler().call(tf.constant(3.0))) == 6
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ("retracing" in done.stderr) == warns
