"""The simulated node as a process: how tests start it, and see it refused."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from host.boards.simulated import build, simulate
from host.compiler import ROOT
from host.errors import NeuronError


@contextmanager
def native(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The simulation's own program, when it listens: its process and its port."""
    with started([str(build()), *arguments], "led 1 ") as (process, lines):
        yield process, lines[0].removeprefix("bus ")


@contextmanager
def started(command: Sequence[str], ready: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process once it has printed a line that begins with `ready`."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith(ready):
                break
        yield process, lines
    finally:
        process.kill()
        process.communicate()


def refused(**options: Any) -> str:
    """The line with which a simulation does not start."""
    with pytest.raises(NeuronError, match="the simulated node did not start: ") as error, simulate(**options):
        pass
    assert "\n" not in str(error.value)
    return str(error.value)


def together(*arguments: str, ready: tuple[str, ...] = ("",)) -> tuple[list[str], list[str]]:
    """Six simulations that start at once: of each its first line that begins with one of `ready`, else "", and what it
    says on stderr until its stdin ends."""
    many = [
        subprocess.Popen(
            [str(build()), *arguments, "--until-eof"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    try:
        said = [next((line for line in p.stdout or () if line.startswith(ready)), "") for p in many]
    finally:
        errors = [process.communicate()[1] for process in many]
    return said, errors
