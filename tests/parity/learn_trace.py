"""Trainings as the C twin does them: tests/parity/learn_trace.c, built with sanitizers."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from host.core.learn import Config, begin, step
from tests.programs import SANITIZE, program

REFUSED = {2: "LEARN_SHAPE", 3: "LEARN_DATA", 4: "LEARN_LOSS"}


def build(cc: str, flags: Sequence[str] = SANITIZE) -> Path:
    return program("learn_trace", ["tests/parity/learn_trace.c"], flags=flags, cc=cc)


def trace_c(
    trace: Path,
    config: Config,
    x: ArrayLike,
    y: ArrayLike,
    start: Sequence[float],
    weights: Sequence[float] = (),
) -> NDArray[np.floating[Any]]:
    """After each step a row: loss, parameters. The process ends with 1 - error where learn*_begin refuses."""
    dtype = np.dtype(config.dtype)
    table = np.asarray(x, dtype)
    words = [
        8 * dtype.itemsize,
        len(config.activation),
        config.bias,
        config.loss,
        config.adam,
        config.decay,
        config.shuffle,
        config.seed,
        len(table),
        config.batch,
        config.epochs,
        *config.units,
        *config.activation,
    ]
    reals = [[config.rate, config.tolerance, config.l2], start, table, y, weights]
    request = struct.pack(f"<{len(words)}I", *words) + b"".join(np.asarray(r, dtype).tobytes() for r in reals)
    done = subprocess.run([str(trace)], input=request, capture_output=True)
    if done.returncode in REFUSED:
        raise ValueError(REFUSED[done.returncode])
    assert done.returncode == 0, done.stderr.decode() or done.returncode
    return np.frombuffer(done.stdout, dtype).reshape(-1, 1 + config.count)


def trace_python(
    config: Config, x: ArrayLike, y: ArrayLike, start: Sequence[float], weights: Sequence[float] = ()
) -> NDArray[np.floating[Any]]:
    """The same by host/core/learn.py."""
    rows = []
    learner = begin(config, x, y, start, weights or None)
    while learner.epoch < config.epochs:
        step(learner)
        rows.append([learner.loss, *learner.parameters])
    return np.array(rows, config.dtype)
