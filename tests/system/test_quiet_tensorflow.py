"""Importing our modules from Python prints none of TensorFlow's messages."""

import logging
import subprocess
import sys

import pytest
import tensorflow as tf
from common import ROOT

from system.quiet_tensorflow import compile_for_instance


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


def test_a_function_that_each_instance_makes_anew_is_not_called_traced_too_often(caplog):
    """As a few short trainings in one process do."""
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        assert "retracing" not in call_in_new_instances(compile_for_instance, caplog)
        assert "retracing" in call_in_new_instances(tf.function, caplog)
    finally:
        logger.removeHandler(caplog.handler)


def call_in_new_instances(compile_function, caplog) -> str:
    """What TensorFlow logs when six instances compile their method and call it once."""

    class Doubler:
        def __init__(self):
            self.call = compile_function(self.double)

        def double(self, x):
            return 2 * x

    caplog.clear()
    for _ in range(6):
        assert float(Doubler().call(tf.constant(3.0))) == 6
    return caplog.text
