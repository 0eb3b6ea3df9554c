import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf
from common import ROOT

from system.versions import find_program_versions


def test_they_are_those_that_run():
    found = find_program_versions()
    assert found["python"] == sys.version.split()[0]
    assert (found["tensorflow"], found["keras"], found["numpy"]) == (
        tf.__version__,
        keras.__version__,
        np.__version__,
    )
    if (ROOT / ".git").exists():
        asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True)
        assert found["git commit"] == (asked.stdout.decode().strip() or None)
