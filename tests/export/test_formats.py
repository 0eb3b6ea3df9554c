import re

import pytest

from export import formats
from export.formats import (
    FORMATS,
    check_formats_can_be_written,
    check_formats_fit_statistics,
    choose_formats,
)


def test_names_are_chosen_in_their_order_and_once():
    assert choose_formats("onnx, saved_model,onnx") == ["onnx", "saved_model"]
    assert choose_formats("all") == [*FORMATS]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("onx", "Received: onx. Did you mean onnx?"),
        ("SavedModel", "Received: SavedModel. Did you mean saved_model?"),
        ("", "Received: nothing. Try --export saved_model."),
        ("onnx,\nx", "Received: x. Try --export saved_model."),
    ],
)
def test_unknown_names_are_refused_and_all_are_listed(text, reason):
    with pytest.raises(ValueError, match=re.escape(reason)) as error:
        choose_formats(text)
    assert f"must be some of {', '.join(FORMATS)}. " in str(error.value)


def test_a_missing_package_names_the_extra_before_anything_is_made(monkeypatch):
    monkeypatch.setattr(formats, "is_package_installed", lambda package: package != "onnx")
    check_formats_can_be_written(["saved_model", "litert"])
    with pytest.raises(ValueError, match=r"--export onnx needs the package onnx\. ") as error:
        check_formats_can_be_written(["saved_model", "onnx"])
    assert str(error.value).endswith("Install it: pip install -r requirements-export.txt")


def test_what_is_installed_is_found():
    assert formats.is_package_installed("numpy")
    assert not formats.is_package_installed("no_such_package")


def test_a_dtype_needs_a_format_that_has_one():
    check_formats_can_be_written(["saved_model", "litert"], has_dtype=True)
    with pytest.raises(ValueError, match=r"one of the formats onnx, litert\. Received: --export="):
        check_formats_can_be_written(["saved_model"], has_dtype=True)


def test_statistics_of_the_batch_need_a_format_with_batches():
    check_formats_fit_statistics(["saved_model", "safetensors"], "batch")
    check_formats_fit_statistics([*FORMATS], "moving")
    for name in ("onnx", "litert", "page"):
        with pytest.raises(ValueError, match=f"must be moving for {name}, .* Received: batch"):
            check_formats_fit_statistics(["saved_model", name], "batch")
