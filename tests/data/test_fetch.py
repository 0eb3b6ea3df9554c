"""download.py and a real server on this machine: what arrives, what is refused, what is printed."""

import gzip
import hashlib
import importlib.util
import io
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import lmdb
import numpy as np
import pytest
from file_server import QUOTA_PAGE, serve_files

from data import fetch
from data.sources.idx import find_idx_files, open_idx_files
from data.sources.lsun import find_lmdb_folders, open_lmdb

ROOT = Path(fetch.__file__).parents[1]
CONTENT = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def server(monkeypatch):
    with serve_files(monkeypatch) as running:
        yield running


def described(path: str, content: bytes, *urls: str) -> fetch.RemoteFile:
    return fetch.RemoteFile(path, len(content), hashlib.sha256(content).hexdigest(), urls)


@pytest.fixture
def faces(server, monkeypatch, tmp_path):
    """Makes CelebA one file of CONTENT at the given paths, and fetches it."""

    def run(*paths, file=None):
        file = file or described("faces.zip", CONTENT, *map(server.url, paths))
        monkeypatch.setattr(fetch, "CELEBA_FILES", (file,))
        return fetch.main(["celebA", "--data_dir", str(tmp_path / "data")])

    server.files["/good"] = CONTENT
    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def errors(capsys) -> str:
    """The errors on stderr: each must be a single line."""
    lines = capsys.readouterr().err.splitlines()
    assert not any("Traceback" in line for line in lines)
    return "\n".join(line for line in lines if line.startswith("error: "))


def test_sizes_and_hashes_are_those_of_tensorflow_datasets():
    package = Path(importlib.util.find_spec("tensorflow_datasets").origin).parent
    lists = ["url_checksums/mnist.txt", "url_checksums/lsun.txt", "datasets/celeb_a/checksums.tsv"]
    rows = [
        line.split("\t") for name in lists for line in (package / name).read_text().splitlines()
    ]
    known = {
        Path(row[0]).name if "id=" not in row[0] else row[3]: (int(row[1]), row[2]) for row in rows
    }
    files = [*fetch.CELEBA_FILES, *fetch.MNIST_FILES, *fetch.LSUN_SCENES.values()]
    assert len(files) == 16
    for file in files:
        assert (file.size, file.sha256) == known[Path(file.path).name], file.path

    ids = {row[0].rpartition("id=")[2] for row in rows}
    assert {file.urls[0].rpartition("id=")[2] for file in fetch.CELEBA_FILES} <= ids


def test_a_file_arrives_and_is_not_fetched_again(faces, server, tmp_path, capsys):
    assert faces("/good") == 0
    assert (tmp_path / "data" / "faces.zip").read_bytes() == CONTENT
    assert names(tmp_path / "data") == ["faces.zip"]
    assert faces("/good") == 0
    assert len(server.asked) == 1
    assert not errors(capsys)


@pytest.mark.parametrize("folder", ["celebA", "CelebA", "celeba"])
def test_a_file_in_its_own_folder_is_found(faces, server, tmp_path, folder):
    (tmp_path / "data" / folder).mkdir(parents=True)
    (tmp_path / "data" / folder / "faces.zip").write_bytes(CONTENT)
    assert faces("/good") == 0
    assert not server.asked
    assert names(tmp_path / "data") == [folder]


def test_the_next_source_is_tried(faces, server, tmp_path):
    server.files |= {"/short": CONTENT[:-1], "/wrong": CONTENT[::-1]}
    assert faces("/absent", "/page", "/html", "/short", "/wrong", "/good") == 0
    assert (tmp_path / "data" / "faces.zip").read_bytes() == CONTENT
    assert names(tmp_path / "data") == ["faces.zip"]


def test_a_server_that_does_not_answer_is_passed_over(faces, server, tmp_path):
    file = described(
        "faces.zip", CONTENT, f"http://127.0.0.1:{free_port()}/faces", server.url("/good")
    )
    assert faces(file=file) == 0


def free_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return closed.getsockname()[1]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/absent", "HTTP Error 404: Not Found"),
        ("/page", "a web page instead of the file: 'Google Drive - Quota exceeded'"),
        ("/html", "a web page instead of the file: 'Google Drive - Quota exceeded'"),
        ("/short", "299,999 bytes instead of 300,000"),
        ("/wrong", "a file of the right size, 300,000 bytes, but with the wrong sha256"),
    ],
)
def test_when_every_source_fails_each_reason_is_told_and_nothing_stays(
    faces, server, tmp_path, capsys, path, reason
):
    server.files |= {"/short": CONTENT[:-1], "/wrong": CONTENT[::-1]}
    assert faces(path, "/absent") == 1
    message = errors(capsys)
    assert message.startswith(
        "error: celebA: faces.zip must come from one of its sources. Received: 127.0.0.1:"
    )
    assert reason in message and "HTTP Error 404" in message
    assert f"yourself (data/README.md) to {tmp_path}/data/faces.zip (300,000 bytes)" in message
    assert message.count("\n") == 0
    assert names(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (QUOTA_PAGE, f"{len(QUOTA_PAGE)} bytes, a web page instead of 300,000"),
        (CONTENT[:1000], "1,000 bytes instead of 300,000"),
        (CONTENT[::-1], "a file of the right size, 300,000 bytes, but with the wrong sha256"),
    ],
)
def test_a_wrong_file_that_is_there_is_named_and_kept(
    faces, server, tmp_path, capsys, content, fault
):
    place = tmp_path / "data" / "faces.zip"
    place.parent.mkdir()
    place.write_bytes(content)
    assert faces("/good") == 1
    assert errors(capsys) == (
        f"error: celebA: {place} must be the original file. Received: {fault}. "
        "Move it away and run this again."
    )
    assert place.read_bytes() == content
    assert not server.asked


@pytest.mark.parametrize("ranges", [True, False])
def test_a_part_is_completed(faces, server, tmp_path, ranges):
    server.ranges = ranges
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "faces.zip.part").write_bytes(CONTENT[:1000])
    assert faces("/good") == 0
    assert server.asked == [("/good", "bytes=1000-")]
    assert (tmp_path / "data" / "faces.zip").read_bytes() == CONTENT


def test_a_part_that_is_whole_is_only_checked(faces, server, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "faces.zip.part").write_bytes(CONTENT)
    assert faces("/good") == 0
    assert not server.asked
    assert names(tmp_path / "data") == ["faces.zip"]


@pytest.mark.parametrize("part", [CONTENT[::-1][:1000], CONTENT + b"more"])
def test_a_part_of_something_else_does_not_stand_in_the_way(faces, tmp_path, part):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "faces.zip.part").write_bytes(part)
    assert faces("/good", "/good") == 0
    assert (tmp_path / "data" / "faces.zip").read_bytes() == CONTENT
    assert (tmp_path / "data" / "faces.zip.1.part").read_bytes().startswith(part)


def test_a_part_that_the_server_cannot_complete_is_kept(faces, server, tmp_path):
    server.ranges = False
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "faces.zip.part").write_bytes(b"a browser's")
    assert faces("/good") == 0
    assert (tmp_path / "data" / "faces.zip.1.part").read_bytes() == b"a browser's"


def test_a_file_that_was_brought_meanwhile_is_kept(faces, tmp_path, monkeypatch):
    download = fetch._download_from_any_mirror

    def bring_another(file, path, *rest):
        download(file, path, *rest)
        path.write_text("mine")

    monkeypatch.setattr(fetch, "_download_from_any_mirror", bring_another)
    assert faces("/good") == 0
    assert (tmp_path / "data" / "faces.zip").read_bytes() == CONTENT
    assert (tmp_path / "data" / "faces.1.zip").read_text() == "mine"


def test_a_broken_line_is_taken_up_where_it_broke(faces, server, tmp_path):
    server.drops = 2
    assert faces("/good") == 0
    assert server.asked == [("/good", f"bytes={start}-") for start in (0, 150_000, 225_000)]
    assert (tmp_path / "data" / "faces.zip").read_bytes() == CONTENT


def test_a_line_that_breaks_for_good_leaves_the_part(faces, server, tmp_path, capsys):
    server.drops, server.ranges = 2, False
    assert faces("/good") == 1
    assert "the connection ended after 150,000 of 300,000 bytes" in errors(capsys)
    assert (tmp_path / "data" / "faces.zip.part").read_bytes() == CONTENT[:150_000]
    server.ranges = True
    assert faces("/good") == 0
    assert server.asked[-1] == ("/good", "bytes=150000-")


def test_control_c_keeps_the_part(server, tmp_path):
    server.files["/good"] = CONTENT
    server.drops = 1
    server.go_on.clear()
    file = described("faces.zip", CONTENT, server.url("/good"))
    code = "import signal, sys; from data import fetch; "
    code += "signal.signal(signal.SIGINT, signal.default_int_handler); "  # & makes it ignored
    code += f"fetch.CELEBA_FILES = (fetch.{file!r},); sys.exit(fetch.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "celebA", "--data_dir", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "faces.zip.part").exists() and time.monotonic() < deadline:
        time.sleep(0.01)

    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    server.go_on.set()
    assert process.returncode == 130
    assert said == "interrupted; the same command resumes from here.\n"
    assert CONTENT.startswith((tmp_path / "faces.zip.part").read_bytes())
    assert not (tmp_path / "faces.zip").exists()


def test_without_network_one_line_names_the_servers(faces, capsys, tmp_path):
    urls = [f"http://127.0.0.1:{free_port()}/faces" for _ in range(2)]
    assert faces(file=described("faces.zip", CONTENT, *urls)) == 1
    message = errors(capsys)
    assert message.startswith("error: At least one source must be reachable. Received: 127.0.0.1:")
    assert message.count("Connection refused") == 2 and message.count("\n") == 0
    assert not (tmp_path / "data").exists()


def test_too_little_room_is_told_before_fetching(faces, server, capsys):
    assert faces(file=fetch.RemoteFile("faces.zip", 10**18, "", (server.url("/good"),))) == 1
    message = errors(capsys)
    assert "must have room. Received: 1000000000.00 GB are needed for faces.zip, " in message
    assert "GB are free. Make room, or choose another disk with --data_dir" in message
    assert not server.asked


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_one_line_and_no_reason_for_another_source(faces, server, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "faces.zip.part").symlink_to("/dev/full")
    assert faces("/good", "/good") == 1
    assert errors(capsys) == (
        f"error: celebA: {tmp_path}/data must have room. Received: No space left on device. "
        "Make room, or choose another disk with --data_dir; the same command resumes."
    )
    assert len(server.asked) == 1


@pytest.fixture
def digits(server, monkeypatch):
    """MNIST's four files, with 5 and 3 images; each is at a broken mirror and at a good one."""
    files = []
    for file in fetch.MNIST_FILES:
        count = 5 if "train" in file.path else 3
        header = np.array([0x803, count, 28, 28], ">u4").tobytes()
        content = gzip.compress(
            header + bytes(count * 28 * 28) if "images" in file.path else bytes(8 + count), mtime=0
        )
        server.files[f"/{file.path}"] = content
        files.append(
            described(file.path, content, server.url("/absent"), server.url(f"/{file.path}"))
        )

    monkeypatch.setattr(fetch, "MNIST_FILES", tuple(files))


def test_mnist_is_what_the_loader_reads(digits, tmp_path, messages):
    place = tmp_path / "my data"
    assert fetch.main(["mnist", f"--data_dir={place}"]) == 0
    assert len(names(place / "mnist")) == 4
    assert open_idx_files(find_idx_files(place / "mnist")).count == 8
    assert messages[-1].endswith(f"main.py --dataset mnist --data_dir '{place}' --train")


def test_one_set_that_fails_keeps_no_other_from_being_fetched(
    faces, digits, server, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(
        fetch, "CELEBA_FILES", (described("faces.zip", CONTENT, server.url("/absent")),)
    )
    assert fetch.main(["celeba", "MNIST", "mnist", "--data_dir", str(tmp_path)]) == 1
    assert len(names(tmp_path / "mnist")) == 4
    message = errors(capsys)
    assert message.startswith("error: celebA: ") and message.count("\n") == 0


@pytest.fixture
def tower(server, monkeypatch, tmp_path):
    """LSUN's tower: a zip of a real LMDB with three entries. Its names try to leave the folder."""
    with (
        lmdb.open(str(tmp_path / "made")) as environment,
        environment.begin(write=True) as transaction,
    ):
        for key in (b"a", b"b", b"c"):
            transaction.put(key, b"image")

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.write(tmp_path / "made" / "data.mdb", "../../tower_train_lmdb/data.mdb")
        archive.writestr("../../outside.txt", "outside")
        archive.writestr("/tmp/outside.txt", "outside")

    server.files["/tower"] = buffer.getvalue()
    file = described("lsun/tower_train_lmdb.zip", buffer.getvalue(), server.url("/tower"))
    monkeypatch.setattr(fetch, "LSUN_SCENES", {"tower": file, "bedroom": file})
    return lambda: fetch.main(["LSUN", "--category", "Tower", "--data_dir", str(tmp_path / "data")])


def test_lsun_is_unpacked_to_what_the_loader_reads(tower, server, tmp_path):
    assert tower() == 0
    assert names(tmp_path / "data" / "lsun") == ["tower_train_lmdb"]
    assert names(tmp_path / "data" / "lsun" / "tower_train_lmdb") == ["data.mdb"]
    assert names(tmp_path / "data") == ["lsun"]
    assert open_lmdb(*find_lmdb_folders(tmp_path / "data" / "lsun")).count == 3
    assert tower() == 0
    assert len(server.asked) == 1


def test_lsun_keeps_a_zip_that_was_there(tower, server, tmp_path):
    archive = tmp_path / "data" / "lsun" / "tower_train_lmdb.zip"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(server.files["/tower"])
    assert tower() == 0
    assert names(archive.parent) == ["tower_train_lmdb", "tower_train_lmdb.zip"]
    assert tower() == 0
    assert not server.asked


def test_lsun_replaces_no_folder_of_the_user(tower, server, tmp_path, capsys):
    folder = tmp_path / "data" / "lsun" / "tower_train_lmdb"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    assert tower() == 1
    assert f"error: lsun: {folder} must hold data.mdb. Received: none. Move it away" in errors(
        capsys
    )
    assert names(folder) == ["notes.txt"]
    assert not server.asked


def test_lsun_replaces_no_folder_that_was_made_meanwhile(tower, tmp_path, monkeypatch):
    unpack = fetch._unpack_lmdb_zip
    mine = tmp_path / "data" / "lsun" / "tower_train_lmdb" / "notes.txt"

    def make_another(archive, draft):
        unpack(archive, draft)
        mine.parent.mkdir()
        mine.write_text("mine")

    monkeypatch.setattr(fetch, "_unpack_lmdb_zip", make_another)
    assert tower() == 1
    assert names(mine.parent) == ["notes.txt"]
    assert names(mine.parent.parent) == ["tower_train_lmdb", "tower_train_lmdb.zip"]


def command(*arguments: str):
    line = [sys.executable, "download.py", *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "At least one dataset must be named. Received: none. Known: celebA, mnist, lsun"),
        (["mnist", "cifar"], "Every dataset must be one of celebA, mnist, lsun"),
        (
            ["lsun", "--category", "attic"],
            "--category must be one of bedroom, bridge, church_outdoor",
        ),
        (["mnist", "--data-dir", "x"], "Unrecognized arguments: --data-dir"),
    ],
)
def test_a_wrong_command_line_is_one_line(arguments, text):
    result = command(*arguments)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {text}")
    assert result.stderr.count("\n") == 1 and not result.stdout


def test_help_is_there_at_once_and_without_tensorflow():
    begun = time.monotonic()
    result = command("--help")
    assert time.monotonic() - begun < 5
    assert result.returncode == 0
    assert "python download.py mnist celebA" in result.stdout and "--category" in result.stdout
    code = "import sys; from data import fetch; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=30).returncode == 0
