"""How good the images of each recipe are after equal time: the study behind `--preset modern`.

    python -m benchmarks.quality faces32 reference+modern --speed
    python -m benchmarks.quality faces32 reference+modern --minutes=5 --seeds=0,1,2
    python -m benchmarks.quality --table

First --speed measures how many steps a second each recipe trains. The recipes take turns, and
nothing else may run at the same time. Then each row is a run of main.py with the steps that fit
into --minutes at this speed, and its scores: other programs make it slower, but not worse. A row
is appended to results/quality.jsonl once it is measured, and is not measured again, so you can
stop a study and continue it with the same command. The runs are in --work; their last grids show
what the scores mean.
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
flags.DEFINE_bool("speed", False, "measure how fast each recipe trains, on a quiet machine")
flags.DEFINE_integer("rounds", 3, "rounds of --speed; the median counts", lower_bound=1)
flags.DEFINE_bool("table", False, "print what has been measured, and measure nothing")

ROOT = Path(__file__).parent.parent
RESULTS = measure.RESULTS / "quality.jsonl"
SPEEDS = measure.RESULTS / "quality_speed.jsonl"
SPEED_MINUTES = 0.4  # of training, for one round of --speed
QUIET = "--train --eval_freq 0 --sample_freq 100000 --ckpt_freq 100000"
SHOWN = {  # metric -> its name in the tables; the others are only in the file
    "swd": "SWD",
    "frechet": "Frechet",
    "recall": "recall",
    "coverage": "coverage",
    "checkerboard_rows": "checkerboard: rows",
    "checkerboard_columns": "columns",
    "checkerboard_diagonal": "diagonal",
    "memorisation_features": "memorisation",
    "memorisation_features_p": "p",
    "modes": "modes",
    "modes_kl": "reverse KL",
}
RATIOS = ("swd", "frechet")  # metrics that are also divided by the reference's


@dataclasses.dataclass(frozen=True)
class Dataset:
    """flags: choose the dataset. scores: a list of metrics -> images to draw for them. speed: the
    dataset with the same network, whose speeds are taken; None for its own.
    """

    flags: str
    scores: dict[str, int]
    speed: str | None = None


@dataclasses.dataclass(frozen=True)
class Arm:
    """A recipe. flags: for training. scoring: for --evaluate. run: the arm whose run is scored, or
    None for its own. speed: the arm with the same arithmetic, whose speed is taken, or None for its
    own. share: how many of the steps that fit into the time are trained: its speed over that of
    `speed`, or, with a larger batch, those that show equally many images.
    """

    flags: str = ""
    scoring: str = ""
    run: str | None = None
    speed: str | None = None
    share: float = 1.0


IMAGES = {"swd,frechet,coverage,checkerboard": 1000}
FACES = "--dataset celebA --stem_width 128"
DATASETS = {
    "faces32": Dataset(f"{FACES} --output_height 32 --holdout 0.25", IMAGES),
    "faces64": Dataset(f"{FACES} --output_height 64 --holdout 0.25", IMAGES),
    "small": Dataset(
        f"{FACES} --output_height 32 --holdout 0.5 --train_size 2000",
        {"swd,frechet,coverage,checkerboard,memorisation": 1000},
        "faces32",
    ),
    "robots": Dataset(
        "--dataset robots.zip --output_height 32 --stem_width 128 --holdout 0.33", IMAGES, "faces32"
    ),
    "mnist": Dataset("--dataset mnist --holdout 0.1", {**IMAGES, "modes": 5000}),
    "stacked": Dataset(
        "--dataset stacked_mnist --output_height 32 --stem_width 128",
        {"frechet": 5000, "modes": 26000},
        "faces32",
    ),
}
SLOWER = "--preset modern --learning_rate 1e-3 --d_learning_rate 4e-4"  # modern's own, at first
FASTER = "--learning_rate 4e-3 --d_learning_rate 1.6e-3"  # twice those of modern
FASTEST = "--learning_rate 8e-3 --d_learning_rate 3.2e-3"  # four times
SMOOTHING = "--preset modern --loss bce --label_smoothing 0.1"
PENALTIES = (
    "--preset modern --loss relativistic --d_norm none --r1 1 --r2 1"
    " --penalty_batch 0.25 --penalty_decay 0.1"
)
BATCH_OF_256 = "--preset modern --batch_size 256"
BATCH_OF_1024 = "--preset modern --batch_size 1024"
ARMS = {
    "reference": Arm("--preset reference"),
    "paper": Arm("--preset paper"),
    "tutorial": Arm("--preset tutorial"),
    "modern": Arm("--preset modern"),
    "modern live": Arm("--preset modern", "--weights live", run="modern"),
    "slower": Arm(SLOWER, speed="modern"),
    # Single changes.
    "reference, G once": Arm("--preset reference --g_updates 1"),
    "slower, linear": Arm(f"{SLOWER} --lr_decay linear", speed="modern"),
    "slower, resize": Arm(f"{SLOWER} --upsample resize"),
    "slower, smooth": Arm(f"{SLOWER} --upsample smooth", speed="modern, smooth"),
    "slower, concat": Arm(f"{SLOWER} --d_labels concat"),
    "slower, projection": Arm(f"{SLOWER} --d_labels projection"),
    "modern, linear": Arm("--preset modern --lr_decay linear", speed="modern"),
    "modern, cosine": Arm("--preset modern --lr_decay cosine", speed="modern"),
    "modern, lsgan": Arm("--preset modern --loss lsgan", speed="modern"),
    "modern, wgan": Arm("--preset modern --loss wgan", speed="modern"),
    "modern, smooth": Arm("--preset modern --upsample smooth"),
    "modern, faster": Arm(f"--preset modern {FASTER}", speed="modern"),
    "modern, narrow": Arm("--preset modern --d_min_width 4"),
    "modern, diffaugment": Arm("--preset modern --augment diffaugment"),
    "modern, stem 256": Arm("--preset modern --stem_width 256"),
    # The shares are speeds at 32x32, each measured in turn with that of modern.
    "modern, wide": Arm("--preset modern --d_min_width 64", speed="modern", share=0.90),
    "modern, deviation": Arm("--preset modern --minibatch_stddev", speed="modern", share=0.87),
    "modern, relativistic": Arm("--preset modern --loss relativistic", speed="modern", share=0.96),
    "modern, bce": Arm("--preset modern --loss bce", speed="modern", share=1.01),
    "modern, smoothing": Arm(SMOOTHING, speed="modern", share=1.01),
    "modern, flip": Arm("--preset modern --flip", speed="modern", share=0.98),
    "modern, dropout": Arm("--preset modern --d_dropout 0.4", speed="modern", share=0.98),
    "modern, dither": Arm("--preset modern --dither", speed="modern", share=1.02),
    "modern, r1": Arm("--preset modern --d_norm none --r1 1", speed="modern", share=0.80),
    "modern, penalties": Arm(PENALTIES, speed="modern", share=0.78),
    # Larger batches, as of several devices, with equally many images. Learning rates: the same, by
    # the square root of the batch, in proportion to it.
    "modern, 256": Arm(BATCH_OF_256, speed="modern", share=1 / 4),
    "modern, 256, root": Arm(f"{BATCH_OF_256} {FASTER}", speed="modern", share=1 / 4),
    "modern, 256, linear": Arm(f"{BATCH_OF_256} {FASTEST}", speed="modern", share=1 / 4),
    "modern, 1024": Arm(BATCH_OF_1024, speed="modern", share=1 / 16),
    "modern, 1024, root": Arm(f"{BATCH_OF_1024} {FASTEST}", speed="modern", share=1 / 16),
}


def main(arguments: list[str]) -> None:
    if FLAGS.table:
        print_tables(read_rows(RESULTS))
        return
    if len(arguments) != 3:
        raise app.UsageError("Give a dataset and arms (faces32 reference+modern), or --table.")

    name, arms = arguments[1], arguments[2].split("+")
    if FLAGS.speed:
        measure_speeds(name, arms)
        return
    for seed in FLAGS.seeds:
        for arm in arms:
            if not is_measured(name, arm, int(seed)):
                measure.append_record("quality", measure_arm(name, arm, int(seed)))
    print_tables([row for row in read_rows(RESULTS) if row["dataset"] == name])


def measure_speeds(dataset: str, arms: list[str]) -> None:
    """Appends each recipe's steps per second to results/quality_speed.jsonl."""
    speeds = {arm: [] for arm in arms}
    for turn in range(FLAGS.rounds):
        for arm in arms:
            name = name_run(dataset, arm, f"speed-{os.getpid()}-{turn}")
            recipe = f"{DATASETS[dataset].flags} {ARMS[arm].flags}"
            run_program(name, f"{recipe} --minutes {SPEED_MINUTES} {QUIET}")
            speeds[arm].append(read_speed(Path(FLAGS.work) / name))

    for arm, rounds in speeds.items():
        row = {"dataset": dataset, "arm": arm, "steps_per_second": statistics.median(rounds)}
        measure.append_record("quality_speed", row | {"rounds": rounds})
        print(f"{dataset}, {arm}: {row['steps_per_second']:.2f} steps/s", flush=True)


def read_speed(run: Path) -> float:
    """Steps per second in the second half of a run's log; the first contains the start."""
    log = read_rows(run / "logs" / "metrics.jsonl")
    begin, end = log[len(log) // 2], log[-1]
    return (end["step"] - begin["step"]) / (end["seconds"] - begin["seconds"])


def is_measured(dataset: str, arm: str, seed: int) -> bool:
    """Whether this row was measured on a machine like this: equal time is other work on another.

    Older rows, trained for minutes while other programs may have run, do not count.
    """
    key = (dataset, arm, seed, FLAGS.minutes, measure.read_processor())
    return any(name_row(row) == key and "speed" in row for row in read_rows(RESULTS))


def name_row(row: dict) -> tuple:
    """What is measured once: dataset, arm, seed, minutes, processor."""
    names = ("dataset", "arm", "seed", "minutes")
    return (*(row[name] for name in names), row["machine"]["processor"])


def measure_arm(dataset: str, arm: str, seed: int) -> dict:
    """Trains the arm, unless its run exists, and scores it."""
    recipe, chosen = ARMS[arm], DATASETS[dataset]
    speed = find_speed(dataset, recipe.speed or recipe.run or arm)
    steps = round(speed * FLAGS.minutes * 60 * recipe.share)
    name = name_run(dataset, recipe.run or arm, f"{FLAGS.minutes:g}min-{seed}")
    run = Path(FLAGS.work) / name
    training = f"{chosen.flags} {recipe.flags} --seed {seed} --steps {steps}"
    if not (run / "training.txt").exists():
        run_program(name, f"{training} {QUIET}")
        (run / "training.txt").write_text(training)

    scores = {}
    for metrics, count in chosen.scores.items():
        request = f"--evaluate {metrics} --evaluate_samples {count} {recipe.scoring}"
        scores |= score_run(name, run / "evaluate" / "scores.json", request)

    return {
        "dataset": dataset,
        "arm": arm,
        "seed": seed,
        "minutes": FLAGS.minutes,
        "speed": speed,
        "flags": (run / "training.txt").read_text(),
        "steps": read_rows(run / "logs" / "metrics.jsonl")[-1]["step"],
        "scores": scores,
    }


def name_run(dataset: str, arm: str, suffix: str) -> str:
    return f"{dataset}-{arm.replace(',', '').replace(' ', '_')}-{suffix}"


def find_speed(dataset: str, arm: str) -> float:
    """The last steps per second that --speed measured on a machine like this."""
    dataset = DATASETS[dataset].speed or dataset
    processor = measure.read_processor()
    for row in reversed(read_rows(SPEEDS)):
        same = (row["dataset"], row["arm"], row["machine"]["processor"])
        if same == (dataset, arm, processor):
            return row["steps_per_second"]
    sys.exit(f"Measure the speed first: python -m benchmarks.quality {dataset} '{arm}' --speed")


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


def read_rows(file: Path) -> list[dict]:
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def print_tables(rows: list[dict]) -> None:
    """A table for each dataset and training time: a line for each arm, and one for the floor.

    Of rows that were measured again, the last counts.
    """
    groups = {}
    for row in {name_row(row): row for row in rows}.values():
        group = row["dataset"], row["minutes"], row["machine"]["processor"]
        groups.setdefault(group, {}).setdefault(row["arm"], []).append(row)

    for (dataset, minutes, processor), arms in groups.items():
        known = [arm for arm in ARMS if arm in arms]
        # Rows from before --speed are shown only where there are no others.
        arms = {arm: [row for row in own if "speed" in row] or own for arm, own in arms.items()}
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
