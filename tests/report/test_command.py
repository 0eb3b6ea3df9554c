"""The command must give the run's settings again, whatever preset and flags they came from."""

import shlex

import pytest
from absl.testing import flagsaver

import main  # noqa: F401, which defines the flags
from config.flags import collect_given_settings, parse_flags
from config.presets import apply_preset
from config.settings import FROM_ARRAY, IMPORTED, SETTINGS, Config
from report.command import NOT_REPEATED, suggest_command_that_repeats

GIVEN = [
    {},
    {"dataset": "mnist"},
    {"dataset": "mnist", "preset": "tutorial", "minutes": 2.5},
    {"dataset": "mnist", "preset": "modern", "stem_width": 64},
    {"dataset": "mnist", "blocks": 2, "g_widths": (64, 64), "d_widths": (8, 16)},
    {"dataset": "mnist", "stem_width": 128, "blocks": 2},
    {"dataset": "mnist", "labels": "none", "output_height": 40, "output_width": 20},
    {"dataset": "celebA", "preset": "modern", "labels": "Smiling,Eyeglasses", "crop": False},
    {"dataset": "lsun", "preset": "paper", "l2": 0.0, "alternate": False, "seed": 3, "c_dim": 1},
    {"dataset": "my cats & dogs", "loss": "wgan", "r1": 0.5, "learning_rate": 1e-5, "steps": 9},
]


def parse(command: str) -> Config:
    with flagsaver.flagsaver():
        parse_flags(shlex.split(command)[1:])
        return Config(**apply_preset(collect_given_settings())).resolve()


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_the_command_gives_the_same_settings(given):
    config = Config(**apply_preset(given)).resolve()
    command = suggest_command_that_repeats(config)
    again = parse(command)
    names = {name for name, setting in SETTINGS.items() if setting.flag} - {*NOT_REPEATED}
    assert {n: getattr(again, n) for n in names} == {n: getattr(config, n) for n in names}
    assert again.out_name == f"{config.name}-again"  # or it would continue the run
    assert "None" not in command


def test_no_flag_is_in_vain():
    given = {"dataset": "celebA", "preset": "modern", "stem_width": 128, "minutes": 10}
    assert suggest_command_that_repeats(Config(**apply_preset(given), c_dim=3).resolve()) == (
        "python main.py --dataset=celebA --preset=modern --stem_width=128 --minutes=10 "
        "--out_name=celebA-64x64-again --train"
    )


@pytest.mark.parametrize(
    ("stored", "spelled"),
    [
        ({"epoch": 2, "steps": 20}, "--steps=20"),  # from a run that was first given --epoch
        ({"minutes": 0.1, "planned_steps": 65}, "--steps=65"),  # another day fits others in
        ({"batch_size": 4, "global_batch_size": 8}, "--global_batch_size=8"),
    ],
)
def test_flags_that_the_program_refuses_together_are_not_given_together(stored, spelled):
    command = suggest_command_that_repeats(Config(**stored))
    rest = "--out_name=digits-64x64-again --train"
    assert command == f"python main.py --dataset=digits {spelled} {rest}"
    parse(command)


def test_it_does_not_say_where_the_images_are_on_the_owners_machine():
    config = Config(dataset="/home/me/my cats.zip", data_dir="/home/me/data", out_name="cats")
    command = suggest_command_that_repeats(config)
    assert command.startswith("python main.py '--dataset=/path/to/my cats.zip' ")
    assert "/home/me" not in command


@pytest.mark.parametrize("dataset", [FROM_ARRAY, IMPORTED])
def test_of_runs_without_a_dataset_there_is_none(dataset):
    assert suggest_command_that_repeats(Config(dataset=dataset)) == ""
