"""Command lines that messages and reports suggest."""

import shlex

from config.settings import Config


def spell_command(flags: dict, action: str) -> str:
    """A shell command. flags: settings, name -> value. action: such as --train or --sample=64."""
    spelled = [spell_flag(name, value) for name, value in flags.items()]
    return shlex.join(["python", "main.py", *spelled, action])


def spell_command_for_run(config: Config, action: str) -> str:
    """A shell command that does `action` with a run."""
    return spell_command({"out_dir": config.out_dir, "out_name": config.name}, action)


def spell_flag(name: str, value) -> str:
    """--nocrop, --minutes=20, --g_widths=128,64."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    if isinstance(value, tuple):
        return f"--{name}={','.join(map(str, value))}"
    return f"--{name}={value:g}" if isinstance(value, float) else f"--{name}={value}"
