"""The real program in its own process, and what it leaves behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import tensorflow as tf
from absl.testing import flagsaver
from common import ROOT, TINY

import main
from system.signals import STOP_SIGNALS
from training.steps import Steps

TINY_FLAGS = tuple(f"--{name}={value}" for name, value in TINY.items() if name != "c_dim")


def command(*flags, launcher: tuple = ("main.py",)) -> list[str]:
    return [sys.executable, *launcher, *TINY_FLAGS, *map(str, flags)]


def start(
    *flags,
    launcher: tuple = ("main.py",),
    environment: dict | None = None,
    prefix: tuple = (),
    **options,
) -> subprocess.Popen:
    """Its stderr, where its log goes, is a text pipe. Nobody reads stdout, its results.

    prefix: a command that runs the program, such as `nice`.
    """
    environment = (
        os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "PYTHONUNBUFFERED": "1"} | (environment or {})
    )
    pipes = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "text": True,
        "errors": "replace",
    }
    started = [*prefix, *command(*flags, launcher=launcher)]
    return subprocess.Popen(started, cwd=ROOT, env=environment, **pipes | options)


def run(*flags, **options) -> tuple[int, str]:
    """(exit code, what it said)."""
    process = start(*flags, **options)
    said = process.communicate(timeout=120)[1]
    return process.returncode, said


def run_here(*flags, tiny: tuple = TINY_FLAGS) -> int:
    """The same in this process: returns the exit code. Restores flags and signal handlers."""
    handlers = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    try:
        with flagsaver.flagsaver():
            return main.main(["main.py", *tiny, *map(str, flags)])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def signal_after(monkeypatch, step: int, number: int = signal.SIGTERM) -> None:
    """Sends this process a real signal once it has trained `step` more steps."""
    original = Steps.run

    def run(self, calls):
        for done, results in enumerate(original(self, calls), 1):
            if done == step:
                os.kill(os.getpid(), number)
            yield results

    monkeypatch.setattr(Steps, "run", run)


def make_tf_configs(count: int, hosts: tuple = ()) -> list[dict[str, str]]:
    """TF_CONFIG for each of so many processes, on this machine's ports that are free now.

    hosts: one for each process, unless all are on this machine.
    """
    hosts = hosts or ("127.0.0.1",) * count
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in listening]
    addresses = [f"{host}:{port}" for host, port in zip(hosts, ports, strict=True)]
    for each in listening:
        each.close()
    cluster = {"worker": addresses}
    tasks = [{"type": "worker", "index": index} for index in range(count)]
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


def wait_for(process: subprocess.Popen, text: str) -> str:
    """Reads the output until `text` comes. Fails if the process ends without it, or takes more than
    two minutes.
    """
    said, timer = "", threading.Timer(120, process.kill)
    timer.start()
    for line in process.stderr:
        said += line
        if text in line:
            timer.cancel()
            return said
    raise AssertionError(f"it never said {text!r}: {said}")


def state(run_dir: Path) -> dict[str, bytes]:
    """Every variable of a run's newest checkpoint, bit for bit."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(run_dir / "checkpoints"))
    names = [name for name in reader.get_variable_to_shape_map() if name.endswith("VARIABLE_VALUE")]
    return {
        name: reader.get_tensor(name).tobytes()
        for name in names
        if not name.startswith("save_counter")
    }


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` and its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_one_line(said: str) -> bool:
    """Whether the program's last output is an error of one line, without a traceback."""
    lines = [line for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return "Traceback" not in said and len(errors) == 1 and lines[-1] == errors[0]
