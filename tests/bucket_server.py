"""A store on this machine that TensorFlow takes for Google's, led to it by a proxy.

It speaks the part of GCS's JSON API that TensorFlow reads with, over HTTPS: a bucket's and an
object's metadata, lists in pages, and ranges of an object.
"""

import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

HOSTS = ("www.googleapis.com", "storage.googleapis.com")  # metadata and lists; contents
PAGE = 2  # entries of a list, so that there are several


class BucketServer(http.server.ThreadingHTTPServer):
    """buckets: name -> {name of an object: its bytes}. status: an error to answer everything with.

    drops: this many contents end half-way. An object whose name ends with .held is sent by half,
    and then only once `go_on` is set. asked: the path of each request.
    """

    daemon_threads = True

    def __init__(self, folder: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.buckets, self.status, self.drops, self.asked = {}, None, 0, []
        self.go_on = threading.Event()
        key, self.certificate = folder / "key.pem", folder / "certificate.pem"
        names = ",".join(f"DNS:{host}" for host in HOSTS)
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=a test"),
                *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-addext", f"subjectAltName={names}", "-keyout", key, "-out", self.certificate),
            ],
            check=True,
            capture_output=True,
        )
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)

    def handle_error(self, *_):
        """A client that goes away is part of these tests."""

    def environment(self) -> dict[str, str]:
        """What leads TensorFlow here, and keeps it from the user's own credentials."""
        return {
            "https_proxy": f"http://127.0.0.1:{self.server_port}",
            "CURL_CA_BUNDLE": str(self.certificate),
            "NO_GCE_CHECK": "true",
            "CLOUDSDK_CONFIG": str(self.certificate.parent),
        }


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self):
        """A proxy's part: whatever the host, the other end is here."""
        self.send_response(200)
        self.end_headers()
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)

    def do_GET(self):
        self.server.asked.append(self.path)
        path, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if self.server.status:
            self.answer(self.server.status, b"no")
        elif self.headers["Host"].startswith("storage"):
            self.give_content(*map(unquote, path[1:].split("/", 1)))
        else:
            self.give_metadata(path, query)

    def give_content(self, bucket: str, name: str):
        content = self.server.buckets[bucket][name]
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        held = name.endswith(".held")
        if held or self.server.drops:
            self.server.drops -= not held
            self.answer(206, content, half=True)
            self.server.go_on.wait(60 if held else 0)
            self.close_connection = True
        else:
            self.answer(206 if first < len(content) else 416, content[first : last + 1])

    def give_metadata(self, path: str, query: dict):
        """/storage/v1/b/BUCKET, .../o and .../o/NAME, with its / as %2F."""
        bucket, *rest = path.removeprefix("/storage/v1/b/").split("/")
        objects = self.server.buckets.get(bucket)
        if objects is None or (rest[1:] and unquote(rest[1]) not in objects):
            self.answer(404, b"no")
        elif not rest:
            self.answer_json({"name": bucket})
        elif rest[1:]:
            size = str(len(objects[unquote(rest[1])]))
            updated = "2026-01-01T00:00:00.000Z"
            self.answer_json({"size": size, "generation": "1", "updated": updated})
        else:
            self.answer_json(make_page(sorted(objects), query))

    def answer_json(self, content: dict):
        self.answer(200, json.dumps(content).encode())

    def answer(self, status: int, content: bytes, *, half: bool = False):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if half else content)

    def log_message(self, *_):
        pass


def make_page(names: list[str], query: dict) -> dict:
    """A page of a list: objects below the prefix, and with a delimiter the folders there."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
    entries = set()
    for name in names:
        if name.startswith(prefix):
            head, found, _ = name[len(prefix) :].partition(delimiter or "\0")
            entries.add((f"{prefix}{head}{found}", bool(found)))

    start = int(query.get("pageToken", 0))
    end = start + min(int(query.get("maxResults", PAGE)), PAGE)
    page = sorted(entries)[start:end]
    listed = {
        "items": [{"name": name} for name, is_folder in page if not is_folder],
        "prefixes": [name for name, is_folder in page if is_folder],
    }
    return listed | ({"nextPageToken": str(end)} if end < len(entries) else {})


@contextmanager
def serve_buckets(monkeypatch, folder: Path) -> Iterator[BucketServer]:
    """A running BucketServer, to which this process and its children are led."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the certificate")
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with BucketServer(folder) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.go_on.set()
        running.shutdown()
        thread.join()
