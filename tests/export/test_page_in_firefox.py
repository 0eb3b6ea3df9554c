"""The page in Firefox: what another browser could do otherwise. `make test-page` installs it."""

import json
import shutil
import time

import pytest
from pages import DRAW, RUNS, Pages, assert_same_picture, read_image, show_as_rgba

pytest.importorskip("websockets", reason="websockets is not installed: make test-page installs it")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
if not FIREFOX:
    pytest.skip("no firefox is installed: make test-page installs it", allow_module_level=True)
pytestmark = pytest.mark.slow

WAITS = 30  # seconds: the machine may be busy


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return Pages(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    from firefox import Firefox

    browser = Firefox(FIREFOX, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def visit(firefox, pages):
    """Opens a page of RUNS; in the end checks that it asked for nothing and said nothing."""
    firefox.noises.clear()

    def open_page(name):
        firefox.open(pages.make(name)[0].as_uri())
        wait_for(firefox, "document.querySelectorAll('#sheet .drawn').length === 60")
        return firefox

    yield open_page
    noises = [text for text in firefox.noises if not text.startswith(("file:", "blob:", "data:"))]
    assert noises == []


def wait_for(firefox, condition: str) -> None:
    end = time.monotonic() + WAITS
    while not firefox.evaluate(condition):
        assert time.monotonic() < end, condition
        time.sleep(0.05)


@pytest.mark.parametrize("name", RUNS)
def test_a_seed_draws_what_sample_draws(visit, pages, name):
    firefox = visit(name)
    images = show_as_rgba(pages.make(name)[1].images(7, 3))
    for index in (0, 2):
        options = json.dumps({"seed": 7, "index": index})
        assert_same_picture(
            read_image(firefox.evaluate(DRAW.format(options=options))), images[index]
        )


def test_its_buttons_work(visit):
    firefox = visit("gray")
    press = "document.querySelector('{}').click()"
    first = firefox.evaluate("location.hash")
    firefox.evaluate(press.format("#random"))
    wait_for(firefox, f"location.hash !== {json.dumps(first)} && location.hash.includes('seed=')")
    firefox.evaluate(press.format("#walk"))
    wait_for(firefox, "document.querySelector('#caption').textContent === 'walking'")
    firefox.evaluate(press.format("#walk"))
    wait_for(firefox, "location.hash.includes('z=')")
    firefox.evaluate(press.format("#labels button:last-child"))
    wait_for(firefox, "location.hash.endsWith('y=2')")
    firefox.evaluate(press.format("#sheet button:last-child"))
    wait_for(
        firefox, "document.querySelector('#caption').textContent.startsWith('seed 0, image 59')"
    )
    firefox.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert firefox.evaluate("getComputedStyle(document.body).color") == "rgb(239, 233, 224)"
