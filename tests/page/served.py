"""A gateway of its own, as people start it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from host.compiler import ROOT

Json = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """A gateway. address: of its page, without the token."""

    process: subprocess.Popen[str]
    address: str
    token: str

    @property
    def page(self) -> str:
        """With the token, as it is printed."""
        return f"{self.address}#token={self.token}"

    def ask(self, path: str, body: Json | None = None) -> Any:
        """A GET, or a POST of the body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}"}
        with urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers)) as answer:
            return json.load(answer)

    def nodes(self) -> list[Json]:
        nodes: list[Json] = self.ask("api/state")["nodes"]
        return nodes

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


@contextmanager
def serving(*arguments: str, http: str = "127.0.0.1:0") -> Iterator[Served]:
    """python -m host.serve of a port, until then."""
    command = [sys.executable, "-m", "host.serve", *arguments, "--http", http]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            address, token = process.stdout.readline().split()[-1].split("#token=")
            yield Served(process, address, token)
        finally:
            process.send_signal(signal.SIGINT)
