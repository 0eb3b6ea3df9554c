"""The order of the packages: imports run one way only (CONTRIBUTING.md)."""

import ast
from pathlib import Path

import pytest
from common import ROOT

ORDER = [  # each may import from those in the lines above its own, and from itself
    ["system"],
    ["config"],
    ["distribution"],
    ["losses", "augmentation", "kernels", "utils", "data"],
    ["ops"],
    ["model"],
    ["averaging"],
    ["gan"],
    ["runs"],
    ["sample", "foreign"],
    ["training", "export", "explore", "visualize", "evaluate"],
    ["train", "report"],
    ["main", "download"],
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
MODULES = [
    path for room in RANK for path in (ROOT.glob(f"{room}.py"), ROOT.glob(f"{room}/**/*.py"))
]
MODULES = sorted({path for paths in MODULES for path in paths})


def imports_of(path: Path):
    """(module, line, whether at the top) for every import, including those in functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, node in tree.body) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module, node.lineno, node in tree.body


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path):
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for module, line, _ in imports_of(path):
        other = module.split(".")[0]
        if other in RANK and other != room:
            assert RANK[other] < RANK[room], f"{path.name}:{line} imports {module}"


def test_every_room_has_its_place():
    python = {path.stem for path in ROOT.glob("*.py")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert python | packages == {*RANK, "benchmarks"}


@pytest.mark.parametrize("room", ["system", "config", "data"])
def test_help_and_packing_do_without_tensorflow(room):
    """At the top of a file; functions may import it when they need it."""
    for path in ROOT.glob(f"{room}/**/*.py"):
        tops = {module.split(".")[0] for module, _, is_top in imports_of(path) if is_top}
        assert not tops & {"tensorflow", "keras"}, path


def test_what_is_done_with_a_run_stays_apart():
    """Neighbours never import one another."""
    neighbours = {"export", "explore", "visualize", "evaluate", "training"}
    for path in MODULES:
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room in neighbours:
            others = {module.split(".")[0] for module, *_ in imports_of(path)}
            assert not others & (neighbours - {room}), path
