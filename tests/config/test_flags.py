"""Flags made from the settings' declarations; tests/test_main.py uses them as a user does."""

import dataclasses
import json

import pytest
from absl.testing import flagsaver

import main
from config.flags import (
    FLAGS,
    NOT_CARRIED_OVER,
    collect_action_flags,
    collect_given_settings,
    parse_flags,
)
from config.settings import SETTINGS, Config


@pytest.fixture(autouse=True)
def _flags_as_before():
    with flagsaver.flagsaver():
        yield


def settings_of(*arguments):
    parse_flags(["main.py", *arguments])
    return collect_given_settings()


def actions_of(*arguments):
    parse_flags(["main.py", *arguments])
    return collect_action_flags([*main.ACTIONS])


def test_every_setting_but_those_of_one_run_has_a_flag_with_its_default_and_help():
    without = {*NOT_CARRIED_OVER}
    assert {name for name in SETTINGS if name not in FLAGS} == without
    for field in dataclasses.fields(Config):
        if field.name not in without:
            flag = FLAGS[field.name]
            assert flag.help.endswith(SETTINGS[field.name].help)  # enums list their words first
            assert str(flag.default) == str(field.default)


def test_a_value_comes_with_the_type_that_config_wants():
    given = settings_of(
        "--epoch=3", "--learning_rate=1e-3", "--nocrop", "--c_dim=3", "--jit=on", "--g_widths=8,4"
    )
    assert given == {
        "epoch": 3,
        "learning_rate": 1e-3,
        "crop": False,
        "c_dim": "3",
        "jit": "on",
        "g_widths": "8,4",
    }
    config = Config(**given, output_height=16)
    assert (config.c_dim, config.g_widths) == (3, (8, 4))


def test_only_what_was_given_counts(tmp_path):
    assert settings_of() == {}
    path = tmp_path / "run.json"
    of_one_run = {"halvings": 2, "label_names": ["a"], "older_images_per_step": 8, "run_id": "x"}
    of_one_run |= {"augment_kinds": "none", "augment_share": 0.6, "augment_ramp": 10}
    path.write_text(json.dumps({"epoch": 9, "steps": 5} | of_one_run))
    given = settings_of(f"--config={path}", "--epoch=4")
    assert given == {
        "epoch": 4
    }  # the file's steps would override --epoch; the rest belongs to that run


@pytest.mark.parametrize(
    ("typed", "expected"),
    [((), {"minutes": 9.0}), (("--steps=7",), {"steps": 7}), (("--minutes=3",), {"minutes": 3})],
)
def test_a_length_that_is_typed_takes_the_place_of_that_of_a_file(tmp_path, typed, expected):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"minutes": 9.0, "planned_steps": 5}))
    assert settings_of(f"--config={path}", *typed) == expected


@pytest.mark.parametrize("names", [("epoch", "steps"), ("epoch", "minutes"), ("steps", "minutes")])
def test_a_run_has_one_length(names):
    one, other = names
    with pytest.raises(ValueError, match=f"^--{one} and --{other} .*Received: 3 and 5"):
        settings_of(f"--{one}=3", f"--{other}=5")


@pytest.fixture
def renamed_run(tmp_path):
    """The folder of a run that was moved and renamed after its config.json was written."""
    config = Config(out_dir="elsewhere", out_name="before", epoch=7).resolve()
    run = tmp_path / "out" / "renamed"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.json").write_text(config.to_json())
    (run / "copy.json").write_text(config.to_json())
    return run


def test_the_config_json_of_a_run_means_that_run_wherever_it_lies(renamed_run, monkeypatch):
    given = settings_of(f"--config={renamed_run}/config.json")
    assert (given["out_dir"], given["out_name"]) == (str(renamed_run.parent), "renamed")
    assert given["epoch"] == 7
    monkeypatch.chdir(renamed_run)
    assert settings_of("--config=config.json")["out_name"] == "renamed"
    assert settings_of("--config=copy.json")["out_name"] == "before"


def test_the_config_json_of_a_run_begins_another_beside_it(renamed_run):
    given = settings_of(f"--config={renamed_run}/config.json", "--out_name=new")
    assert (given["out_dir"], given["out_name"]) == (str(renamed_run.parent), "new")


@pytest.mark.parametrize(
    ("arguments", "actions"),
    [
        (["--train", "--export"], {"train", "export"}),
        (["--dataset=celebA"], {"sample"}),
        (["--out_name=x"], {"sample"}),
        (["--out_dir=x"], {"sample"}),
        (["--config=x/config.json"], {"sample"}),
        (["--visualize_option=2"], {"visualize"}),
        (["--explore=conv_arithmetic"], {"explore"}),
        (["--notrain", "--sample=3"], {"sample"}),
        (["--export", "--noexport", "--sample=3"], {"sample"}),
        (["--export=false", "--sample=3"], {"sample"}),
    ],
)
def test_actions(arguments, actions):
    assert actions_of(*arguments) == actions


@pytest.mark.parametrize(
    ("arguments", "formats"),
    [
        (["--export"], "saved_model"),
        (["--export", "--train"], "saved_model"),
        (["--export=true"], "saved_model"),
        (["--noexport", "--export"], "saved_model"),
        (["--export", "onnx,litert", "--train"], "onnx,litert"),
        (["--export=onnx"], "onnx"),
    ],
)
def test_export_alone_is_the_saved_model(arguments, formats):
    assert "export" in actions_of(*arguments)
    assert FLAGS.export == formats


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Nothing to do. Try --dataset="),
        (["--seed=3"], "Nothing to do"),
        (["--sample=0"], "--sample must be at least 1. Received: 0"),
        (["--export", "--label=3"], "--label needs --sample, --visualize or --explore"),
        (["--sample=3", "--export_dtype=float16"], "--export_dtype needs --export. Received: no"),
        (
            ["--sample=3", "--open"],
            "--open opens what --export=page or --report writes. Received: ",
        ),
        (
            ["--out_name=x", "--evaluate_samples=50"],
            "--evaluate_samples needs --evaluate. Received",
        ),
        (["--train", "--checkpoint=best"], "--checkpoint needs --sample, --visualize, --evaluate"),
        (
            ["--train", "--label=3"],
            "--label needs --sample, --visualize or --explore. Received: only --label=3. "
            "Add --sample=64, or to train with labels use --labels=own.",
        ),
        (
            ["--sample=5", "--labels=7"],
            "--labels says which labels to train with, --label which to draw. "
            "Received: --labels=7. Try --label=7.",
        ),
        (["--dry_run", "--explore=conv_arithmetic"], "--dry_run writes nothing"),
        (["--train", "True"], "--train takes no value: write --train."),
        (["--epoch=x"], "--epoch must be a whole number. Received: x. Try --epoch=25."),
        (["--jit=yes"], "--jit must be one of auto, on, off. Received: yes. Try --jit=auto."),
    ],
)
def test_what_makes_no_sense_is_one_line(arguments, message):
    with pytest.raises(ValueError) as error:
        actions_of(*arguments)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["train", "sample", "label", "dry_run"])
def test_an_action_in_a_file_of_settings_belongs_on_the_command_line(name, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"epoch": 3, name: 1}))
    with pytest.raises(ValueError, match=f"Received: {name}. Give it on the .*: --{name}[.]$"):
        settings_of(f"--config={tmp_path}/a.json")


def test_the_folder_of_a_run_as_a_file_of_settings(renamed_run):
    with pytest.raises(ValueError, match=r"Received: the folder .* Try --config=.*/config.json\.$"):
        settings_of(f"--config={renamed_run}")


def test_a_file_of_settings_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine.json").write_text('{"epoch": 3}')
    assert settings_of("--config=~/mine.json") == {"epoch": 3}
    with pytest.raises(ValueError, match=r"There is no file ~nobody-here/x.json"):
        settings_of("--config=~nobody-here/x.json")


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (("--evaluate",), "default"),
        (("-evaluate", "--seed=1"), "default"),
        (("--evaluate", "swd,kid"), "swd,kid"),
        (("--evaluate=kid", "--seed=1"), "kid"),
    ],
)
def test_evaluate_may_stand_alone(arguments, value):
    assert actions_of(*arguments) == {"evaluate"}
    assert FLAGS.evaluate == value


def test_a_dry_run_is_of_a_training():
    with pytest.raises(ValueError, match=r"what --train does\. Received: --sample without"):
        actions_of("--dry_run", "--sample=5")
    assert actions_of("--dry_run", "--train", "--sample=5") == {"dry_run", "train", "sample"}


def test_too_few_images_to_evaluate_are_refused():
    with pytest.raises(ValueError, match=r"^--evaluate_samples must be at least 2\. Received: 1\."):
        actions_of("--evaluate", "--evaluate_samples=1")
