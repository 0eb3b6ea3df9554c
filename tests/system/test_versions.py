import subprocess
import sys

import keras
import numpy as np
import tensorflow as tf
from common import ROOT

from system import versions
from system.versions import find_program_versions, fingerprint_program


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


def test_another_program_has_another_fingerprint(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "CODE", tmp_path)
    for name in ("train.py", "runs/__init__.py", "runs/best.py", "images/faces/0.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    found = [fingerprint_program()]
    for name in ("train.py", "runs/best.py", "runs/new.py"):
        (tmp_path / name).write_text("2")
        found.append(fingerprint_program())
    assert len({*found}) == 4
    (tmp_path / "images" / "faces" / "0.py").write_text("2")
    assert fingerprint_program() == found[-1]
