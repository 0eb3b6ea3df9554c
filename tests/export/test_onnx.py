"""The ONNX model against the generator: by onnx's own reference evaluator, and by onnxruntime."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from generators import LABELS, SHAPES, list_shapes, make_generator, make_latents, name_inputs
from onnx.reference import ReferenceEvaluator

import ops
from export.onnx import encode_file, make_onnx_model
from export.plain import make_plain_generator
from export.source import Source
from runs.checkpoints import Restored


def convert(generator, config, dtype="float32"):
    return make_onnx_model(make_plain_generator(generator, config.label_names), dtype=dtype)


def run_in_onnxruntime(model, z, y) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(["images", "pixels"], name_inputs(z, y))


@pytest.mark.parametrize("name", list_shapes("odd", "labels paper"))
def test_onnxruntime_draws_what_the_generator_draws(name):
    generator, config = make_generator(**SHAPES[name])
    z, y = make_latents(config)
    expected = np.asarray(generator(z, y))
    model = convert(generator, config)
    onnx.checker.check_model(model, full_check=True)
    images, pixels = run_in_onnxruntime(model, z, y)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, expected, atol=2e-5)
    np.testing.assert_array_equal(pixels, ops.to_uint8(images))


@pytest.mark.parametrize("name", list_shapes("tiny stem"))
def test_the_reference_evaluator_agrees(name):
    """It computes each node as the standard defines it, without onnxruntime's fast paths."""
    generator, config = make_generator(**SHAPES[name])
    z, y = make_latents(config)
    images, pixels = ReferenceEvaluator(convert(generator, config)).run(None, name_inputs(z, y))
    np.testing.assert_allclose(images, generator(z, y), atol=2e-5)
    np.testing.assert_array_equal(pixels, ops.to_uint8(images))


def test_any_number_of_images_at_once():
    generator, config = make_generator(**LABELS)
    model = convert(generator, config)
    for count in (0, 1, 5):
        images, pixels = run_in_onnxruntime(model, *make_latents(config, count))
        assert images.shape == pixels.shape == (count, 16, 16, 3)
    names = [value.name for value in (*model.graph.input, *model.graph.output)]
    assert names == ["z", "y", "images", "pixels"]


def test_float16_halves_the_file_and_moves_pixels_by_a_level_at_most():
    generator, config = make_generator(output_height=32)
    z, y = make_latents(config, 16)
    models = [convert(generator, config, dtype) for dtype in ("float32", "float16")]
    sizes = [len(model.SerializeToString()) for model in models]
    assert sizes[1] < 0.55 * sizes[0]
    images, halved = (run_in_onnxruntime(model, z, y) for model in models)
    assert 0 < np.abs(images[0] - halved[0]).max() < 4e-3
    assert np.abs(images[1].astype(int) - halved[1]).max() <= 1


def test_old_runtimes_can_read_it():
    """onnxruntime-web 1.30 knows no later version of the format."""
    model = convert(*make_generator())
    assert (model.ir_version, [opset.version for opset in model.opset_import]) == (8, [17])
    kinds = {node.op_type: {a.name for a in node.attribute} for node in model.graph.node}
    assert kinds["ConvTranspose"] == {"kernel_shape", "strides", "pads"}


def test_the_file_holds_the_settings_and_where_it_comes_from():
    generator, config = make_generator(dataset_place="/home/me/faces")
    restored = Restored(7, "ema")
    source = Source(config=config, generator=generator, discriminator=None, restored=restored)
    content = encode_file(source)
    notes = {note.key: note.value for note in onnx.load_from_string(content).metadata_props}
    assert (notes["step"], notes["weights"]) == ("7", "ema")
    assert json.loads(notes["config"])["output_height"] == 16
    assert "/home/me" not in notes["config"]
