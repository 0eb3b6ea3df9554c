"""Command lines that messages and reports suggest."""

import shlex
import sys
from pathlib import Path

from config.settings import Config

PROGRAM = ("python", "main.py")


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

    Where this is another program, such as a notebook, it is PROGRAM.
    """
    script = sys.argv[0]
    if Path(script).name != "main.py" or script not in sys.orig_argv:
        return PROGRAM
    return tuple(sys.orig_argv[: sys.orig_argv.index(script) + 1])


def spell_flag(name: str, value) -> str:
    """--nocrop, --minutes=20, --g_widths=128,64."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    if isinstance(value, tuple):
        return f"--{name}={','.join(map(str, value))}"
    return f"--{name}={value:g}" if isinstance(value, float) else f"--{name}={value}"
