"""URLs where a path belongs: one line that says what to do, before anything is written."""

import dataclasses
import os
from pathlib import Path

import pytest
from program import run_here

from config.flags import FILE_FLAGS
from config.settings import Config
from config.urls import describe_url_as_path, find_scheme_of_url, suggest_fetch_of_url
from data import fetch
from runs.read import read_run_settings


@pytest.mark.parametrize(
    ("text", "scheme"),
    [
        ("gs://bucket/out", "gs"),
        (" S3://bucket", "s3"),
        ("gs:/bucket/out", "gs"),  # what pathlib makes of the first
        ("hf:ylecun/mnist", ""),
        ("C:/Users/me", ""),
        ("./gs:/bucket", ""),
        ("/a/b://c", ""),
        ("faces", ""),
    ],
)
def test_what_is_a_url(text, scheme):
    assert find_scheme_of_url(text) == scheme


@pytest.mark.parametrize(
    ("url", "command"),
    [
        ("gs://bucket/images", "gcloud storage cp -r gs://bucket/images ."),
        ("gs:/bucket/images", "gcloud storage cp -r gs://bucket/images ."),
        ("s3://bucket/images/", "aws s3 sync s3://bucket/images/ images"),
        ("s3://my.bucket", "aws s3 sync s3://my.bucket my.bucket"),
        ("s3://bucket/a/faces.zip", "aws s3 cp s3://bucket/a/faces.zip ."),
        ("s3:/bucket/faces.zip", "aws s3 cp s3://bucket/faces.zip ."),
        ("s3://bucket/my cats", "aws s3 sync 's3://bucket/my cats' 'my cats'"),
        ("az://box/a/b", "az storage blob download-batch -d . -s box --pattern 'a/b*'"),
        ("hdfs://node:9000/a", "hdfs dfs -get hdfs://node:9000/a ."),
        ("https://a.b/c.zip?d=1", "curl -LO 'https://a.b/c.zip?d=1'"),
    ],
)
def test_what_copies_it_to_a_disk(url, command):
    assert suggest_fetch_of_url(url) == f"Copy it to a disk first: {command}"


@pytest.mark.parametrize("url", ["wasbs://a@b/c", "s3://bucket/train-*.tar", "gs://b/{0..9}.tar"])
def test_what_no_one_command_copies(url):
    assert suggest_fetch_of_url(url) == "Copy it to a disk first, then give that path."


def test_a_file_url_is_a_path_already():
    assert describe_url_as_path("data_dir", "file:///a/b c") == (
        "--data_dir must be on a disk. Received: file:///a/b c. "
        "Give the path alone: --data_dir='/a/b c'."
    )


@pytest.mark.parametrize(
    ("flag", "url", "remedy"),
    [
        ("out_dir", "gs://b/out", "then copy the run: gcloud storage rsync -r FOLDER gs://b/out"),
        ("out_dir", "gs:/b/out", "then copy the run: gcloud storage rsync -r FOLDER gs://b/out"),
        ("sample_dir", "s3://b/s", "then copy the run: aws s3 sync FOLDER s3://b/s"),
        ("checkpoint_dir", "az://b/c", "Train on a disk, then copy the run there."),
        ("data_dir", "gs://b/data", "Copy it to a disk first: gcloud storage cp -r gs://b/data ."),
        ("exclude", "s3://b/x.txt", "Copy it to a disk first: aws s3 cp s3://b/x.txt ."),
    ],
)
def test_a_run_does_not_begin_in_a_folder_with_the_name_of_a_bucket(
    flag, url, remedy, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert run_here("--dataset=digits", f"--{flag}={url}", "--train") == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith(f"error: --{flag} must be ")
    assert f"Received: {url}. " in said[-1]
    assert said[-1].endswith(remedy)
    assert not os.listdir(tmp_path)

    with pytest.raises(ValueError, match=f"--{flag} must be .*") as error:  # from Python
        Config(**{flag: url})
    assert error.value.__notes__ == [f"In Python: Config({flag}=...)."]


@pytest.mark.parametrize("flag", [*FILE_FLAGS, "import_weights"])
def test_no_flag_reads_a_file_in_a_bucket(flag, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    paths = "a.png,s3://b/c.png" if flag in ("image", "import_weights") else "s3://b/c.png"
    assert run_here(f"--{flag}={paths}", "--sample=1") == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"error: --{flag} must be on a disk. Received: s3://b/c.png. "
        "Copy it to a disk first: aws s3 cp s3://b/c.png ."
    )
    assert not os.listdir(tmp_path)


def test_a_list_of_runs_is_not_read_from_a_bucket(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_here("--runs", "--out_dir=gs://b/out") == 1
    assert "error: --out_dir must be a folder on a disk." in capsys.readouterr().err


def test_weights_at_an_address_are_no_path(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_here("--import_weights=https://a.b/c.safetensors", "--out_name=x") == 1
    assert "takes an address only with the hash" in capsys.readouterr().err


def test_downloads_go_to_a_disk():
    with pytest.raises(ValueError, match=r"^--data_dir must be on a disk\. Received: gs://b/data"):
        fetch.parse_download_arguments(["mnist", "--data_dir=gs://b/data"])


def test_a_url_as_dataset_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_here("--dataset=s3://b/images", "--train") == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: --dataset must be on a disk. Received: s3://b/images. "
        "Copy it to a disk first: aws s3 sync s3://b/images images"
    )
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("stored", ["gs://bucket/out", "./gs:/bucket/out"])
def test_a_run_that_an_earlier_version_put_into_such_a_folder_can_be_used(
    stored, tmp_path, monkeypatch
):
    """It took the URL for the path gs:/bucket/out on this machine, and trained there."""
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "gs:" / "bucket" / "out" / "faces"
    run.mkdir(parents=True)
    text = dataclasses.replace(Config(), out_name="faces").to_json()
    (run / "config.json").write_text(text.replace('"./out"', f'"{stored}"'))

    found = read_run_settings(Path("./gs:/bucket/out/faces"))
    assert found.run_dir.samefile(run)
    assert found.out_dir == "./gs:/bucket/out"
    assert read_run_settings(run).run_dir == run
