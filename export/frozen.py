"""A trained run as frozen graphs (.pb), as TensorFlow 1 loads them."""

from pathlib import Path

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from config.settings import Config
from export.saved_model import restore_exported_signatures, write_model_card
from system.console import print_result
from system.files import write_atomic


def write_frozen_graphs(config: Config) -> Path:
    """Writes <run>/export/generator.pb and discriminator.pb, with constants for weights; returns
    the folder.

    tf.compat.v1.import_graph_def loads them, for any batch: z:0 to images:0, images:0 to logits:0
    and probability:0, both with y:0 if there are labels. Raises ValueError when the run has no
    readable checkpoint.
    """
    exported, step = restore_exported_signatures(config)
    folder = config.run_dir / "export"
    folder.mkdir(parents=True, exist_ok=True)
    freeze_graph_to_file(folder / "generator.pb", exported.generate)
    freeze_graph_to_file(folder / "discriminator.pb", exported.discriminate)
    write_model_card(config, step)
    print_result(
        f"the frozen graphs of step {step:,}, generator.pb and discriminator.pb, are in {folder}"
    )
    return folder


def freeze_graph_to_file(path: Path, function) -> None:
    frozen = convert_variables_to_constants_v2(
        name_frozen_outputs(function).get_concrete_function()
    )
    write_atomic(path, frozen.graph.as_graph_def().SerializeToString())


def name_frozen_outputs(function) -> tf.types.experimental.PolymorphicFunction:
    """The function with outputs named in the graph, where freezing calls them Identity."""

    def named(*inputs):
        return {name: tf.identity(tensor, name=name) for name, tensor in function(*inputs).items()}

    return tf.function(named, input_signature=function.input_signature, autograph=False)
