"""The messages before the first step and after the last."""

import dataclasses
import shlex

import pytest

from config.presets import apply_preset
from config.settings import MAX_COUNT, Config
from config.stored import write_config
from runs.changes import record_changed_settings
from runs.commands import find_typed_program
from runs.progress import Progress
from system import devices
from training import announcements
from training.announcements import (
    announce_change_of_step_size,
    announce_changed_settings,
    announce_complete_training,
    announce_end_of_training,
    announce_planned_steps,
    announce_training,
    is_run_of_reference,
    suggest_longer_length,
)

SAID = {"total": 5000, "seconds": 0.0, "precision": "float32", "jit": False, "step_bytes": 3e9}


@pytest.fixture(autouse=True)
def _much_memory(monkeypatch):
    monkeypatch.setattr(announcements, "measure_available_memory", lambda: 1e12)


@pytest.mark.parametrize(
    ("start", "jit", "line"),
    [
        (0, False, "starting, until step 5,000, on CPU in float32."),
        (1200, True, "resuming at step 1,200, until step 5,000, on CPU in float32 with XLA."),
    ],
)
def test_it_says_what_begins_and_where_to_watch(start, jit, line, tiny, messages):
    config = tiny(out_name="it's a run")
    announce_training(config, **SAID | {"start": start, "jit": jit})
    assert messages[0] == f"{config.run_dir}: {line}"
    assert messages[1].startswith("watch it with: tensorboard --logdir '/")
    assert """/it'"'"'s a run/logs'""" in messages[1]  # quoted for a shell
    assert len(messages) == 2


def test_it_says_when_steps_have_other_images_than_before(tiny, messages):
    stored = tiny(d_updates=2)
    announce_change_of_step_size(stored, Progress(5, 80), 20)  # there is no run
    stored.run_dir.mkdir(parents=True)
    write_config(stored)
    announce_change_of_step_size(tiny(d_updates=2, epoch=50), Progress(5, 80), 20)
    announce_change_of_step_size(tiny(d_updates=1), Progress(0, 0), 20)  # imported
    assert messages == []

    changed = tiny(d_updates=1, batch_size=4)
    announce_change_of_step_size(changed, Progress(5, 80), 20)
    assert messages == [
        "--batch_size is 4 now and was 8, --d_updates is 1 now and was 2: "
        "the images continue in their order, at epoch 4.00."
    ]


def test_it_warns_of_too_little_memory_where_that_is_known(tiny, messages, monkeypatch):
    for free in (None, 3e9, 2.9e9):
        monkeypatch.setattr(announcements, "measure_available_memory", lambda free=free: free)
        announce_training(tiny(), **SAID, start=0)
    [warning] = [text for text in messages if "memory" in text]
    assert "needs about 3.0 GB of memory, and 2.9 GB are free." in warning
    assert "--batch_size (now 8) or --stem_width (now 32)" in warning


@pytest.mark.parametrize(
    ("seconds", "before", "line"),
    [
        (0.2, 0.0, "trained for less than a second"),
        (1.2, 0.0, "trained for 1 second"),
        (59.6, 0.0, "trained for 1 minute"),
        (754, 2000, "trained for 13 minutes, 46 minutes in all"),
        (12_000, 3600, "trained for 3 hours 20 minutes, 4 hours 20 minutes in all"),
    ],
)
def test_at_the_end_it_says_how_long_it_took(seconds, before, line, tiny, capsys):
    announce_end_of_training(tiny(), seconds=seconds, seconds_before=before, finished=True)
    assert capsys.readouterr().out.splitlines()[0] == line


def test_at_the_end_it_says_what_is_there_and_what_comes_next(tiny, capsys):
    """The commands find the run when a shell reads them."""
    config = tiny(out_name="it's a run")
    announce_end_of_training(config, seconds=1, seconds_before=0, finished=False)
    assert "grids" not in capsys.readouterr().out

    config.sample_path.mkdir(parents=True)
    (config.sample_path / "train_00000001.png").touch()
    announce_end_of_training(config, seconds=1, seconds_before=0, finished=False)
    _, grids, draw, export = capsys.readouterr().out.splitlines()
    assert grids == f"the grids are in {config.sample_path}"
    for line, action in ((draw, "--sample=64"), (export, "--export")):
        program, script, *flags = shlex.split(line.partition(": ")[2])
        assert (program, script) == find_typed_program()
        assert flags == [f"--out_dir={config.out_dir}", "--out_name=it's a run", action]

    (config.sample_path / "training.gif").touch()
    announce_end_of_training(config, seconds=1, seconds_before=0, finished=False)
    assert (
        capsys.readouterr().out.splitlines()[1] == f"{grids}, and their animation is training.gif"
    )


def test_the_best_is_told_unless_it_is_of_other_images(tiny, capsys):
    config = tiny(dataset_fingerprint="before")
    for folder, step in ((config.checkpoint_path, 9), (config.best_path, 5)):
        folder.mkdir(parents=True)
        (folder / f"step-{step}.index").touch()
    write_config(config)
    told = "the best of the scored checkpoints is step-5: --checkpoint=best draws from it"
    announce_end_of_training(config, seconds=1, seconds_before=0, finished=False)
    assert told in capsys.readouterr().out.splitlines()

    record_changed_settings(dataclasses.replace(config, dataset_fingerprint="now"), 5)
    announce_end_of_training(config, seconds=1, seconds_before=0, finished=False)
    assert told not in capsys.readouterr().out.splitlines()


def test_it_warns_of_a_gpu_that_lies_idle(tiny, messages, monkeypatch):
    monkeypatch.setattr(devices, "explain_unused_gpu", lambda: "100% of the GPU is idle")
    announce_training(tiny(), **SAID, start=0)
    assert messages.count("100% of the GPU is idle") == 1


def test_it_warns_of_so_few_steps_that_no_shape_would_appear(tiny, messages):
    """25 epochs of 378 images: the pictures were only smears."""
    total = tiny(batch_size=64).total_steps(378)
    announce_training(tiny(), **SAID | {"total": total}, start=0)
    said = "Only 148 steps: shapes appear at about step 400. Try --steps=2000."
    assert messages.count(said) == 1

    announce_training(tiny(), **SAID | {"total": 1}, start=0)
    assert any(text.startswith("Only 1 step: ") for text in messages)
    messages.clear()
    announce_training(tiny(), **SAID | {"total": 400}, start=0)
    announce_training(tiny(), **SAID | {"total": total}, start=20)  # said before
    assert not any("shapes appear" in text for text in messages)


def test_it_says_how_many_steps_fit_and_when_that_changes(tiny, messages):
    config = tiny(minutes=20)
    announce_training(config, **SAID | {"total": MAX_COUNT}, start=0)
    assert "starting, for 20 minutes, on CPU" in messages[0]
    assert not any("counts all training" in text for text in messages)
    messages.clear()
    announce_training(config, **SAID | {"seconds": 300.0}, start=900)
    assert messages[1] == "--minutes=20 counts all training of the run: 5 minutes before now."
    messages.clear()
    facts = {"images_per_second": 765.2, "epochs": 22.9}
    announce_planned_steps(config, 50, 14300, before=MAX_COUNT, **facts)
    announce_planned_steps(config, 900, 9300, before=14300, images_per_second=500, epochs=14.9)
    announce_planned_steps(config, 9200, 9200, before=9300, images_per_second=500, epochs=14.7)
    assert messages == [
        "--minutes=20 gives 14,300 steps at 765 images/s, about 22.9 epochs.",
        "--minutes=20 now gives 9,300 steps at 500 images/s, about 14.9 epochs (before: 14,300).",
        "--minutes=20: time is up, ending at step 9,200.",
    ]


def test_a_run_of_the_reference_is_told_of_the_newer_methods(tiny, capsys):
    """Once it is done, with a command for a different run on the same images."""
    config = tiny(dataset="/my pets", output_width=24, crop=False, train_size=50, minutes=20)
    announce_end_of_training(config, seconds=1, seconds_before=0, finished=True)
    line = capsys.readouterr().out.splitlines()[-1]
    lead, _, command = line.partition(": ")
    assert lead == "newer methods may draw better images in the same time"
    program, name, *flags = shlex.split(command)
    assert (program, name) == find_typed_program()
    assert {*flags} == {
        *("--dataset=/my pets", "--preset=modern", "--train", f"--out_name={config.name}-modern"),
        *(f"--out_dir={config.out_dir}", f"--data_dir={config.data_dir}", "--nocrop"),
        *("--output_height=16", "--output_width=24", "--train_size=50", "--stem_width=32"),
        *("--batch_size=8", "--minutes=20", "--mixed_precision=float32"),
    }

    for finished, before in ((False, 0), (True, 1)):
        announce_end_of_training(config, seconds=1, seconds_before=before, finished=finished)
        assert "newer methods" not in capsys.readouterr().out


def test_the_newer_methods_are_suggested_with_the_length_that_counts(tiny, capsys):
    """A run may have had another length before."""
    config = tiny(dataset="/my pets", epoch=2, steps=20)
    announce_end_of_training(config, seconds=1, seconds_before=0, finished=True)
    line = capsys.readouterr().out.splitlines()[-1]
    assert "--steps=20" in line and "--epoch" not in line


def test_changed_settings_are_named(tiny, messages):
    stored = tiny()
    announce_changed_settings(stored, None)
    announce_changed_settings(dataclasses.replace(stored, steps=9, batch_size=4), stored)
    assert messages == []
    announce_changed_settings(dataclasses.replace(stored, learning_rate=0.01, flip=True), stored)
    announce_changed_settings(dataclasses.replace(stored, exclude="a.txt"), stored)
    assert messages == [
        "changed from now on: --learning_rate=0.01 (before: 0.0002), --flip=True (before: False).",
        "changed from now on: --exclude=a.txt (before: none).",
    ]


def test_what_the_program_chooses_for_auto_is_no_change(tiny, messages, monkeypatch):
    """As after --import_weights; what the user types is one."""
    monkeypatch.setattr(devices, "_read_cpu_flags", lambda: {"amx_bf16"})
    stored = tiny(mixed_precision="auto", kernel_forms="auto")
    announce_changed_settings(dataclasses.replace(stored, kernel_forms="products"), stored)
    assert messages == []
    plain = dataclasses.replace(stored, kernel_forms="plain")
    announce_changed_settings(plain, stored)
    announce_changed_settings(plain, dataclasses.replace(stored, kernel_forms="products"))
    assert messages == [
        "changed from now on: --kernel_forms=plain (before: auto).",
        "changed from now on: --kernel_forms=plain (before: products).",
    ]


def test_what_a_complete_run_is_told(tiny, messages):
    config = tiny(steps=9)
    config.run_dir.mkdir(parents=True)
    write_config(config)
    announce_complete_training(config, 9171, epochs=1960.4, seconds=60)
    assert messages == [
        f"{config.run_dir} is complete: 9,171 steps, 1,960 epochs. To train longer, set --steps "
        "above 9171."
    ]
    changed = dataclasses.replace(config, sample_dir="mine", batch_size=99)
    announce_complete_training(changed, 9, epochs=1.984, seconds=60)
    assert messages[1].startswith(f"{config.run_dir} is complete: 9 steps, 1.98 epochs.")
    told = "--batch_size=99 (before: 8), --sample_dir=mine (before: samples)."
    assert messages[2] == f"nothing was trained, so this has no effect: {told}"


@pytest.mark.parametrize(
    ("minutes", "seconds", "told"),
    [(0.1, 7, "0.12"), (0.1, 17.6, "0.3"), (0.5, 29.9, "0.5"), (2, 190, "3.2"), (20, 1195, "20")],
)
def test_minutes_that_are_fewer_than_a_run_has_are_no_advice(tiny, minutes, seconds, told):
    config = tiny(minutes=minutes, steps=None)
    longer = suggest_longer_length(config, 9, epochs=1.0, seconds=seconds)
    assert longer == f"--minutes above {told}"


def test_who_has_a_run_of_modern_knows_the_newer_methods(tiny, capsys):
    modern = tiny(out_name="modern", loss="hinge")
    modern.checkpoint_path.mkdir(parents=True)
    (modern.checkpoint_path / "step-5.index").touch()
    write_config(modern)
    announce_end_of_training(tiny(), seconds=1, seconds_before=0, finished=True)
    assert "newer methods" not in capsys.readouterr().out


def test_other_runs_are_not_told_of_the_newer_methods(tiny):
    assert is_run_of_reference(tiny())
    assert is_run_of_reference(Config(**apply_preset({"dataset": "mnist"})).resolve())
    for preset in ("paper", "tutorial", "modern"):
        for dataset in ("digits", "mnist"):
            settings = apply_preset({"preset": preset, "dataset": dataset})
            assert not is_run_of_reference(Config(**settings).resolve())
    assert not is_run_of_reference(tiny(dataset="array"))  # from Python
    tiny().run_dir.mkdir(parents=True)
    (tiny().run_dir / "imported_from.txt").touch()
    assert not is_run_of_reference(tiny())
