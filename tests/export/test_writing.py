import dataclasses
import json

import pytest

from export import litert, onnx
from export.source import restore_source
from export.writing import CARD, read_card_entries, write_formats


@pytest.fixture(scope="module")
def networks(trained):
    return restore_source(trained)


@pytest.fixture
def source(networks, tmp_path):
    """The networks of a run, with a folder of their own to write to."""
    config = dataclasses.replace(networks.config, out_dir=str(tmp_path))
    return dataclasses.replace(networks, config=config)


def test_one_card_lists_what_was_written_at_any_time(source):
    paths = write_formats(source, ["onnx"]) | write_formats(source, ["safetensors"])
    assert paths["onnx"] == source.folder / "generator.onnx"
    sizes = {path.name: path.stat().st_size for path in paths.values()}
    entries = read_card_entries(source.folder)
    assert {name: entry["bytes"] for name, entry in entries.items()} == sizes
    assert entries["generator.onnx"] == {
        "format": "onnx",
        "bytes": sizes["generator.onnx"],
        "dtype": "float32",
        "load": 'onnxruntime.InferenceSession("generator.onnx").run(["images"], {"z": z})',
        "step": 3,
        "weights": "live",
    }

    card = json.loads((source.folder / CARD).read_text())
    assert card["files"] == entries
    assert (card["z_dim"], card["step"]) == (8, 3)
    (source.folder / "weights.safetensors").unlink()
    assert set(read_card_entries(source.folder)) == {"generator.onnx"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": 3}', '{"files": {"../x": {}}}'])
def test_a_damaged_card_has_no_entries(tmp_path, text):
    (tmp_path.parent / "x").touch()
    (tmp_path / CARD).write_text(text)
    assert read_card_entries(tmp_path) == {}


def test_what_fails_leaves_the_old_export(source, monkeypatch):
    write_formats(source, ["onnx", "litert"])
    before = {path.name: path.read_bytes() for path in source.folder.iterdir()}
    monkeypatch.setattr(onnx, "encode_file", lambda source: b"new")

    def fail(source):
        raise MemoryError

    monkeypatch.setattr(litert, "encode_file", fail)
    with pytest.raises(MemoryError):
        write_formats(source, ["onnx", "litert"])
    assert {path.name: path.read_bytes() for path in source.folder.iterdir()} == before


def test_a_file_that_the_user_changed_is_moved_aside(source, messages):
    path = write_formats(source, ["safetensors"])["safetensors"]
    path.write_bytes(b"mine")
    write_formats(source, ["safetensors"])
    assert path.with_name("weights.1.safetensors").read_bytes() == b"mine"
    assert any("was moved aside to weights.1.safetensors" in message for message in messages)


def test_an_export_whose_checkpoint_is_gone_is_moved_aside(source, messages):
    paths = write_formats(source, ["saved_model", "safetensors"])
    write_formats(source, ["safetensors"])
    before = paths["safetensors"].read_bytes()
    assert not paths["safetensors"].with_name("weights.1.safetensors").exists()

    later = dataclasses.replace(source, restored=source.restored._replace(step=9))
    write_formats(later, ["saved_model", "safetensors"])
    assert paths["safetensors"].with_name("weights.1.safetensors").read_bytes() == before
    assert paths["saved_model"].with_name("saved_model.1").is_dir()
    line = f"{paths['safetensors']} was moved aside to weights.1.safetensors: it is of step 3, "
    assert line + "whose checkpoint is gone." in messages
    assert read_card_entries(source.folder)["weights.safetensors"]["step"] == 9

    (source.config.checkpoint_path).mkdir(parents=True)
    (source.config.checkpoint_path / "step-9.index").touch()
    write_formats(source, ["safetensors"])  # step 9 could be exported again
    assert not paths["safetensors"].with_name("weights.2.safetensors").exists()
