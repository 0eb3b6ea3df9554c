"""Settings and weights that are malicious or damaged: one line each."""

import json
import os

import numpy as np
import pytest

from config.settings import SETTINGS, Config
from config.stored import read_config, read_json_settings
from foreign import import_weights as weights
from foreign.newmu import read_newmu_weights
from foreign.pytorch import read_pytorch_weights
from tests.faults import seeds


def refused(path, content):
    """The line that says what is wrong with a config.json."""
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        read_config(path)
    line = str(error.value)
    assert len(line) < 600
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 100_000, "is not JSON"),
        (b'{"a":' * 100_000, "is not JSON"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b'{"seed": ' + b"9" * 4000 + b"}", "--seed must be at most 2147483647"),
        (b'{"train_size": ' + b"9" * 4000 + b"}", "--train_size must be at most 2147483647"),
        (b'{"l2": ' + b"9" * 4000 + b"}", "--l2 must be at most 1"),
        (b'{"g_widths": [' + b"9" * 4000 + b",1,1,1]}", "--g_widths must be"),
        (b'{"data_dir": "\\ud800"}', "--data_dir must be text"),
        (b'{"out_name": "a\\u0000b"}', "--out_name must be text"),
        (b'{"label_names": ["\\udfff"]}', "--label_names must be text"),
        (b'{"epoch_sizes": [0, 0]}', "epoch_sizes must be pairs"),
        (b'{"epoch_sizes": [0, 9, 5]}', "epoch_sizes must be pairs"),
        (b'{"dataset": "' + b"x" * 10_000 + b'"}', "--dataset must be text"),
        (b'{"' + b"x" * 10_000 + b'": 1}', "must only hold settings"),
        (b'{"a\\nb\\u001b": 1}', r"Received: a\nb\x1b"),
        (b"\xff\xfe{}", "is not JSON"),
        (b"\0\0\0", "is not JSON"),
        (b"", "is not JSON"),
        (b"[]", "must hold one JSON object"),
        (b" " * 2**21, "more than 1,048,576 characters"),
        (b'{"data_dir": "~nobody-there/x"}', "no such user"),
        (b'{"c_dim": [1]}', "--c_dim must be"),
        (b'{"c_dim": {}}', "--c_dim must be"),
    ],
)
def test_a_spoiled_config_is_one_line(tmp_path, content, message):
    assert message in refused(tmp_path / "config.json", content)


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "-1", "true", '"1"', "[]", "{}"]
)
def test_no_number_is_none_or_endless(tmp_path, value):
    numbers = [name for name in SETTINGS if type(getattr(Config, name)) in (int, float)]
    numbers += [
        "train_size",
        "steps",
        "blocks",
        "steps_per_call",
        "input_height",
        "input_width",
        "output_width",
    ]
    assert len(numbers) > 20
    for name in numbers:
        assert f"--{name} must be" in refused(
            tmp_path / "config.json", f'{{"{name}": {value}}}'.encode()
        )


def test_a_byte_order_mark_is_no_matter(tmp_path):
    (tmp_path / "config.json").write_bytes(b'\xef\xbb\xbf{"seed": 3}')
    assert read_config(tmp_path / "config.json").seed == 3


def test_only_a_file_is_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", tmp_path, "/dev/zero"):
        with pytest.raises(ValueError, match="must be a file"):
            read_json_settings(path)


def test_a_path_of_nobody_is_one_line(tmp_path):  # Path.expanduser raised RuntimeError
    for name in ("dataset", "data_dir", "out_dir", "checkpoint_dir", "sample_dir"):
        with pytest.raises(ValueError, match="no such user"):
            Config(**{name: "~nobody-there/x"})
    with pytest.raises(ValueError, match="no such files"):
        weights.import_weights("~nobody-there/x", {"out_name": "a", "out_dir": str(tmp_path)})


# NumPy raised tokenize.TokenError
def test_a_header_of_an_array_that_does_not_end_is_one_line(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (6L, ".ljust(117) + b"\n"
    (tmp_path / "1_gen_params.jl_00.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    )
    with pytest.raises(ValueError, match=r"must hold complete .npy files"):
        read_newmu_weights(tmp_path)


@pytest.mark.parametrize("number", range(7, 17))
def test_arrays_of_odd_shapes_are_one_line(tmp_path, number):  # ZeroDivisionError, IndexError
    for place, content in enumerate(seeds.newmu_files()):
        content = seeds.newmu_seeds()[number] if place == 0 else content
        (tmp_path / f"1_gen_params.jl_{place:02d}.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"dimensions|must be the arrays|whole \.npy"):
        read_newmu_weights(tmp_path)


# ZeroDivisionError, TypeError; 400 TB
def test_tensors_that_are_no_plain_arrays_are_one_line(tmp_path):
    pytest.importorskip("torch")
    for content in seeds.torch_files()[2:]:
        (tmp_path / "netG.pth").write_bytes(content)
        with pytest.raises(ValueError) as error:
            read_pytorch_weights([tmp_path / "netG.pth"])
        assert "\n" not in str(error.value)


# IndexError: Read less bytes than requested
def test_a_cut_checkpoint_of_tensorflow_1_is_one_line(tmp_path):
    import tensorflow as tf

    with tf.compat.v1.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.compat.v1.get_variable("g_h0_lin/Matrix", initializer=np.ones((6, 64), np.float32))
        session.run(tf.compat.v1.global_variables_initializer())
        prefix = tf.compat.v1.train.Saver().save(session, str(tmp_path / "model"))
    for path in tmp_path.glob("model.[di]*"):
        whole = path.read_bytes()
        for size in (0, 10, len(whole) // 2, len(whole) - 1):
            path.write_bytes(whole[:size])
            with pytest.raises(ValueError, match="must be a complete TensorFlow checkpoint"):
                weights.read_foreign_weights([type(tmp_path)(prefix)])
        path.write_bytes(whole)


def test_json_of_our_own_is_read_back(tmp_path):
    (tmp_path / "config.json").write_text(Config(label_names=("a", "b"), labels="folder").to_json())
    assert read_config(tmp_path / "config.json").label_names == ("a", "b")
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 0
