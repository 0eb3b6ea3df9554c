"""A real server of files on this machine, with the faults that real ones have."""

import http.server
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

QUOTA_PAGE = (
    b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"
)


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by path.

    Without `ranges` it ignores Range. `drops`: this many answers end half-way, once `go_on` is set.
    A path that begins with /page gives a web page with a binary content type; one that begins with
    /html gives one with the right type.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.ranges, self.drops, self.asked = {}, True, 0, []
        self.go_on = threading.Event()
        self.go_on.set()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Range"]))
        if self.path.startswith(("/page", "/html")):
            kind = (
                "text/html; charset=utf-8"
                if self.path.startswith("/html")
                else "application/octet-stream"
            )
            self.answer(200, QUOTA_PAGE, {"Content-Type": kind})
        elif self.path not in self.server.files:
            self.send_error(404)
        elif self.server.ranges and self.headers["Range"]:
            content = self.server.files[self.path]
            start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
            where = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.answer(206, content[start:], {"Content-Range": where})
        else:
            self.answer(200, self.server.files[self.path], {})

    def do_HEAD(self):
        self.do_GET()

    def answer(self, status, content, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.server.drops:
            self.server.drops -= 1
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.server.go_on.wait(60)
            self.close_connection = True
        else:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextmanager
def serve_files(monkeypatch) -> Iterator[Server]:
    """A running Server, which no proxy hides."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()
