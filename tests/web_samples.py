"""Nodes, lines and events as a gateway says them, made up, and held against the schema."""

from __future__ import annotations

import time
from typing import Any

from host.web.shapes import Json
from tests.web_client import assert_holds

CLASSES = ["off", "healthy", "worn"]


def uid_of(number: int) -> str:
    return f"{number:024x}"


def model(*outputs: str, **more: Any) -> Json:
    said: Json = {
        "name": "pump",
        "crc32": "48554e35",
        "hash": "ab" * 32,
        "sequence": 3,
        "bytes": 408,
        "inputs": [{"name": "a0.rms", "low": 0.0, "high": 4.0, "source": "a0.rms"}],
        "outputs": [{"name": name} for name in outputs or ("y1", "y2")],
        "classes": [],
        "lamp": "lit when y1 > 0.5",
    } | more
    assert_holds({"$ref": "#/$defs/Model"}, said)
    return said


def node(number: int = 1, **more: Any) -> Json:
    """One that is well and runs a model, but for what is said otherwise."""
    said: Json = {
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
    } | more
    assert_holds({"$ref": "#/$defs/Node"}, said)
    return said


def line(number: str = "1", **more: Any) -> Json:
    said: Json = {
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
    } | more
    assert_holds({"$ref": "#/$defs/Line"}, said)
    return said


def event(number: int, of: int = 1) -> Json:
    said: Json = {
        "number": number,
        "uid": uid_of(of),
        "time": time.time(),
        "uptime": 1000 * number,
        "kind": "DECISION",
        "text": "the decision is on",
    }
    assert_holds({"$ref": "#/$defs/Event"}, said)
    return said
