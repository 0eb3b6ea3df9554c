"""Damaged states: training resumes from the newest readable one; if there is none, one line says so
and nothing is lost.
"""

import dataclasses
import json
import random
import shutil

import numpy as np
import pytest
from common import TINY
from program import TINY_FLAGS, is_one_line, run_here, tree

from config.settings import Config
from config.stored import change_settings, write_config
from gan import DCGAN
from model import Generator
from runs.checkpoint_files import list_checkpoints
from runs.checkpoints import Checkpoints, restore_networks
from runs.find import find_run_to_train
from runs.read import read_run
from train import train

PICTURES = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A run with checkpoints of steps 2, 4 and 6."""
    out = str(tmp_path_factory.mktemp("original"))
    config = Config(
        **TINY,
        blocks=1,
        g_updates=1,
        steps=6,
        ckpt_freq=2,
        dataset="faces",
        out_dir=out,
        out_name="run",
    )
    return train(config, PICTURES)


@pytest.fixture
def trained(original, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(original.run_dir, tmp_path / "out" / "run")
    return dataclasses.replace(
        original, out_dir=str(tmp_path / "out"), data_dir=str(tmp_path / "data")
    )


def restored(config) -> int:
    return Checkpoints(DCGAN(config), config).restore()


@pytest.fixture(scope="module")
def weights(original):
    """The generator's variables at steps 4 and 6."""
    return {step: generator_at(original, step) for step in (4, 6)}


def generator_at(config, step) -> list[bytes]:
    dcgan = DCGAN(config)
    Checkpoints(dcgan, config).state.read(
        str(config.checkpoint_path / f"step-{step}")
    ).assert_consumed()
    return [variable.numpy().tobytes() for variable in dcgan.generator.variables]


def newest(config, kind):
    return config.checkpoint_path / f"step-6.{kind}"


def cut(share):
    def harm(path, _):
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return harm


def flip(seed):
    def harm(path, _):
        content, chosen = bytearray(path.read_bytes()), random.Random(seed)
        content[chosen.randrange(len(content))] ^= 1 << chosen.randrange(8)
        path.write_bytes(content)

    return harm


def zeros(path, _):
    path.write_bytes(bytes(path.stat().st_size))


def nonsense(path, _):
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


def gone(path, _):
    path.unlink()


def other_shape(path, config):
    other = dataclasses.replace(config, stem_width=48, out_name="other")
    Checkpoints(DCGAN(other), other).save(6)
    for file in other.checkpoint_path.glob("step-6.*"):
        file.replace(path.parent / file.name)


def not_finite(path, config):
    checkpoints = Checkpoints(DCGAN(config), config)
    checkpoints.restore()
    checkpoints.dcgan.discriminator.blocks[0].conv.bias.assign([np.nan] * 32)
    checkpoints.has_finite_state = lambda: True
    checkpoints.save(6)


DATA, INDEX = "data-00000-of-00001", "index"
DAMAGE = [
    *((DATA, cut(share)) for share in (0, 0.001, 0.5, 0.999)),
    *((DATA, flip(seed)) for seed in range(4)),
    *((DATA, harm) for harm in (zeros, nonsense, gone, other_shape, not_finite)),
    *((INDEX, cut(share)) for share in (0, 0.3, 0.99)),
    *((INDEX, flip(seed)) for seed in range(4)),
    *((INDEX, harm) for harm in (zeros, nonsense, gone)),
]


@pytest.mark.parametrize("kind, harm", DAMAGE)
def test_the_checkpoint_before_is_used(kind, harm, trained, weights):
    harm(newest(trained, kind), trained)
    assert restored(trained) == 4
    generator = Generator(trained.network_config())
    step = restore_networks(trained, generator=generator).step  # 6 if only the rest is damaged
    assert [variable.numpy().tobytes() for variable in generator.variables] == weights[step]


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\0 nonsense", b'model_checkpoint_path: "step-99"\n']
)
def test_tensorflows_list_of_checkpoints_does_not_matter(content, trained):
    path = trained.checkpoint_path / "checkpoint"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert restored(trained) == 6
    assert read_run(trained.run_dir) is not None


@pytest.mark.slow
def test_two_damaged_and_training_goes_on_from_the_third(trained, messages):
    before = tree(trained.run_dir / "logs")["metrics.jsonl"]
    cut(0.5)(newest(trained, DATA), trained)
    gone(trained.checkpoint_path / f"step-4.{DATA}", trained)
    longer = train(change_settings(trained, {"steps": 8}), PICTURES)
    text = "was at step 6 and resumes from step 2: later checkpoints are gone or damaged."
    kept = "logs/metrics.1.jsonl keeps the later lines."
    assert f"{trained.run_dir} {text} {kept}" in messages
    assert tree(trained.run_dir / "logs")["metrics.1.jsonl"] == before
    assert [path.name for path in list_checkpoints(trained.checkpoint_path)] == [
        "step-4",
        "step-6",
        "step-8",
    ]
    aside = trained.checkpoint_path / "unreadable.1"
    assert [path.name for path in list_checkpoints(aside)] == ["step-4", "step-6"]
    for step in (8, 6, 4):  # all are made again
        assert restored(longer) == step
        for path in longer.checkpoint_path.glob(f"step-{step}.*"):
            path.unlink()


@pytest.mark.parametrize("remove", [cut(0.5), gone])
def test_when_all_are_damaged_or_gone_training_goes_on_from_the_best(remove, trained, messages):
    shutil.copytree(trained.checkpoint_path, trained.best_path)
    for path in trained.best_path.glob("step-[26].*"):
        path.unlink()
    for path in trained.checkpoint_path.glob("step-*.*"):
        remove(path, trained)
    assert restored(trained) == 4
    longer = train(change_settings(trained, {"steps": 8}), PICTURES)
    assert any("continues from it. To start over instead" in message for message in messages)
    text = "was at step 6 and resumes from step 4: later checkpoints are gone or damaged."
    assert any(text in message for message in messages)
    assert restored(longer) == 8
    assert (trained.best_path / "step-4.index").exists()


@pytest.mark.parametrize("action", ["--train", "--sample=1", "--export", "--freeze", "--visualize"])
def test_when_all_are_damaged_one_line_says_so_and_nothing_is_lost(
    action, trained, image_folder, capsys
):
    image_folder(20)
    write_config(dataclasses.replace(trained, dataset_fingerprint=""))  # it was trained on others
    for path in trained.checkpoint_path.glob("step-*.data*"):
        cut(0.5)(path, trained)
    before = tree(trained.run_dir)
    out = [
        f"--out_dir={trained.out_dir}",
        f"--data_dir={trained.data_dir}",
        "--out_name=run",
        "--steps=9",
    ]
    assert run_here("--dataset=faces", *out, action) == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    assert ": 3 are damaged, and left as they are. Restore one from a backup" in said
    assert tree(trained.run_dir) == before


@pytest.mark.parametrize(
    ("action", "has_settings"),
    [("--train", True), ("--sample=1", True), ("--export", True), ("--train", False)],
)
def test_checkpoints_of_another_network_are_called_that(
    action, has_settings, trained, image_folder, capsys, caplog
):
    """Its config.json was changed, or is gone and the flags differ."""
    image_folder(20)
    path = trained.run_dir / "config.json"
    settings = json.loads(path.read_text()) | {"z_dim": 9, "dataset_fingerprint": ""}
    path.write_text(json.dumps(settings))
    flags = ["--dataset=faces", "--out_name=run", "--steps=9", action]
    if not has_settings:
        path.unlink()
        flags += [*TINY_FLAGS, "--blocks=1", "--z_dim=9"]

    before = tree(trained.run_dir)
    places = [f"--out_dir={trained.out_dir}", f"--data_dir={trained.data_dir}"]
    assert run_here(*places, *flags, tiny=()) == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    assert f"{trained.checkpoint_path} belong to another network: --z_dim=8 (here 9). " in said
    assert ("Restore the config.json" in said) is has_settings
    assert "damaged" not in said and "cannot be read" not in caplog.text
    assert tree(trained.run_dir) == before


CONFIGS = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe{}",
    b'{"stem_width": "wide"}',
    b'{"stem_width": 33}',
    b'{"learning_rate": NaN}',
    b'{"no_such_flag": 1}',
    b'{"output_height": 1e400}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("content", CONFIGS)
def test_a_damaged_config_is_said_plainly(content, trained, capsys):
    (trained.run_dir / "config.json").write_bytes(content)
    before = tree(trained.run_dir)
    out = [f"--out_dir={trained.out_dir}", f"--data_dir={trained.data_dir}", "--out_name=run"]
    assert run_here("--dataset=faces", *out, "--train") == 1
    said = capsys.readouterr().err
    assert is_one_line(said)
    assert "config.json" in said and "or delete it and give the run's flags again" in said
    assert tree(trained.run_dir) == before


def test_a_config_of_an_older_version_has_todays_defaults(trained):
    path = trained.run_dir / "config.json"
    settings = json.loads(path.read_text())
    for name in ("deterministic", "halvings", "steps_per_call", "adam_form"):
        del settings[name]
    path.write_text(json.dumps(settings))
    given = {"out_dir": trained.out_dir, "data_dir": trained.data_dir, "out_name": "run"}
    assert find_run_to_train(given) == trained


@pytest.mark.slow
def test_without_its_config_a_run_goes_on_with_the_same_flags(trained):
    (trained.run_dir / "config.json").unlink()
    assert restored(train(dataclasses.replace(trained, steps=7), PICTURES)) == 7
