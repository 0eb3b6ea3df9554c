"""Weights from an address and from a model hub, each by a real server on this machine."""

import hashlib
import io
import json
import socket
import sys
import zipfile

import numpy as np
import pytest
from file_server import Handler, serve_files
from program import is_one_line, run, run_here, tree
from safetensors.numpy import save

from export.source import restore_source
from export.writing import write_formats
from foreign.import_weights import import_weights
from foreign.published import FILE
from foreign.remote import is_remote, read_remote_weights
from sample import Sampler

CONFIG = {"output_height": 16, "c_dim": 3, "stem_width": 32, "z_dim": 8}
CONTENT = save(
    {"generator/stem/kernel": np.zeros((8, 512), np.float32)}, {"config": json.dumps(CONFIG)}
)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def server(monkeypatch):
    with serve_files(monkeypatch) as running:
        running.files |= {"/weights": CONTENT, "/model.zip": pack(CONTENT), "/empty": b""}
        yield running


def pack(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("hub/README.md", "a model")
        archive.writestr(f"hub/{FILE}", content)
    return target.getvalue()


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def address(server, path: str, content: bytes | None = None) -> str:
    content = server.files[path.partition("?")[0]] if content is None else content
    return f"{server.url(path)}#sha256={hash_of(content)}"


@pytest.mark.parametrize("path", ["/weights", "/model.zip"])
def test_a_file_and_a_zip_of_a_folder(server, path, tmp_path):
    weights = read_remote_weights(address(server, path), tmp_path / "out")
    assert weights.settings["z_dim"] == 8
    assert weights.generator["stem/kernel"].shape == (8, 512)
    assert weights.origin == f"exported weights {address(server, path)}"
    assert not (tmp_path / "out").exists()


def test_a_dropped_connection_resumes(server, tmp_path):
    server.drops = 1  # the first answer gives the size, and ends half-way unread
    server.files["/large"] = save(
        {"generator/x": np.zeros(10**6, np.float32)}, {"config": json.dumps(CONFIG)}
    )
    weights = read_remote_weights(address(server, "/large"), tmp_path)
    assert weights.generator["x"].shape == (10**6,)
    server.drops = 2
    read_remote_weights(address(server, "/large"), tmp_path)
    assert [start for _, start in server.asked][-1] != "bytes=0-"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("/weights", b"something else", "with the wrong sha256. Check the address and the hash"),
        ("/missing", b"", "Received: HTTP Error 404"),
        ("/page", b"", "a web page instead of the file: 'Google Drive - Quota exceeded'"),
        ("/empty", b"", "an answer that is empty or does not say its size"),
    ],
)
def test_what_is_not_that_file_is_one_line_and_leaves_nothing(
    server, path, content, reason, tmp_path
):
    with pytest.raises(ValueError, match="must give the file with the sha256") as error:
        read_remote_weights(address(server, path, content), tmp_path / "out")
    assert reason in str(error.value) and "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_not_there(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"https://127.0.0.1:{taken.getsockname()[1]}/x#sha256={'0' * 64}"
        with pytest.raises(ValueError, match=r"Received: urlopen error .*Connection refused"):
            read_remote_weights(url, tmp_path)
    with pytest.raises(ValueError, match="must give the file"):
        read_remote_weights(f"https://#sha256={'0' * 64}", tmp_path)


def test_a_pickle_with_the_right_hash_is_refused_by_its_address(server, tmp_path):
    server.files["/evil.safetensors"] = b"\x80\x04K\x01."
    with pytest.raises(ValueError, match=r"http://127\S+/evil.safetensors\S+ must be a whole safe"):
        read_remote_weights(address(server, "/evil.safetensors"), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fragment", "received"),
    [
        ("", "no #sha256="),
        ("#sha256=", "#sha256="),
        ("#sha256=12ab", "#sha256=12ab"),
        (f"#md5={'0' * 64}", f"#md5={'0' * 64}"),
        (f"#{'0' * 64}", f"#{'0' * 64}"),
    ],
)
def test_an_address_without_its_hash_says_how_to_get_it(fragment, received, tmp_path):
    with pytest.raises(ValueError, match="only with the hash of its file") as error:
        read_remote_weights(f"https://example.org/a/model.zip?x=1{fragment}", tmp_path)
    assert f"Received: {received}." in str(error.value)
    assert str(error.value).endswith("run: sha256sum model.zip")


def test_a_key_in_an_address_is_used_but_not_kept(server, tmp_path):
    server.files["/weights?key=secret"] = CONTENT
    weights = read_remote_weights(address(server, "/weights?key=secret", CONTENT), tmp_path)
    assert server.asked[-1][0] == "/weights?key=secret"
    assert "secret" not in weights.origin


def test_what_is_remote():
    names = ["https://a/b", " http://a", "hf:me/faces", "hf", "C:/a.zip", "model.b64-1002", "a,b"]
    assert [is_remote(name) for name in names] == [True] * 3 + [False] * 4


def test_a_run_by_its_address_is_the_same_run_and_is_not_fetched_twice(trained, server, tmp_path):
    config = trained(blocks=1, g_updates=1)
    path = write_formats(restore_source(config), ["safetensors"])["safetensors"]
    server.files["/faces,64.zip"] = pack(path.read_bytes())
    name = address(server, "/faces,64.zip")
    given = {"out_dir": str(tmp_path / "there"), "out_name": "theirs"}

    imported = import_weights(name, given)
    np.testing.assert_array_equal(Sampler(imported).images(3, 4), Sampler(config).images(3, 4))
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["theirs"]
    origin = (imported.run_dir / "imported_from.txt").read_text()
    assert origin == f"exported weights {name}\n"

    server.asked.clear()
    assert import_weights(name, given, again=True) == imported
    assert not server.asked
    with pytest.raises(ValueError, match="--z_dim is fixed by the weights: 8"):
        import_weights(name, given | {"z_dim": 9}, again=True)
    with pytest.raises(ValueError, match="--out_name must name a new run"):
        import_weights(name, given)


@pytest.mark.slow
def test_the_program_with_a_wrong_hash_ends_in_one_line_and_leaves_nothing(server, tmp_path):
    name = f"{server.url('/model.zip')}#sha256={'0' * 64}"
    places = (f"--out_dir={tmp_path / 'out'}", "--out_name=theirs")
    code, said = run(f"--import_weights={name}", *places, "--sample=4")
    assert code == 1
    assert is_one_line(said)
    assert not tree(tmp_path)
    assert not (tmp_path / "out").exists()


class Hub(Handler):
    """What huggingface_hub needs to know: hashes and commits in the headers, faults by name."""

    def answer(self, status, content, headers):
        names = {
            "Content-Length": str(len(content)),
            "ETag": f'"{hash_of(content)}"',
            "X-Repo-Commit": COMMIT,
        }
        super().answer(status, content, headers | names)

    def send_error(self, code, *_):
        headers = {"X-Error-Code": self.server.fault, "Content-Length": "0"}
        super().answer(code, b"", headers)


@pytest.fixture
def hub(server, monkeypatch, tmp_path):
    constants = pytest.importorskip("huggingface_hub.constants")
    server.RequestHandlerClass, server.ranges, server.fault = Hub, False, "EntryNotFound"
    for name, value in {
        "ENDPOINT": server.url(""),
        "HUGGINGFACE_CO_URL_TEMPLATE": server.url("/{repo_id}/resolve/{revision}/{filename}"),
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": False,
    }.items():
        monkeypatch.setattr(constants, name, value)
    return server


def test_a_model_on_a_hub(hub, tmp_path):
    hub.files[f"/me/faces/resolve/main/{FILE}"] = CONTENT
    weights = read_remote_weights("hf:me/faces", tmp_path / "out")
    assert weights.origin == "exported weights hf:me/faces"
    assert weights.generator["stem/kernel"].shape == (8, 512)
    asked = {path for path, _ in hub.asked if "/me/faces/" in path}
    assert asked == {f"/me/faces/resolve/main/{FILE}"}  # nothing else
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("fault", ["EntryNotFound", "RepoNotFound", "GatedRepo"])
def test_a_hub_without_it(hub, fault, tmp_path):
    hub.fault = fault
    with pytest.raises(ValueError, match=rf"hf:me/faces must be a model with {FILE}") as error:
        read_remote_weights("hf:me/faces", tmp_path)
    assert "NotFoundError" in str(error.value) or "GatedRepoError" in str(error.value)
    assert "Look at https://huggingface.co/me/faces;" in str(error.value)
    assert ". ." not in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["hf:", "hf:faces", "hf:me/faces/x", "hf:../..", "hf:me/a b"])
def test_names_that_no_model_has(name, tmp_path):
    with pytest.raises(ValueError, match=r"hf:(USER/NAME|\.\./\.\.)"):
        read_remote_weights(name, tmp_path)


def test_without_the_library_a_line_says_how_to_install_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    flags = (f"--out_dir={tmp_path / 'out'}", "--out_name=theirs")
    assert run_here("--import_weights=hf:me/faces", *flags) == 1
    said = capsys.readouterr().err
    assert "needs the package huggingface_hub" in said and "requirements-export.txt" in said
    assert not (tmp_path / "out").exists()
