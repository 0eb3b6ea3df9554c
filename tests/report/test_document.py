"""report.html of whole, hostile, damaged and empty runs."""

import dataclasses
import html.parser
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from common import ROOT
from program import is_one_line, run_here, tree

from config.stored import write_config
from report import document
from report.document import LARGEST, align_at_points, encode_report, write_html_report
from runs.changes import record_changed_settings
from runs.claims import claim_folder
from runs.find import find_run_to_report
from runs.history import METRICS, locate_metrics
from system.written import RECORD_NAME
from utils import encode_png

HOSTILE = "</script><script>alert(1)</script><!-- \"'&"


def make_entries(count: int, **more) -> list[dict]:
    values = dict.fromkeys(METRICS, 0.5) | {"images_per_second": 100.0}
    scores = {"frechet": 14.0, "frechet_floor": 2.0, "vendi": 1.1, "verdict": "healthy"}
    numbers = range(1, count + 1)
    return [
        {"step": n, "epoch": n / 9, "seconds": n / 2, **values, **scores} | more for n in numbers
    ]


def make_run(config, *, entries=(), steps=(), side=64):
    """A run with these lines of metrics and grids of noise, and the reals."""
    path = locate_metrics(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_config(config.resolve())
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    config.sample_path.mkdir(exist_ok=True)
    config.checkpoint_path.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for name in ("reals", *(f"train_{step:08d}" for step in steps)):
        pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
        (config.sample_path / f"{name}.png").write_bytes(encode_png(pixels))
    return config


UNCLOSED = ("meta", "link", "img", "input")


class Tags(html.parser.HTMLParser):
    """The tags and attributes of a page, its text, and the tags that were not closed."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = [], [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in UNCLOSED:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_whole_run_is_one_page(tiny):
    config = make_run(tiny(steps=30), entries=make_entries(20), steps=[1, 9, 20])
    path = write_html_report(config)
    assert path == config.run_dir / "report.html"
    page = Tags(path.read_text(encoding="utf-8"))
    assert page.open == []
    headings = ("What it draws", "How it trained", "Verdicts", "Repeat it", "Settings")
    assert all(heading in page.text for heading in headings)
    assert "Stopped at step 20 of 30; there is no checkpoint." in page.text
    assert "--steps=30" in page.text and "Scores" not in page.text
    assert page.tags.count("img") == 4 and page.tags.count("figure") == 4 + 5


@pytest.mark.parametrize(("dataset", "has_command"), [("digits", True), ("array", False)])
def test_a_command_that_gives_the_last_settings_says_so(dataset, has_command, tiny):
    config = make_run(tiny(dataset=dataset), entries=make_entries(2))
    assert "on the way" not in encode_report(config).decode()
    record_changed_settings(dataclasses.replace(config.resolve(), batch_size=4), 1)
    text = Tags(encode_report(config).decode()).text
    assert "on the way: at step 1 --batch_size=4 (before: 8)." in text
    assert ("it repeats the settings, not the run" in text) == has_command


def test_it_requests_nothing(tiny):
    config = make_run(tiny(), entries=make_entries(3), steps=[1])
    page = encode_report(config).decode()
    assert not re.search(r"https?:|@import|url\(|\bfetch\(|XMLHttpRequest", page)
    tags = Tags(page)
    sources = [value for name, value in tags.attributes if name in ("src", "href")]
    assert sources and all(value.startswith("data:") for value in sources)
    assert tags.tags.count("script") == 1 and "default-src 'none'" in page


def test_names_cannot_leave_their_place(tiny):
    plain = make_run(tiny(labels="own", label_names=("a",)), entries=make_entries(3), steps=[1])
    config = tiny(out_name="<script>b", labels="own", label_names=(HOSTILE, "line\nend"))
    make_run(config, entries=make_entries(3, verdict=HOSTILE), steps=[1])
    for folder, score in ((plain.run_dir, "swd"), (config.run_dir, HOSTILE)):
        (folder / "evaluate").mkdir()
        scores = [{"metric": score, "value": 1, "n": 5, "step": 1, "split": score}]
        (folder / "evaluate" / "scores.json").write_text(json.dumps(scores))
    tags = Tags(encode_report(config).decode())
    assert tags.text.count(HOSTILE) >= 3
    assert "line\\nend" in tags.text
    assert {*tags.tags} <= {*Tags(encode_report(plain).decode()).tags}
    assert not [name for name, _ in tags.attributes if name.startswith("on")]


@pytest.mark.parametrize("step", [0, -3, 10**400, True, "x"])
def test_odd_lines_of_metrics_are_passed_over(tiny, step):
    config = make_run(tiny(), entries=[*make_entries(2), *make_entries(1, step=step)])
    with open(locate_metrics(config), "ab") as file:
        file.write(b'\xff\x00{\n{"step": 3, "d_lo')
    assert "at step 2" in encode_report(config).decode() or step is True


def test_a_run_that_has_just_begun_is_reported(tiny):
    config = tiny(out_name="begun")
    config.run_dir.mkdir(parents=True)
    write_config(config.resolve())
    page = Tags(encode_report(config).decode())
    assert "Not trained here yet: no step was logged." in page.text
    assert "What it draws" not in page.text and "img" not in page.tags


def test_a_file_of_the_users_is_moved_aside(tiny, messages):
    config = make_run(tiny(), entries=make_entries(2))
    path = config.run_dir / "report.html"
    path.write_bytes(b"mine")
    write_html_report(config)
    assert path.with_name("report.1.html").read_bytes() == b"mine"
    write_html_report(config)
    assert len([*config.run_dir.glob("report*")]) == 2
    assert len(messages) == 1


def test_a_page_with_pictures_stays_where_they_are_away(tiny, tmp_path, messages):
    config = tiny(out_name="run", run_id="1", sample_dir=str(tmp_path / "drawn"))
    config = make_run(config, entries=make_entries(3), steps=[1, 2])
    claim_folder(config, config.sample_path)
    (config.checkpoint_path / "step-1.index").touch()
    command = "--report", f"--out_dir={config.run_dir}"
    page = config.run_dir / "report.html"
    assert run_here(*command, tiny=()) == 0
    before = page.read_bytes()
    moved = config.sample_path.rename(tmp_path / "moved")
    assert messages == []
    assert run_here(*command, tiny=()) == 0
    assert b"data:image/" in before and b"data:image/" not in page.read_bytes()
    assert page.with_name("report.1.html").read_bytes() == before
    assert "is gone or empty" in messages[0]
    assert messages[1].startswith(f"{page} was moved aside to report.1.html: ")

    assert run_here(*command, tiny=()) == 0  # nothing more to keep
    assert run_here(*command, f"--sample_dir={moved}", tiny=()) == 0
    assert page.read_bytes().count(b"data:image/") == before.count(b"data:image/")
    assert len([*config.run_dir.glob("report*")]) == 2
    claim_folder(dataclasses.replace(config, run_id="2"), tmp_path / "others")
    assert run_here(*command, f"--sample_dir={tmp_path / 'others'}", tiny=()) == 1


@pytest.mark.slow
def test_it_stays_small_whatever_the_run_holds(tiny):
    config = tiny(labels="own", label_names=tuple("x" * 3000 + str(n) for n in range(100)))
    config = make_run(config, entries=make_entries(3000), steps=range(1, 3000, 100), side=1024)
    for name in ("walk", "filters", "project", "complete"):
        (config.run_dir / "explore" / name).mkdir(parents=True)
        content = (config.sample_path / "reals.png").read_bytes()
        (config.run_dir / "explore" / name / "a.png").write_bytes(content)
    assert len(encode_report(config)) < LARGEST


def test_pictures_give_way_if_the_rest_is_large(tiny, monkeypatch):
    config = make_run(tiny(), entries=make_entries(3), steps=[1, 2])
    before = len(encode_report(config))
    monkeypatch.setattr(document, "LARGEST", before)
    monkeypatch.setattr(document, "ROOMS", (10**6, 20_000))
    assert len(encode_report(config)) < before


def test_points_of_a_column_align():
    aligned = align_at_points(("120.8", "9", "", "0.16"))
    assert aligned == ["120.8\u2007", "9\u2008\u2007\u2007", "\u2008\u2007\u2007", "0.16"]
    assert align_at_points(("9", "10")) == ["9", "10"]


def test_the_command_reports_a_run_without_tensorflow_or_its_lock(tiny, held, tmp_path):
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    config = make_run(tiny(out_name="run"), entries=make_entries(2))
    before = tree(config.run_dir)
    program = "import sys, main; main.main(sys.argv); sys.exit('tensorflow' in sys.modules)"
    command = [sys.executable, "-c", program, "--report", "--open", f"--out_dir={config.run_dir}"]
    options = {"cwd": ROOT, "env": os.environ | {"BROWSER": str(browser)}}
    result = subprocess.run(command, capture_output=True, text=True, check=True, **options)
    assert opened.read_text() == f"{(config.run_dir / 'report.html').as_uri()}\n"
    assert result.stdout == f"the report is {config.run_dir / 'report.html'}\n"
    after = tree(config.run_dir)
    assert {*after} - {*before} == {"report.html", RECORD_NAME}
    assert {name: after[name] for name in before} == before


def test_a_run_is_found_before_its_first_checkpoint(tiny):
    config = make_run(tiny(out_name="run"))
    given = {"out_dir": config.out_dir, "out_name": "run"}
    assert find_run_to_report(given).run_dir == config.run_dir
    with pytest.raises(ValueError, match="no trained run other"):
        find_run_to_report(given | {"out_name": "other"})


def test_a_report_that_cannot_be_written_is_one_line(tiny, capsys):
    config = make_run(tiny(out_name="run"), entries=make_entries(2))
    (config.run_dir / RECORD_NAME).mkdir()
    assert run_here("--report", f"--out_dir={config.run_dir}", tiny=()) == 1
    assert is_one_line(capsys.readouterr().err)
    assert not (config.run_dir / "report.html").exists()
