"""The contact sheet shows what --sample writes."""

import io

import imageio.v3 as iio

from explore import contact_sheet
from explore.captions import CAPTION_HEIGHT, MIN_SIDE, enlarge
from explore.subject import Subject
from sample import Sampler


def test_the_sheet_has_the_samples_in_their_order(trained):
    config = trained()
    [(name, content)] = contact_sheet.run_experiment(Subject(config)).files.items()
    assert name == "contact_sheet.png"
    sheet = iio.imread(io.BytesIO(content))
    samples = enlarge(Sampler(config).images(config.seed, 20), MIN_SIDE)
    side = MIN_SIDE + CAPTION_HEIGHT
    row, column = divmod(19, contact_sheet.COLUMNS)
    tile = sheet[row * side : (row + 1) * side, column * MIN_SIDE : (column + 1) * MIN_SIDE]
    assert (tile[CAPTION_HEIGHT:] == samples[19]).all()
