"""Importing this imports TensorFlow without its chatter, unless it has been imported already.

For modules that are imported from Python. main.py does it later, because --help does not need it.
"""

import sys

from system import devices

if "tensorflow" not in sys.modules:
    devices.quietly_import_tensorflow()
