"""What the benchmarks share: timing peers in turn, and reporting the results with the machine.

Results are printed as a table, appended to results/ as a line of JSON, and drawn.
"""

import dataclasses
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

from config.settings import Config

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("tensorflow", "keras", "numpy", "pillow", "imageio", "torch")
COLOUR = "#4878a8"  # of bars and lines


def time_in_turn(programs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The seconds that each program takes in each round.

    Each runs once in a round, so that all share the machine's drift. The caller warms them up.
    """
    seconds = {name: [] for name in programs}

    for _ in range(rounds):
        for name, program in programs.items():
            begin = time.perf_counter()
            program()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def median_ratio(ones: list[float], others: list[float]) -> float:
    """The median over the rounds of ones / others, as `time_in_turn` returns them."""
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def report(name: str, rows: list[dict], *, seed: int, bars: str, note: str = "") -> None:
    """Prints the rows, appends them to results/<name>.jsonl, and draws results/<name>.png.

    rows: dicts with the same keys. The first value says what the row is; None marks what could not
    be measured. bars: the key of the column to draw.
    """
    print(f"\n{format_table(rows)}\n{note}", flush=True)
    append_record(name, {"seed": seed, "rows": rows, "note": note})
    draw_bars(name, rows, bars)


def append_record(name: str, content: dict) -> None:
    """Appends a line to results/<name>.jsonl: date, commit, machine and so on, then `content`."""
    RESULTS.mkdir(exist_ok=True)
    line = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": read_commit(),
        "command": shlex.join([Path(sys.executable).name, *sys.argv]),
        "machine": describe_machine(),
        "versions": list_versions(),
        **content,
    }

    with (RESULTS / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def draw_bars(name: str, rows: list[dict], column: str) -> None:
    """Draws results/<name>.png: a bar for each row with a value in `column`, from top to bottom."""
    title = next(iter(rows[0]))
    measured = [row for row in rows if row[column] is not None]
    measured.reverse()  # the axis begins at the bottom
    values = [row[column] for row in measured]

    figure, axes = create_figure(figsize=(9, 0.8 + 0.32 * len(measured)), layout="constrained")
    bars = axes.barh([row[title] for row in measured], values, color=COLOUR)
    axes.bar_label(bars, labels=[format_value(value) for value in values], padding=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(column)
    save_figure(figure, name)


def create_figure(*shape, **options):
    """(figure, axes), as matplotlib's `subplots`; without a screen."""
    # Late: tables need neither matplotlib nor psutil, and the tests have neither.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(*shape, **options)


def save_figure(figure, name: str) -> None:
    from matplotlib import pyplot

    figure.savefig(RESULTS / f"{name}.png", dpi=100)
    pyplot.close(figure)


def format_table(rows: list[dict]) -> str:
    """The rows as a Markdown table."""
    heads = list(rows[0])
    lines = [heads, *([format_value(row[head]) for head in heads] for row in rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(heads))]

    texts = []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        texts.append("| " + " | ".join(cells) + " |")

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([texts[0], rule, *texts[1:]])


def format_value(value) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def describe_machine() -> dict:
    """Processor, cores, memory and system; the GPUs only if TensorFlow is loaded."""
    import psutil

    machine = {
        "processor": read_processor(),
        "cores": count_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
    }

    if "tensorflow" in sys.modules:
        config = sys.modules["tensorflow"].config
        details = map(config.experimental.get_device_details, config.list_physical_devices("GPU"))
        machine["gpus"] = [detail.get("device_name") for detail in details]

    return machine | {"python": platform.python_version(), "system": platform.system()}


def read_processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def count_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def list_versions() -> dict[str, str]:
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "absent"
    return versions


def read_commit() -> str:
    """The repository's commit, with a + when files differ from it; "unknown" without git."""
    try:
        head = run_git("rev-parse", "--short", "HEAD")
        changes = run_git("status", "--porcelain", "-uno")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changes else "")


def run_git(*arguments: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def build_dcgan_as_train(config: Config, precision: str = "auto"):
    """The DCGAN that train.py would make of `config` on this machine."""
    from gan import DCGAN
    from system import devices

    precision = devices.choose_precision_for_device(precision)
    forms = devices.choose_kernel_forms_for_device(config.kernel_forms, precision)
    jit = devices.choose_jit_for_device(config.jit, is_distributed=config.is_distributed)
    return DCGAN(dataclasses.replace(config, kernel_forms=forms), precision=precision, jit=jit)
