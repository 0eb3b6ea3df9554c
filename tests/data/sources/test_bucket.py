"""gs://BUCKET/PATH, read by TensorFlow itself from a server on this machine."""

import io
import json
import os
import signal
import socket
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bucket_server import serve_buckets
from disks import limit
from PIL import Image
from program import is_one_line, run, start, tree, wait_for

from data import limits
from data.load import load_dataset, probe_dataset
from data.packing.decode import Geometry, decode_image
from data.sources.bucket import REQUESTS, copy_from_bucket, is_in_bucket


@pytest.fixture
def store(monkeypatch, tmp_path_factory):
    with serve_buckets(monkeypatch, tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def bucket(store, request):
    """The objects of a bucket of this test's own: TensorFlow remembers for five seconds."""
    return store.buckets.setdefault(name_bucket(request), {})


@pytest.fixture
def url(bucket, request):
    return f"gs://{name_bucket(request)}"


def name_bucket(request) -> str:
    return "b" + "".join(c for c in request.node.name.lower() if c.isalnum())[-60:]


def encode(photo) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    return file.getvalue()


def pixels_of(photos) -> set[bytes]:
    return {decode_image(photo, Geometry(16, 16), 3).pixels.tobytes() for photo in photos}


def test_a_folder_is_copied_once_and_then_used_without_the_network(
    tiny, photos, store, bucket, url
):
    names = ("a.png", "b c#1%?.png", "sub/ö.png", "sub/deep/d.png", "sub/deep/e.png")
    bucket |= {f"faces/{name}": encode(photo) for name, photo in zip(names, photos(5), strict=True)}
    bucket |= {"faces/": b"", "faces/empty.txt": b"", "facesnot/x.png": b"x", "faces.txt": b"x"}
    config = tiny(dataset=f"{url}/faces/")
    with pytest.raises(ValueError, match=r"/faces is not on this machine yet, so a dry run"):
        probe_dataset(config)
    assert not store.asked

    pack = load_dataset(config)
    assert {image.tobytes() for image in pack.images} == pixels_of(photos(5))
    (copy,) = (Path(config.data_dir) / "gs").iterdir()
    assert copy.name == f"{url[5:]}%2Ffaces"
    inside = {name.removeprefix("faces/"): content for name, content in bucket.items()}
    assert tree(copy) == {name: inside[name] for name in (*names, "empty.txt")}
    assert Path(pack.place) == copy

    store.asked.clear()
    load_dataset(config)
    assert probe_dataset(config).images == 5
    assert not store.asked


def test_a_zip_is_copied_in_ranges(tiny, photos, store, bucket, url):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, photo in enumerate(photos(5)):
            archive.writestr(f"{number}.png", encode(photo))
        archive.writestr("notes.txt", os.urandom(5 << 20))
    bucket["sets/faces.zip"] = file.getvalue()
    config = tiny(dataset=f"{url}/sets/faces.zip")
    assert config.name == "faces-16x16"

    pack = load_dataset(config)
    assert {image.tobytes() for image in pack.images} == pixels_of(photos(5))
    (copy,) = (Path(config.data_dir) / "gs").iterdir()
    assert copy.read_bytes() == bucket["sets/faces.zip"]


def test_a_whole_bucket_is_no_part_of_it(store, bucket, url, tmp_path):
    bucket |= {"a/x.png": b"x", "y.png": b"y"}
    part = copy_from_bucket(f"{url}/a", tmp_path)
    assert tree(part) == {"x.png": b"x"}
    assert tree(copy_from_bucket(url.replace("//", "/"), tmp_path)) == {
        "a/x.png": b"x",
        "y.png": b"y",
    }


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (401, "Received: HTTP response code 401. Sign in first: gcloud auth application-default"),
        (403, "Received: HTTP response code 403. Sign in first: gcloud auth application-default"),
        (404, "Received: nothing there. Check its spelling: gcloud storage ls"),
        pytest.param(
            503,
            "Received: HTTP response code 503. Check the network or the proxy; the same command",
            marks=pytest.mark.slow,  # TensorFlow waits before it tries again
        ),
    ],
)
def test_what_the_store_refuses_is_one_line(status, line, store, bucket, url, tmp_path):
    store.status = status
    with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
        copy_from_bucket(f"{url}/faces", tmp_path)
    assert str(error.value).startswith(f"{url}/faces must be readable. {line}")
    assert not tree(tmp_path)


@pytest.mark.parametrize("name", ["faces/none.zip", "none", ""])
def test_what_is_not_there(name, store, bucket, url, tmp_path):
    bucket["faces/a.png"] = b"a"
    where = f"{url}/{name}" if name else "gs://nobucket"
    with pytest.raises(ValueError, match=r"must be readable\. Received: nothing there\. Check its"):
        copy_from_bucket(where, tmp_path)
    assert not tree(tmp_path)


def test_without_a_network(monkeypatch, store, url, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    with pytest.raises(ValueError, match=r"Received: Could ?n.t connect to server\. Check the ne"):
        copy_from_bucket(f"{url}/faces", tmp_path)
    assert not tree(tmp_path)


def test_without_certificates(monkeypatch, store, url, tmp_path):
    """As where they are not in /etc/ssl/certs/ca-certificates.crt."""
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(ValueError, match=r"Received: Problem with the SSL CA.*Set CURL_CA_BUNDLE"):
        copy_from_bucket(f"{url}/faces", tmp_path)


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "{outside}/x.png", "a//b.png", "./x", "a\\b.png"]
)
def test_no_name_leads_out_of_the_copy(name, store, bucket, url, tmp_path):
    name = name.format(outside=tmp_path)
    bucket |= {"faces/a.png": b"a", f"faces/{name}": b"x"}
    with pytest.raises(ValueError, match=r"with names that can be paths\. Received: [^\n]*$"):
        copy_from_bucket(f"{url}/faces", tmp_path / "data")
    assert not tree(tmp_path)


def test_a_name_that_is_a_file_and_a_folder(store, bucket, url, tmp_path):
    bucket |= {"faces/a": b"a", "faces/a/b.png": b"b"}
    with pytest.raises(OSError, match=r"exists|[Dd]irectory"):
        copy_from_bucket(f"{url}/faces", tmp_path)
    assert not tree(tmp_path)


@pytest.mark.slow
def test_folders_that_are_too_deep(monkeypatch, store, bucket, url, tmp_path):
    monkeypatch.setattr(limits, "MAX_FOLDER_DEPTH", 3)
    bucket["faces/a/b/c/d"] = b"x"
    with pytest.raises(ValueError, match=r"Received: a/b/c/d\. Give a folder in it, or a zip\.$"):
        copy_from_bucket(f"{url}/faces", tmp_path)
    assert not tree(tmp_path)


def test_too_many_objects(monkeypatch, store, bucket, url, tmp_path):
    monkeypatch.setattr(limits, "MAX_NUMBERED_IMAGES", 2)
    bucket |= {f"faces/{number}.png": b"x" for number in range(3)}
    with pytest.raises(ValueError, match="must hold at most 2 objects"):
        copy_from_bucket(f"{url}/faces", tmp_path)
    assert not tree(tmp_path)


@pytest.mark.slow
def test_a_connection_that_ends_too_early_is_tried_again(store, bucket, url, tmp_path):
    bucket["faces.npy"] = bytes(range(256)) * 100
    store.drops = 1
    assert copy_from_bucket(f"{url}/faces.npy", tmp_path).read_bytes() == bucket["faces.npy"]


def test_two_at_once_copy_it_once(store, bucket, url, tmp_path):
    bucket |= {f"faces/{number}.png": bytes(200_000) for number in range(4)}
    with ThreadPoolExecutor(2) as pool:
        copies = list(pool.map(lambda _: copy_from_bucket(f"{url}/faces", tmp_path), range(2)))
    assert copies[0] == copies[1]
    assert sorted(tree(copies[0])) == [f"{number}.png" for number in range(4)]
    assert len([path for path in store.asked if path.endswith(".png")]) == 4
    assert [*(tmp_path / "gs").iterdir()] == [copies[0]]


def test_an_object_that_changes_meanwhile(store, url, tmp_path):
    class Growing(dict):
        def __getitem__(self, name):
            content = super().__getitem__(name)
            self[name] = content + b"more"
            return content

    store.buckets[url[5:]] = Growing({"faces.npy": b"some"})
    with pytest.raises(ValueError, match=r"faces\.npy must not change while it is copied"):
        copy_from_bucket(f"{url}/faces.npy", tmp_path)
    assert not tree(tmp_path)


@pytest.mark.parametrize("place", ["faces", "faces/b.png"])
def test_a_disk_that_is_full(place, store, bucket, url, tmp_path):
    bucket |= {"faces/a.png": b"a", "faces/b.png": bytes(5000)}
    with limit(1000), pytest.raises(OSError, match="too large"):
        copy_from_bucket(f"{url}/{place}", tmp_path)
    assert not tree(tmp_path)


@pytest.mark.parametrize("dataset", ["gs://", "gs://..", "gs://b/train-*.tar", "gs://b/{0..9}.tar"])
def test_what_is_no_place_in_a_bucket(dataset, tmp_path):
    assert is_in_bucket(dataset)
    with pytest.raises(ValueError, match=r"^--dataset must be a folder or one object in a bucket"):
        copy_from_bucket(dataset, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_copy_that_is_killed_leaves_nothing_half_written(number, store, bucket, url, tmp_path):
    bucket |= {f"faces/{k}.png": b"x" for k in range(3)} | {"faces/z.held": bytes(3000)}
    flags = (f"--dataset={url}/faces", f"--data_dir={tmp_path}", f"--out_dir={tmp_path / 'out'}")
    process = start(*flags, "--train", "--steps=1")
    wait_for(process, "copying 4 objects")
    while not any("held" in path for path in store.asked):
        time.sleep(0.05)
    process.send_signal(number)
    store.go_on.set()  # the library cannot be told to stop in the middle of a request
    process.communicate(timeout=60)
    left = sorted(path.suffix for path in (tmp_path / "gs").iterdir())
    assert left == ([".lock", ".tmp"] if number == signal.SIGKILL else [])

    del bucket["faces/z.held"]
    assert len(tree(copy_from_bucket(f"{url}/faces", tmp_path))) == 3
    assert len([*(tmp_path / "gs").iterdir()]) == 1


@pytest.mark.slow
def test_a_run_trains_on_a_bucket_and_continues_without_it(photos, store, bucket, url, tmp_path):
    bucket |= {f"faces/{k}.png": encode(photo) for k, photo in enumerate(photos(8))}
    flags = (f"--dataset={url}/faces", f"--data_dir={tmp_path}", f"--out_dir={tmp_path / 'out'}")
    code, said = run(*flags, "--train", "--steps=2")
    assert code == 0, said
    assert f"{url}/faces was copied to {tmp_path / 'gs'}/{url[5:]}%2Ffaces." in said
    store.status = 503
    store.asked.clear()
    code, said = run(*flags, "--train", "--steps=4")
    assert code == 0, said
    assert f"{url}/faces: using its copy, {tmp_path / 'gs'}/{url[5:]}%2Ffaces." in said
    assert not store.asked
    assert json.loads((tmp_path / "out" / "faces-16x16" / "config.json").read_text())["steps"] == 4


@pytest.mark.slow
def test_a_store_that_does_not_answer_is_one_line_within_a_minute(store, url, tmp_path):
    """TensorFlow's own attempts would take more than three minutes."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = {"https_proxy": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        usual = REQUESTS | {"GCS_RETRY_CONFIG_INIT_DELAY_TIME_US": "1000000"}  # TensorFlow's own
        began = time.monotonic()
        code, said = run(
            f"--dataset={url}/faces",
            f"--data_dir={tmp_path}",
            f"--out_dir={tmp_path / 'out'}",
            "--train",
            environment=usual | proxy,
        )
    assert code == 1
    assert is_one_line(said)
    assert "Received: no answer in 30 s. Check the network" in said
    assert time.monotonic() - began < 60
    assert not tree(tmp_path)
