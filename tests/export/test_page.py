import dataclasses
import json
import re

import numpy as np
import pytest
from generators import LABELS, make_generator

from export.page import PLACE, WEB, encode_json_for_script, encode_page
from export.plain import make_plain_generator

HOSTILE = ("it's", '"quoted"', "</script><script>alert(1)</script>", "<!--", "a&b; ü 笑")


@pytest.fixture(scope="module")
def page():
    generator, config = make_generator(**LABELS | {"label_names": HOSTILE})
    config = dataclasses.replace(
        config, out_name="<title><b>", dataset="/home/me/faces", epoch_sizes=(0, 900, 400, 1000)
    )
    plain = make_plain_generator(generator, config.label_names)
    return encode_page(plain, config, step=7000, weights="ema").decode()


def test_names_cannot_leave_their_place(page):
    """Each hostile name is in the page's data, and nowhere in its structure."""
    facts = json.loads(re.search(r"^const page = (.*);$", page, re.MULTILINE)[1])
    assert facts["labels"] == list(HOSTILE)
    assert facts["name"] == "<title><b>"
    assert page.count("</script>") == 2  # of the program and of the weights
    assert "<!--" not in page.replace("<!-- ", "")
    assert "<title>&lt;title&gt;&lt;b&gt;: pictures drawn by a DCGAN</title>" in page


def test_it_says_what_it_was_made_from_but_not_where(page):
    facts = json.loads(re.search(r"^const page = (.*);$", page, re.MULTILINE)[1])
    assert (facts["dataset"], facts["images"], facts["step"]) == ("faces", 1000, 7000)
    assert facts["weights"] == "averaged over training"
    assert "/home/me" not in page


def test_nothing_in_it_points_elsewhere(page):
    assert not re.search(r"https?://|\bimport\b\s*[({]|\bfetch\(|XMLHttpRequest|\bsrc=", page)
    assert not PLACE.search(page)
    assert "default-src 'none'" in page


def test_every_file_of_the_page_is_used():
    template = (WEB / "page.html").read_text(encoding="utf-8")
    names = {path.name for path in WEB.iterdir()} - {"page.html"}
    assert names == {name for name in re.findall(r"\{\{([\w.]+)\}\}", template) if "." in name}


def test_a_network_that_is_too_large_is_refused_in_one_line():
    generator, config = make_generator()
    plain = make_plain_generator(generator)
    wide = dataclasses.replace(plain.layers[0], kernel=np.broadcast_to(np.float32(0), (300, 10**5)))
    plain = dataclasses.replace(plain, layers=(wide, *plain.layers[1:]))
    with pytest.raises(ValueError, match="at most 60 MB") as error:
        encode_page(plain, config, step=1, weights="live")
    assert "which need 80 MB. Export onnx instead, or train with half the" in str(error.value)
    assert "\n" not in str(error.value)


def test_json_keeps_its_meaning_in_a_script():
    value = {"</script>": ["<!--", "\u2028", '"']}
    text = encode_json_for_script(value)
    assert "<" not in text
    assert json.loads(text) == value
