"""Two runs are drawn side by side, from their folders."""

import json

import numpy as np
from PIL import Image

from config.stored import write_config
from docs.draw_runs import COLUMN, GAP, MARGIN, WIDTH, main
from runs.history import locate_metrics
from utils import arrange_image_grid, encode_png


def test_the_script_draws_two_runs(tiny, tmp_path):
    folders, shades = [], (60, 200)
    for name, shade in zip(("healthy", "collapsed"), shades, strict=True):
        config = tiny(out_name=name).resolve()
        for folder in (config.sample_path, locate_metrics(config).parent):
            folder.mkdir(parents=True)
        write_config(config)
        entries = [{"step": step, "d_loss": 1.0, "g_loss": 1.0} for step in (10, 20)]
        entries[0] |= {"frechet": 9.0, "frechet_floor": 2.0, "vendi": 1.0, "verdict": name}
        locate_metrics(config).write_text("".join(json.dumps(line) + "\n" for line in entries))
        grid = arrange_image_grid(np.full((16, 16, 16, 3), shade, np.uint8))
        for step in (10, 20):
            path = config.sample_path / f"train_{step:08d}.png"
            path.write_bytes(encode_png(grid))
        folders.append(str(config.run_dir))

    main([*folders, str(tmp_path / "picture.png")])
    with Image.open(tmp_path / "picture.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape[1] == WIDTH
    for number, shade in enumerate(shades):
        left = MARGIN + number * (COLUMN + GAP)
        assert (pixels[-100, [left + 9, left + COLUMN - 9]] == shade).all()  # their grids
