"""Numbered samples, so that other experiments can be told which ones to use."""

from explore.captions import arrange_captioned_grid
from explore.experiments import Findings
from explore.subject import Subject
from utils import encode_png

COLUMNS, ROWS = 16, 8


def run_experiment(subject: Subject) -> Findings:
    """contact_sheet.png: the first samples of --seed, with their numbers.

    They are those that `--sample` writes, with the same labels.
    """
    images = subject.sampler.images(subject.config.seed, COLUMNS * ROWS)
    captions = [str(number) for number in range(len(images))]
    sheet = arrange_captioned_grid(images, captions, COLUMNS)
    return Findings({"contact_sheet.png": encode_png(sheet)})
