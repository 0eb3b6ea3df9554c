import shlex

import pytest

from runs.commands import spell_command_for_run, spell_flag


@pytest.mark.parametrize(
    ("name", "value", "flag"),
    [
        ("crop", True, "--crop"),
        ("crop", False, "--nocrop"),
        ("minutes", 20.0, "--minutes=20"),
        ("learning_rate", 2e-4, "--learning_rate=0.0002"),
        ("g_widths", (128, 64), "--g_widths=128,64"),
        ("dataset", "my cats", "--dataset=my cats"),
    ],
)
def test_a_flag_is_spelled_as_a_user_types_it(name, value, flag):
    assert spell_flag(name, value) == flag


def test_a_command_can_be_pasted_into_a_shell(tiny):
    config = tiny(out_name="it's mine")
    assert shlex.split(spell_command_for_run(config, "--sample=64")) == [
        "python",
        "main.py",
        f"--out_dir={config.out_dir}",
        "--out_name=it's mine",
        "--sample=64",
    ]
