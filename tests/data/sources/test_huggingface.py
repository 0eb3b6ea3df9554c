"""With the real library if it is installed, and always without a network."""

import builtins
import sys

import numpy as np
import pytest
from test_parquet import cells, classes_called, write_parquet

from config.settings import Config
from data.find import find_dataset_source
from data.load import load_dataset, probe_dataset

IMAGE = {"image": {"_type": "Image"}}


def test_without_the_library_one_line_says_how_to_install_it(tiny, monkeypatch):
    real = builtins.__import__

    def import_others(name, *rest, **named):
        if name == "datasets":
            raise ModuleNotFoundError("No module named 'datasets'")
        return real(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "datasets", raising=False)
    monkeypatch.setattr(builtins, "__import__", import_others)
    with pytest.raises(ValueError, match=r"Install it: pip install 'datasets>=4'\.$"):
        find_dataset_source(tiny(dataset="hf:cats"))


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    """The library, with its own caches and without a network."""
    library = pytest.importorskip("datasets", reason="pip install datasets")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name, value in {
        "HF_HUB_OFFLINE": True,
        "HF_CACHE_HOME": str(tmp_path / "cache"),
        "HF_DATASETS_CACHE": tmp_path / "cache" / "datasets",
    }.items():
        monkeypatch.setattr(library.config, name, value)
    return library


@pytest.fixture
def table(tmp_path, photos):
    """A folder as on the Hub: two splits, with names of classes."""
    folder = tmp_path / "cats"
    for split, count in (("train", 5), ("test", 3)):
        images = cells(photos(5)[:count], in_struct=True)
        columns = {"image": images, "label": [k % 2 for k in range(count)]}
        path = folder / "data" / f"{split}-00000-of-00001.parquet"
        write_parquet(path, columns, features=IMAGE | classes_called("cat", "dog"))
    return folder


def test_a_version_that_ran_code_of_others_is_refused(datasets, tiny, monkeypatch):
    monkeypatch.setattr(datasets, "__version__", "3.6.0")
    with pytest.raises(ValueError, match=r"Received: 3\.6\.0\. Update it: pip install"):
        find_dataset_source(tiny(dataset="hf:cats"))


def test_images_and_classes_of_a_split(datasets, tiny, table, image_folder):
    image_folder(5)
    expected = load_dataset(tiny(dataset="faces")).images
    for split, count in (("", 5), (":train", 5), (":test", 3)):
        pack = load_dataset(tiny(dataset=f"hf:{table}{split}", labels="own"))
        np.testing.assert_array_equal(pack.images, expected[:count])
        assert pack.labels.names == ("cat", "dog")
        assert pack.labels.y.argmax(1).tolist() == [k % 2 for k in range(count)]
    assert load_dataset(tiny(dataset=f"hf:{table}", train_size=2)).manifest["count"] == 2
    assert probe_dataset(tiny(dataset=f"hf:{table}:test", labels="own"))[:3] == (
        3,
        3,
        ("cat", "dog"),
    )


@pytest.mark.parametrize(
    ("values", "names"), [([0.0, 1.0], ("0", "1")), ([True, False], ("False", "True"))]
)
def test_a_column_of_floats_or_bools_holds_classes(datasets, table, photos, values, names):
    path = table / "data" / "train-00000-of-00001.parquet"
    columns = {"image": cells(photos(2), in_struct=True), "label": values}
    kind = "bool" if values[1] is True else "float64"
    features = IMAGE | {"label": {"_type": "Value", "dtype": kind}}
    write_parquet(path, columns, features=features)
    source = find_dataset_source(Config(dataset=f"hf:{table}"))
    found, classes = source.labels()
    assert (tuple(found), classes.tolist()) == (names, [int(value) for value in values])


def test_an_image_folder_is_read_from_its_files(datasets, tiny, image_folder):
    folder = image_folder(5)
    expected = load_dataset(tiny(dataset="faces")).images
    np.testing.assert_array_equal(load_dataset(tiny(dataset=f"hf:{folder}")).images, expected)


def test_a_table_cannot_name_files_of_this_machine(datasets, tiny, tmp_path, image_folder):
    path = next(image_folder(1).iterdir())
    column = [{"bytes": path.read_bytes(), "path": None}, {"bytes": None, "path": str(path)}]
    write_parquet(tmp_path / "set" / "train.parquet", {"image": column}, features=IMAGE)
    manifest = load_dataset(tiny(dataset=f"hf:{tmp_path / 'set'}")).manifest
    assert manifest["files"] == ["0"]
    assert "not followed" in manifest["skipped"]["1"]


def test_what_is_not_there_is_one_line(datasets, tiny, table, tmp_path):
    with pytest.raises(ValueError, match=r"hf:no/such could not be loaded\. Received: .*Hub"):
        find_dataset_source(tiny(dataset="hf:no/such"))
    with pytest.raises(ValueError, match=r"A dry run fetches nothing"):
        probe_dataset(tiny(dataset="hf:no/such"))
    with pytest.raises(ValueError, match=r"one of \['train', 'test'\].*=hf:.*cats:SPLIT"):
        find_dataset_source(tiny(dataset=f"hf:{table}:validation"))
    write_parquet(tmp_path / "text" / "train.parquet", {"text": ["a"]})
    with pytest.raises(ValueError, match=r"must have a column of images\. Received: text\."):
        find_dataset_source(tiny(dataset=f"hf:{tmp_path / 'text'}"))
