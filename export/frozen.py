"""A trained run as frozen graphs (.pb), which TensorFlow 1 can load."""

from pathlib import Path

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from config.settings import Config
from export.saved_model import Exported
from export.source import restore_source
from export.writing import write_files_with_card
from kernels.convolution import trace_portable_graph
from system.console import print_result

LOAD = 'tf.compat.v1.GraphDef.FromString(open("{path}", "rb").read())'


def write_frozen_graphs(config: Config, *, checkpoint: str = "last") -> Path:
    """Writes <run>/export/generator.pb and discriminator.pb, with constants for weights; returns
    the folder.

    tf.compat.v1.import_graph_def loads them, for any batch size: z:0 to images:0, images:0 to
    logits:0 and probability:0, both with y:0 if there are labels. Raises ValueError when the run
    has no readable checkpoint.
    """
    source = restore_source(config, checkpoint)
    step, folder = source.restored.step, source.folder
    exported = Exported(source.generator, source.discriminator)
    with trace_portable_graph():
        contents = {
            "generator.pb": freeze_graph(exported.generate),
            "discriminator.pb": freeze_graph(exported.discriminate),
        }
    entries = {
        name: {"format": "frozen graph", "bytes": len(content), "load": LOAD.format(path=name)}
        for name, content in contents.items()
    }
    write_files_with_card(source, contents, entries, what=f"the frozen graphs of step {step:,}")
    print_result(
        f"the frozen graphs of step {step:,}, generator.pb and discriminator.pb, are in {folder}"
    )
    return folder


def freeze_graph(function) -> bytes:
    """The graph of a signature as a serialized GraphDef, with constants for weights."""
    frozen = convert_variables_to_constants_v2(
        name_frozen_outputs(function).get_concrete_function()
    )
    return frozen.graph.as_graph_def().SerializeToString()


def name_frozen_outputs(function) -> tf.types.experimental.PolymorphicFunction:
    """The function with its outputs named in the graph; freezing would call them Identity."""

    def run_with_named_outputs(*inputs):
        return {name: tf.identity(tensor, name=name) for name, tensor in function(*inputs).items()}

    return tf.function(
        run_with_named_outputs, input_signature=function.input_signature, autograph=False
    )
