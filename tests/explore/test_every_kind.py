"""Every experiment on every kind of run: it works, or says in one line why it cannot."""

import numpy as np
import pytest
from PIL import Image

from config.settings import IMPORTED
from explore import autoencoder, latent_search, mnist, probe
from explore.choices import Choices
from explore.experiments import EXPERIMENTS
from explore.exploration import explore

OF_IMPORTS = {"dataset": IMPORTED, "padding": "symmetric", "bias": False, "bn_statistics": "batch"}
OF_DIGITS = {"labels": "own", "label_names": tuple("0123456789"), "z_dist": "normal01"}
KINDS = {  # settings of a run, and the experiments that it does not allow
    "transparent": ({"dataset": "stickers", "c_dim": 4}, {"mnist"}),
    "tall": ({"dataset": "stickers", "output_height": 48, "output_width": 32}, {"mnist"}),
    # Too few of each digit for the probe.
    "digits": ({"dataset": "mnist", "output_height": 28, "c_dim": 1, **OF_DIGITS}, {"probe"}),
    "imported": (OF_IMPORTS, {"filters", "features", "probe", "mnist", "dedup"}),
}


@pytest.fixture
def brief(monkeypatch):
    """Experiments that do little."""
    monkeypatch.setattr(latent_search, "STEPS", 2)
    monkeypatch.setattr(latent_search, "CANDIDATES", 64)
    monkeypatch.setattr(autoencoder, "STEPS", 2)
    monkeypatch.setattr(mnist, "MOST_REFERENCES", 64)
    monkeypatch.setattr(probe, "RESAMPLINGS", (2, 2))
    monkeypatch.delitem(EXPERIMENTS, "conv_arithmetic")  # takes long, and has no run


@pytest.fixture
def stickers(tmp_path):
    """data_dir/stickers: 40 transparent images of two classes, 30 high and 20 wide."""
    rng = np.random.default_rng(0)
    for number in range(40):
        folder = tmp_path / "data" / "stickers" / ("star" if number % 2 else "moon")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (30, 20, 4), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("brief", "mnist_digits")
def test_it_works_or_says_why_not(trained, stickers, tmp_path, messages, kind):
    settings, refused = KINDS[kind]
    config = trained(out_name="run", **settings)
    given = {"out_dir": config.out_dir, "data_dir": config.data_dir, "out_name": "run"}
    boxes = tmp_path / "boxes.txt"
    boxes.write_text("0 2 3 9 12\n1 2 3 9 12\n")
    choices = Choices(
        walk_seeds="3,1",
        arithmetic="1,2 - 3 + 4",
        turn="1 -> 2",
        forget=str(boxes),
        image=str(stickers / "1.png"),
        mask="left",
        label="7" if config.y_dim else None,
        probe_labels=None if config.y_dim else "folder",
    )
    explore(given, "all", choices, checkpoint="last")

    skipped = {said.split()[0]: said for said in messages if " was skipped" in said}
    assert skipped.keys() == refused
    assert not any("\n" in said for said in skipped.values())
    for said in skipped.values():  # a reason, or that of an experiment before
        assert "Received:" in said or said.rstrip(".").split()[-1] in skipped
    for name in EXPERIMENTS.keys() - refused:
        files = [path.name for path in (config.run_dir / "explore" / name).iterdir()]
        assert any(not name.startswith(".") for name in files), name
