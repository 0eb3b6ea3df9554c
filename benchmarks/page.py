"""How fast the page of --export page draws, in real browsers.

    python -m benchmarks.page out/digits-64x64/export/page.html,... [--rounds=3]

Each page is opened from its file, in turn in each browser that `make test-page` installed. A row
has the seconds until the first picture and until the 60 of the contact sheet, from the start of
loading, and the milliseconds of one picture, as the page itself says. They are the medians of the
rounds.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from absl import app, flags

from benchmarks import measure

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tests" / "export"))  # for firefox.py: playwright needs its own Firefox

FLAGS = flags.FLAGS
flags.DEFINE_integer("rounds", 3, "times to open each page in each browser", lower_bound=1)

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


def main(arguments: list[str]) -> None:
    if len(arguments) != 2:
        sys.exit("error: Give pages, separated by commas. Try out/digits-64x64/export/page.html.")
    pages = [Path(name).resolve() for name in arguments[1].split(",")]
    taken = {}
    for _ in range(FLAGS.rounds):
        for browser, visit in BROWSERS.items():
            for page in pages:
                taken.setdefault((page, browser), []).append(visit(page.as_uri()))

    rows = [summarize_visits(page, browser, visits) for (page, browser), visits in taken.items()]
    measure.report("page", rows, seed=0, bars="60_pictures_s")


def summarize_visits(page: Path, browser: str, visits: list[dict]) -> dict:
    """A row of the table: the medians of what `READ` gave."""
    medians = {
        name: statistics.median(float(visit[name]) for visit in visits) for name in visits[0]
    }
    return {
        "page": f"{page.parent.parent.name}, {browser}",
        "megabytes": page.stat().st_size / 1e6,
        "first_picture_s": medians["first"] / 1000,
        "ms_a_picture": medians["picture"],
        "60_pictures_s": medians["sheet"] / 1000,
    }


def visit_in_chromium(address: str) -> dict:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page()
        page.goto(address)
        answer = wait_for_sheet(page.evaluate)
        browser.close()
    return answer


def visit_in_firefox(address: str) -> dict:
    from firefox import Firefox

    program = shutil.which("firefox-esr") or shutil.which("firefox")
    with tempfile.TemporaryDirectory() as profile:
        browser = Firefox(program, profile)
        browser.open(address)
        answer = wait_for_sheet(browser.evaluate)
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
