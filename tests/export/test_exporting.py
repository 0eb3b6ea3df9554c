import pytest

from export.exporting import export_run
from gan import DCGAN
from runs.checkpoints import Checkpoints


@pytest.fixture
def labelled(tiny):
    labels = {"labels": "folder", "label_names": ("a", "b"), "fc_width": 16}
    config = tiny(blocks=1, output_width=21, c_dim=4, **labels).resolve()
    Checkpoints(DCGAN(config), config).save(0)
    return config


@pytest.mark.slow
def test_every_format_is_written_read_back_and_explained(labelled, messages, capsys):
    names = ["saved_model", "onnx", "litert", "safetensors"]
    paths = export_run(labelled, names, dtype="float16")
    assert [*paths] == names
    assert all(path.exists() for path in paths.values())
    read = [message for message in messages if "was read back" in message]
    assert [message.split()[0] for message in read] == [path.name for path in paths.values()]
    assert not any("differ" in message and "at most 1 of" not in message for message in read)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == f"the ONNX model of step 0 is in {paths['onnx']}"
    assert lines[3].startswith(f'to load it: onnxruntime.InferenceSession("{paths["onnx"]}")')
    assert lines[3].endswith('{"z": z, "y": y})')
    assert len(lines) == 8


def test_other_formats_stay(labelled):
    first = export_run(labelled, ["safetensors"])["safetensors"]
    export_run(labelled, ["onnx"])
    assert first.is_file()
    assert {path.name for path in first.parent.iterdir() if not path.name.startswith(".")} == {
        *("generator.onnx", "weights.safetensors", "model_card.json")
    }


def test_statistics_of_the_batch_are_refused_before_anything_is_written(tiny):
    config = tiny(blocks=1, bn_statistics="batch").resolve()
    with pytest.raises(ValueError, match="--bn_statistics must be moving for onnx"):
        export_run(config, ["safetensors", "onnx"])
    assert not config.run_dir.exists()
