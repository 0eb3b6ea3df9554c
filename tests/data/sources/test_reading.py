import pytest

from data.sources.reading import (
    explain_damaged_dataset,
    fingerprint_dataset_files,
    shorten_library_error,
)


def test_whatever_a_reader_raises_is_one_line_that_names_the_file(tmp_path):
    for error in (
        KeyError("x"),
        OSError("no number"),
        RecursionError(),
        ValueError("\n\x1b two\n"),
    ):
        with (
            pytest.raises(ValueError, match=r"a\.npy must hold arrays and be undamaged\. Received"),
            explain_damaged_dataset(tmp_path / "a.npy", "arrays"),
        ):
            raise error


def test_the_systems_errors_stay(tmp_path):
    with (
        pytest.raises(FileNotFoundError),
        explain_damaged_dataset(tmp_path / "a.npy", "arrays"),
        open(tmp_path / "a.npy"),
    ):
        pass


def test_errors_are_shortened_to_what_can_be_shown():
    assert shorten_library_error(ValueError("\n\n  first\x07.\nsecond")) == r"first\x07"
    assert shorten_library_error(KeyError()) == "KeyError"
    assert len(shorten_library_error(ValueError("x" * 9999))) == 120


def test_a_fingerprint_tells_names_and_files(tmp_path):
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_text("1")
    before = fingerprint_dataset_files(paths)
    assert fingerprint_dataset_files(paths) == before != fingerprint_dataset_files(paths[:1])
    paths[1].write_text("12")
    assert fingerprint_dataset_files(paths) != before
