"""The guide's relationships against TensorFlow's convolutions and against the definition."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from explore.convolution import relations
from explore.convolution.relations import (
    RELATIONSHIPS,
    build_convolution_matrix,
    compute_same_crop,
    compute_same_padding,
    compute_transposed_conv_relation,
)


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def tf_conv(x, kernel, stride=1, pads=((0, 0), (0, 0)), dilation=1):
    """x (H, W), kernel (kh, kw) -> (oh, ow) by TensorFlow."""
    padding = [[0, 0], *map(list, pads), [0, 0]]
    return tf.nn.conv2d(
        x[None, :, :, None], kernel[:, :, None, None], stride, padding, dilations=dilation
    )[0, ..., 0]


def tf_conv_transpose(y, kernel, size, stride, padding):
    """y (h, w), kernel (kh, kw) -> (H, W) by TensorFlow."""
    y, kernel = y[None, :, :, None], kernel[:, :, None, None]
    return tf.nn.conv2d_transpose(y, kernel, (1, *size, 1), stride, padding)[0, ..., 0]


def full_transposed(y, kernel, s):
    """By the definition: each unit of y (i', i') adds the kernel times itself, s further on, to
    zeros.
    """
    k = len(kernel)
    out = np.zeros([s * (n - 1) + k for n in y.shape], np.float32)
    for row, column in np.ndindex(y.shape):
        out[s * row : s * row + k, s * column : s * column + k] += y[row, column] * kernel
    return out


def stretched(y, s, before, after):
    """y with s - 1 zeros between its units and zeros around."""
    out = np.zeros([before + s * (n - 1) + 1 + after for n in y.shape], np.float32)
    ends = [size - after for size in out.shape]
    out[before : ends[0] : s, before : ends[1] : s] = y
    return out


def geometries(*, i=range(1, 9), k=range(1, 6), s=(1,), p=(0,), d=(1,)):
    """Every combination in which the kernel fits."""
    for values in itertools.product(i, k, s, p, d):
        found = dict(zip("ikspd", values, strict=True))
        if found["i"] + 2 * found["p"] >= (found["k"] - 1) * found["d"] + 1:
            yield found


def tf_size(i, k, s=1, p=0, d=1):
    """TensorFlow's output size along one axis; the other has one unit."""
    pads = ((p, p), (0, 0))
    return tf_conv(
        np.zeros((i, 1), np.float32), np.zeros((k, 1), np.float32), (s, 1), pads, (d, 1)
    ).shape[0]


@pytest.mark.parametrize(
    ("number", "names", "ranges"),
    [
        (1, "ik", {}),
        (2, "ikp", {"p": range(5)}),
        (5, "iks", {"s": range(1, 5)}),
        (6, "iksp", {"s": range(1, 4), "p": range(4)}),
        (15, "ikspd", {"k": range(1, 4), "s": range(1, 3), "p": range(3), "d": range(1, 4)}),
    ],
)
def test_sizes_are_those_of_tensorflow(number, names, ranges):
    for found in geometries(**ranges):
        assert RELATIONSHIPS[number](**{name: found[name] for name in names}) == tf_size(**found), (
            found
        )


def test_half_and_full_padding_are_what_their_names_say():
    for i, k in itertools.product(range(1, 9), range(1, 7)):
        assert RELATIONSHIPS[4](i=i, k=k) == tf_size(i, k, p=k - 1) == i + k - 1
        if k % 2:
            assert RELATIONSHIPS[3](i=i, k=k) == tf_size(i, k, p=k // 2) == i


@pytest.mark.parametrize("pool", [tf.nn.max_pool2d, tf.nn.avg_pool2d])
def test_pooling_size_is_that_of_tensorflow(pool):
    for found in geometries(s=range(1, 5)):
        i, k, s = found["i"], found["k"], found["s"]
        assert (
            RELATIONSHIPS[7](i=i, k=k, s=s) == pool(tf.zeros((1, i, i, 1)), k, s, "VALID").shape[1]
        )


def transposes():
    """(number, arguments, s, p, a) of relationships 8 to 14 over small sizes."""
    for i, k in itertools.product(range(1, 5), range(1, 6)):
        yield 8, {"i": i, "k": k}, 1, 0, 0
        for p in range(1, k):
            yield 9, {"i": i, "k": k, "p": p}, 1, p, 0
        if k % 2:
            yield 10, {"i": i, "k": k}, 1, k // 2, 0
        yield 11, {"i": i, "k": k}, 1, k - 1, 0
        for s in (2, 3):
            yield 12, {"i": i, "k": k, "s": s}, s, 0, 0
            for p in range(1, k):
                yield 13, {"i": i, "k": k, "s": s, "p": p}, s, p, 0
            for p, a in itertools.product(range(k), range(1, s)):
                yield 14, {"i": i, "k": k, "s": s, "p": p, "a": a}, s, p, a


@pytest.mark.parametrize("number", range(8, 15))
def test_a_transposed_convolution_is_a_direct_one_on_the_stretched_input(number):
    """Sizes and numbers against C.T, TensorFlow's convolution, and the definition."""
    cases = [
        case
        for case in transposes()
        if case[0] == number and case[3] * 2 < size_by_definition(case)
    ]
    assert len(cases) > 5
    for _, arguments, s, p, a in cases:
        i, k = arguments["i"], arguments["k"]
        y, kernel = normal(i, i), normal(k, k)
        t = RELATIONSHIPS[number](**arguments)
        assert (t.kernel, t.stride, t.padding, t.extra) == (k, 1, k - p - 1, a)

        whole = np.pad(full_transposed(y, kernel, s), ((0, a), (0, a)))
        expected = whole[p : len(whole) - p, p : len(whole) - p]
        assert expected.shape == (t.output, t.output)

        zeros = stretched(y, s, t.padding, t.padding + t.extra)
        assert len(zeros) == t.stretched + 2 * t.padding + t.extra
        np.testing.assert_allclose(
            tf_conv(zeros, kernel[::-1, ::-1], t.stride), expected, atol=1e-5
        )
        matrix = build_convolution_matrix(kernel, t.output, stride=s, padding=p)
        np.testing.assert_allclose(matrix.T @ y.ravel(), expected.ravel(), atol=1e-5)


def size_by_definition(case):
    """The output including what padding crops: all that the added kernels cover, and a."""
    _, arguments, s, _, a = case
    return s * (arguments["i"] - 1) + arguments["k"] + a


def test_a_convolution_takes_its_transpose_back_to_the_same_size():
    for found in geometries(k=range(1, 5), s=range(1, 5), p=range(4)):
        i, k, s, p = (found[name] for name in "iksp")
        if p < k:
            o = relations.compute_conv_output_size(i, k, s=s, p=p)
            assert (
                compute_transposed_conv_relation(o, k, s=s, p=p, a=(i + 2 * p - k) % s).output == i
            )


def random_geometries(count):
    rng = np.random.default_rng(0)
    while count:
        kernel_size, size = rng.integers(1, 6, 2), rng.integers(1, 11, 2)
        stride, dilation = (int(n) for n in rng.integers(1, 4, 2))
        pads = rng.integers(0, 4, (2, 2))
        if np.all(dilation * (kernel_size - 1) + 1 <= size + pads.sum(1)):
            yield (
                rng.normal(size=size).astype(np.float32),
                rng.normal(size=kernel_size).astype(np.float32),
                {"stride": stride, "padding": pads.tolist(), "dilation": dilation},
            )
            count -= 1


def test_the_matrix_is_tensorflows_convolution():
    for x, kernel, geometry in random_geometries(200):
        expected = tf_conv(
            x, kernel, geometry["stride"], geometry["padding"], geometry["dilation"]
        ).numpy()
        matrix = build_convolution_matrix(kernel, x.shape, **geometry)
        assert matrix.shape == (expected.size, x.size)
        np.testing.assert_allclose(matrix @ x.ravel(), expected.ravel(), atol=1e-5)


def test_its_transpose_is_tensorflows_transposed_convolution():
    """Without dilation, which TensorFlow's CPU kernels refuse here; the next test covers it."""
    for x, kernel, geometry in random_geometries(200):
        geometry["dilation"] = 1
        pads, stride = geometry["padding"], geometry["stride"]
        matrix = build_convolution_matrix(kernel, x.shape, **geometry)
        y = normal(*tf_conv(x, kernel, stride, pads).shape)
        explicit = [[0, 0], *pads, [0, 0]]
        expected = tf_conv_transpose(y, kernel, x.shape, stride, explicit).numpy()
        np.testing.assert_allclose(matrix.T @ y.ravel(), expected.ravel(), atol=1e-5)


def test_dilation_is_a_convolution_with_the_stretched_kernel():
    for x, kernel, geometry in random_geometries(100):
        dilation = geometry.pop("dilation")
        wide = stretched(kernel, dilation, 0, 0)
        assert wide.shape == tuple(
            relations.compute_dilated_kernel_size(k, dilation) for k in kernel.shape
        )
        matrix = build_convolution_matrix(kernel, x.shape, dilation=dilation, **geometry)
        difference = matrix - build_convolution_matrix(wide, x.shape, **geometry)
        assert abs(difference).max() == 0


def test_the_matrix_of_a_3x3_kernel_on_a_4x4_image_is_the_guides():
    a, b, c, d, e, f, g, h, i = range(1, 10)
    expected = [
        [a, b, c, 0, d, e, f, 0, g, h, i, 0, 0, 0, 0, 0],
        [0, a, b, c, 0, d, e, f, 0, g, h, i, 0, 0, 0, 0],
        [0, 0, 0, 0, a, b, c, 0, d, e, f, 0, g, h, i, 0],
        [0, 0, 0, 0, 0, a, b, c, 0, d, e, f, 0, g, h, i],
    ]
    matrix = build_convolution_matrix(np.arange(1, 10).reshape(3, 3), 4)
    np.testing.assert_array_equal(matrix.toarray(), expected)
    assert matrix.nnz == 36


@pytest.mark.parametrize("k", range(1, 8))
def test_same_is_a_convolution_of_the_padded_input(k):
    kernel = normal(k, k)
    for s, i in itertools.product(range(1, 5), range(1, 13)):
        x = normal(i, i)
        o, before, after = compute_same_padding(i, k, s)
        expected = tf.nn.conv2d(x[None, :, :, None], kernel[:, :, None, None], s, "SAME")[
            0, ..., 0
        ].numpy()
        assert expected.shape == (o, o)
        pads = ((before, after), (before, after))
        np.testing.assert_allclose(tf_conv(np.pad(x, pads), kernel, s), expected, atol=1e-5)
        if before == after and i + 2 * before >= k:
            assert RELATIONSHIPS[6](i=i, k=k, s=s, p=before) == o


@pytest.mark.parametrize("k", range(1, 8))
def test_same_crop_is_what_tensorflow_crops(k):
    kernel = normal(k, k)
    for s, i in itertools.product(range(1, 5), range(1, 13)):
        y = normal(i, i)
        whole = np.pad(full_transposed(y, kernel, s), (0, s))  # zeros for a negative crop
        for o in range((i - 1) * s + 1, i * s + 1):
            before, after = compute_same_crop(i, k, s, o)
            assert before + o + after == s * (i - 1) + k
            assert after >= (0 if k >= s else k - s)
            expected = tf_conv_transpose(y, kernel, (o, o), s, "SAME")
            np.testing.assert_allclose(
                whole[before : before + o, before : before + o], expected, atol=1e-5
            )


def test_the_networks_of_dcgan_pad_and_crop_as_they_should():
    assert [compute_same_padding(64, k, 2) for k in (3, 4, 5)] == [
        (32, 0, 1),
        (32, 1, 1),
        (32, 1, 2),
    ]
    assert [compute_same_crop(4, 5, 2, o) for o in (7, 8)] == [(2, 2), (1, 2)]


def test_tensorflow_refuses_the_sizes_that_same_crop_refuses():
    for o in (6, 9):
        with pytest.raises(ValueError, match=rf"must have 7 to 8 units\. Received: {o}\. Try 8\."):
            compute_same_crop(4, 5, 2, o)
        with pytest.raises((ValueError, tf.errors.OpError)):
            tf_conv_transpose(normal(4, 4), normal(5, 5), (o, o), 2, "SAME")


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (
            RELATIONSHIPS[1],
            {"i": 2, "k": 3},
            r"fit into the 2 units .* Received: 3 units, .* Try a smaller k",
        ),
        (
            RELATIONSHIPS[15],
            {"i": 4, "k": 3, "s": 1, "p": 0, "d": 2},
            "fit into the 4 units .* Received: 5 units",
        ),
        (
            RELATIONSHIPS[3],
            {"i": 5, "k": 4},
            r"needs an odd kernel\. Received: k = 4\. Try k = 5\.",
        ),
        (
            RELATIONSHIPS[5],
            {"i": 5, "k": 3, "s": 0},
            r"s must be .* at least 1\. Received: 0\. Try s = 1\.",
        ),
        (RELATIONSHIPS[2], {"i": 5, "k": 3, "p": -1}, r"p must be .* at least 0\. Received: -1\."),
        (
            RELATIONSHIPS[7],
            {"i": 5.0, "k": 3, "s": 1},
            r"i must be a whole number .* Received: 5\.0\.",
        ),
        (
            RELATIONSHIPS[9],
            {"i": 4, "k": 3, "p": 3},
            r"at most k - 1 = 2\. Received: p = 3\. Try p = 2\.",
        ),
        (RELATIONSHIPS[10], {"i": 4, "k": 2}, "odd kernel"),
        (RELATIONSHIPS[11], {"i": 2, "k": 3}, r"must be at least 1\. Received: 0, from i' = 2"),
        (
            RELATIONSHIPS[14],
            {"i": 4, "k": 3, "s": 2, "p": 1, "a": 2},
            r"at most s - 1 = 1\. Received: a = 2\.",
        ),
        (compute_same_padding, {"i": 0, "k": 3, "s": 1}, "i must be"),
        (
            build_convolution_matrix,
            {"kernel": np.ones((3, 3, 1)), "input_size": 4},
            r"\(kh, kw\)\. Received: \(3, 3, 1\)\.",
        ),
        (
            build_convolution_matrix,
            {"kernel": np.ones((3, 3)), "input_size": (4, 2)},
            "fit into the 2 units",
        ),
        (
            build_convolution_matrix,
            {"kernel": np.ones((3, 3)), "input_size": 4, "padding": -1},
            "before must be",
        ),
    ],
)
def test_what_cannot_be_laid_out_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)


def test_there_are_fifteen_relationships_and_each_says_its_number():
    assert list(RELATIONSHIPS) == list(range(1, 16))
    assert all(
        function.__doc__.startswith(f"Relationship {n},") for n, function in RELATIONSHIPS.items()
    )
