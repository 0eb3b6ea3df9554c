"""What --evaluate takes, and that its help lists all of it."""

import re

import numpy as np
import pytest

import main
from data.labels import Labels
from evaluate.metrics import (
    METRICS,
    WITHOUT_DOWNLOAD,
    FeatureFiles,
    check_metrics_use_files,
    choose_metrics,
    choose_metrics_for_labels,
    choose_metrics_of_run,
)


def test_names_are_taken_in_their_order_and_once():
    assert choose_metrics("kid, SWD,kid") == ["kid", "swd"]
    assert choose_metrics("default") == choose_metrics("") == WITHOUT_DOWNLOAD
    assert choose_metrics("fid,default,kid") == [*WITHOUT_DOWNLOAD, "fid"]


def test_the_default_needs_no_download_and_no_labels():
    of_inception = ["fid", "fid_kid", "fid_coverage", "inception_score"]
    assert [*METRICS] == [*WITHOUT_DOWNLOAD, "modes", *of_inception]


def test_a_file_that_no_metric_uses_is_told():
    check_metrics_use_files(FeatureFiles(inception="x"), ["swd", "inception_score"])
    check_metrics_use_files(FeatureFiles(), [])
    line = r"--fid_stats is used by fid\. Received: --evaluate=swd,fid_kid\. .*--evaluate=fid\.$"
    with pytest.raises(ValueError, match=line):
        check_metrics_use_files(FeatureFiles(fid_stats="x"), ["swd", "fid_kid"])
    with pytest.raises(ValueError, match="--features is used by frechet, kid, coverage, vendi"):
        check_metrics_use_files(FeatureFiles(features="x"), ["fid"])


def test_what_a_run_lacks_is_left_out_of_the_default_and_told_of_what_was_named(tiny, messages):
    plain, split = tiny(), tiny(holdout=0.1)
    classes = tiny(holdout=0.1, labels="folder", label_names=("a", "b"))
    usual = [name for name in WITHOUT_DOWNLOAD if name not in ("nnc", "memorisation")]
    assert choose_metrics_of_run("default", plain) == usual
    assert choose_metrics_of_run("default,fid", split) == [*usual, "memorisation", "fid"]
    assert choose_metrics_of_run("default", classes) == WITHOUT_DOWNLOAD
    assert choose_metrics_of_run("nnc", tiny(labels="own", label_names=("a", "b"))) == ["nnc"]
    assert not messages

    assert choose_metrics_of_run("nnc,swd,memorisation", plain) == ["swd"]
    run = plain.run_dir
    assert messages == [
        f"left out: nnc needs a class for each image, but {run} has labels=none: train a run with "
        "--labels=own or --labels=folder.",
        "left out: memorisation needs images that were not trained on, but "
        f"{run} has none: train a run with --holdout=0.05.",
    ]
    for name, line in (("nnc", "^nnc needs a class"), ("memorisation", "--holdout=0.05.$")):
        with pytest.raises(ValueError, match=line):
            choose_metrics_of_run(name, plain)
    attributes = tiny(labels="Smiling,Male", label_names=("Smiling", "Male"))
    with pytest.raises(ValueError, match="has labels=Smiling,Male"):
        choose_metrics_of_run("nnc", attributes)


def test_other_labels_than_the_runs_are_refused_or_leave_out_what_compares_them(tiny, messages):
    config = tiny(labels="folder", label_names=("circle", "square"))
    renamed = Labels(("square", "zround"), np.eye(2, dtype=np.float32))
    told = f"The labels are fixed once a run has started: {config.run_dir} has circle, square. "
    told += "Received: square, zround. Give them their old names."
    for text in ("nnc", "swd, NNC", "default,nnc"):
        with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
            choose_metrics_for_labels(text, choose_metrics(text), config, renamed)
    assert choose_metrics_for_labels("swd", ["swd"], config, renamed) == ["swd"]
    same = Labels(config.label_names, renamed.y)
    assert choose_metrics_for_labels("nnc", ["nnc"], config, same) == ["nnc"]
    assert not messages

    left = choose_metrics_for_labels("default", ["swd", "nnc", "nn"], config, renamed)
    assert (left, messages) == (["swd", "nn"], [f"left out: nnc: {told}"])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("fretchet", r"Received: fretchet\. Did you mean frechet\?$"),
        ("swd,x", r"^--evaluate must be some of swd, frechet, .*\. Received: x\.$"),
        ("a\nb" * 99, r"Received: a\\nba\\nb.*\.\.\.\.$"),
    ],
)
def test_what_is_not_a_metric_is_named(text, line):
    with pytest.raises(ValueError, match=line):
        choose_metrics(text)


def test_the_help_names_every_metric():
    of_inception = [name for name in METRICS if name not in (*WITHOUT_DOWNLOAD, "modes")]
    assert f": {','.join(WITHOUT_DOWNLOAD)};" in main.FLAGS["evaluate"].help
    assert " modes, for datasets with labels," in main.FLAGS["evaluate"].help
    assert f" {','.join(of_inception)};" in main.FLAGS["inception"].help
