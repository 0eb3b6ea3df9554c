"""Importing this imports TensorFlow without its chatter, unless it has been imported already.

For modules that are imported from Python; main.py does the same later, as --help needs none of it.
"""

import sys

from system import devices

if "tensorflow" not in sys.modules:
    devices.quietly_import_tensorflow()
