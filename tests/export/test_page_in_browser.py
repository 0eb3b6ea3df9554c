"""The page in a real browser, opened from a file as a reader opens it. `make test-page` installs
what this needs.
"""

import base64
import contextlib
import io
import json
import time

import numpy as np
import pytest
from pages import DRAW, HOSTILE, RUNS, Pages, assert_same_picture, read_image, show_as_rgba
from PIL import Image

from config.settings import Config
from data import label_choice
from export.page import encode_page
from export.plain import make_plain_generator
from model import Generator

PIXELS = """(element) => {
  const canvas = element.matches("canvas") ? element : element.querySelector("canvas");
  const { width, height } = canvas;
  const copy = Object.assign(document.createElement("canvas"), { width, height });
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  return [width, height, Array.from(context.getImageData(0, 0, width, height).data)];
}"""
pytestmark = pytest.mark.slow

WAITS = 20  # seconds: the machine may be busy


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Name of RUNS -> (file, Sampler), each made once."""
    return Pages(tmp_path_factory.mktemp("pages")).make


@pytest.fixture
def visit(browser, made):
    """Opens a page of RUNS, or a file, with whatever follows in its address.

    In the end it checks that the browser asked nothing of anyone and had nothing to say.
    """
    with contextlib.ExitStack() as stack:
        noises = []

        def open_page(name, address="", *, is_quiet=True, waits=True, **options):
            path = made(name)[0] if name in RUNS else name
            context = stack.enter_context(
                contextlib.closing(browser.new_context(accept_downloads=True, **options))
            )
            page = context.new_page()
            page.set_default_timeout(1000 * WAITS)
            if is_quiet:
                page.on("console", lambda message: noises.append(message.text))
                page.on("pageerror", lambda error: noises.append(str(error)))
                page.on("dialog", lambda dialog: noises.append(dialog.message))
            page.on("request", lambda request: noises.append(request.url))
            page.goto(f"{path.as_uri()}{address}")
            if waits:
                page.wait_for_selector("#face[aria-label]")
            return page

        yield open_page
        assert [text for text in noises if not text.startswith(("file:", "blob:"))] == []
        assert sum(text.startswith("file:") for text in noises) <= len(stack._exit_callbacks)


def read_pixels(page, selector: str) -> np.ndarray:
    """A canvas as (H, W, 4) uint8; one of the sheet once it is drawn."""
    page.wait_for_selector(selector.replace("#sheet button", "#sheet .drawn"))
    return read_image(page.eval_on_selector(selector, PIXELS))


def draw(page, **options) -> np.ndarray:
    """What the page's dcgan.draw gives: (H, W, 4) uint8."""
    return read_image(page.evaluate(DRAW.format(options=json.dumps(options))))


def read_z(page) -> np.ndarray:
    """The numbers of z, from the address of the large view."""
    text = wait_for(page, lambda: page.evaluate("location.hash"), lambda hash: "z=" in hash)
    text = text.partition("z=")[2].partition("&")[0]
    return np.frombuffer(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "<f4")


def wait_for(page, read, is_met):
    """What `read` returns once `is_met` of it holds. (The page forbids playwright's own way: it
    evaluates text.)
    """
    end = time.monotonic() + WAITS
    while not is_met(value := read()):
        assert time.monotonic() < end, value
        page.wait_for_timeout(20)
    return value


def find_number(page, number: int) -> tuple[float, float]:
    """Where a number of a z of 10 x 10 is in the window."""
    page.locator("#z").scroll_into_view_if_needed()
    box = page.locator("#z").bounding_box()
    column, row = number % 10, number // 10
    return (
        box["x"] + (column + 0.5) * box["width"] / 10,
        box["y"] + (row + 0.5) * box["height"] / 10,
    )


def wait_for_new_face(page, before: np.ndarray) -> np.ndarray:
    return wait_for(
        page, lambda: read_pixels(page, "#face"), lambda now: not np.array_equal(now, before)
    )


@pytest.mark.parametrize("name", RUNS)
def test_a_seed_draws_what_sample_draws(visit, made, name):
    page, (_, sampler) = visit(name), made(name)
    images = show_as_rgba(sampler.images(7, 12))
    for index in (0, 1, 2, 11):
        assert_same_picture(draw(page, seed=7, index=index), images[index])
    negative = sampler.draw(*sampler.choose_latents_and_labels(-3, 1))
    assert_same_picture(draw(page, seed=-3), show_as_rgba(negative)[0])

    first = show_as_rgba(sampler.images(0, 60))
    if name != "alpha":  # a canvas rounds colours under alpha
        assert_same_picture(read_pixels(page, "#face"), first[0])
        assert_same_picture(read_pixels(page, "#sheet button:nth-child(60)"), first[59])


def test_any_z_and_any_labels_draw_what_the_generator_draws(visit, made):
    page, (_, sampler) = visit("gray"), made("gray")
    z = np.random.default_rng(3).uniform(-1, 1, (2, 8)).astype(np.float32)
    y = np.array([[0, 0, 1], [0.5, 0.25, 0]], np.float32)
    for image, one, labels in zip(show_as_rgba(sampler.draw(z, y)), z, y, strict=True):
        assert_same_picture(draw(page, z=one.tolist(), y=labels.tolist()), image)
    by_name = label_choice.encode_dataset_labels_by_name(sampler.config, "b", 1)
    images = show_as_rgba(sampler.draw(z[:1], by_name))
    assert_same_picture(draw(page, z=z[0].tolist(), label="b"), images[0])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"z": [0.0] * 7}, "z must be 8 finite numbers."),
        ({"z": [None] * 8}, "z must be 8 finite numbers."),
        ({"y": [1]}, "y must be 3 finite numbers."),
        ({"label": "d"}, "No label is called d. There are: a, b, c."),
        ({"seed": 1.5}, "A seed is a whole number, such as 7. Received: 1.5."),
        ({"index": -1}, "An image has a number, counted from 0. Received: -1."),
    ],
)
def test_scripts_are_told_what_is_wrong(visit, options, words):
    page = visit("gray")
    said = "(options) => dcgan.draw(options).then(() => 'drawn', (error) => error.message)"
    assert page.evaluate(said, options) == words


def test_random_gives_another_picture_and_its_link_gives_it_again(visit):
    page = visit("colour")
    first = read_pixels(page, "#face")
    page.click("#random")
    face = wait_for_new_face(page, first)
    wait_for(page, lambda: page.evaluate("location.hash"), lambda hash: "seed=" in hash)
    again = visit("colour", page.evaluate("location.hash"))
    np.testing.assert_array_equal(read_pixels(again, "#face"), face)

    page.click("#sheet button:nth-child(5)")
    face = wait_for_new_face(page, face)
    np.testing.assert_array_equal(face, read_pixels(page, "#sheet button:nth-child(5)"))
    assert page.inner_text("#caption") == "seed 0, image 4"
    assert page.get_attribute("#sheet button:nth-child(5)", "aria-current") == "true"


def test_z_is_painted_dragged_and_copied(visit, made):
    page, (_, sampler) = visit("colour"), made("colour")
    before = sampler.choose_latents_and_labels(0, 1)[0].numpy()[0]

    page.fill("#brush", "-0.5")
    page.mouse.move(*find_number(page, 22))
    page.mouse.down()
    page.mouse.move(*find_number(page, 24))
    page.mouse.up()
    z = wait_for(page, lambda: read_z(page), lambda z: np.allclose(z[22:25], -0.5))
    rest = np.delete(np.arange(100), [22, 23, 24])
    np.testing.assert_array_equal(z[rest], before[rest])
    image = show_as_rgba(sampler.draw(z[None]))[0]
    wait_for(
        page, lambda: read_pixels(page, "#face"), lambda now: np.abs(now - 1.0 * image).max() < 2
    )

    page.check("[name=tool][value=drag]", force=True)
    page.mouse.move(*find_number(page, 50))
    page.mouse.down()
    x, y = find_number(page, 50)
    page.mouse.move(x, y - 40)
    page.mouse.up()
    expected = min(1, z[50] + 40 / 160 * 2)
    wait_for(page, lambda: read_z(page)[50], lambda number: abs(number - expected) < 0.02)

    page.check("[name=tool][value=copy]", force=True)
    page.mouse.move(*find_number(page, 7))
    page.mouse.down()
    page.mouse.move(*find_number(page, 9), steps=8)
    page.mouse.up()
    wait_for(page, lambda: read_z(page), lambda z: (z[8:10] == before[7]).all())


def test_z_can_be_changed_without_a_mouse(visit):
    page = visit("colour")
    page.focus("#z")
    for key in ("ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert page.get_attribute("#z", "aria-label").startswith("z, number 12 of 100: ")
    page.fill("#brush", "0.25")
    page.focus("#z")
    page.keyboard.press("Enter")
    wait_for(page, lambda: read_z(page)[11], lambda number: number == 0.25)
    page.keyboard.press("+")
    wait_for(page, lambda: read_z(page)[11], lambda number: abs(number - 0.35) < 1e-6)
    assert page.inner_text("#said") == "z, number 12 of 100: 0.35"
    page.keyboard.press("c")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    wait_for(page, lambda: read_z(page)[99], lambda number: abs(number - 0.35) < 0.011)

    page.fill("#cell", "40")
    page.fill("#value", "-0.75")
    page.keyboard.press("Tab")
    wait_for(page, lambda: read_z(page)[39], lambda number: number == -0.75)


def test_a_walk_plays_until_it_is_stopped(visit):
    page = visit("colour")
    faces = [read_pixels(page, "#face")]
    page.click("#walk")
    for _ in range(3):
        faces.append(wait_for_new_face(page, faces[-1]))
    assert page.inner_text("#walk") == "Stop"
    page.click("#walk")
    assert page.inner_text("#walk") == "Walk"
    read_z(page)  # the address has the face where it stopped
    page.wait_for_timeout(300)
    still = read_pixels(page, "#face")
    page.wait_for_timeout(300)
    np.testing.assert_array_equal(read_pixels(page, "#face"), still)


@pytest.mark.parametrize("name", ["colour", "gray", "alpha"])
def test_the_png_has_exactly_the_pixels(visit, made, name):
    page, (_, sampler) = visit(name, "#seed=5&index=2"), made(name)
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename.endswith("_seed_5_2.png")
    with open(download.value.path(), "rb") as file:
        saved = np.array(Image.open(io.BytesIO(file.read())))
    expected = sampler.images(5, 3)[2]
    assert saved.shape == (expected[..., 0].shape if expected.shape[-1] == 1 else expected.shape)
    assert_same_picture(saved, expected.reshape(saved.shape))


def test_the_link_is_copied(visit):
    page = visit("colour", "#seed=3&index=9", permissions=["clipboard-read", "clipboard-write"])
    page.click("#link")
    wait_for(page, lambda: page.inner_text("#said"), lambda text: text.startswith("The link to"))
    assert page.evaluate("location.hash") == "#seed=3&index=9"


def test_labels_change_the_picture(visit, made):
    page, (_, sampler) = visit("gray", "#seed=4&index=0"), made("gray")
    images = show_as_rgba(sampler.images(4, 1, "c"))
    page.click("#labels button:nth-child(3)")
    face = wait_for_new_face(page, read_pixels(page, "#sheet button:nth-child(1)"))
    assert_same_picture(face, images[0])
    pressed = page.eval_on_selector_all(
        "#labels button", "(all) => all.map((one) => one.ariaPressed)"
    )
    assert pressed == ["false", "false", "true"]
    wait_for(page, lambda: page.evaluate("location.hash"), lambda hash: hash.endswith("&y=2"))
    again = visit("gray", page.evaluate("location.hash"))
    np.testing.assert_array_equal(read_pixels(again, "#face"), face)

    page.select_option("#sheet-label", "same")
    page.wait_for_selector("#sheet .drawn:nth-child(60)")
    all_c = show_as_rgba(sampler.images(4, 60, "c"))
    assert_same_picture(read_pixels(page, "#sheet button:nth-child(8)"), all_c[7])


def test_attributes_go_on_and_off_and_their_names_are_only_names(visit, made):
    page, (_, sampler) = visit("attributes"), made("attributes")
    buttons = page.locator("#labels button")
    assert tuple(buttons.all_inner_texts()) == HOSTILE
    for place in (0, 2):
        buttons.nth(place).click()
    y = np.array([[1, 0, 1, 0, 0]], np.float32)
    z = sampler.choose_latents_and_labels(0, 1)[0][:1]
    expected = show_as_rgba(sampler.draw(z, y))[0]
    wait_for(
        page,
        lambda: read_pixels(page, "#face"),
        lambda now: np.abs(now - expected.astype(int)).max() <= 1,
    )
    assert page.inner_text("#caption").endswith("it's, </script><script>alert(1)</script>")
    buttons.nth(0).click()
    wait_for(page, lambda: page.evaluate("location.hash"), lambda hash: hash.endswith("&y=2"))


def test_two_faces_mix_and_three_add_up(visit, made):
    page, (_, sampler) = visit("colour"), made("colour")
    z = sampler.choose_latents_and_labels(0, 64)[0].numpy()
    page.select_option("#target", "sumA")
    for number in (11, 22, 33):
        page.click(f"#sheet button:nth-child({number + 1})")
    expected = show_as_rgba(sampler.draw((z[11] - z[22] + z[33])[None]))[0]
    wait_for(
        page,
        lambda: read_pixels(page, "[data-result=sum]"),
        lambda now: np.abs(now - expected.astype(int)).max() <= 1,
    )
    assert page.input_value("#target") == "sumA"

    page.click("[data-slot=mixB]")
    assert page.get_attribute("[data-slot=mixB]", "aria-pressed") == "true"
    page.click("#sheet button:nth-child(12)")
    page.select_option("#target", "face")
    for share, end in (("0", 1), ("1", 11)):
        page.fill("#share", share)
        picture = read_pixels(page, f"#sheet button:nth-child({end + 1})")
        wait_for(
            page,
            lambda: read_pixels(page, "[data-result=mix]"),
            lambda now, picture=picture: np.array_equal(now, picture),
        )
    page.fill("#share", "0.5")
    page.click("[data-result=mix]")
    middle = read_z(page)
    lengths = np.linalg.norm(z[1]), np.linalg.norm(z[11]), np.linalg.norm(middle)
    assert lengths[2] == pytest.approx((lengths[0] + lengths[1]) / 2, rel=1e-5)
    np.testing.assert_allclose(middle @ z[1] / lengths[0], middle @ z[11] / lengths[1], rtol=1e-4)


def test_the_sheet_takes_a_seed_and_grows(visit, made):
    page, (_, sampler) = visit("colour"), made("colour")
    page.fill("#seed", "12")
    page.keyboard.press("Enter")
    images = show_as_rgba(sampler.images(12, 120))
    wait_for(
        page,
        lambda: read_pixels(page, "#face"),
        lambda now: np.abs(now - images[0].astype(int)).max() <= 1,
    )
    page.click("#more")
    page.wait_for_selector("#sheet .drawn:nth-child(120)")
    assert_same_picture(read_pixels(page, "#sheet button:nth-child(120)"), images[119])
    wait_for(page, lambda: page.inner_text("#progress"), lambda text: "120 pictures" in text)

    page.fill("#seed", "seven")
    page.keyboard.press("Enter")
    assert page.inner_text("#said").startswith("A seed is a whole number, such as 7.")
    assert page.input_value("#seed") == "12"

    page.focus("#sheet button:nth-child(1)")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    wait_for(page, lambda: page.inner_text("#caption"), lambda text: text == "seed 12, image 1")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("#seed=x", "A seed is a whole number, such as 7. Received: x."),
        ("#seed=99999999999999999999", "A seed is a whole number"),
        ("#index=-1", "An image has a number, counted from 0. Received: -1."),
        ("#z=AAAA", "z is 8 numbers, as this page writes them."),
        ("#z=%00", "z is 8 numbers, as this page writes them."),
        ("#y=7", "y names labels from 0 to 2. Received: 7."),
        ("#y=length", "y names labels from 0 to 2. Received: length."),
        ("#seed=1&y=0:x", "y names labels from 0 to 2. Received: 0:x."),
    ],
)
def test_a_wrong_address_is_told_and_the_first_picture_drawn(visit, address, words):
    page = visit("gray", address)
    assert page.inner_text("#said").startswith(f"The address cannot be read. {words}")
    assert page.inner_text("#caption") == "seed 0, image 0 · a"


def test_a_new_address_in_the_same_tab_shows_its_picture(visit):
    page = visit("colour")
    page.evaluate("location.hash = '#seed=0&index=7'")
    wait_for(page, lambda: page.inner_text("#caption"), lambda text: text == "seed 0, image 7")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 1])
def test_a_file_that_was_cut_shows_words(visit, made, tmp_path, share):
    """share: of what comes before the last of the weights."""
    content = made("colour")[0].read_bytes()
    path = tmp_path / "cut.html"
    path.write_bytes(content[: int((content.rindex(b"</script>") - 1) * share)])
    page = visit(path, is_quiet=False, waits=False)
    text = wait_for(page, lambda: page.inner_text("body"), lambda text: "cannot draw" in text)
    assert "incomplete" in text
    assert "ownload" in text
    assert "Random" not in text


def test_a_damaged_file_shows_words(visit, made, tmp_path):
    content = made("colour")[0].read_bytes()
    at = content.rindex(b"</script>") - 5000
    path = tmp_path / "damaged.html"
    path.write_bytes(content[:at] + b"A" * 40 + content[at + 40 :])
    page = visit(path, waits=False)
    text = wait_for(page, lambda: page.inner_text("#trouble"), lambda text: "damaged" in text)
    assert text.endswith("Download or copy the file again.")


def test_it_fits_a_phone_and_follows_the_system_into_the_dark(visit):
    for width in (320, 390, 768):
        page = visit("gray", viewport={"width": width, "height": 800}, color_scheme="dark")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"


def test_everything_that_can_be_pressed_has_a_name_and_can_be_reached(visit):
    page = visit("gray")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select, canvas[tabindex]')].filter((one) =>"
        "!(one.ariaLabel || one.innerText?.trim() || one.labels?.[0]?.innerText.trim()"
        "|| one.labels?.[0]?.textContent.trim())).map((one) => one.outerHTML)"
    )
    assert unnamed == []

    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    wanted = {"z", "brush", "cell", "value", "random", "walk", "save", "link", "share", "seed"}
    assert wanted | {"target", "more", "theme", "slot", "result", "sheet-label"} <= reached


def test_a_picture_comes_before_the_sheet_is_full(browser, tmp_path, record_property):
    """The 64x64 network of the reference, 5 million weights: what it takes is reported."""
    config = Config(output_height=64, c_dim=3).resolve()
    plain = make_plain_generator(Generator(config.network_config()))
    path = tmp_path / "large.html"
    path.write_bytes(encode_page(plain, config, step=5, weights="live"))
    page = browser.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("#face[aria-label]")
    first = page.evaluate("performance.getEntriesByName('picture')[0].startTime") / 1000
    face = read_pixels(page, "#face")
    page.click("#random")
    wait_for_new_face(page, face)
    assert page.locator("#sheet .drawn").count() < 60
    note = wait_for(page, lambda: page.inner_text("#note"), lambda text: " ms" in text)
    print(f"64x64, {path.stat().st_size / 1e6:.1f} MB: first picture after {first:.2f} s; {note}")
    page.close()
