"""Importing this imports TensorFlow without its chatter, unless it has been imported already.

For modules that are imported from Python. main.py does it later, because --help does not need it.
"""

import functools
import sys
from collections.abc import Callable

from system import devices

if "tensorflow" not in sys.modules:
    devices.quietly_import_tensorflow()


def compile_for_instance(function: Callable, **options):
    """A `tf.function`, without autograph, of a function that each instance of a class makes anew.

    TensorFlow warns of code that is traced often, and counts the traces of all instances together:
    a few short trainings in one process would be enough. Of a partial it does not know the code.
    """
    import tensorflow as tf  # once it has been imported quietly

    return tf.function(functools.partial(function), autograph=False, **options)
