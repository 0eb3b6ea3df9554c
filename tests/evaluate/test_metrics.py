"""What --evaluate takes, and that its help lists all of it."""

import pytest

import main
from evaluate.metrics import (
    METRICS,
    WITHOUT_DOWNLOAD,
    FeatureFiles,
    check_metrics_use_files,
    choose_metrics,
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
