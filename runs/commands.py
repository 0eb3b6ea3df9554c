"""Command lines that messages and reports suggest."""

import shlex
import shutil
import sys
from pathlib import Path

from config.settings import Config

PROGRAM = ("python", "main.py")
MAIN = Path(__file__).resolve().parents[1] / "main.py"


def spell_command(flags: dict, action: str, program: tuple[str, ...] = PROGRAM) -> str:
    """A shell command. flags: settings, name -> value. action: such as --train or --sample=64."""
    spelled = [spell_flag(name, value) for name, value in flags.items()]
    return shlex.join([*program, *spelled, action])


def spell_command_for_run(config: Config, action: str) -> str:
    """A shell command that does `action` with a run, from where this program was started."""
    run = {"out_dir": Path(config.out_dir), "out_name": config.name}
    return spell_command(run, action, find_typed_program())


def find_typed_program() -> tuple[str, ...]:
    """How the user started main.py, such as (".venv/bin/python", "../DCGAN/main.py").

    Where this is another program, such as a notebook: how to start main.py with its Python.
    """
    script = sys.argv[0]
    if Path(script).name == "main.py" and script in sys.orig_argv:
        return tuple(sys.orig_argv[: sys.orig_argv.index(script) + 1])
    is_on_path = shutil.which("python") == sys.executable
    return "python" if is_on_path else _shorten_path(sys.executable), _shorten_path(MAIN)


def _shorten_path(path: str | Path) -> str:
    """The path from the current folder, if it is inside."""
    path, here = Path(path), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def spell_flag(name: str, value) -> str:
    """--nocrop, --minutes=20, --g_widths=128,64."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    if isinstance(value, tuple):
        return f"--{name}={','.join(map(str, value))}"
    return f"--{name}={value:g}" if isinstance(value, float) else f"--{name}={value}"
