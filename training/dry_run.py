"""`--dry_run`: what a command would do, without doing it."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path

from augmentation import describe_augmentation, settle_augmentation
from config.settings import Config
from data.load import Outlook, choose_crop_and_resize
from distribution import settle_replicas
from kernels.convolution import is_faster_as_product
from runs.checkpoints import read_progress
from runs.claims import describe_pictures_away, find_process_in_run_folders
from runs.history import (
    describe_earlier_training,
    locate_metrics,
    read_seconds_of_training,
    was_stopped_before_first_checkpoint,
)
from runs.progress import (
    keep_planned_steps,
    read_run_settings_before_flags,
    restate_progress_for_epoch_size,
)
from runs.read import read_run
from system.devices import (
    choose_jit_for_device,
    choose_kernel_forms_for_device,
    choose_precision_for_device,
)
from system.text import format_duration_in_words
from training.announcements import suggest_longer_length
from training.cost import LayerCost, estimate_training_bytes, list_layer_costs
from training.minutes import estimate_total_steps
from training.progress_bar import is_total_known

LINE_WIDTH = 98  # of the settings, and a bracket and a comma; the table of layers is as wide
LEGEND = """\
i, k, s, p -> o   input, kernel, stride, zeros before+after (cropped, where the layer enlarges),
                  output (Dumoulin & Visin 2016)
s 1               the layer first repeats each pixel (--upsample resize)
overlap           uneven where k is not a multiple of s: the layer can leave a checkerboard
                  (Odena et al. 2016)
field             pixels of the image that a unit sees; in the generator, those that it reaches
MFLOP             of the forward pass of one image: two for each multiplication"""


def describe_dry_run(config: Config, outlook: Outlook, others: Sequence[Path] = ()) -> str:
    """The settings, both networks' layers, the memory to train them, and what will be moved aside.

    others: folders of runs; if one of them turns out to have the same images, it continues instead.
    """
    found = {"c_dim": outlook.channels, "label_names": outlook.label_names}
    config = settle_replicas(dataclasses.replace(config, **found).resolve())
    forms = choose_kernel_forms_for_device(config.kernel_forms, config.mixed_precision)
    config = dataclasses.replace(config, kernel_forms=forms)
    earlier = describe_earlier_start(config)  # now, with the settings that training compares
    # The pixels will decide which images are held out.
    training = outlook.images - round(config.holdout * outlook.images)
    config = settle_augmentation(config, training, read_run_settings_before_flags(config))
    precision = choose_precision_for_device(config.mixed_precision)
    config = dataclasses.replace(config, mixed_precision=precision).resolve()

    settings = format_settings(dataclasses.asdict(config))
    layers = list_layer_costs(config.network_config())
    tables = [format_layer_table(name, of_network) for name, of_network in layers.items()]
    summary = summarize_dry_run(config, outlook)
    if products := describe_products(config, layers):
        summary += f"\nproducts {products}"
    if changes := describe_augmentation(config, training):
        summary += f"\nvaried   {changes}"
    if holder := find_process_in_run_folders(config):
        summary += f"\nin use   by {holder}: only one process at a time may change a run"
    if away := describe_pictures_away(config):
        summary += f"\npictures {away}"
    if earlier:
        summary += f"\n{earlier}"
    if others:
        runs = " or ".join(map(str, others))
        summary += f"\nor       {runs}, which continues if these are its images under a new name"
    return "\n\n".join([settings, *tables, LEGEND, summary])


def describe_condition_on_images(config: Config, outlook: Outlook) -> str:
    """A line with what must hold for a run to continue, if only the images, unread, will tell."""
    run = read_run(config.run_dir, config.checkpoint_dir)
    is_known = outlook.packed is not None or not outlook.place
    if is_known or not run or not run.dataset_fingerprint or run.dataset_place == outlook.place:
        return ""
    before = run.dataset_place or "the array that it was trained on"
    return f"if       these are the images of {before}: a run keeps its own\n"


def describe_earlier_start(config: Config) -> str:
    """What becomes of training that left no checkpoint, as a line; "" if there was none.

    config: the settings as training compares them with those in config.json.
    """
    if was_stopped_before_first_checkpoint(config):
        return "again    from step 0: the run was stopped before its first checkpoint"
    earlier = describe_earlier_training(config)
    return f"aside    {earlier} (there is no checkpoint: training starts over)" if earlier else ""


def format_settings(settings: dict) -> str:
    """The settings as JSON, with as many on each line as fit."""
    items = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in settings.items()]
    lines = [[]]
    for item in items:
        if lines[-1] and len(", ".join([*lines[-1], item])) > LINE_WIDTH:
            lines.append([])
        lines[-1].append(item)
    return "{" + ",\n ".join(map(", ".join, lines)) + "}"


def summarize_dry_run(config: Config, outlook: Outlook) -> str:
    """The images, the run and what is left of it, and the memory and disk that it takes."""
    images, precision = outlook.images, config.mixed_precision
    up_to, skips = ("", "") if outlook.is_exact else ("up to ", ", without unreadable ones")
    held_out = round(config.holdout * images)  # their pixels will decide which ones
    told = f", about {held_out:,} of them held out" if held_out else ""
    is_exact = outlook.is_exact and not held_out
    uses_jit = choose_jit_for_device(config.jit, is_distributed=config.is_distributed)
    jit = "with XLA" if uses_jit else "without XLA"
    disk = images * math.prod(config.network_config().image_shape)
    return (
        f"images   {up_to}{images:,}{skips}: {choose_crop_and_resize(config)}{told}\n"
        f"run      {config.run_dir}, {describe_steps_to_do(config, images - held_out, is_exact)}, "
        f"{precision} {jit}\n"
        f"{describe_condition_on_images(config, outlook)}"
        f"memory   about {estimate_training_bytes(config, precision) / 1e9:.1f} GB while training\n"
        f"disk     {up_to}{format_bytes_on_disk(disk)} for the decoded images"
    )


def describe_products(config: Config, layers: dict[str, list[LayerCost]]) -> str:
    """Which layers are matrix products while they train, as lines; "" if none is.

    layers: as from `list_layer_costs`.
    """
    if config.kernel_forms != "products":
        return ""
    lines = []
    for network, of_network in layers.items():
        for layer in of_network:
            if names := list_products_of_layer(layer):
                lines.append(f"{network}'s {layer.name}: {', '.join(names)}")
    return f"\n{'':9}".join(lines)


def list_products_of_layer(layer: LayerCost) -> list[str]:
    """Which operations of a layer's training are matrix products: forward, backward, kernel."""
    if not layer.kernel:
        return []
    small, large = sorted((layer.inputs, layer.output))
    forward, backward = ("shrink", "enlarge") if small == layer.output else ("enlarge", "shrink")
    operations = {"forward": forward, "backward": backward, "gradient of the kernel": "correlate"}
    shape = math.prod(small[:-1]), large[-1], small[-1]
    return [
        name for name, operation in operations.items() if is_faster_as_product(operation, *shape)
    ]


def format_bytes_on_disk(count: int) -> str:
    """4.7 MB, 12.06 GB: rounded up, because that much space is needed."""
    if count < 1e9:
        return f"{math.ceil(count / 1e5) / 10} MB"
    return f"{math.ceil(count / 1e7) / 100:.2f} GB"


def describe_steps_to_do(config: Config, images: int, is_exact: bool) -> str:
    """`702 steps`, or for an existing run `at step 60 of 702 (epoch 2.14), 642 to do`.

    images: how many to train on; unless is_exact, an estimate, shown with "about". Raises
    ValueError when the run has checkpoints, but none is readable.
    """
    progress = restate_progress_for_epoch_size(config, read_progress(config), images)
    seconds = read_seconds_of_training(locate_metrics(config), progress.step)
    config = keep_planned_steps(config)
    total = estimate_total_steps(config, images, progress, seconds)
    if not is_total_known(total):
        fitting = f"as many steps as fit into {format_duration_in_words(60 * config.minutes)}"
        return f"at step {progress.step:,}, {fitting}" if progress.step else fitting
    is_estimate = config.minutes or not (is_exact or config.steps)
    about = "about " if is_estimate else ""
    if not progress.step:
        return f"{about}{total:,} steps"

    epoch, left = progress.images_shown / images, total - progress.step
    if left <= 0:
        done = f"at step {progress.step:,} (epoch {epoch:.2f}), nothing to do"
        longer = suggest_longer_length(config, progress.step, epochs=epoch, seconds=seconds)
        return f"{done}: set {longer}"
    return (
        f"at step {progress.step:,} of {about}{total:,} (epoch {epoch:.2f}), {about}{left:,} to do"
    )


def format_layer_table(name: str, layers: list[LayerCost]) -> str:
    """A network's layers as lines, with the totals below."""
    heads = f"{'overlap':>8} {'field':>6} {'parameters':>12} {'MFLOP':>9}"
    title = f"{name:14} {'i':>11} {'k':>2} {'s':>2} {'p':>8} {'o':>12} {heads}"
    parameters = sum(layer.parameters for layer in layers)
    megaflops = sum(layer.flops for layer in layers) / 1e6
    total = f"  {'total':12} {'':54} {parameters:12,} {megaflops:9,.1f}"
    return "\n".join([title, *map(format_layer_row, layers), total])


def format_layer_row(layer: LayerCost) -> str:
    inputs, output = ("x".join(map(str, shape)) for shape in (layer.inputs, layer.output))
    kernel = stride = overlap = ""
    if layer.kernel:
        kernel, stride = layer.kernel, layer.stride
        overlap = "uneven" if kernel % stride else "even"

    # Shown once if both axes agree.
    pads = ",".join(dict.fromkeys(f"{before}+{after}" for before, after in layer.pads))
    arithmetic = f"{inputs:>11} {kernel:>2} {stride:>2} {pads:>8} {output:>12}"
    return (
        f"  {layer.name:12} {arithmetic} {overlap:>8} {layer.field or 'all':>6} "
        f"{layer.parameters:12,} {layer.flops / 1e6:9,.1f}"
    )
