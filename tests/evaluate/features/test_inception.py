"""The frozen graph runs as it is, in batches; any other file is reported in one line."""

import tarfile

import numpy as np
import pytest
from small_inception import FEATURES, SmallInception

from evaluate.features.inception import BATCH, Inception, Logits, find_inception_file


@pytest.fixture(scope="module")
def small():
    return SmallInception()


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (BATCH + 3, 12, 10, 3), np.uint8)


@pytest.fixture(scope="module")
def network(small, tmp_path_factory):
    return Inception(small.write(tmp_path_factory.mktemp("graph") / "graph.pb"))


def extract(network, images):
    return [*network.extract(images)]


def test_the_features_are_those_that_numpy_computes(small, network, pixels):
    assert network._pool.shape == (None, 1, 1, FEATURES)
    batches = extract(network, pixels)
    assert [len(batch) for batch in batches] == [BATCH, 3]
    expected = small.compute_features(pixels)
    np.testing.assert_allclose(np.concatenate(batches), expected, rtol=1e-4, atol=1e-5)


def test_gray_is_repeated_and_transparency_laid_on_white(small, network, pixels):
    gray = pixels[:4, ..., :1]
    (found,) = extract(network, gray)
    expected = small.compute_features(np.repeat(gray, 3, -1))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    clear = np.concatenate([pixels[:4], np.zeros_like(gray)], -1)
    (found,) = extract(network, clear)
    expected = small.compute_features(np.full((4, 12, 10, 3), 255, np.uint8))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_logits_are_products_without_a_bias(small, network):
    features = np.random.default_rng(1).normal(size=(9, FEATURES)).astype(np.float32)
    logits = Logits(features, network.weights)
    assert len(logits) == 9
    np.testing.assert_allclose(logits[2:5], (features @ small.weights)[2:5], rtol=1e-5)


def test_the_archive_and_the_graph_in_it_are_the_same_network(small, network, tmp_path):
    cache = tmp_path / ".inception"
    cache.mkdir()
    archive = small.write(cache / "inception-2015-12-05.tgz")
    assert find_inception_file(None, tmp_path) == archive
    assert find_inception_file(cache, tmp_path / "elsewhere") == archive
    assert Inception(archive).name == network.name

    graph = small.write(cache / "classify_image_graph_def.pb")
    assert find_inception_file(None, tmp_path) == graph
    SmallInception(seed=1).write(graph)
    assert Inception(graph).name != network.name


def test_a_missing_file_is_asked_for(tmp_path):
    wanted = (
        r"download http://download\.tensorflow\.org/.*\.tgz to .*/\.inception/inception-.*\.tgz$"
    )
    with pytest.raises(ValueError, match=f"^the Inception network is not on this disk.*{wanted}"):
        find_inception_file(None, tmp_path)
    with pytest.raises(ValueError, match=f"no.pb must be or hold classify.*is there: {wanted}"):
        find_inception_file(tmp_path / "no.pb", tmp_path)


def change(small, **changes):
    """The graph's bytes, after applying to each named node its function."""
    graph = small.build_graph()
    for node in graph.node:
        if node.name in changes:
            changes[node.name](node)
    return graph.SerializeToString()


def rename(node):
    node.name = "other"


def take_no_image(node):
    node.input[0] = "Sub/y"


def be_unknown(node):
    node.op = "Nonesuch"


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda small: b"", "an empty file"),
        (lambda small: small.build_graph().SerializeToString()[:-9], "damaged, or no graph"),
        (lambda small: b"<html>no</html>", "damaged, or no graph"),
        (lambda small: b"\x1f\x8b\x08broken", "an error: "),
        (lambda small: change(small, pool_3=rename), "a graph without pool_3"),
        (lambda small: change(small, ExpandDims=rename), "a graph without ExpandDims"),
        (lambda small: change(small, conv=be_unknown), "an error: .*Nonesuch"),
        (lambda small: change(small, pool_3=take_no_image), "an error: .*rank 4"),
    ],
)
def test_what_is_not_the_graph_is_one_line(small, tmp_path, damage, found):
    path = tmp_path / "graph.pb"
    path.write_bytes(damage(small))
    with pytest.raises(ValueError, match=f"graph.pb must hold the Inception .*{found}") as error:
        Inception(path)
    assert str(error.value).endswith("inception-2015-12-05.tgz")
    assert "\n" not in str(error.value)


def test_an_archive_without_the_graph_is_one_line(small, tmp_path):
    path = small.write(tmp_path / "some.tgz")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"some\.tgz must hold .* an error: .*\. Download http"):
        Inception(path)
    tarfile.open(path, "w:gz").close()
    with pytest.raises(ValueError, match=r"an archive without classify_image_graph_def\.pb"):
        Inception(path)
