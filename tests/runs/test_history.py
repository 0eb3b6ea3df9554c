"""What an earlier training left, and when it is moved aside."""

import dataclasses
import json
import shutil

import pytest
from program import tree

from config.stored import write_config
from runs.claims import claim_run_folders
from runs.history import (
    cut_metrics_of_run_after_step,
    describe_earlier_training,
    keep_run_metrics_of_lost_checkpoints,
    list_grids_of_run,
    plan_total_steps,
    put_earlier_training_aside,
    read_metrics,
    read_thinned_metrics_of_run,
    was_stopped_before_first_checkpoint,
)
from system.written import RECORD_NAME, replace_folder


@pytest.fixture
def stopped(tiny):
    """A factory of runs that were killed after 20 steps, before their first checkpoint."""

    def make(**changes):
        config = tiny(**({"ckpt_freq": 20} | changes)).resolve()
        for folder in (config.run_dir / "logs", config.sample_path):
            folder.mkdir(parents=True, exist_ok=True)
        (config.run_dir / "logs" / "metrics.jsonl").write_text('{"step": 20}\n{"step"')
        for name in ("reals.png", "train_00000020.png", "mine.png"):
            (config.sample_path / name).write_text(name)
        claim_run_folders(config)
        write_config(config)
        return config

    return make


ASIDE = {
    "config.1.json",
    "logs.1/metrics.jsonl",
    "samples.1/mine.png",
    "samples.1/reals.png",
    "samples.1/train_00000020.png",
}


def test_where_nothing_shows_a_checkpoint_all_stays(stopped, messages):
    config = stopped()
    before = tree(config.run_dir)
    put_earlier_training_aside(config)
    assert tree(config.run_dir) == before
    assert list(list_grids_of_run(config)) == [20]
    told = "was stopped before its first checkpoint: its steps are done again from step 0."
    assert messages == [f"{config.run_dir} {told}"]


@pytest.mark.parametrize("gone", ["logs/metrics.jsonl", "samples/train_00000020.png"])
def test_metrics_or_a_grid_alone_show_a_start_that_is_done_again(stopped, gone):
    config = stopped(dataset_fingerprint="images")
    assert was_stopped_before_first_checkpoint(config)
    (config.run_dir / gone).unlink()
    assert was_stopped_before_first_checkpoint(config)
    assert not was_stopped_before_first_checkpoint(dataclasses.replace(config, steps=70))
    unread = dataclasses.replace(config, dataset_fingerprint="")  # --dry_run reads no pixels
    assert was_stopped_before_first_checkpoint(unread)
    (config.checkpoint_path / "step-20.index").touch()
    assert not was_stopped_before_first_checkpoint(config)


def test_a_folder_without_any_training_stays(tiny):
    config = tiny().resolve()
    put_earlier_training_aside(config)
    (config.sample_path / "seed_0").mkdir(parents=True)
    put_earlier_training_aside(config)
    assert (config.sample_path / "seed_0").is_dir()


def remove_checkpoint_folder(config):
    (config.checkpoint_path / "run.json").unlink()
    config.checkpoint_path.rmdir()


def leave_tensorflows_list(config):
    (config.checkpoint_path / "checkpoint").write_text("model_checkpoint_path")


def log_more_steps_than_a_kill_loses(config):
    with open(config.run_dir / "logs" / "metrics.jsonl", "a") as file:
        file.write('\n{"step": 21}\n')


def draw_more_steps_than_a_kill_loses(config):
    (config.sample_path / "train_00000021.png").touch()


def change_a_setting(config):
    path = config.run_dir / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"batch_size": 9}))


def change_the_images(config):
    path = config.run_dir / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dataset_fingerprint": "others"}))


def change_the_labels(config):
    path = config.run_dir / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels_fingerprint": "others"}))


def bring_another_config(config):
    (config.run_dir / "config.json").write_text('{"a user\'s": "own"}')


def draw_from_a_checkpoint(config):
    with replace_folder(config.sample_path / "seed_0", what="1 image") as draft:
        (draft / "000000.png").touch()


@pytest.mark.parametrize(
    "change",
    [
        remove_checkpoint_folder,
        draw_from_a_checkpoint,
        leave_tensorflows_list,
        log_more_steps_than_a_kill_loses,
        draw_more_steps_than_a_kill_loses,
        change_a_setting,
        change_the_images,
        change_the_labels,
        bring_another_config,
    ],
)
def test_what_shows_an_earlier_training_puts_it_aside(stopped, change, messages):
    config = stopped(dataset_fingerprint="images", labels_fingerprint="labels")
    change(config)
    before = tree(config.run_dir)
    assert describe_earlier_training(config) == "samples, logs, config.json"
    assert tree(config.run_dir) == before
    put_earlier_training_aside(config)
    after = tree(config.run_dir)
    assert {*after} >= ASIDE
    assert sorted(after.values()) == sorted(before.values())
    text = "has no checkpoint and starts over; what was there was moved aside to "
    assert messages == [f"{config.run_dir} {text}samples.1, logs.1, config.1.json."]
    put_earlier_training_aside(config)
    assert tree(config.run_dir) == after and len(messages) == 1


def test_a_new_start_with_another_network_says_what_it_was(stopped, messages):
    config = stopped()
    remove_checkpoint_folder(config)
    put_earlier_training_aside(dataclasses.replace(config, stem_width=48))
    assert messages[0].endswith("config.1.json. It had --stem_width=32 (now 48).")


@pytest.mark.parametrize("changed", [{"steps": 70}, {"stem_width": 48}])
def test_a_start_that_ended_before_its_first_step_moves_nothing(stopped, changed, messages):
    config = stopped()
    (config.run_dir / "logs" / "metrics.jsonl").unlink()
    (config.sample_path / "train_00000020.png").unlink()
    before = tree(config.run_dir)
    put_earlier_training_aside(dataclasses.replace(config, **changed))
    assert tree(config.run_dir) == before
    assert messages == []

    bring_another_config(config)
    put_earlier_training_aside(dataclasses.replace(config, **changed))
    assert (config.run_dir / "config.1.json").read_text() == '{"a user\'s": "own"}'


def test_a_second_time_other_names_are_taken(stopped):
    config = stopped()
    (config.run_dir / "samples.1").mkdir()
    remove_checkpoint_folder(config)
    put_earlier_training_aside(config)
    assert (config.run_dir / "samples.2" / "mine.png").is_file()


@pytest.mark.parametrize("place", ["elsewhere", "."])
def test_in_a_folder_that_is_not_the_runs_only_its_pictures_move(stopped, tmp_path, place):
    """--sample_dir may be any folder: renaming it would surprise other programs."""
    folder = str(tmp_path / place) if place != "." else place
    config = stopped(sample_dir=folder)
    remove_checkpoint_folder(config)
    put_earlier_training_aside(config)
    assert (config.sample_path / "mine.png").is_file()
    names = sorted(path.name for path in (config.sample_path / "training.1").iterdir())
    assert names == ["reals.png", "train_00000020.png"]
    assert (config.run_dir / "logs.1").is_dir()


def test_an_export_is_of_an_earlier_training_and_goes_with_it(stopped, messages):
    """It may be all that is left of those weights, and --export would replace it."""
    config = stopped()
    for name in ("saved_model/saved_model.pb", "model_card.json", "notes"):
        path = config.run_dir / "export" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (config.run_dir / "imported_from.txt").write_text("another program's weights")
    (config.run_dir / "report.html").write_text("of those weights")
    (config.run_dir / "explore" / "walk").mkdir(parents=True)
    exported = tree(config.run_dir / "export")

    assert describe_earlier_training(config) == (
        "export, explore, samples, logs, config.json, imported_from.txt, report.html"
    )
    put_earlier_training_aside(config)
    assert tree(config.run_dir / "export.1") == exported
    names = "export.1, explore.1, samples.1, logs.1, config.1.json, imported_from.1.txt"
    names += ", report.1.html"
    assert messages[0].endswith(f"what was there was moved aside to {names}.")
    assert describe_earlier_training(config) == ""


def test_an_export_alone_is_put_aside_too(tiny):
    config = tiny().resolve()
    (config.run_dir / "export").mkdir(parents=True)
    assert describe_earlier_training(config) == ""  # nothing is in it
    (config.run_dir / "export" / "generator.pb").touch()
    put_earlier_training_aside(config)
    assert (config.run_dir / "export.1" / "generator.pb").is_file()


def test_what_was_drawn_into_a_folder_elsewhere_goes_along_with_its_record(stopped, tmp_path):
    config = stopped(sample_dir=str(tmp_path / "elsewhere"))
    draw_from_a_checkpoint(config)
    (config.sample_path / "seed_1").mkdir()  # without a record, its owner is unknown
    (config.sample_path / RECORD_NAME).write_text("{}")
    text = f"logs, config.json, the pictures in {config.sample_path}"
    assert describe_earlier_training(config) == text
    put_earlier_training_aside(config)
    aside = config.sample_path / "training.1"
    assert {path.name for path in aside.iterdir()} == {
        *(RECORD_NAME, "reals.png", "seed_0", "train_00000020.png")
    }
    assert (config.sample_path / "seed_1").is_dir()


OURS = b'{"step": 20, "epoch": 1.5, "d_loss": null, "seconds": 7.5}\n'
LATER = b'{"step": 40, "epoch": 3.0, "d_loss": 0.5, "seconds": 9.0}\n'


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (OURS, OURS),
        (OURS + LATER, OURS),
        (LATER, b""),
        (OURS + LATER + b'{"st', OURS),
        (OURS + b"\n", OURS),
        (OURS[:-1], OURS),
        (OURS.replace(b": ", b":"), OURS.replace(b": ", b":")),  # as a user's program wrote it
        (b'{"step": 3, "note": "mine"}\n' + OURS, b'{"step": 3, "note": "mine"}\n' + OURS),
    ],
)
def test_lines_of_metrics_that_are_written_again_go(tmp_path, content, left, messages):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(content)
    assert cut_metrics_of_run_after_step(path, 20) is None
    assert tree(tmp_path) == {"metrics.jsonl": left}
    assert messages == []


@pytest.mark.parametrize(
    "line",
    [
        b"# a note of the user's\n",
        b"# another, without an end",
        b'["no entry"]\n',
        b'{"note": "no step"}\n',
        b'{"step": 30, "note": "mine"}\n',
        b'{"step": "30"}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_lines_of_metrics_that_the_user_wrote_are_kept(tmp_path, line, messages):
    path, copy = tmp_path / "metrics.jsonl", tmp_path / "metrics.1.jsonl"
    path.write_bytes(OURS + line)
    assert cut_metrics_of_run_after_step(path, 20) == copy
    assert tree(tmp_path) == {"metrics.jsonl": OURS, "metrics.1.jsonl": OURS + line}
    text = f"{copy} keeps lines of metrics.jsonl that this program did not write."
    assert messages == [text]
    assert cut_metrics_of_run_after_step(path, 20) is None  # once


@pytest.fixture
def going_back(tiny):
    """A factory of runs that have a checkpoint of step 20 and did `done` steps."""

    def make(done, saved=20, **changes):
        config = tiny(**({"ckpt_freq": 20} | changes)).resolve()
        claim_run_folders(config)
        write_config(config)
        (config.run_dir / "logs").mkdir()
        (config.run_dir / "logs" / "metrics.jsonl").write_text(f'{{"step": {done}}}\n')
        text = f'model_checkpoint_path: "step-{saved}"\nall_model_checkpoint_paths: "step-20"\n'
        (config.checkpoint_path / "checkpoint").write_text(text)
        return config

    return make


def test_what_a_kill_can_cost_is_no_lost_checkpoint(going_back, messages):
    """The step of the next checkpoint may be logged before that checkpoint is complete."""
    for start in (20, 39, 40):
        config = going_back(40)
        keep_run_metrics_of_lost_checkpoints(config, start)
        shutil.rmtree(config.run_dir)
    longer = going_back(39, ckpt_freq=40)  # as it was when the process was killed
    keep_run_metrics_of_lost_checkpoints(dataclasses.replace(longer, ckpt_freq=5), 20)
    assert messages == [] and len(tree(longer.run_dir / "logs")) == 1


def test_steps_that_the_user_wrote_and_saves_that_float16_skips_tell_nothing(going_back, messages):
    noted = going_back(40)
    with open(noted.run_dir / "logs" / "metrics.jsonl", "a") as file:
        file.write('{"step": 900, "note": "mine"}\n')
    keep_run_metrics_of_lost_checkpoints(noted, 20)
    skipped = going_back(60, out_name="skipped", mixed_precision="float16")
    keep_run_metrics_of_lost_checkpoints(skipped, 20)
    assert messages == []


@pytest.mark.parametrize(("done", "saved"), [(41, 20), (30, 30), (40, 40)])
def test_lines_of_steps_whose_checkpoints_are_gone_are_kept(going_back, done, saved, messages):
    """More steps than a kill can cost, or one for which TensorFlow's list has a checkpoint."""
    config = going_back(done, saved)
    before = tree(config.run_dir / "logs")
    keep_run_metrics_of_lost_checkpoints(config, 20)
    assert tree(config.run_dir / "logs") == {
        "metrics.1.jsonl": before["metrics.jsonl"],
        "metrics.jsonl": b"",
    }
    assert messages == [
        f"{config.run_dir} was at step {done} and resumes from step 20: later checkpoints are gone "
        "or damaged. logs/metrics.1.jsonl keeps the later lines."
    ]


def test_without_metrics_or_tensorflows_list_the_grids_tell(going_back, messages):
    config = going_back(60)
    (config.checkpoint_path / "checkpoint").write_bytes(b"\xff nonsense")
    config.sample_path.mkdir()
    (config.sample_path / "train_00000060.png").touch()
    keep_run_metrics_of_lost_checkpoints(config, 20)
    (config.run_dir / "logs" / "metrics.jsonl").unlink()
    keep_run_metrics_of_lost_checkpoints(config, 20)
    text = f"{config.run_dir} was at step 60 and resumes from step 20: later checkpoints are gone"
    assert [message.startswith(text) for message in messages] == [True, True]
    assert messages[1].endswith("gone or damaged.")

    # Grids stay when a run goes back: if metrics continue, grids show nothing.
    (config.run_dir / "logs" / "metrics.jsonl").write_text('{"step": 30}\n')
    keep_run_metrics_of_lost_checkpoints(config, 20)
    assert len(messages) == 2


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 100, 333])
def test_of_long_metrics_some_are_read_evenly_spaced(tmp_path, count):
    path = tmp_path / "metrics.jsonl"
    assert read_thinned_metrics_of_run(path, 8) == []
    lines = [{"step": step} for step in range(1, count + 1)]
    for line in lines[20::50]:
        line["frechet"] = 2.5
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 9')

    found = read_thinned_metrics_of_run(path, 8)
    others = [place for place in range(count + 1) if place % 50 != 20 or place == count]
    spaced = (  # the finest spacing that leaves at most 8
        [place for place in others if place % 2**power == 0] for power in range(20)
    )
    chosen = {*next(places for places in spaced if len(places) <= 8)} | {*range(20, count, 50)}
    expected = [lines[place] for place in sorted(chosen | {count - 1}) if 0 <= place < count]
    assert found == expected
    assert read_thinned_metrics_of_run(path, 1000) == read_metrics(path)


def test_the_length_of_a_run_comes_from_the_setting_that_counts(tiny):
    assert plan_total_steps(tiny(minutes=2.0, planned_steps=70), []) == 70
    assert plan_total_steps(tiny(minutes=2.0), []) is None
    epochs = tiny(epoch=3, epoch_sizes=(0, 80))  # ten steps of eight images each
    assert plan_total_steps(epochs, []) is None
    assert plan_total_steps(epochs, [{"step": 10, "epoch": 1.0}]) == 30
    assert plan_total_steps(epochs, [{"step": 31, "epoch": 3.1}]) == 31
    assert plan_total_steps(epochs, [{"step": 30, "epoch": 2.99995}]) == 30  # rounded
