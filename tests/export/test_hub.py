import ast
import json
import re
import zipfile

import numpy as np
import pytest
import yaml
from PIL import Image

from export import formats, hub
from export.hub import write_readme
from export.source import Source, restore_source
from export.writing import write_formats
from foreign.import_weights import import_weights
from gan import DCGAN
from runs.checkpoints import Checkpoints, Restored
from sample import Sampler


def metadata_of(readme: str) -> dict:
    return yaml.safe_load(readme.split("---\n")[1])


@pytest.mark.slow
def test_a_published_folder_has_everything_and_becomes_the_same_run(tiny, tmp_path):
    labels = {"labels": "folder", "label_names": ("a", "b"), "fc_width": 16}
    config = tiny(blocks=1, dataset="/home/me/pets", **labels).resolve()
    Checkpoints(DCGAN(config), config).save(7)
    (config.run_dir / "logs").mkdir()
    (config.run_dir / "logs" / "events.out.tfevents.17.my-laptop.v2").write_bytes(b"events")
    folder = write_formats(restore_source(config), ["hub"])["hub"]

    names = {path.name for path in folder.iterdir() if path.name != ".written.json"}
    alone = {form.file for name, form in formats.FORMATS.items() if name != "hub"}
    events = {name for name in names if name.startswith("events.out.tfevents.")}
    assert names == {*alone, *events, "README.md", "config.json", "grid.png"}
    assert len(events) == 1 and "laptop" not in events.pop()
    assert np.asarray(Image.open(folder / "grid.png")).shape == (16 * 8, 16 * 8, 3)
    for name in ("README.md", "config.json"):
        assert "/home/me" not in (folder / name).read_text()
    assert json.loads((folder / "config.json").read_text())["dataset"] == "pets"

    packed = tmp_path / "hub.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder.parent))
    for number, given in enumerate((folder, packed)):
        place = {"out_dir": str(tmp_path / "there"), "out_name": f"back-{number}"}
        back = import_weights(str(given), place)
        np.testing.assert_array_equal(
            Sampler(back).images(3, 4), Sampler(config, checkpoint="7").images(3, 4)
        )


@pytest.fixture(scope="module")
def source(trained):
    return restore_source(trained)


def test_the_readme_begins_with_what_hubs_read(source):
    metadata = metadata_of(write_readme(source, ["saved_model", "onnx", "litert"]))
    assert metadata["license"] == "unknown"
    assert metadata["pipeline_tag"] == "unconditional-image-generation"
    assert {"gan", "dcgan", "onnx", "tflite"} <= {*metadata["tags"]}
    assert metadata["widget"] == [{"output": {"url": "grid.png"}}]
    assert "datasets" not in metadata


def test_its_code_is_code(source):
    code = re.search(r"```python\n(.*?)```", write_readme(source, []), re.DOTALL)[1]
    assert "tf.random.uniform((16, 8), -1, 1)" in code
    ast.parse(code)


def test_names_of_any_kind_stay_text(tiny):
    names = ('"quoted" | a`b', "</script>\n---\nlicense: mit", "{x}")
    labels = {"labels": "folder", "label_names": names, "fc_width": 16}
    config = tiny(dataset="hf:me/faces", out_name="it's `mine`", **labels).resolve()
    source = Source(config=config, generator=None, discriminator=None, restored=Restored(7, "ema"))
    readme = write_readme(source, ["onnx"])
    metadata = metadata_of(readme)
    assert (metadata["license"], metadata["datasets"]) == ("unknown", ["me/faces"])
    assert readme.count("\n---\n") == 1
    listed = next(line for line in readme.splitlines() if line.startswith("    ["))
    assert tuple(json.loads(listed)) == names
    assert "# `it's 'mine'`" in readme
    assert "--import_weights . --out_name published" in readme
    assert "y = tf.one_hot([0] * 16, 3)" in readme


def test_formats_that_do_not_fit_are_left_out_with_a_line(tmp_path, source, monkeypatch, messages):
    monkeypatch.setattr(formats, "is_package_installed", lambda package: package != "onnx")
    monkeypatch.setattr(hub, "is_package_installed", formats.is_package_installed)

    def refuse(generator, config, **facts):
        raise ValueError("A page may be at most 60 MB.")

    monkeypatch.setattr("export.page.encode_page", refuse)
    monkeypatch.setattr("export.litert.encode_file", lambda source: b"model")
    assert hub._write_files_of_formats(source, tmp_path) == ["litert", "safetensors"]
    assert messages == [
        "onnx is left out of the hub's folder: onnx is missing.",
        "page is left out of the hub's folder: A page may be at most 60 MB.",
    ]
