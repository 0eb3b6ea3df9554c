"""The LiteRT model against the generator, by LiteRT's own interpreter."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from generators import SHAPES, list_shapes, make_generator, make_latents, name_inputs

from export.litert import convert_to_litert, load_generator
from export.plain import make_plain_generator
from kernels import convolution


def convert(generator, config, dtype="float32") -> bytes:
    return convert_to_litert(make_plain_generator(generator, config.label_names), dtype=dtype)


@pytest.mark.parametrize("name", list_shapes("odd tutorial"))
def test_litert_draws_what_the_generator_draws(name, tmp_path):
    generator, config = make_generator(**SHAPES[name])
    z, y = make_latents(config)
    path = tmp_path / "generator.tflite"
    path.write_bytes(convert(generator, config))
    np.testing.assert_allclose(
        load_generator(path)(**name_inputs(z, y)), generator(z, y), atol=2e-5
    )


def test_float16_halves_the_file(tmp_path):
    generator, config = make_generator(output_height=32)
    z, _ = make_latents(config)
    contents = [convert(generator, config, dtype) for dtype in ("float32", "float16")]
    assert len(contents[1]) < 0.6 * len(contents[0])
    path = tmp_path / "generator.tflite"
    path.write_bytes(contents[1])
    difference = np.abs(load_generator(path)(z=z) - generator(z)).max()
    assert 1e-5 < difference < 5e-3


@pytest.fixture(scope="module")
def converted():
    generator, config = make_generator(labels="folder", label_names=("a", "b"), fc_width=16)
    return convert(generator, config)


def test_a_cpus_own_form_of_a_layer_stays_out(converted):
    """Phones' accelerators lack its ranks, and the file would depend on the machine."""
    assert convolution.convolves_on_cpu()
    interpreter = Interpreter(model_content=converted)
    operations = [one["op_name"] for one in interpreter._get_ops_details()]
    assert operations.count("TRANSPOSE_CONV") == 2
    assert max(len(one["shape"]) for one in interpreter.get_tensor_details()) == 4


def test_it_takes_one_image_at_a_time(converted):
    signature = Interpreter(model_content=converted).get_signature_runner()
    inputs = {name: tuple(one["shape"]) for name, one in signature.get_input_details().items()}
    assert inputs == {"z": (1, 8), "y": (1, 2)}
    [images] = signature.get_output_details().values()
    assert tuple(images["shape"]) == (1, 16, 16, 3)
