import dataclasses
import json

import pytest

from export import litert, onnx
from export.source import restore_source
from export.writing import CARD, read_card_entries, write_formats
from system.written import RECORD_NAME


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


def of_step(source, step):
    """The same networks as if another step had left them, whose checkpoint is the only one."""
    folder = source.config.checkpoint_path
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("step-*.index"):
        path.unlink()
    (folder / f"step-{step}.index").touch()
    return dataclasses.replace(source, restored=source.restored._replace(step=step))


def test_the_card_says_which_files_are_of_another_step(source, messages):
    """And a line does."""
    write_formats(of_step(source, 60), ["onnx", "safetensors"])
    card = json.loads((source.folder / CARD).read_text())
    assert (card["step"], card["except"]) == (60, {})
    write_formats(of_step(source, 80), ["litert"])
    card = json.loads((source.folder / CARD).read_text())
    others = {name: {"step": 60} for name in ("generator.onnx", "weights.safetensors")}
    assert (card["step"], card["except"]) == (80, others)
    steps = {name: entry["step"] for name, entry in card["files"].items()}
    assert steps == {"generator.onnx": 60, "weights.safetensors": 60, "generator.tflite": 80}
    told = "generator.onnx of step 60, weights.safetensors of step 60"
    assert [message for message in messages if "of step" in message] == [
        f"{source.folder} also has {told}; {CARD} says so."
    ]


def test_what_is_moved_aside_keeps_its_entry_in_the_card(source):
    names = ["saved_model", "onnx", "page"]
    write_formats(of_step(source, 60), names)
    before = read_card_entries(source.folder)
    write_formats(of_step(source, 80), names)
    averaged = of_step(source, 80).restored._replace(weights="ema")
    write_formats(dataclasses.replace(source, restored=averaged), ["saved_model"])
    entries = read_card_entries(source.folder)
    made = {name: (entry["step"], entry["weights"]) for name, entry in entries.items()}
    assert made == {
        "generator.1.onnx": (60, "live"),
        "generator.onnx": (80, "live"),
        "page.1.html": (60, "live"),
        "page.html": (80, "live"),
        "saved_model": (80, "ema"),
        "saved_model.1": (60, "live"),
        "saved_model.2": (80, "live"),
    }
    assert entries["page.1.html"]["load"] == "open page.1.html in any browser"
    load = 'tf.saved_model.load("saved_model.1").signatures["serving_default"](z=z)["images"]'
    assert entries["saved_model.1"] == before["saved_model"] | {"load": load}
    card = json.loads((source.folder / CARD).read_text())
    assert card["except"]["saved_model.2"] == {"weights": "live"}
    assert card["except"]["page.1.html"] == {"step": 60, "weights": "live"}


@pytest.mark.parametrize("has_record", [True, False])
def test_a_file_of_the_users_gets_no_step_of_a_checkpoint_that_is_gone(
    source, has_record, messages
):
    """Its place in the card was that of the program's file."""
    names = ["saved_model", "safetensors", "page"]
    paths = write_formats(of_step(source, 60), names)
    page, deep = paths["page"], paths["saved_model"] / "fingerprint.pb"
    for path in (page, deep):
        path.write_text("my own")
    if not has_record:
        (source.folder / RECORD_NAME).unlink()
        (paths["saved_model"] / RECORD_NAME).unlink()
    messages.clear()
    write_formats(of_step(source, 80), names)
    assert page.with_name("page.1.html").read_text() == "my own"

    ours = {"saved_model", "weights.safetensors", "page.html"}
    kept = {"weights.1.safetensors"} if has_record else set()
    assert {*read_card_entries(source.folder)} == ours | kept
    card = json.loads((source.folder / CARD).read_text())
    assert {*card["except"]} == kept
    told = "it was changed after this program wrote it"
    whole = "fingerprint.pb was changed after this program wrote it"
    if not has_record:
        told = whole = "nothing shows that this program wrote it"
    assert f"{page} was moved aside to page.1.html: {told}." in messages
    assert f"{paths['saved_model']} was moved aside to saved_model.1: {whole}." in messages


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
