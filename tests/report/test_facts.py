import dataclasses
import json

import pytest

from config.stored import write_config
from report.facts import (
    COMPLETE,
    EMPTY,
    RUNNING,
    STOPPED,
    describe_changed_settings,
    describe_state,
    list_facts,
    list_settings,
    read_scores,
    read_versions,
)
from runs.changes import locate_changed_settings
from runs.history import locate_metrics


def entry(step: int, **more) -> dict:
    return {"step": step, "epoch": step / 10, "seconds": 60.0} | more


def add_checkpoint(config):
    config.checkpoint_path.mkdir(parents=True)
    (config.checkpoint_path / "step-5.index").touch()
    return config


def test_it_says_what_the_run_is_doing(tiny):
    config = add_checkpoint(tiny(steps=90))
    state = describe_state(config, [entry(9)])
    assert state == (STOPPED, "Stopped at step 9 of 90; the same command resumes it", 0.1)
    assert describe_state(config, [entry(90)]) == (COMPLETE, "Complete: 90 steps", 1.0)
    assert describe_state(tiny(out_name="new", steps=90), []).kind == EMPTY
    lost = describe_state(tiny(out_name="lost", steps=90), [entry(9)])
    assert lost.words == "Stopped at step 9 of 90; there is no checkpoint"


def test_a_run_that_lost_its_log_has_the_steps_of_its_checkpoint(tiny):
    config = add_checkpoint(tiny(steps=90))
    words = "Stopped at step 5 of 90; the same command resumes it"
    assert describe_state(config, []) == (STOPPED, words, 5 / 90)
    facts = dict(list_facts(config, []))
    assert facts["steps"] == "5 (from its checkpoint; logs/ is gone)"
    assert facts["last trained"].startswith("20")
    locate_metrics(config).parent.mkdir()
    facts = dict(list_facts(config, []))
    assert facts["steps"] == "5 (from its checkpoint; logs/metrics.jsonl has no steps)"
    assert not {"steps", "last trained"} & {*dict(list_facts(tiny(out_name="new"), []))}


def test_a_run_in_use_says_by_whom(tiny, held):
    state = describe_state(tiny(out_name="run", steps=90), [entry(45)])
    assert (state.kind, state.share) == (RUNNING, 0.5)
    assert state.words.startswith(f"Training now, at step 45 of 90; in use by process {held.pid} ")
    assert describe_state(tiny(out_name="run"), []).words.startswith("Training has begun; in use")


def test_the_facts_are_those_of_the_run(tiny):
    config = tiny(dataset="/my/cats.zip", epoch_sizes=(0, 900), labels="folder", label_names=("a",))
    locate_metrics(config).parent.mkdir(parents=True)
    locate_metrics(config).touch()
    facts = dict(list_facts(config, [entry(2000, seconds=130.0)]))
    del facts["last trained"]
    assert facts == {
        "dataset": "cats, 900 images",
        "images": "16 x 16 colour",
        "labels": "a",
        "steps": "2,000, of 8 images each",
        "epochs": "200",
        "trained for": "2 minutes",
    }


def test_settings_that_differ_come_first_and_places_not_at_all(tiny):
    config = tiny(dataset="/home/me/cats", crop=False, planned_steps=7, minutes=1.0).resolve()
    config = dataclasses.replace(config, dataset_place="/home/me/cats", run_id="12ab")
    changed, recorded, others = list_settings(config)
    rows = {row.name: (row.value, row.default) for row in changed}
    assert rows["dataset"] == ("cats", "digits")
    assert rows["crop"] == ("off", "on") and rows["stem_width"] == ("32", "512")
    assert not {"blocks", "output_width", "stem_norm"} & {*rows}  # derived from the size
    assert {row.name for row in recorded} == {"planned_steps"}
    assert "beta1" in {row.name for row in others}
    assert "/home/me" not in str((changed, recorded, others))


def write_scores(config, content) -> None:
    folder = config.run_dir / "evaluate"
    folder.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "scores.json").write_text(text)


def test_the_newest_score_of_each_kind_is_in_the_table(tiny):
    record = {"metric": "frechet", "value": 9.0, "floor": 2.0, "ratio": 4.5, "spread": 0.25}
    record |= {"n": 1000, "step": 70, "split": "held-out images, 10 modes"}
    worse = record | {"value": 30.0, "step": 60}
    recall = record | {"metric": "recall", "value": 0.5, "spread": None, "ratio": float("nan")}
    write_scores(tiny(), [worse, record, recall, 7, {"metric": "odd", "value": "high"}])
    rows, note = read_scores(tiny())
    assert [row[0] for row in rows] == ["frechet", "recall"]
    assert rows[0][2:] == ("9", "2", "4.5", "0.25", "lower")
    assert rows[1][2:] == ("0.5", "2", "", "", "higher")
    assert note == "1,000 drawn images against held-out images, at step 70."


@pytest.mark.parametrize("content", ["[", "{}", "[]", "3", "\0"])
def test_scores_that_cannot_be_read_are_one_sentence(tiny, content):
    assert read_scores(tiny()) == ([], "")
    write_scores(tiny(), content)
    rows, note = read_scores(tiny())
    assert rows == [] and note.startswith("evaluate/scores.json ")


def write_changes(config, *changes) -> None:
    names = ("step", "name", "before", "now")
    path = locate_changed_settings(config.run_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([dict(zip(names, change, strict=True)) for change in changes]))


def test_settings_that_changed_on_the_way_are_told(tiny):
    config = tiny()
    assert describe_changed_settings(config) == ""
    write_changes(
        config,
        (1300, "batch_size", 64, 32),
        (1300, "flip", False, True),
        (2000, "exclude", "", "/home/me/bad.txt"),
        (2000, "dataset_fingerprint", "a", "b"),
        (2000, "replicas", 1, 2),
    )
    steps = dict(list_facts(config, [entry(3000)]))["steps"]
    assert steps == "3,000, the last of 8 images each"
    assert describe_changed_settings(config) == (
        "Settings changed on the way: at step 1,300 --batch_size=32 (before: 64), --flip=on "
        "(before: off); at step 2,000 --exclude=bad.txt (before: none), other images, replicas=2 "
        "(before: 1)."
    )


def test_of_many_changes_the_last_are_told(tiny):
    write_changes(tiny(), *((step, "exclude", 5, "x" * 9999) for step in range(1, 100)))
    told = describe_changed_settings(tiny())
    assert told.startswith("Settings changed on the way: at 91 earlier steps; at step 92 --exclude")
    assert len(told) < 5000


def test_versions_come_from_config_json(tiny):
    assert read_versions(tiny()) == {}
    tiny().run_dir.mkdir(parents=True)
    write_config(tiny())
    assert read_versions(tiny())["tensorflow"].startswith("2.")
    (tiny().run_dir / "config.json").write_text('{"made_with": [1]}')
    assert read_versions(tiny()) == {}
