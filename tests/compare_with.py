"""Trains, samples and exports with another commit and with this tree, and compares bit for bit.

    python tests/compare_with.py COMMIT [CASE ...]

Run it after a change that must not change any number. Each case trains 20 steps from the same seed,
draws 20 images and exports a SavedModel, all through main.py, so it does not matter where either
side keeps its code. It compares every variable of the checkpoint, every picture, the losses in
metrics.jsonl, and what the SavedModel's signatures return. The case "goes on" starts a run with
COMMIT and finishes it with this tree. Products instead of convolutions (--kernel_forms) change the
last bits, so both sides train without.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
STEPS, IMAGES = 20, 20
SMALL = ("--output_height=32", "--stem_width=64", "--batch_size=16", "--sample_freq=10")
FOLDER = ("--dataset=shapes", "--mixed_precision=float32", *SMALL)
CASES = {
    "float32": FOLDER,
    "bfloat16": (*FOLDER, "--mixed_precision=bfloat16"),
    "float16": (*FOLDER, "--mixed_precision=float16"),
    "labels": (*FOLDER, "--labels=folder"),
    "labels in bfloat16": (*FOLDER, "--labels=folder", "--mixed_precision=bfloat16"),
    "paper": (*FOLDER, "--preset=paper", "--stem_width=64", "--batch_size=16"),
    "tutorial": (*FOLDER, "--preset=tutorial"),
    "an odd size": (*FOLDER, "--output_height=33", "--output_width=47", "--c_dim=1"),
    "mnist": ("--dataset=mnist", "--mixed_precision=float32", "--batch_size=16"),
    "mnist, paper": (
        "--dataset=mnist",
        "--mixed_precision=float32",
        "--preset=paper",
        "--batch_size=16",
    ),
}
# 67980ae kept no record of what it wrote, so its film is moved aside when another replaces it.
LEFT_OUT = (".written.json", "training.1.gif")
IMAGES_SHOWN = "images_shown/.ATTRIBUTES/VARIABLE_VALUE"
LOSSES = ("epoch", "d_loss", "g_loss", "d_loss_real", "d_loss_fake", "d_real", "d_fake")
ACTIONS = (f"--steps={STEPS}", "--train", f"--sample={IMAGES}", "--export")


def main(commit: str, *chosen: str) -> int:
    """Returns how many cases differ."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # GPUs do not promise the same bits
    differing = 0

    with tempfile.TemporaryDirectory() as place:
        other, data = Path(place, "other"), Path(place, "data")
        check_out(commit, other)
        write_images(data)

        for name in chosen or (*CASES, "goes on"):
            trees = {commit: other, "this tree": ROOT}
            flags = CASES.get(name, FOLDER)
            runs = {
                label: run(tree, flags, data, Path(place, "out", name, label.replace(" ", "_")))
                for label, tree in trees.items()
            }
            if name == "goes on":
                runs["this tree"] = continued(
                    other, flags, data, Path(place, "out", name, "continued")
                )

            found = differences(*runs.values())
            differing += bool(found)
            print(f"{name}: {'; '.join(found) if found else 'equal'}", flush=True)

    return differing


def check_out(commit: str, folder: Path) -> None:
    archive = subprocess.run(
        ["git", "archive", commit], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def write_images(data: Path) -> None:
    """A folder of two classes, and MNIST's files, with seeded noise in blocks."""
    rng = np.random.default_rng(0)
    for number in range(60):
        path = data / "shapes" / f"class_{number % 2}" / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(pixels).save(path)

    (data / "mnist").mkdir()
    digits = rng.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    header = b"\0\0\x08\x03" + np.array(digits.shape, ">u4").tobytes()
    (data / "mnist" / "train-images-idx3-ubyte").write_bytes(header + digits.tobytes())
    classes = (np.arange(60) % 10).astype(np.uint8)
    header = b"\0\0\x08\x01" + np.array(classes.shape, ">u4").tobytes()
    (data / "mnist" / "train-labels-idx1-ubyte").write_bytes(header + classes.tobytes())


def run(tree: Path, flags: tuple, data: Path, out: Path, actions: tuple = ACTIONS) -> Path:
    """Runs main.py of `tree` and returns the run's folder."""
    places = (f"--data_dir={data}", f"--out_dir={out}", "--out_name=run")
    settings = tree / "config" / "settings.py"
    has_forms = settings.exists() and "kernel_forms" in settings.read_text()
    plain = ("--kernel_forms=plain",) if has_forms else ()
    command = [sys.executable, "main.py", *flags, *plain, *places, *actions]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} in {tree} failed:\n{done.stderr}")
    return out / "run"


def continued(other: Path, flags: tuple, data: Path, out: Path) -> Path:
    """Half of the steps with the other tree, the rest with this one."""
    run(other, flags, data, out, (f"--steps={STEPS // 2}", "--train"))
    return run(ROOT, flags, data, out)


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two runs, in words."""
    import tensorflow as tf

    found = []
    variables = [read_variables(tf, run) for run in (one, other)]
    if variables[0].keys() != variables[1].keys():
        found.append(f"names of variables: {sorted(variables[0].keys() ^ variables[1].keys())}")
    found += [
        f"variable {name}"
        for name in sorted(variables[0].keys() & variables[1].keys())
        if variables[0][name] != variables[1][name]
    ]

    pictures = [
        {
            str(path.relative_to(run)): path.read_bytes()
            for path in (run / "samples").rglob("*")
            if path.is_file() and path.name not in LEFT_OUT
        }
        for run in (one, other)
    ]
    names = sorted(pictures[0].keys() | pictures[1].keys())
    found += [name for name in names if pictures[0].get(name) != pictures[1].get(name)]

    losses = [read_losses(run) for run in (one, other)]
    if losses[0] != losses[1]:
        found.append("losses in metrics.jsonl")

    outputs = [call_signatures(tf, run) for run in (one, other)]
    found += [
        f"SavedModel's {name}" for name in outputs[0] if outputs[0][name] != outputs[1].get(name)
    ]
    return found


def read_variables(tf, run: Path) -> dict[str, bytes]:
    reader = tf.train.load_checkpoint(str(run / "checkpoints" / f"step-{STEPS}"))
    left_out = ("_CHECKPOINTABLE_OBJECT_GRAPH", IMAGES_SHOWN)  # 67980ae did not count images
    names = [name for name in reader.get_variable_to_shape_map() if name not in left_out]
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in names}


def read_losses(run: Path) -> dict[int, dict]:
    """The losses by step; without scores, which an older commit may not have, and speeds."""
    lines = map(
        json.loads, (run / "logs" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    )
    kept = {line["step"]: {name: line[name] for name in LOSSES} for line in lines}
    return {step: line for step, line in kept.items() if step in (1, STEPS)}


def call_signatures(tf, run: Path) -> dict[str, bytes]:
    """Every output of the SavedModel's three signatures for fixed inputs."""
    signatures = tf.saved_model.load(str(run / "export" / "saved_model")).signatures
    card = json.loads((run / "export" / "model_card.json").read_text(encoding="utf-8"))
    rng = np.random.default_rng(1)
    z = tf.constant(rng.uniform(-1, 1, (5, card["z_dim"])), tf.float32)
    shape = (5, card["height"], card["width"], card["channels"])
    images = tf.constant(rng.uniform(-1, 1, shape), tf.float32)
    y = (
        {
            "y": tf.constant(
                np.eye(len(card["labels"]))[np.arange(5) % len(card["labels"])], tf.float32
            )
        }
        if card["labels"]
        else {}
    )

    results = {
        "serving_default": signatures["serving_default"](z=z, **y),
        "sample": signatures["sample"](seed=tf.constant(3, tf.int64), count=tf.constant(5), **y),
        "discriminate": signatures["discriminate"](images=images, **y),
    }
    return {
        f"{name} {key}": b"".join(value.numpy())
        if value.dtype == tf.string
        else value.numpy().tobytes()
        for name, outputs in results.items()
        for key, value in outputs.items()
    }


if __name__ == "__main__":
    if len(sys.argv) < 2 or not shutil.which("git"):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
