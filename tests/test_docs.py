"""What the documents say is true: the preset tables, the links, the files and tests they name."""

import re

import pytest
from common import ROOT

from config.presets import MNIST_PRESETS, PRESETS, apply_preset
from config.settings import Config
from system.packages import PYTHONS

DOCUMENTS = sorted(
    path for folder in (".", "docs", "data", "benchmarks") for path in ROOT.glob(f"{folder}/*.md")
)
CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)

NAMES = ("reference", "paper", "tutorial")  # in the order of the tables' last column
MODERN = "modern"  # has tables of its own
CELL = re.compile(r"`(\w+)` ([^/]+) / ([^/]+) / ([^/]+?)(?:, (?=`)|$)")
MODERN_CELL = re.compile(r"^\| `(\w+)` \| ([^|]+?) \| ([^|]+?) \|", re.MULTILINE)


def preset_table(heading: str) -> dict[str, tuple[str, ...]]:
    """Flag -> its values in the order of NAMES, from a section of docs/presets.md."""
    text = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
    section = re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]
    lines = next(part for part in section if part.startswith(heading)).splitlines()
    cells = [line.strip("| ").rsplit("|", 1)[-1].strip() for line in lines if line.startswith("|")]

    return {flag: values for cell in cells for flag, *values in CELL.findall(cell)}


def modern_table() -> dict[str, tuple[str, str]]:
    """Flag -> (its value in the preset, and for MNIST), from the section on modern."""
    text = (ROOT / "docs" / "presets.md").read_text(encoding="utf-8")
    section = text.partition("## Modern")[2].partition("\n## ")[0]
    return {flag: values for flag, *values in MODERN_CELL.findall(section)}


def as_written(value, text: str) -> bool:
    """Whether a table's text means a setting's value."""
    if value is None:
        return text == "default"
    if isinstance(value, bool):
        return text == ("on" if value else "off")
    if isinstance(value, tuple):
        return text == ",".join(map(str, value))
    return float(text) == value if isinstance(value, float) else text == str(value)


TABLE, MNIST_TABLE = preset_table("Presets"), preset_table("For MNIST")


@pytest.mark.parametrize("flag", TABLE)
def test_presets(flag):
    for name, text in zip(NAMES, TABLE[flag], strict=True):
        config = Config(**apply_preset({"preset": name}))
        assert as_written(getattr(config, flag), text), (name, getattr(config, flag), text)


@pytest.mark.parametrize("flag", MNIST_TABLE)
def test_presets_for_mnist(flag):
    for name, text in zip(NAMES, MNIST_TABLE[flag], strict=True):
        config = Config(**apply_preset({"preset": name, "dataset": "mnist"}))
        assert as_written(getattr(config, flag), text), (name, getattr(config, flag), text)


def test_modern():
    table = modern_table()
    assert set(table) == {*PRESETS[MODERN], *MNIST_PRESETS[MODERN]}
    for flag, texts in table.items():
        for dataset, text in zip(("faces", "mnist"), texts, strict=True):
            config = Config(**apply_preset({"preset": MODERN, "dataset": dataset}))
            assert as_written(getattr(config, flag), text), (flag, getattr(config, flag), text)


def test_every_setting_of_a_preset_has_a_row():
    assert set(PRESETS) == set(MNIST_PRESETS) == {*NAMES, MODERN}
    assert {flag for name in NAMES for flag in PRESETS[name]} <= set(TABLE)
    assert {flag for name in NAMES for flag in MNIST_PRESETS[name]} <= set(MNIST_TABLE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document):
    text = CODE_BLOCK.sub("", document.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith("http"):
            continue
        path, _, section = link.partition("#")
        target = (document.parent / path) if path else document
        assert target.exists(), link
        if section:
            assert section in sections(target.read_text(encoding="utf-8")), link


def sections(text: str) -> list[str]:
    """The anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_that_are_named_exist(document):
    sources = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/*.py"))
    files = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/**/*.py")]

    text = document.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:tests/)?(?:\w+/)*test_\w+\.py)`", text):
        assert any(file.endswith(name) for file in files), name
    for start in re.findall(r"`(test_\w+)(?:\.\.\.)?`", text):
        assert f"def {start}" in sources, start


def test_installing_gives_the_versions_that_are_required():
    text = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    wanted = re.search(r"^tensorflow==([\d.]+)\.\*", requirements, re.MULTILINE)[1]
    assert set(re.findall(r"tensorflow\[and-cuda\]==([\d.]+)\.\*", text)) == {wanted}

    pythons = [f"{PYTHONS[0][0]}.{minor}" for minor in range(PYTHONS[0][1], PYTHONS[1][1] + 1)]
    assert f"**Python {', '.join(pythons[:-1])} or {pythons[-1]}.**" in text
    assert f"does not install on Python {PYTHONS[1][0]}.{PYTHONS[1][1] + 1}" in text
    assert re.search(r"FROM python:([\d.]+)-slim", text)[1] in pythons


@pytest.mark.slow
def test_the_snippets_for_exports_work_as_they_stand(tmp_path, monkeypatch):
    from export.exporting import export_run
    from gan import DCGAN
    from runs.checkpoints import Checkpoints

    config = Config(c_dim=1, out_dir=str(tmp_path / "out")).resolve()
    Checkpoints(DCGAN(config), config).save(0)
    export_run(config, ["onnx", "litert", "safetensors"])
    text = (ROOT / "docs" / "exporting.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names = {}
    for snippet in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(snippet, names)
        if "images" in names:
            assert names.pop("images").shape == (len(names["z"]), 64, 64, 1)
    assert names["pixels"].shape == (16, 64, 64, 1)
    assert names["kernel"].shape == (5, 5, 256, 512)
    assert names["config"]["z_dim"] == 100


@pytest.mark.slow
def test_the_snippet_for_python_works_as_it_stands(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    section = text.partition("## From Python")[2]
    snippet = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(snippet, names)
    assert names["images"].shape == (1797, 16, 16, 1)
    assert names["images"].max() == 254
    assert names["drawn"].shape == (16, 16, 16, 1)
    assert [line["step"] for line in names["losses"]] == [1, 20, 40, 60]
    assert (tmp_path / "out" / "my-digits" / "samples" / "training.gif").is_file()


def test_the_snippet_for_presets_gives_those_of_the_command():
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    section = text.partition("## From Python")[2].partition("\n## ")[0]
    [snippet] = [s for s in re.findall(r"```python\n(.*?)```", section, re.DOTALL) if "preset" in s]
    names = {}
    exec(snippet, names)
    config = names["config"]
    assert {name: getattr(config, name) for name in PRESETS[MODERN]} == PRESETS[MODERN]
    assert (config.output_height, config.stem_width, config.steps) == (16, 64, 60)
    assert config.d_labels == "projection"  # which modern chooses for labels
