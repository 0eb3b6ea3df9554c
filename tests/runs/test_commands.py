import shlex
import shutil
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
        *find_typed_program(),
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
    expected = (sys.executable, str(ROOT / "main.py")) if script == "train_cats.py" else command
    assert said.strip() == str(tuple(expected))


def test_a_command_from_a_notebook_has_its_python(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "executable", str(ROOT / "env" / "bin" / "python"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert find_typed_program() == ("env/bin/python", "main.py")
    monkeypatch.setattr(shutil, "which", lambda name: str(ROOT / "env" / "bin" / name))
    assert find_typed_program() == ("python", "main.py")
    monkeypatch.chdir(tmp_path)
    assert find_typed_program() == ("python", str(ROOT / "main.py"))
