"""The report in a real browser, opened from a file."""

import shlex

import pytest
from test_document import HOSTILE, make_entries, make_run

from report.document import write_html_report

pytestmark = pytest.mark.slow

SHOWN = (
    "[...document.querySelectorAll('.frame')].filter(f => f.offsetWidth).map(f => f.dataset.step)"
)
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture
def visit(browser, tiny):
    """Opens a run's report; in the end it checks that nothing was requested and nothing said."""
    contexts, noises = [], []
    config = tiny(out_name="a <b>", labels="own", label_names=(HOSTILE, "b"))
    config = make_run(config, entries=make_entries(40, verdict=HOSTILE), steps=range(5, 41, 5))
    address = write_html_report(config).absolute().as_uri()

    def open_page(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: noises.append(message.text))
        page.on("pageerror", lambda error: noises.append(str(error)))
        page.on("dialog", lambda dialog: noises.append(dialog.message))
        page.on("request", lambda request: noises.append(request.url))
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    others = [said for said in noises if not said.startswith("data:") and said != address]
    assert others == []


def test_the_slider_goes_through_the_grids_and_the_charts(visit):
    page = visit()
    assert page.evaluate(SHOWN) == ["40"]
    page.focus("#slider")
    page.keyboard.press("Home")
    assert page.evaluate(SHOWN) == ["5"]
    assert page.locator(".chart.located").count() == page.locator(".chart").count()
    page.keyboard.press("End")
    assert page.evaluate(SHOWN) == ["40"]
    assert page.locator(".chart.located").count() == 0
    page.click("#play")
    page.wait_for_function(f"{SHOWN}[0] !== '40'")


def test_every_picture_is_one(visit):
    page = visit()
    sizes = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth)")
    assert len(sizes) == 9 and all(sizes)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_is_wider_than_the_page(visit, width):
    page = visit(viewport={"width": width, "height": 800})
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate(OVERFLOW) <= 0


def test_the_command_can_be_copied_as_it_is_typed(visit):
    page = visit()
    page.click("#copy")
    copied = page.evaluate("getSelection().toString()").splitlines()[-1]
    assert copied.startswith("python main.py --") and copied.endswith("--train")
    assert shlex.split(copied)[-2] == "--out_name=a <b>-again"


def test_on_paper_there_are_four_grids_and_no_slider(visit):
    page = visit()
    page.emulate_media(media="print")
    assert page.evaluate(SHOWN) == ["5", "15", "30", "40"]
    assert not page.locator("#slider").is_visible()


def test_without_scripts_all_grids_are_shown(visit):
    page = visit(java_script_enabled=False)
    assert page.locator(".frame:visible").count() == 8
    assert not page.locator("#slider").is_visible()


def test_it_follows_the_readers_colours(visit):
    colours = [
        visit(color_scheme=scheme).evaluate(
            "getComputedStyle(document.documentElement).backgroundColor"
        )
        for scheme in ("light", "dark")
    ]
    assert colours == ["rgb(250, 248, 244)", "rgb(22, 20, 18)"]
