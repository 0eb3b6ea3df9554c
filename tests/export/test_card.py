import json

import pytest

from config.settings import Config
from export.card import build_model_card


def test_the_card_describes_the_model(trained):
    card = json.loads((trained.run_dir / "export" / "model_card.json").read_text())
    assert (card["z_dim"], card["z_dist"], card["step"]) == (8, "uniform_signed", 3)
    assert (card["height"], card["width"], card["channels"]) == (16, 16, 3)
    assert card["flags"]["stem_width"] == 32
    assert card["weights"] == "live: as training left them"
    assert card["frozen_graphs"]["generator.pb"] == "z:0 -> images:0"


@pytest.mark.parametrize(
    ("labels", "words"), [("own", "exactly one 1"), ("Smiling,Male", "a 1 for each attribute")]
)
def test_labels_are_explained(labels, words):
    config = Config(c_dim=3, labels=labels, label_names=("Smiling", "Male"))
    card = build_model_card(config, step=3, max_count=64)
    assert words in card["y"]
    assert card["labels"] == ("Smiling", "Male")
    assert "y (B, 2) float32" in card["signatures"]["sample"]
    assert card["frozen_graphs"]["generator.pb"] == "z:0, y:0 -> images:0"


def test_it_keeps_the_place_of_the_images_to_itself():
    places = {name: f"/home/me/{name}" for name in ("dataset", "out_dir", "data_dir", "sample_dir")}
    card = build_model_card(Config(c_dim=1, dataset_place="/home/me/x", **places), 3, 64)
    assert "/home/me" not in json.dumps(card)
    assert card["flags"]["dataset"] == "dataset"
    card = build_model_card(Config(c_dim=1, dataset="hf:me/faces"), 3, 64)
    assert card["flags"]["dataset"] == "hf:me/faces"


def test_without_labels_there_is_no_y():
    card = build_model_card(Config(c_dim=1), step=3, max_count=64)
    assert (card["y"], card["labels"]) == (None, None)
    assert "y" not in card["signatures"]["serving_default"].split(" -> ")[0]


def test_it_says_which_weights_the_generator_has():
    config = Config(c_dim=1, ema_half_life=44_000)
    for weights, words in (
        ("ema", "ema: averaged over training, half-life 44,000 images"),
        ("live", "live: as training left them"),
    ):
        assert build_model_card(config, 3, 64, weights=weights)["weights"] == words
    card = build_model_card(Config(c_dim=1), 3, 64, weights="ema")  # trained on without
    assert card["weights"] == "ema: averaged over training"
