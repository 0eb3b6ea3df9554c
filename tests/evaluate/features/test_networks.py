"""Networks are loaded when a metric needs them; a fault costs only the metrics that need it."""

import numpy as np
import pytest
from small_inception import FEATURES, SmallInception

from evaluate.features.networks import Networks, load_feature_networks
from evaluate.metrics import FeatureFiles


@pytest.fixture
def graph(tmp_path):
    return str(SmallInception().write(tmp_path / "graph.pb"))


def test_nothing_is_loaded_that_nobody_needs(tmp_path):
    files = FeatureFiles(features="none", inception="none", fid_stats="none")
    assert load_feature_networks(["swd", "nn"], files, tmp_path) == (Networks(), ["swd", "nn"])
    assert load_feature_networks(["kid"], FeatureFiles(), tmp_path) == (Networks(), ["kid"])


def test_the_graph_is_found_in_data_dir(tmp_path):
    (tmp_path / ".inception").mkdir()
    SmallInception().write(tmp_path / ".inception" / "classify_image_graph_def.pb")
    networks, names = load_feature_networks(["fid", "fid_kid"], FeatureFiles(), tmp_path)
    assert names == ["fid", "fid_kid"]
    assert networks.inception.weights.shape[0] == FEATURES
    assert networks.statistics is None


def test_a_missing_graph_costs_its_metrics(tmp_path, messages):
    _, names = load_feature_networks(["fid", "swd", "inception_score"], FeatureFiles(), tmp_path)
    assert names == ["swd"]
    (line,) = messages
    assert line.startswith("left out: fid, inception_score: the Inception network is not on this")
    with pytest.raises(ValueError, match=r"^fid: the Inception network is not on this disk"):
        load_feature_networks(["fid"], FeatureFiles(), tmp_path)


def test_statistics_of_another_size_cost_fid(graph, tmp_path, messages):
    stats = tmp_path / "s.npz"
    files = FeatureFiles(inception=graph, fid_stats=str(stats))
    np.savez(stats, mu=np.zeros(3), sigma=np.eye(3))
    networks, names = load_feature_networks(["fid", "fid_kid"], files, tmp_path)
    assert names == ["fid_kid"]
    assert networks.statistics is None
    assert messages == [
        "left out: fid: the reals' statistics must have 6 features, as the network has, but have "
        "3: take both from the same network."
    ]

    np.savez(stats, mu=np.zeros(FEATURES), sigma=np.eye(FEATURES))
    networks, names = load_feature_networks(["fid"], files, tmp_path)
    assert (names, networks.statistics_name) == (["fid"], "s.npz")
