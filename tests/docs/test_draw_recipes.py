"""Several runs' last grids are drawn beside one another, from their folders."""

import numpy as np
from PIL import Image

from config.stored import write_config
from docs.draw_recipes import GAP, HEADER, MARGIN, main
from evaluate.report import GRID_SIDE
from utils import arrange_image_grid, encode_png


def test_the_script_draws_the_last_grid_of_each_run(tiny, tmp_path):
    pairs, shades = [], {"reference": 60, "modern": 200, "paper": 120}
    for name, shade in shades.items():
        config = tiny(out_name=name).resolve()
        config.sample_path.mkdir(parents=True)
        write_config(config)
        for step, value in ((10, 0), (20, shade)):
            grid = arrange_image_grid(np.full((16, 16, 16, 3), value, np.uint8))
            (config.sample_path / f"train_{step:08d}.png").write_bytes(encode_png(grid))
        pairs.append(f"{name}={config.run_dir}")

    main([str(tmp_path / "recipes.png"), *pairs])
    with Image.open(tmp_path / "recipes.png") as picture:
        pixels = np.asarray(picture)
    for number, shade in enumerate(shades.values()):
        row, column = divmod(number, 2)
        x = MARGIN + column * (GRID_SIDE + GAP)
        y = MARGIN + row * (HEADER + GRID_SIDE + MARGIN) + HEADER
        assert (pixels[y + 9, x + 9] == shade).all()
