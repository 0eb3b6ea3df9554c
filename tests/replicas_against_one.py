"""Trains on virtual devices, or in several processes, and on one, with the same images in each
step; prints how far the two are apart, as JSON. A program of its own, since TensorFlow splits a
CPU, or joins other processes, only before its first op.

  python tests/replicas_against_one.py 2
  TF_CONFIG=... python tests/replicas_against_one.py 2 CASE ...   (in both processes)

Adam's first steps are as long for a gradient of 1e-9 as for one of 1, and the gradient of a bias
before a batch norm is nothing but rounding. So Adam's epsilon is 1 here, unless a case says
otherwise: a step is then proportional to its gradient, and rounding stays as small as it is.
"""

import dataclasses
import hashlib
import json
import os
import sys
from pathlib import Path

os.environ |= {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from common import TINY
from inputs import LABELLED

from config.presets import PRESETS
from config.settings import Config
from distribution import gather_from_workers, join_workers, settle_replicas
from gan import DCGAN
from kernels import adam
from system.cluster import find_workers
from train import set_tensorflow_options_for_training
from training.steps import Steps

STEPS, IMAGES = 10, 48
SHARE = 8  # images that each device takes
# Differences are relative to at least these: the standard deviation of new kernels, and a loss that
# is a mean of logits of both signs.
SMALLEST_WEIGHT, SMALLEST_RESULT = 0.02, 0.1
NETWORKS = {name: value for name, value in TINY.items() if name != "batch_size"}

CASES = {
    "adam": {"adam_epsilon": adam.ADAM_EPSILON},
    "penalties": {
        "d_norm": "none",
        "loss": "relativistic",
        "r1": 1.0,
        "r2": 1.0,
        "penalty_batch": 0.25,
        "penalty_decay": 0.1,
    },
    "random changes": {"augment": "diffaugment", "flip": True, "dither": True, "d_dropout": 0.3},
    "batch deviation": {"minibatch_stddev": True, "d_norm": "spectral", "alternate": True},
    "average": {"ema_half_life": 500.0, "lr_decay": "cosine", "l2": 1e-3, "d_updates": 2},
    "local": {"sync_batch_norm": False},
    "float16": {"precision": "float16"},
    "overflow": {"precision": "float16", "loss_scale": 2.0**24},
}
for preset, settings in PRESETS.items():
    CASES[preset] = settings
    projection = {"d_labels": "projection"} if preset == "modern" else {}
    CASES[f"{preset} with labels"] = settings | LABELLED | projection


def main(replicas: int, names: list[str]) -> dict[str, dict]:
    """names: of the cases; all by default."""
    workers = find_workers("auto")
    settle_replicas(Config(virtual_devices=1 if workers else replicas))
    set_tensorflow_options_for_training(Config())
    if workers:
        join_workers(workers)
    return {name: compare(dict(CASES[name]), replicas) for name in names or CASES}


def compare(case: dict, replicas: int) -> dict:
    """The largest differences of results and of variables, and whether all replicas are equal."""
    precision = case.pop("precision", "float32")
    adam.ADAM_EPSILON = case.pop("adam_epsilon", 1.0)
    loss_scale = case.pop("loss_scale", None)
    one = Config(**(NETWORKS | case | {"stem_width": 32, "batch_size": SHARE * replicas}))
    one = dataclasses.replace(one, distribute="off")
    how = "multiworker" if find_workers("auto") else "mirrored"
    several = dataclasses.replace(one, batch_size=SHARE, replicas=replicas, distribute=how)

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES, 16, 16, 3), dtype=np.uint8)
    y = np.eye(3, dtype=np.float32)[np.arange(IMAGES) % 3] if one.y_dim else None
    trained = [DCGAN(config, precision=precision) for config in (one, several)]
    if loss_scale:
        for dcgan in trained:
            with dcgan.replicas.scope():
                dcgan.g_scaler.dynamic_scale.assign(loss_scale)
                dcgan.d_scaler.dynamic_scale.assign(loss_scale)
    calls = [range(step, step + 1) for step in range(STEPS)]
    runs = [list(Steps(dcgan, images, y).run(calls)) for dcgan in trained]
    return {
        "results": measure_result_differences(*runs),
        "weights": measure_weight_difference(*trained),
        "moved": measure_weight_difference(DCGAN(one), trained[0], "trainable_variables"),
        "scales": [[float(s) for s in dcgan.read_loss_scales().values()] for dcgan in trained],
        "replicas are equal": are_replicas_equal(trained[1]),
    }


def measure_result_differences(one: list[dict], several: list[dict]) -> dict[str, float]:
    """By name, the largest over all steps; without z and y, of which a process has its share."""
    assert {*one[0]} == {*several[0]}
    pairs = list(zip(one, several, strict=True))
    return {
        name: max(differ(a[name], b[name], SMALLEST_RESULT) for a, b in pairs)
        for name in {*one[0]} - {"z", "y"}
    }


def measure_weight_difference(one: DCGAN, several: DCGAN, which: str = "variables") -> float:
    networks = [[dcgan.generator, dcgan.discriminator] for dcgan in (one, several)]
    if one.average and several.average:
        networks[0].append(one.average.generator)
        networks[1].append(several.average.generator)
    variables = ([v for network in side for v in getattr(network, which)] for side in networks)
    return max(
        differ(a.numpy(), b.numpy(), SMALLEST_WEIGHT) for a, b in zip(*variables, strict=True)
    )


def differ(one, other, least: float) -> float:
    """The largest difference, relative to the largest number."""
    one, other = (np.asarray(value, np.float64) for value in (one, other))
    assert one.shape == other.shape
    return float(np.abs(one - other).max() / max(np.abs(one).max(), least))


def are_replicas_equal(dcgan: DCGAN) -> bool:
    """Whether every variable has the same bits on all devices."""
    owners = [dcgan.generator, dcgan.discriminator, dcgan.g_scaler, dcgan.d_scaler]
    digest = hashlib.sha256()
    for variable in (variable for owner in owners for variable in owner.variables):
        first, *others = dcgan.replicas.strategy.experimental_local_results(variable.value)
        if not all(np.array_equal(first.numpy(), other.numpy()) for other in others):
            return False
        digest.update(first.numpy().tobytes())
    if dcgan.replicas.workers is None:
        return True
    numbers = np.frombuffer(digest.digest(), np.int64)
    digests = gather_from_workers(dcgan.replicas.workers, numbers)
    return bool((digests == digests[0]).all())


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), sys.argv[2:])))
