"""docs/dcgan.ipynb is a valid notebook, starts anywhere in the repository, and all of it runs."""

import ast
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from common import ROOT
from PIL import Image

NOTEBOOK = json.loads((ROOT / "docs" / "dcgan.ipynb").read_text(encoding="utf-8"))
CELLS = {cell["id"]: cell for cell in NOTEBOOK["cells"]}
SOURCES = {name: "".join(cell["source"]) for name, cell in CELLS.items()}
CODE = [name for name, cell in CELLS.items() if cell["cell_type"] == "code"]

# What a kernel does: runs a list of cells in order, and shows the value of a last expression, which
# no semicolon follows. Here, it writes what it shows to a folder.
KERNEL = """
import ast, json, pathlib, sys
cells, folder = json.load(sys.stdin), pathlib.Path(sys.argv[1])
names = {"__name__": "__main__"}
for name, source in cells.items():
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), name, "exec"), names)
    value = last and eval(compile(ast.Expression(last.value), name, "eval"), names)
    if source.rstrip().endswith(";") or value is None:
        continue
    if hasattr(value, "_repr_html_"):
        (folder / f"{name}.html").write_text(value._repr_html_())
    else:
        (folder / f"{name}.png").write_bytes(value._repr_png_())
"""


def run_cells(cells, *, cwd, shown="."):
    """shown: the folder for what the cells show."""
    return subprocess.run(
        [sys.executable, "-c", KERNEL, shown],
        input=json.dumps(cells),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_is_a_notebook_without_outputs():
    """The rules of nbformat 4.5, for the kinds of cells that it has."""
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert NOTEBOOK["metadata"]["kernelspec"].keys() == {"display_name", "language", "name"}
    assert len(CELLS) == len(NOTEBOOK["cells"]) >= 20
    for name, cell in CELLS.items():
        assert re.fullmatch(r"[\w-]{1,64}", name)
        assert all(isinstance(line, str) for line in cell["source"])
        keys = {"cell_type", "id", "metadata", "source"}
        if cell["cell_type"] == "code":
            keys |= {"execution_count", "outputs"}
            assert (cell["execution_count"], cell["outputs"]) == (None, [])
            ast.parse(SOURCES[name])
        else:
            assert cell["cell_type"] == "markdown"
        assert cell.keys() == keys


def test_it_names_no_file_that_is_not_there():
    named = re.findall(r"[\w./-]+\.(?:py|md|txt|ipynb)\b", "\n".join(SOURCES.values()))
    assert len(named) >= 6
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "docs" / name).exists(), name
    for link in re.findall(r"\]\(([^)\s]+)\)", "\n".join(SOURCES.values())):
        assert (ROOT / "docs" / link).exists(), link


@pytest.mark.parametrize("folder", [".", "docs", "docs/experiments"])
def test_it_finds_the_repository(folder):
    cells = {"repository": SOURCES["repository"], "tell": "print(Path.cwd(), sys.path[0])"}
    done = run_cells(cells, cwd=ROOT / folder)
    assert (done.stderr, done.stdout.split()) == ("", [str(ROOT)] * 2)


def test_elsewhere_it_says_where_to_start(tmp_path):
    done = run_cells({"repository": SOURCES["repository"]}, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Start this notebook in the repository")


@pytest.mark.slow
def test_all_of_it_runs_in_order(tmp_path):
    """As it stands, but for the cell with the settings: a few steps of narrow networks."""
    assert CELLS["config"]["metadata"]["tags"] == ["parameters"]
    settings = f"""config = Config(
        output_height=16, stem_width=32, labels="own", steps=30, sample_freq=1,
        out_dir={str(tmp_path / "out")!r}, out_name="notebook", mixed_precision="float32",
    )"""
    shown = tmp_path / "shown"
    shown.mkdir()
    cells = {name: SOURCES[name] for name in CODE} | {"config": settings}
    done = run_cells(cells, cwd=ROOT / "docs", shown=shown)
    assert done.returncode == 0, done.stderr

    sizes = {path.stem: Image.open(path).size for path in shown.glob("*.png")}
    tile = 3 * (16 + 2)  # an image and its frame
    assert sizes.pop("report")[0] > 1000
    assert sizes == {
        "load": (10 * tile, 5 * tile),
        "grids": (10 * tile, 8 * tile),
        "draw": (10 * tile, 5 * tile),
        "walk": (12 * tile, 2 * tile),
        "export": (10 * tile, tile),
    }
    assert all(np.asarray(Image.open(path)).std() > 5 for path in shown.glob("*.png"))
    assert [path.stem for path in shown.glob("*.html")] == ["film"]

    run = tmp_path / "out" / "notebook"
    assert (run / "export" / "saved_model" / "saved_model.pb").is_file()
    assert Image.open(run / "walk.gif").n_frames > 24
    assert "starting, until step 30" in done.stderr
    assert "read back" in done.stderr
    assert "custom gradient" not in done.stderr
