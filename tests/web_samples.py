"""Nodes, lines and events as a gateway says them, made up."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from host.web.shapes import Json

CLASSES = ["off", "healthy", "worn"]


def uid_of(number: int) -> str:
    return f"{number:024x}"


def simulated_uid(address: int) -> str:
    """As a simulated node makes it of its address."""
    return (b"simulated".ljust(11, b"\0") + bytes([address])).hex()


def simulated_fleet(folder: Path, name: str, addresses: Iterable[int]) -> Path:
    """The file of a line of simulated nodes: none has to be found, however busy this computer is."""
    file = folder / f"{name}.toml"
    nodes = [
        f'[[node]]\nuid = "{simulated_uid(address)}"\nname = "{name} {address}"\naddress = {address}\n'
        for address in addresses
    ]
    file.write_text("[fleet]\n" + "\n".join(nodes))
    return file


def model(*outputs: str, **more: Any) -> Json:
    usual: Json = {
        "name": "pump",
        "crc32": "48554e35",
        "hash": "ab" * 32,
        "sequence": 3,
        "bytes": 408,
        "inputs": [{"name": "a0.rms", "low": 0.0, "high": 4.0, "source": "a0.rms"}],
        "outputs": [{"name": name} for name in outputs or ("y1", "y2")],
        "classes": [],
        "lamp": "lit when y1 > 0.5",
    }
    return usual | more


def node(number: int = 1, **more: Any) -> Json:
    """One that is well and runs a model, but for what is said otherwise."""
    usual: Json = {
        "uid": uid_of(number),
        "line": "1",
        "address": 1 + number % 247,
        "name": f"pump {number}",
        "state": "ok",
        "trouble": "",
        "seen": time.time(),
        "busy": None,
        "model": model(),
        "led": False,
        "decision": False,
        "states": [],
        "inputs": [1.5],
        "outputs": [0.25, 0.5],
        "class": None,
        "rate": 1000,
        "channels": [{"name": "a0", "value": 2048, "edges": 0, "hertz": 0.0}],
        "keyed": False,
        "locked": False,
        "trial_left": 0,
        "firmware": "2.0",
        "warnings": [],
        "lost": [],
    }
    return usual | more


def line(number: str = "1", **more: Any) -> Json:
    usual: Json = {
        "id": number,
        "port": "/dev/ttyUSB0",
        "state": "up",
        "trouble": "",
        "simulated": False,
        "powered": None,
        "baud": 115200,
        "format": "8E1",
        "rounds": 10,
        "cycle_seconds": 0.5,
        "requests": 1000,
        "timeouts": 0,
        "damaged": 0,
        "found": 1,
    }
    return usual | more


def event(number: int, of: int = 1) -> Json:
    return {
        "number": number,
        "uid": uid_of(of),
        "time": time.time(),
        "uptime": 1000 * number,
        "kind": "DECISION",
        "text": "the decision is on",
    }
