"""What every benchmark shares: peers timed in turn, the machine described, a table, a line of JSON and a picture."""

import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import matplotlib
import psutil

matplotlib.use("Agg")
import matplotlib.pyplot as plt

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "imageio", "torch")


def in_turn(programs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every program in every round. In a round each runs once, so that all share the machine's drift; they
    must have been warmed up.
    """
    seconds = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            begin = time.perf_counter()
            program()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def median_ratio(ones: list[float], others: list[float]) -> float:
    """The median over the rounds of ones / others, as from `in_turn`."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def report(name: str, rows: list[dict], *, seed: int, bars: str, note: str = "") -> None:
    """Prints the rows, appends them to results/<name>.jsonl, and draws column `bars` to results/<name>.png.

    rows: dicts with the same keys, of which the first says what the row is; None where nothing could be measured.
    """
    print(f"\n{table(rows)}\n{note}", flush=True)
    record(name, {"seed": seed, "rows": rows, "note": note})
    title = next(iter(rows[0]))
    measured = [row for row in rows if row[bars] is not None][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.8 + 0.32 * len(measured)), layout="constrained")
    drawn = axes.barh(
        [row[title] for row in measured], [row[bars] for row in measured], color="#4878a8"
    )
    axes.bar_label(drawn, labels=[_text(row[bars]) for row in measured], padding=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(bars)
    save(figure, name)


def record(name: str, content: dict) -> None:
    """Appends one line to results/<name>.jsonl: when, where, with what and how, then the content."""
    RESULTS.mkdir(exist_ok=True)
    line = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": commit(),
        "command": command(),
    }
    line |= {"machine": machine(), "versions": versions()} | content
    with (RESULTS / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def save(figure, name: str) -> None:
    figure.savefig(RESULTS / f"{name}.png", dpi=100)
    plt.close(figure)


def table(rows: list[dict]) -> str:
    """The rows as a Markdown table."""
    heads = list(rows[0])
    cells = [heads, *([_text(row[head]) for head in heads] for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(heads))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    return "\n".join(
        [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
    )


def _text(value) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def machine() -> dict:
    """Processor, cores this process may use, memory in GB, and the GPUs."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [
            line
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        model = named[0].partition(":")[2].strip() if named else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    described = {
        "processor": model,
        "cores": cores,
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
    }
    if "tensorflow" in sys.modules:
        tf = sys.modules["tensorflow"]
        gpus = tf.config.list_physical_devices("GPU")
        described["gpus"] = [
            tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus
        ]
    return described | {"python": platform.python_version(), "system": platform.system()}


def versions() -> dict[str, str]:
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            installed[package] = "absent"
    return installed


def commit() -> str:
    """The repository's commit, with a + when files differ from it."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def command() -> str:
    return shlex.join([Path(sys.executable).name, *sys.argv])
