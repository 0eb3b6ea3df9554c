import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from test_tars import encoded

from data.load import load_dataset
from data.sources.parquet import open_parquet_files


def write_parquet(path, columns, *, features=None, **options):
    """features: what the `datasets` library stores beside the columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table(columns)
    if features:
        info = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": info})
    pyarrow.parquet.write_table(table, path, **options)
    return path


def classes_called(*names):
    return {"label": {"_type": "ClassLabel", "names": names}}


def cells(photos, *, in_struct):
    images = [encoded(photo) for photo in photos]
    return [{"bytes": image, "path": "a.png"} for image in images] if in_struct else images


@pytest.mark.parametrize("in_struct", [True, False])
def test_images_and_classes_of_one_file_and_of_several(
    tiny, image_folder, photos, tmp_path, in_struct
):
    image_folder(50)
    expected = load_dataset(tiny(dataset="faces")).images
    images, classes = cells(photos(50), in_struct=in_struct), [k % 3 for k in range(50)]
    columns = {"id": [b"x"] * 50, "image": images, "label": classes}
    write_parquet(
        tmp_path / "data" / "one.parquet", columns, features=classes_called("a", "b", "c")
    )
    for start in (0, 20):
        part = {name: values[start : start + 20 + start // 2] for name, values in columns.items()}
        path = tmp_path / "data" / "many" / "data" / f"train-{start:05d}.parquet"
        write_parquet(path, part, row_group_size=7)
    write_parquet(path.with_name("test-0.parquet"), part)

    for name, names in (("one", ("a", "b", "c")), ("many", ("0", "1", "2"))):
        pack = load_dataset(tiny(dataset=name, labels="own"))
        np.testing.assert_array_equal(pack.images, expected)
        assert pack.labels.names == names
        assert pack.labels.y.argmax(1).tolist() == classes
        assert load_dataset(tiny(dataset=name, train_size=33)).manifest["count"] == 33


@pytest.mark.parametrize(
    ("values", "names"),
    [([0.0, 2.0, 1.0], ("0", "1", "2")), ([True, True, False], ("False", "True"))],
)
def test_a_column_of_floats_or_bools_holds_classes(tiny, tmp_path, photos, values, names):
    columns = {"image": cells(photos(3), in_struct=False), "label": values}
    write_parquet(tmp_path / "data" / "set.parquet", columns)
    labels = load_dataset(tiny(dataset="set", labels="own")).labels
    assert (labels.names, labels.y.argmax(1).tolist()) == (names, [int(value) for value in values])

    columns |= {"y": ["a", "b", "a"]}  # words have priority
    write_parquet(tmp_path / "data" / "set.parquet", columns)
    assert load_dataset(tiny(dataset="set", labels="own")).labels.names == ("a", "b")


def test_fractions_in_a_column_of_labels_are_one_line(tiny, tmp_path, photos):
    columns = {"image": cells(photos(2), in_struct=False), "label": [0.0, 0.5]}
    write_parquet(tmp_path / "data" / "set.parquet", columns)
    with pytest.raises(ValueError, match=r"must be whole numbers or words\. Received: 0\.5\."):
        load_dataset(tiny(dataset="set", labels="own"))


def test_cells_without_an_image_are_skipped_and_paths_are_not_followed(
    tiny, tmp_path, image_folder
):
    path = next(image_folder(1).iterdir())
    good = {"bytes": path.read_bytes(), "path": None}
    column = [
        good,
        None,
        {"bytes": None, "path": str(path)},
        {"bytes": b"text", "path": None},
        good,
    ]
    write_parquet(tmp_path / "data" / "set.parquet", {"image": column})
    manifest = load_dataset(tiny(dataset="set")).manifest
    assert manifest["files"] == ["0", "4"]
    assert set(manifest["skipped"]) == {"1", "2", "3"}
    assert "not followed" in manifest["skipped"]["2"]


def test_files_without_images_say_what_they_hold(tmp_path):
    columns = {"n": [1], "array": [[1, 2]], "text": ["a"]}
    path = write_parquet(tmp_path / "a.parquet", columns)
    with pytest.raises(
        ValueError, match=r"Received: n \(int64\), array \(list<.*, text \(string\)"
    ):
        open_parquet_files([path])
    write_parquet(path, {"image": pyarrow.array([], pyarrow.binary())})
    with pytest.raises(ValueError, match=r"must hold 1 to 5,000,000 images\. Received: 0 rows"):
        open_parquet_files([path])


def test_names_that_do_not_fit_the_classes_are_one_line(tiny, tmp_path, photos):
    columns = {"image": cells(photos(3), in_struct=True), "label": [0, 1, -1]}
    write_parquet(tmp_path / "data" / "set.parquet", columns, features=classes_called("a", "b"))
    assert len(load_dataset(tiny(dataset="set")).images) == 3
    with pytest.raises(ValueError, match=r"must have one of its 2 classes"):
        load_dataset(tiny(dataset="set", labels="own"))
