"""A folder ready for a model hub: the other formats, and a README.md with what hubs read.

`--import_weights` makes a run of it again.
"""

import importlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import logging

from config.settings import Config
from export import saved_model
from export.card import describe_exported_weights, list_settings_to_publish
from export.formats import (
    FORMATS,
    check_formats_fit_statistics,
    explain_loading,
    is_package_installed,
)
from export.source import Source
from sample import Sampler
from system.text import escape_unprintable
from utils import arrange_image_grid, encode_png

GRID_IMAGES = 64
EVENTS = "events.out.tfevents."  # begins TensorBoard's files, which hubs show in a tab
ON_THE_HUB = "hf:"  # begins the --dataset of images that are on the hub
LATENTS = {  # z_dist -> code for 16 of them
    "uniform_signed": "tf.random.uniform((16, {}), -1, 1)",
    "uniform_unsigned": "tf.random.uniform((16, {}))",
    "normal01": "tf.random.normal((16, {}))",
}
TAGS = ["gan", "dcgan", "image-generation"]
README = """{metadata}
# {name}

![{count} images]({grid})

The networks of a DCGAN ([Radford et al. 2016](https://arxiv.org/abs/1511.06434)). They draw images
of {size} pixels, {colours}. Trained on {dataset}, until step {step:,}; the generator's weights are
{weights}.

## Draw with it

```python
import tensorflow as tf

draw = tf.saved_model.load("saved_model").signatures["serving_default"]
z = {latents}
{labels_code}images = draw({arguments})["images"]  # (16, {shape}) in [-1, 1]
```

{labels}{files}
The program that trained it makes a run of this folder, to sample, evaluate or train further:

    python main.py --import_weights . --out_name {run} --sample 64

## Licences

- **The weights:** not stated yet. Fill in `license` above.
- **The images** they were trained on, {dataset}: not stated yet. Look at their licence before you
  choose one.
- **The code** that trained them: MIT.
"""


def fill_folder(source: Source, folder: Path) -> None:
    """Writes everything into an empty folder."""
    model = folder / FORMATS["saved_model"].file
    model.mkdir()
    saved_model.fill_folder(source, model)
    names = ["saved_model", *_write_files_of_formats(source, folder)]
    settings = json.dumps(list_settings_to_publish(source.config), indent=2) + "\n"
    (folder / "config.json").write_text(settings, encoding="utf-8")
    (folder / "grid.png").write_bytes(_draw_grid(source))
    _copy_events(source.config, folder)
    text = write_readme(source, names)
    (folder / "README.md").write_text(text, encoding="utf-8", newline="\n")


def load_generator(path: Path) -> Callable[..., np.ndarray]:
    """A function z (B, z_dim), with labels y (B, y_dim) -> images, from the SavedModel in it."""
    return saved_model.load_generator(path / FORMATS["saved_model"].file)


def _write_files_of_formats(source: Source, folder: Path) -> list[str]:
    """Writes the formats that have one file; returns their names. Logs those that it leaves out."""
    written = []
    for name, form in FORMATS.items():
        if form.is_folder:
            continue
        if form.package and not is_package_installed(form.package):
            logging.info("%s is left out of the hub's folder: %s is missing.", name, form.package)
            continue
        try:
            check_formats_fit_statistics([name], source.config.bn_statistics)
            content = importlib.import_module(f"export.{name}").encode_file(source)
        except ValueError as error:  # too large for it, or drawn in batches
            logging.info("%s is left out of the hub's folder: %s", name, error)
            continue
        (folder / form.file).write_bytes(content)
        written.append(name)
    return written


def _draw_grid(source: Source) -> bytes:
    """A PNG of the first images of --sample."""
    config = source.config
    return encode_png(
        arrange_image_grid(Sampler(config, source.generator).images(config.seed, GRID_IMAGES))
    )


def _copy_events(config: Config, folder: Path) -> None:
    """TensorBoard's files, under names without the owner's machine."""
    found = sorted((config.run_dir / "logs").glob(f"{EVENTS}*"))
    for number, path in enumerate(found):
        shutil.copyfile(path, folder / f"{EVENTS}{number:010}.{config.height}x{config.width}")


def write_readme(source: Source, names: list[str]) -> str:
    """README.md: metadata in YAML, then text. names: of the formats in the folder."""
    config, published = source.config, list_settings_to_publish(source.config)
    height, width, channels = config.network_config().image_shape
    y_dim = config.y_dim
    labels = json.dumps(config.label_names, ensure_ascii=False)
    return README.format(
        metadata=_write_metadata(config, names),
        name=_quote(config.name),
        run=_choose_run_name(config),
        count=GRID_IMAGES,
        grid="grid.png",
        size=f"{height}x{width}",
        shape=f"{height}, {width}, {channels}",
        colours={1: "gray", 3: "in colour", 4: "in colour with transparency"}[channels],
        dataset=_quote(published["dataset"]),
        step=source.restored.step,
        weights=describe_exported_weights(config, source.restored.weights).partition(":")[2][1:],
        latents=LATENTS[config.z_dist].format(config.z_dim),
        labels_code=f"y = tf.one_hot([0] * 16, {y_dim})\n" if y_dim else "",
        arguments="z=z, y=y" if y_dim else "z=z",
        labels=f"y has an entry for each label, in this order:\n\n    {labels}\n\n"
        if y_dim
        else "",
        files=_list_files(config, names),
    )


def _list_files(config: Config, names: list[str]) -> str:
    """The formats as a list: what each is, and how it is loaded."""
    lines = ["| file | to load it |", "|---|---|"]
    for name in names:
        load = explain_loading(name, FORMATS[name].file, has_labels=bool(config.y_dim))
        lines.append(f"| {FORMATS[name].file} | `{load}` |")
    return "\n".join(lines) + "\n"


def _write_metadata(config: Config, names: list[str]) -> str:
    """The YAML at the top, of which JSON is a part."""
    runtimes = [
        {"litert": "tflite"}.get(name, name) for name in names if name in ("onnx", "litert")
    ]
    lines = {
        "license": "unknown",  # the hub's word for it
        "library_name": "dcgan-tf2",
        "pipeline_tag": "unconditional-image-generation",
        "tags": [*TAGS, *runtimes],
        "widget": [{"output": {"url": "grid.png"}}],
    }
    if config.dataset.startswith(ON_THE_HUB):
        lines["datasets"] = [config.dataset.removeprefix(ON_THE_HUB)]
    text = "\n".join(f"{key}: {json.dumps(value)}" for key, value in lines.items())
    return f"---\n{text}\n---"


def _choose_run_name(config: Config) -> str:
    """The run's name where a shell needs no quotes for it."""
    return config.name if re.fullmatch(r"[\w.-]+", config.name, re.ASCII) else "published"


def _quote(text: str) -> str:
    """A user's text as code in Markdown, on one line."""
    return f"`{escape_unprintable(text).replace('`', chr(39))}`"
