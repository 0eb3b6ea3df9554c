"""How fast and how exactly the page of --export page draws, in real browsers.

    python -m benchmarks.page out/digits-64x64/export/page.html,... [--rounds=3]

Each page is opened from its file, in turn in each browser that `make test-page` installed. A row
has the seconds until the first picture and until the 60 of the contact sheet, from the start of
loading, and the milliseconds of one picture, as the page itself says. They are the medians of the
rounds. Then the page draws --images latents that the network of its run draws too.
"""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from absl import app, flags

from benchmarks import measure

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

import ops
from config.stored import read_config
from export.read_back import choose_inputs_to_check, draw_with_network
from export.source import restore_source

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests" / "export"))  # for firefox.py: playwright needs its own Firefox

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 3, "times to open each page in each browser", lower_bound=1)
flags.DEFINE_integer("images", 16, "images to compare", lower_bound=1)

SHEET = 60  # pictures of the contact sheet
SECONDS = 300  # that a page may take
# Milliseconds since loading began; null while the page is drawing.
READ = """(() => {
  if (document.querySelectorAll("#sheet .drawn").length < %d) return null;
  return {
    sheet: performance.now(),
    first: performance.getEntriesByName("picture")[0].startTime,
    picture: document.querySelector("#note").textContent.match(/ ([0-9.]+) ms/)[1],
  };
})()"""
DRAW = "Promise.all(%s.map(dcgan.draw)).then((all) => all.map((one) => Array.from(one.data)))"


def main(arguments: list[str]) -> None:
    if len(arguments) != 2:
        sys.exit("error: Give pages, separated by commas. Try out/digits-64x64/export/page.html.")
    pages = {Path(name).resolve(): draw_images(Path(name)) for name in arguments[1].split(",")}
    taken = {}
    for _ in range(FLAGS.rounds):
        for browser, visit in BROWSERS.items():
            for page, (inputs, _) in pages.items():
                taken.setdefault((page, browser), []).append(visit(page.as_uri(), inputs))

    rows = [
        summarize_visits(page, browser, visits, pages[page][1])
        for (page, browser), visits in taken.items()
    ]
    measure.report("page", rows, seed=0, bars="60_pictures_s")


def draw_images(page: Path) -> tuple[list[dict], np.ndarray]:
    """What `dcgan.draw` takes for each of --images images, and those of the network: (B, H, W, C),
    levels of 255.
    """
    source = restore_source(read_config(page.parent.parent / "config.json"))
    inputs = choose_inputs_to_check(source, FLAGS.images)
    images = ops.to_uint8(draw_with_network(source, inputs)).numpy().astype(int)
    each = zip(*(one.tolist() for one in inputs.values()), strict=True)
    return [dict(zip(inputs, values, strict=True)) for values in each], images


def summarize_visits(page: Path, browser: str, visits: list[dict], images: np.ndarray) -> dict:
    """A row of the table: the medians of what `READ` gave, and the differences from `images`."""
    medians = {
        name: statistics.median(float(visit[name]) for visit in visits)
        for name in ("first", "picture", "sheet")
    }
    count, height, width, channels = images.shape
    drawn = np.array(visits[0]["images"]).reshape(count, height, width, 4)[..., :channels]
    levels = np.abs(drawn - images)
    return {
        "page": f"{page.parent.parent.name}, {browser}",
        "megabytes": page.stat().st_size / 1e6,
        "first_picture_s": medians["first"] / 1000,
        "ms_a_picture": medians["picture"],
        "60_pictures_s": medians["sheet"] / 1000,
        "largest_in_levels": int(levels.max()),
        "pixels_off_percent": 100 * float((levels > 0).mean()),
    }


def visit_in_chromium(address: str, inputs: list[dict]) -> dict:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page()
        page.goto(address)
        answer = wait_for_sheet(page.evaluate)
        answer["images"] = page.evaluate(DRAW % json.dumps(inputs))
        browser.close()
    return answer


def visit_in_firefox(address: str, inputs: list[dict]) -> dict:
    from firefox import Firefox

    program = shutil.which("firefox-esr") or shutil.which("firefox")
    with tempfile.TemporaryDirectory() as profile:
        browser = Firefox(program, profile)
        browser.open(address)
        answer = wait_for_sheet(browser.evaluate)
        answer["images"] = browser.evaluate(DRAW % json.dumps(inputs))
        browser.close()
    return answer


def wait_for_sheet(evaluate: Callable) -> dict:
    """What `READ` gives once the contact sheet is full. evaluate: runs code in the page."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if answer := evaluate(READ % SHEET):
            return answer
        time.sleep(0.05)
    sys.exit(f"error: The page took more than {SECONDS} seconds.")


BROWSERS = {"Chromium": visit_in_chromium, "Firefox": visit_in_firefox}

if __name__ == "__main__":
    app.run(main)
