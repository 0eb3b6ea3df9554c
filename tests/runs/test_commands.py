import shlex
import subprocess
import sys

import pytest
from common import ROOT

from runs.commands import find_typed_program, spell_command_for_run, spell_flag


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


@pytest.mark.parametrize("script", ["main.py", "../elsewhere/main.py", "train_cats.py"])
def test_a_command_starts_as_this_program_was_started(tmp_path, script):
    """From any folder, with any Python; a user's own script is not main.py."""
    here = tmp_path / "here"
    here.mkdir()
    path = here / script
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from runs.commands import find_typed_program; print(find_typed_program())"
    )
    command = [sys.executable, "-B", script]
    said = subprocess.run([*command, "--train"], cwd=here, capture_output=True, text=True).stdout
    expected = ("python", "main.py") if script == "train_cats.py" else tuple(command)
    assert said.strip() == str(expected)


def test_a_command_from_a_notebook_is_the_usual_one():
    assert find_typed_program() == ("python", "main.py")
