"""A trained run as one HTML file, which draws in any browser without a server or a library.

The style and the scripts are files of web/; this puts them together, with the weights inside.
"""

import html
import json
import re
from pathlib import Path

from config.settings import Config
from export.page_weights import count_weights_as_base64, pack_generator
from export.plain import PlainGenerator

WEB = Path(__file__).parent / "web"
TEMPLATE = "page.html"
PLACE = re.compile(r"\{\{([\w.]+)\}\}")  # in the template, of a file of web/ or a value
# A browser holds a page's text several times over while it opens it, a phone's not always.
MOST_CHARACTERS = 60_000_000
Z_WORDS = {
    "uniform_signed": "each between -1 and 1",
    "uniform_unsigned": "each between 0 and 1",
    "normal01": "normally distributed",
}


def encode_page(generator: PlainGenerator, config: Config, *, step: int, weights: str) -> bytes:
    """The page, UTF-8. step: of the checkpoint. weights: "ema" or "live", as restored.

    Raises ValueError for a network that is too large to open in a browser.
    """
    check_fits_into_page(generator)
    manifest, text = pack_generator(generator)
    facts = describe_run(generator, config, step=step, weights=weights)
    facts["manifest"] = manifest | {"characters": len(text)}
    values = {
        "title": html.escape(f"{facts['name']}: pictures drawn by a DCGAN"),
        "facts": encode_json_for_script(facts),
        "weights": text,
    }
    return fill_template(values).encode()


def check_fits_into_page(generator: PlainGenerator) -> None:
    """Raises ValueError if the network is too large for a page."""
    characters = count_weights_as_base64(generator)
    if characters > MOST_CHARACTERS:
        raise ValueError(
            f"A page may be at most {MOST_CHARACTERS / 1e6:.0f} MB, to open in a browser. "
            f"Received: {generator.count_weights():,} weights, which need {characters / 1e6:,.0f} "
            "MB. Export onnx instead, or train with half the --stem_width, for about a quarter."
        )


def describe_run(generator: PlainGenerator, config: Config, *, step: int, weights: str) -> dict:
    """What the page says about the run, and what it needs to know besides the weights."""
    return {
        "name": config.name,
        "file_name": re.sub(r"[^\w.-]+", "-", config.name),
        "dataset": name_dataset(config),
        "images": config.epoch_sizes[-1] if config.epoch_sizes else None,
        "step": step,
        "model": "DCGAN generator",
        "weights": "averaged over training" if weights == "ema" else "as training left them",
        "parameters": generator.count_weights(),
        "z_dim": generator.z_dim,
        "z_dist": generator.z_dist,
        "z_words": Z_WORDS[generator.z_dist],
        "labels": generator.label_names,
        "is_one_hot": config.one_hot,
    }


def name_dataset(config: Config) -> str:
    """The dataset's name, without the folders of the owner's machine."""
    return Path(config.dataset).name or config.dataset


def encode_json_for_script(value) -> str:
    """JSON that may stand in a script of an HTML file, whatever its strings hold."""
    return json.dumps(value).replace("<", "\\u003c")


def fill_template(values: dict[str, str]) -> str:
    """The template with `values`, and the files of web/, at their places."""

    def find_text(match: re.Match) -> str:
        name = match[1]
        return values[name] if name in values else (WEB / name).read_text("utf-8").rstrip("\n")

    return PLACE.sub(find_text, (WEB / TEMPLATE).read_text("utf-8"))


def encode_file(source) -> bytes:
    """The page of an `export.source.Source`, as `export.formats` asks for it."""
    restored = source.restored
    return encode_page(source.plain, source.config, step=restored.step, weights=restored.weights)
