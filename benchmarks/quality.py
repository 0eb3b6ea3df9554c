"""How good the images of each recipe are after equal time: the study behind `--preset modern`.

    python -m benchmarks.quality faces32 reference+modern --minutes=5 --seeds=0,1,2
    python -m benchmarks.quality --table

Each row is a run of main.py, trained for --minutes and then scored; nothing else may run at the
same time. A row is appended to results/quality.jsonl once it is measured, and is not measured
again, so you can stop a study and continue it with the same command. The runs are in --work; their
last grids show what the scores mean.
"""

import dataclasses
import json
import os
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

from absl import app, flags

from benchmarks import measure

FLAGS = flags.FLAGS
flags.DEFINE_list("seeds", ["0"], "seeds of training, a row for each")
flags.DEFINE_float("minutes", 5.0, "minutes of training for each row", lower_bound=0.1)
flags.DEFINE_string("data_dir", "./data", "folder with the datasets")
flags.DEFINE_string("work", "./out/quality", "folder for the runs")
flags.DEFINE_bool("table", False, "print what has been measured, and measure nothing")

ROOT = Path(__file__).parent.parent
RESULTS = measure.RESULTS / "quality.jsonl"
SHOWN = {  # metric -> its name in the tables; the others are only in the file
    "swd": "SWD",
    "frechet": "Frechet",
    "recall": "recall",
    "coverage": "coverage",
    "checkerboard_rows": "checkerboard: rows",
    "checkerboard_columns": "columns",
    "checkerboard_diagonal": "diagonal",
    "modes": "modes",
    "modes_kl": "reverse KL",
}
RATIOS = ("swd", "frechet")  # metrics that are also divided by the reference's


@dataclasses.dataclass(frozen=True)
class Dataset:
    """flags: choose the dataset. scores: a list of metrics -> images to draw for them."""

    flags: str
    scores: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Arm:
    """A recipe. flags: for training. scoring: for --evaluate. run: the arm whose run is scored, or
    None for its own.
    """

    flags: str = ""
    scoring: str = ""
    run: str | None = None


IMAGES = {"swd,frechet,coverage,checkerboard": 1000}
FACES = "--dataset celebA --stem_width 128"
DATASETS = {
    "faces32": Dataset(f"{FACES} --output_height 32 --holdout 0.25", IMAGES),
    "faces64": Dataset(f"{FACES} --output_height 64 --holdout 0.25", IMAGES),
    "small": Dataset(f"{FACES} --output_height 32 --holdout 0.5 --train_size 2000", IMAGES),
    "robots": Dataset(
        "--dataset robots.zip --output_height 32 --stem_width 128 --holdout 0.33", IMAGES
    ),
    "mnist": Dataset("--dataset mnist --holdout 0.1", {**IMAGES, "modes": 5000}),
    "stacked": Dataset(
        "--dataset stacked_mnist --output_height 32 --stem_width 128",
        {"frechet": 5000, "modes": 26000},
    ),
}
ARMS = {
    "reference": Arm("--preset reference"),
    "paper": Arm("--preset paper"),
    "tutorial": Arm("--preset tutorial"),
    "modern": Arm("--preset modern"),
    "modern live": Arm("--preset modern", "--weights live", run="modern"),
    # Single changes.
    "reference, G once": Arm("--preset reference --g_updates 1"),
    "modern, linear": Arm("--preset modern --lr_decay linear"),
    "modern, cosine": Arm("--preset modern --lr_decay cosine"),
    "modern, resize": Arm("--preset modern --upsample resize"),
    "modern, smooth": Arm("--preset modern --upsample smooth"),
    "modern, faster": Arm("--preset modern --learning_rate 2e-3 --d_learning_rate 8e-4"),
    "modern, linear, resize": Arm("--preset modern --lr_decay linear --upsample resize"),
    "modern, relativistic": Arm("--preset modern --loss relativistic"),
    "modern, bce": Arm("--preset modern --loss bce"),
    "modern, deviation": Arm("--preset modern --minibatch_stddev"),
    "modern, diffaugment": Arm("--preset modern --augment diffaugment"),
    "modern, flip": Arm("--preset modern --flip"),
    "modern, dither": Arm("--preset modern --dither"),
    "modern, dropout": Arm("--preset modern --d_dropout 0.4"),
    "modern, r1": Arm("--preset modern --d_norm none --r1 1"),
    "modern, stem 256": Arm("--preset modern --stem_width 256"),
}


def main(arguments: list[str]) -> None:
    if FLAGS.table:
        print_tables(read_rows())
        return
    if len(arguments) != 3:
        raise app.UsageError("Give a dataset and arms (faces32 reference+modern), or --table.")

    name, arms = arguments[1], arguments[2].split("+")
    for seed in FLAGS.seeds:
        for arm in arms:
            if not is_measured(name, arm, int(seed)):
                append_row(measure_arm(name, arm, int(seed)))
    print_tables([row for row in read_rows() if row["dataset"] == name])


def is_measured(dataset: str, arm: str, seed: int) -> bool:
    """Whether this row was measured on a machine like this: equal time is other work on another."""
    key = (dataset, arm, seed, FLAGS.minutes, measure.read_processor())
    return key in {
        (*map(row.get, ("dataset", "arm", "seed", "minutes")), row["machine"]["processor"])
        for row in read_rows()
    }


def measure_arm(dataset: str, arm: str, seed: int) -> dict:
    """Trains the arm, unless its run exists, and scores it."""
    recipe, chosen = ARMS[arm], DATASETS[dataset]
    words = (recipe.run or arm).replace(",", "").replace(" ", "_")
    name = f"{dataset}-{words}-{FLAGS.minutes:g}min-{seed}"
    run = Path(FLAGS.work) / name
    training = f"{chosen.flags} {recipe.flags} --seed {seed} --minutes {FLAGS.minutes:g}"
    quiet = "--train --eval_freq 0 --sample_freq 100000 --ckpt_freq 100000"
    if not (run / "training.txt").exists():
        run_program(name, f"{training} {quiet}")
        (run / "training.txt").write_text(training)

    scores = {}
    for metrics, count in chosen.scores.items():
        request = f"--evaluate {metrics} --evaluate_samples {count} {recipe.scoring}"
        scores |= score_run(name, run / "evaluate" / "scores.json", request)

    steps, seconds = read_steps_and_seconds(run / "logs" / "metrics.jsonl")
    return {
        "dataset": dataset,
        "arm": arm,
        "seed": seed,
        "minutes": FLAGS.minutes,
        "flags": training,
        "steps": steps,
        "seconds": seconds,
        "scores": scores,
    }


def run_program(name: str, arguments: str) -> None:
    """Runs main.py on the run `name`; if that fails, exits with the last line of its output."""
    where = ["--data_dir", FLAGS.data_dir, "--out_dir", FLAGS.work, "--out_name", name]
    command = [sys.executable, "main.py", *where, *shlex.split(arguments)]
    print(shlex.join(command[1:]), flush=True)
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ)
    if result.returncode:
        sys.exit(result.stderr.strip().splitlines()[-1])


def score_run(name: str, file: Path, request: str) -> dict[str, dict]:
    """Metric -> value and floor, for the scores that this request adds to the file."""
    before = len(json.loads(file.read_text())) if file.exists() else 0
    run_program(name, request)
    added = json.loads(file.read_text())[before:]
    return {score["metric"]: {key: score[key] for key in ("value", "floor")} for score in added}


def read_steps_and_seconds(file: Path) -> tuple[int, float]:
    last = json.loads(file.read_text().splitlines()[-1])
    return last["step"], last["seconds"]


def append_row(row: dict) -> None:
    measure.append_record("quality", row)


def read_rows() -> list[dict]:
    if not RESULTS.exists():
        return []
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def print_tables(rows: list[dict]) -> None:
    """A table for each dataset and training time: a line for each arm, and one for the floor."""
    groups = {}
    for row in rows:
        group = row["dataset"], row["minutes"], row["machine"]["processor"]
        groups.setdefault(group, {}).setdefault(row["arm"], []).append(row)

    for (dataset, minutes, processor), arms in groups.items():
        known = [arm for arm in ARMS if arm in arms]
        lines = [summarize_arm(arm, arms[arm], arms.get("reference")) for arm in known]
        lines.append(summarize_floor([row for arm in known for row in arms[arm]]))
        print(f"\n{dataset}, {minutes:g} minutes, {processor}\n", flush=True)
        print(measure.format_table(lines), flush=True)


def summarize_arm(arm: str, rows: list[dict], references: list[dict] | None) -> dict:
    """A line of the table: the means over the seeds, and their ranges."""
    line = {"recipe": arm, "seeds": len(rows), "steps": round(average(r["steps"] for r in rows))}
    for metric in list_shown_metrics(rows):
        line[SHOWN[metric]] = format_range([row["scores"][metric]["value"] for row in rows])
        if metric in RATIOS:
            line[name_ratio(metric)] = divide_by_reference(metric, rows, references)
    return line


def summarize_floor(rows: list[dict]) -> dict:
    """What real images get against other real images."""
    line = {"recipe": "reals", "seeds": None, "steps": None}
    for metric in list_shown_metrics(rows):
        line[SHOWN[metric]] = float(average(row["scores"][metric]["floor"] for row in rows))
        if metric in RATIOS:
            line[name_ratio(metric)] = None
    return line


def list_shown_metrics(rows: list[dict]) -> list[str]:
    return [metric for metric in SHOWN if metric in rows[0]["scores"]]


def name_ratio(metric: str) -> str:
    return f"{SHOWN[metric]} / reference's"


def average(values) -> float:
    return statistics.fmean(values)


def format_range(values: list[float]) -> str:
    mean = measure.format_value(float(average(values)))
    if len(values) == 1:
        return mean
    low, high = (measure.format_value(float(value)) for value in (min(values), max(values)))
    return f"{mean} ({low} to {high})"


def divide_by_reference(metric: str, rows: list[dict], references: list[dict] | None) -> str | None:
    """The score over the reference's of the same seed; None if either is missing."""
    by_seed = {row["seed"]: row["scores"].get(metric) for row in references or []}
    pairs = [(row["scores"].get(metric), by_seed.get(row["seed"])) for row in rows]
    ratios = [own["value"] / other["value"] for own, other in pairs if own and other]
    return format_range(ratios) if ratios else None


if __name__ == "__main__":
    app.run(main)
