"""What experiments leave on disk."""

import json

import pytest

from explore.choices import Choices
from explore.experiments import Findings
from explore.run import run_experiments, write_findings
from explore.subject import Subject
from system.written import read_record_of_folder


def test_files_and_numbers_of_an_experiment(trained, capsys, monkeypatch):
    config = trained()
    found = Findings({"a.png": b"1"}, {"score": 0.5}, ("it went well",))
    monkeypatch.setattr("explore.walk.run_experiment", lambda subject: found)
    folder = config.run_dir / "explore"
    for _ in range(2):
        run_experiments(["walk"], Subject(config), folder)
    assert (folder / "walk" / "a.png").read_bytes() == b"1"
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    assert lines[0].pop("seconds") >= 0
    origin = {"experiment": "walk", "step": 5, "weights": "live", "seed": config.seed}
    assert lines[0] == origin | {"score": 0.5}
    assert capsys.readouterr().out.splitlines()[:2] == [
        "walk: it went well",
        f"walk: a.png in {folder / 'walk'}",
    ]


def test_an_experiment_that_fails_leaves_the_files_of_the_ones_before(trained, monkeypatch):
    def fail(_):
        raise KeyboardInterrupt

    config = trained()
    monkeypatch.setattr("explore.walk.run_experiment", fail)
    folder = config.run_dir / "explore"
    with pytest.raises(KeyboardInterrupt):
        run_experiments(["contact_sheet", "walk"], Subject(config), folder)
    assert {path.name for path in folder.iterdir()} == {"contact_sheet", "metrics.jsonl"}


def test_with_all_an_experiment_that_a_run_does_not_allow_is_left_out(
    trained, monkeypatch, messages
):
    def refuse(_):
        raise ValueError("It needs labels.")

    config = trained()
    monkeypatch.setattr("explore.mnist.run_experiment", refuse)
    monkeypatch.setattr("explore.walk.run_experiment", lambda _: Findings({"a.png": b"1"}))
    subject, folder = Subject(config), config.run_dir / "explore"
    run_experiments(["mnist", "walk"], subject, folder, leaves_out=True)
    assert "mnist was skipped: It needs labels." in messages
    assert (folder / "walk" / "a.png").is_file()
    assert not (folder / "mnist").exists()
    with pytest.raises(ValueError, match=r"It needs labels\."):
        run_experiments(["mnist", "walk"], subject, folder)


def test_with_all_a_reason_is_told_once(trained, monkeypatch, messages):
    def refuse(_):
        raise ValueError("Its images are gone.")

    config = trained()
    for name in ("filters", "features", "dedup"):
        monkeypatch.setattr(f"explore.{name}.run_experiment", refuse)
    folder = config.run_dir / "explore"
    run_experiments(["filters", "features", "dedup"], Subject(config), folder, leaves_out=True)
    assert [text for text in messages if "skipped" in text] == [
        "filters was skipped: Its images are gone.",
        "features was skipped for the same reason as filters.",
        "dedup was skipped for the same reason as filters.",
    ]


def test_a_picture_of_the_users_is_moved_aside(tmp_path, messages):
    place = tmp_path / "walk"
    place.mkdir()
    (place / "a.png").write_text("mine")
    write_findings("walk", Findings({"a.png": b"1"}), tmp_path)
    assert (place / "a.1.png").read_text() == "mine"
    assert (place / "a.png").read_bytes() == b"1"
    assert len(messages) == 1


def test_what_another_step_shows_is_moved_aside(trained, monkeypatch, messages):
    """Its checkpoint may be gone. What the same step shows is replaced."""
    config, shown = trained(), iter((b"1", b"2", b"3"))
    monkeypatch.setattr("explore.walk.run_experiment", lambda _: Findings({"a.png": next(shown)}))
    folder, subject = config.run_dir / "explore", Subject(config)
    for step in (5, 5, 60):
        subject.sampler.step = step
        run_experiments(["walk"], subject, folder)
    assert (folder / "walk.1" / "a.png").read_bytes() == b"2"
    assert (folder / "walk" / "a.png").read_bytes() == b"3"
    assert f"replaced a.png in {folder / 'walk'}" in messages
    told = f"{folder / 'walk'} was moved aside to walk.1: it holds the results of walk for step 5."
    assert told in messages


def test_what_was_found_with_other_choices_is_moved_aside(trained, monkeypatch):
    config = trained()
    monkeypatch.setattr("explore.walk.run_experiment", lambda _: Findings({"a.png": b"1"}))
    folder = config.run_dir / "explore"
    for choices in ({}, {"walk_seeds": "3,17"}, {"walk_seeds": "3,17", "mask": "left"}):
        run_experiments(["walk"], Subject(config, Choices(**choices)), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["metrics.jsonl", "walk", "walk.1"]
    assert read_record_of_folder(folder / "walk").kind.endswith("--walk_seeds=3,17")


def test_what_was_found_with_a_file_before_it_was_edited_is_moved_aside(
    trained, monkeypatch, tmp_path
):
    config, mask = trained(), tmp_path / "mask.png"
    monkeypatch.setattr("explore.complete.run_experiment", lambda _: Findings({"a.png": b"1"}))
    folder = config.run_dir / "explore"
    for content in (b"1", b"1", b"2"):
        mask.write_bytes(content)
        choices = Choices(image="a.png, b.png", mask=str(mask))
        run_experiments(["complete"], Subject(config, choices), folder)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["complete", "complete.1", "metrics.jsonl"]
