"""host.train as its tests call it: for what it says as JSON, or for its one line on bad input."""

from __future__ import annotations

import json
from typing import Any

import pytest

from host import train


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    """What it says as JSON."""
    capsys.readouterr()
    assert train.main([*argv, "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def assert_one_line(capsys: pytest.CaptureFixture[str], argv: list[str], says: str) -> None:
    """One line that says what is wrong, exit status 2, and nothing else."""
    assert train.main(argv) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    if "--json" in argv:
        assert captured.out == ""
