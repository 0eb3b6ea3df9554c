import json

import numpy as np
import pytest

from config.stored import make_config_from_dict
from data.label_choice import (
    encode_dataset_labels_by_name,
    list_picture_labels,
    name_label_vector,
    repeat_dataset_label_vectors,
    spell_label_names,
)


@pytest.fixture
def classes(tiny):
    def make(**changes):
        return tiny(**({"labels": "folder", "label_names": ("ant", "Bee", "cat")} | changes))

    return make


@pytest.fixture
def attributes(tiny):
    def make(*names, **changes):
        return tiny(labels=",".join(names), label_names=names, **changes)

    return make


def test_classes_take_turns(classes):
    np.testing.assert_array_equal(list_picture_labels(classes()), np.eye(3))
    np.testing.assert_array_equal(
        repeat_dataset_label_vectors(classes(), 5), np.eye(3)[[0, 1, 2, 0, 1]]
    )
    np.testing.assert_array_equal(
        encode_dataset_labels_by_name(classes(), None, 4), np.eye(3)[[0, 1, 2, 0]]
    )
    np.testing.assert_array_equal(
        encode_dataset_labels_by_name(classes(), "bee", 2), np.eye(3)[[1, 1]]
    )
    np.testing.assert_array_equal(
        encode_dataset_labels_by_name(classes(), "cat, ant", 3), np.eye(3)[[2, 0, 2]]
    )


def test_attributes_are_on_together(attributes):
    config = attributes("Hat", "Smiling")
    np.testing.assert_array_equal(list_picture_labels(config), [[0, 0], [1, 0], [0, 1], [1, 1]])
    np.testing.assert_array_equal(
        encode_dataset_labels_by_name(config, "smiling", 2), [[0, 1], [0, 1]]
    )
    np.testing.assert_array_equal(encode_dataset_labels_by_name(config, "Smiling,Hat", 1), [[1, 1]])
    np.testing.assert_array_equal(encode_dataset_labels_by_name(config, "none", 1), [[0, 0]])
    many = attributes(*"abcde")
    np.testing.assert_array_equal(
        list_picture_labels(many), np.concatenate([np.zeros((1, 5)), np.eye(5)])
    )


def test_a_label_that_is_not_there_names_those_that_are(classes, attributes, tiny):
    with pytest.raises(ValueError, match=r"one or more of ant, Bee, cat\. Received: dog\."):
        encode_dataset_labels_by_name(classes(), "dog", 1)
    with pytest.raises(ValueError, match=r"Received: ants\. Did you mean ant\?"):
        encode_dataset_labels_by_name(classes(), "ants", 1)
    digits = classes(label_names=tuple("0123456789"))
    with pytest.raises(ValueError, match=r"Received: 12\. Pick one or more\."):
        encode_dataset_labels_by_name(digits, "12", 1)
    with pytest.raises(ValueError, match=r"Received: None\. Every image of this run has a class: "):
        encode_dataset_labels_by_name(classes(), "None", 1)
    with pytest.raises(ValueError, match=r"^label must be text\. Received: \['ant'\]\. Write sev"):
        encode_dataset_labels_by_name(classes(), ["ant"], 1)
    many = classes(label_names=tuple(f"class {k}" for k in range(900)))
    with pytest.raises(
        ValueError, match=r"one or more of class 0, .* Received: dog\. Pick"
    ) as caught:
        encode_dataset_labels_by_name(many, "dog", 1)
    assert len(str(caught.value)) < 1000
    with pytest.raises(
        ValueError, match=r"one or more of Hat, Smiling, or none alone\. Received: Old\."
    ):
        encode_dataset_labels_by_name(attributes("Hat", "Smiling"), "Hat,Old", 1)
    with pytest.raises(ValueError, match=r"needs a run with labels\."):
        encode_dataset_labels_by_name(tiny(), "3", 1)
    assert encode_dataset_labels_by_name(tiny(), None, 3) is None


def test_a_class_with_a_comma_can_be_drawn(classes):
    config = classes(label_names=("a, b", "c"))
    np.testing.assert_array_equal(
        encode_dataset_labels_by_name(config, "a, b", 2), np.eye(2)[[0, 0]]
    )


def test_a_vector_has_its_labels_names(classes, attributes):
    assert name_label_vector(classes(), np.eye(3)[1]) == "Bee"
    assert name_label_vector(attributes("Hat", "Smiling"), np.ones(2)) == "Hat,Smiling"
    assert name_label_vector(attributes("Hat", "Smiling"), np.zeros(2)) == "none"
    assert spell_label_names(classes(), "bee, CAT") == "Bee,cat"


def test_label_names_are_kept_in_config_json(classes):
    config = classes(g_widths="64,32")
    assert make_config_from_dict(json.loads(config.to_json()), "test") == config
