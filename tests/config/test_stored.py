"""config.json, and what a continued run may change."""

import json
from pathlib import Path

import pytest

from config.settings import Config
from config.stored import (
    MAX_JSON,
    change_settings,
    derive_out_settings_of_folder,
    drop_lengths_in_vain,
    is_run_folder,
    make_config_from_dict,
    read_config,
    read_json_settings,
    write_config,
)


def test_json_round_trip(tmp_path):
    config = Config(dataset="celeba", output_width=32, c_dim=3).resolve()
    path = tmp_path / "config.json"
    path.write_text(config.to_json())
    assert read_config(path) == config
    assert config.dataset == "celebA"
    assert (config.blocks, config.out_name) == (3, "celebA-64x32")


def test_a_run_is_where_its_file_is_and_a_copy_of_the_file_is_no_run(tmp_path, monkeypatch):
    config = Config(out_dir=str(tmp_path), out_name="before").resolve()
    config.checkpoint_path.mkdir(parents=True)
    write_config(config)
    copy = tmp_path / "copy.json"
    copy.write_bytes((config.run_dir / "config.json").read_bytes())
    now = config.run_dir.rename(tmp_path / "now")
    assert read_config(now / "config.json").run_dir == now
    assert read_config(copy) == config
    monkeypatch.chdir(now)
    assert read_config("config.json").run_dir == now


def test_a_run_from_before_a_setting_keeps_what_the_program_did_then(tmp_path):
    config = Config(out_dir=str(tmp_path), out_name="run", kernel_forms="products")
    config.run_dir.mkdir()
    write_config(config)
    path = config.run_dir / "config.json"
    assert read_config(path).kernel_forms == "products"
    settings = json.loads(path.read_text())
    del settings["kernel_forms"]
    path.write_text(json.dumps(settings))
    assert read_config(path).kernel_forms == "plain"


def test_json_errors_name_the_file(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"bad.json is not JSON"):
        read_json_settings(path)
    with pytest.raises(ValueError, match=r"^There is no file .*missing\.json\.$"):
        read_json_settings(tmp_path / "missing.json")
    (tmp_path / "config.json").touch()
    with pytest.raises(ValueError, match=r"missing\.json\. Did you mean .*/config\.json\?$"):
        read_json_settings(tmp_path / "missing.json")
    with pytest.raises(ValueError, match=r"Did you mean batch_size\?"):
        make_config_from_dict(json.loads('{"batchsize": 3}'), "x.json")
    with pytest.raises(ValueError, match="one JSON object"):
        make_config_from_dict([], "x.json")


def test_a_batch_size_replaces_a_global_one(tiny):
    stored = tiny(global_batch_size=64, batch_size=32, replicas=2)
    assert change_settings(stored, {"steps": 9}).global_batch_size == 64
    assert change_settings(stored, {"batch_size": 8}).global_batch_size is None
    both = {"batch_size": 8, "global_batch_size": 16}  # a preset and a flag
    assert change_settings(stored, both).global_batch_size == 16


def test_a_run_keeps_its_networks_and_takes_new_lengths():
    stored = Config(c_dim=3, steps=100).resolve()
    longer = change_settings(
        stored, {"epoch": 50, "batch_size": 32, "c_dim": "auto", "blocks": None}
    )
    assert (longer.epoch, longer.steps, longer.batch_size, longer.c_dim) == (50, None, 32, 3)
    assert change_settings(stored, {"seed": 7}).seed == 7  # for sampling
    with pytest.raises(ValueError, match="--seed is fixed"):
        change_settings(stored, {"seed": 7}, for_training=True)
    with pytest.raises(ValueError, match=r"--holdout is fixed once a run has started: .* 0\.0\."):
        change_settings(stored, {"holdout": 0.05})  # for scoring too
    with pytest.raises(ValueError) as error:
        change_settings(stored, {"stem_width": 1024})
    assert str(error.value) == (
        "--stem_width is fixed once a run has started: out/digits-64x64 has 512. Received: 1024. "
        "Drop --stem_width, or start another run with --out_name=NAME."
    )


def test_a_new_length_takes_the_place_of_the_one_before():
    stored = Config(minutes=20, planned_steps=900)
    for given in ({"epoch": 25}, {"steps": 100}):
        changed = change_settings(stored, given)
        assert changed.minutes is None
        assert changed.total_steps(640) == (250 if "epoch" in given else 100)
    for stored in (Config(steps=100), Config(epoch=50), Config()):
        changed = change_settings(stored, {"minutes": 20.0})
        assert (changed.minutes, changed.steps, changed.epoch) == (20, None, 25)
    assert change_settings(changed, {"batch_size": 32}).minutes == 20
    changed = change_settings(Config(epoch=2), {"steps": 20})
    assert (changed.steps, changed.epoch) == (20, 25)


def test_of_several_lengths_only_the_one_that_counts_stays():
    """Older runs kept an --epoch beside a later --steps."""
    for config in (Config(epoch=2), Config(steps=20), Config(minutes=3.0), Config()):
        assert drop_lengths_in_vain(config) == config
    assert drop_lengths_in_vain(Config(epoch=2, steps=20)) == Config(steps=20)


def test_a_file_of_settings_may_have_windows_mark_but_not_any_size(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"\xef\xbb\xbf" + b'{"epoch": 3}')
    assert read_json_settings(path) == {"epoch": 3}
    path.write_text(json.dumps({"dataset": "a" * MAX_JSON}))
    with pytest.raises(ValueError, match=r"must hold settings\. Received: more than"):
        read_json_settings(path)
    with pytest.raises(ValueError, match=r"must be a file\. Received: a folder"):
        read_json_settings(tmp_path)


def test_a_damaged_config_tells_the_way_out(tmp_path):
    config = Config(out_dir=str(tmp_path), out_name="run")
    config.run_dir.mkdir()
    write_config(config)
    path = config.run_dir / "config.json"
    assert read_config(path) == config
    path.write_text(path.read_text().replace('"epoch": 25', '"epoch": 0'))
    with pytest.raises(ValueError) as error:
        read_config(path)
    assert str(error.value) == (
        f"{path}: --epoch must be at least 1. Received: 0. Try --epoch=25. "
        "Correct the file, or delete it and give the run's flags again, or use another --out_name."
    )


def test_another_learning_rate_forgets_the_halvings():
    stored = Config(halvings=2)
    assert change_settings(stored, {"epoch": 9}).halvings == 2
    assert change_settings(stored, {"learning_rate": stored.learning_rate}).halvings == 2
    assert change_settings(stored, {"learning_rate": 1e-4}).halvings == 0
    assert change_settings(stored, {"d_learning_rate": 1e-4}).halvings == 0


def test_a_run_folder_has_settings_and_a_folder_of_checkpoints(tmp_path, monkeypatch):
    config = Config(out_dir=str(tmp_path), out_name="mine", checkpoint_dir="kept").resolve()
    config.run_dir.mkdir()
    write_config(config)
    assert not is_run_folder(config.run_dir)
    (config.run_dir / "kept").mkdir()
    assert is_run_folder(config.run_dir)
    assert derive_out_settings_of_folder(config.run_dir) == {
        "out_dir": str(tmp_path),
        "out_name": "mine",
    }
    monkeypatch.chdir(config.run_dir)
    assert derive_out_settings_of_folder(Path()) == {"out_dir": str(tmp_path), "out_name": "mine"}
    (config.run_dir / "config.json").write_text("{")
    assert not is_run_folder(config.run_dir)


@pytest.mark.parametrize(
    ("place", "may_be_away"),
    [
        ("/usb/ck", True),
        ("../ck", True),
        ("ck/../../ck", True),
        ("ck", False),
        ("ck/../..ck", False),
    ],
)
def test_a_folder_of_checkpoints_outside_the_run_may_be_away(tmp_path, place, may_be_away):
    config = Config(out_dir=str(tmp_path), out_name="mine", checkpoint_dir=place)
    config.run_dir.mkdir()
    write_config(config)
    assert is_run_folder(config.run_dir) == may_be_away


@pytest.mark.parametrize(
    ("given", "sides"),
    [
        ({}, (None, None)),
        ({"dataset": "celeb_a"}, (None, None)),
        ({"dataset": "/faces"}, (108, None)),
        ({"dataset": "/faces", "input_width": 90}, (None, 90)),
        ({"dataset": "/faces", "crop": False}, (None, None)),
    ],
)
def test_the_crop_of_a_named_dataset_stays_with_its_images(given, sides):
    config = change_settings(Config(dataset="celebA"), given, for_training=True)
    assert (config.input_height, config.input_width) == sides
    tall = Config(dataset="celebA", output_height=128, output_width=64)
    config = change_settings(tall, {"dataset": "/faces"}, for_training=True)
    assert (config.input_height, config.input_width) == (None, 108)
