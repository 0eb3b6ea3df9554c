"""Which run --explore takes, and what it refuses before TensorFlow is needed."""

import pytest

from explore import exploration
from explore.choices import Choices
from explore.exploration import explore, find_run_of_experiments

OF_LABELS = {"labels": "own", "label_names": ("a", "b")}


@pytest.fixture
def given(trained):
    """The settings that name a run with labels, which needs no flags but these."""
    config = trained(out_name="letters", dataset="letters", **OF_LABELS)
    return {"out_dir": config.out_dir, "out_name": "letters", "data_dir": config.data_dir}


def test_the_list_needs_no_run(capsys):
    explore({}, "list", Choices(), checkpoint="last")
    assert capsys.readouterr().out.startswith("contact_sheet ")


def test_a_run_is_found_if_an_experiment_needs_one(given):
    assert find_run_of_experiments(["conv_arithmetic", "walk"], given).out_name == "letters"
    assert find_run_of_experiments(["dedup"], given).out_name == "letters"
    assert find_run_of_experiments(["conv_arithmetic"], given) is None
    with pytest.raises(ValueError, match="nowhere"):
        find_run_of_experiments(["walk"], given | {"out_name": "nowhere"})


def test_all_says_what_it_leaves_out(given, monkeypatch, messages):
    monkeypatch.setattr(exploration, "quietly_import_tensorflow", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        explore(given, "all", Choices(arithmetic="0-1+2"), checkpoint="last")
    assert messages == [
        "--explore all leaves out what needs a flag: turn (--turn), forget (--forget), "
        "project (--image), complete (--image)."
    ]


@pytest.mark.slow
def test_files_are_below_the_run(given, tmp_path):
    explore(given, "contact_sheet", Choices(), checkpoint="last")
    place = tmp_path / "out" / "letters" / "explore" / "contact_sheet"
    assert (place / "contact_sheet.png").is_file()


def test_a_wrong_label_is_told_before_the_images_are_read(given):
    for label, reason in (("d", "one or more of a, b. Received: d"), ("", "Received: nothing")):
        choices = Choices(image="/nowhere.png", label=label)
        with pytest.raises(ValueError, match=reason):
            explore(given, "project", choices, checkpoint="last")


def test_an_unreadable_image_is_told_before_tensorflow_is_loaded(given, monkeypatch):
    monkeypatch.setattr(exploration, "quietly_import_tensorflow", lambda: pytest.fail("loaded"))
    with pytest.raises(ValueError, match=r"^--image must be a readable image file"):
        explore(given, "project", Choices(image="/nowhere.png"), checkpoint="last")


@pytest.mark.slow
def test_a_run_without_labels_takes_none(trained):
    config = trained(out_name="plain", dataset="plain")
    given = {"out_dir": config.out_dir, "out_name": "plain"}
    choices = Choices(image="/nowhere.png", label="7")
    with pytest.raises(ValueError, match=r"^--label needs a run with labels"):
        explore(given, "complete", choices, checkpoint="last")
