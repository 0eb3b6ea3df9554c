"""Firefox without a driver: it speaks WebDriver BiDi (w3.org/TR/webdriver-bidi) on a socket."""

import json
import re
import subprocess

from websockets.sync.client import connect

STARTS = 60  # seconds that it may take to start, or to answer
EVENTS = ["log.entryAdded", "network.beforeRequestSent"]


class Firefox:
    """A browser with one empty tab. noises: what pages said, and what they asked for."""

    def __init__(self, program: str, profile):
        self.noises = []
        self.process = subprocess.Popen(
            [program, "--headless", "--remote-debugging-port=0", "--profile", str(profile)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        found = next(filter(None, (re.search(r"ws://\S+", line) for line in self.process.stderr)))
        self.socket = connect(f"{found[0]}/session", open_timeout=STARTS, max_size=None)
        self.count = 0
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=EVENTS)
        self.tab = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **params) -> dict:
        """The result of a command. Raises RuntimeError for its error."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": params}))
        while True:
            answer = json.loads(self.socket.recv(timeout=STARTS))
            if answer["type"] == "event":
                self._note_event(answer["method"], answer["params"])
            elif answer["id"] == self.count:
                break
        if answer["type"] == "error":
            raise RuntimeError(answer["message"])
        return answer["result"]

    def _note_event(self, name: str, params: dict) -> None:
        is_request = name == "network.beforeRequestSent"
        self.noises.append(params["request"]["url"] if is_request else params["text"])

    def open(self, address: str) -> None:
        self.ask("browsingContext.navigate", context=self.tab, url=address, wait="complete")

    def evaluate(self, code: str):
        """What the code, which may be a promise, gives as JSON."""
        target = {"context": self.tab}
        answer = self.ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({code})))()",
            target=target,
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"].get("value", "null"))

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(STARTS)
        self.process.stderr.close()
