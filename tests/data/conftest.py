import pytest
from absl import logging


@pytest.fixture
def messages(monkeypatch):
    """Everything logged, as text."""
    said = []
    for level in ("info", "warning"):
        monkeypatch.setattr(logging, level, lambda text, *values: said.append(text % values))
    return said
