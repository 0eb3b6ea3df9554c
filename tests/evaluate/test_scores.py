"""scores.json: records are added, and nothing is lost."""

import json

import pytest

from evaluate.scores import Score, append_scores, format_score_table

FACTS = {
    "n": 9,
    "reals": 20,
    "split": "training images",
    "resize": "none",
    "network": "none",
    "seed": 0,
    "step": 5,
    "weights": "12ab",
    "seconds": 0.5,
}
SWD = Score(metric="swd", value=12.3456, floor=2.0, ratio=6.1728, spread=None, **FACTS)
PAIRS = Score(metric="duplicates", value=10951.0, floor=3.0, ratio=3650.3, spread=None, **FACTS)
COVERAGE = Score(metric="coverage", value=0.5, floor=0.0, ratio=None, spread=0.01, **FACTS)


def test_records_are_added_to_those_that_are_there(tmp_path):
    folder = tmp_path / "evaluate"
    path = append_scores(folder, [SWD])
    append_scores(folder, [SWD, COVERAGE])

    records = json.loads(path.read_text())
    assert [record["metric"] for record in records] == ["swd", "swd", "coverage"]
    assert Score(**records[2]) == COVERAGE


def test_what_a_kill_left_behind_goes_and_the_users_file_stays(tmp_path):
    for name in ("scores.json.999999999-12ab34.tmp", "mine.tmp"):
        (tmp_path / name).touch()
    append_scores(tmp_path, [SWD])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.tmp", "scores.json"]


def test_a_file_of_another_kind_is_put_aside(tmp_path, messages):
    for number, content in enumerate(('{"mine": 1}', "[1, 2]", "not JSON"), start=1):
        (tmp_path / "scores.json").write_text(content)
        append_scores(tmp_path, [SWD])
        assert (tmp_path / f"scores.{number}.json").read_text() == content
        assert messages[-1].endswith(f"moved aside to scores.{number}.json.")
    assert len(json.loads((tmp_path / "scores.json").read_text())) == 1


def test_a_full_disk_leaves_the_scores_of_before(tmp_path, monkeypatch):
    path = append_scores(tmp_path, [SWD])
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="No space"):
        append_scores(tmp_path, [COVERAGE])
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["scores.json"]


def test_the_table_says_which_way_is_better():
    assert format_score_table([SWD, COVERAGE]).splitlines() == [
        "metric    score  floor  ratio  spread  better",
        "swd       12.35      2  6.173           lower",
        "coverage    0.5      0           0.01  higher",
    ]


def test_a_large_count_is_written_in_full():
    assert format_score_table([PAIRS]).splitlines()[1] == (
        "duplicates  10,951      3   3650           lower"
    )
