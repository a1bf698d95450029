"""What others take for the same work. Counted once by us, each by emulation of a Cortex-M4F with GCC 12.2 -O2, in the
month that stands beside it; none of them is run here."""

from __future__ import annotations

from dataclasses import dataclass

MONTH = "2026-11"
HOW = f"counted by us by emulation in {MONTH}, GCC 12.2 -O2; not run here"
CYCLES = "Cycles by the TRM's table, not silicon: trust the ratios"


@dataclass(frozen=True)
class Runtime:
    """A runtime on a 10-7-10 network with ReLU. instructions: those of an IT block whose condition fails are counted,
    unless `first`, a count of before that, which is some per cent too low; size: code and weights in bytes."""

    instructions: int
    cycles: int | None
    size: int
    error: str
    first: bool = False


RUNTIMES = {
    "a 25-line int16 SMLAD loop": Runtime(596, None, 748, "0.0004", first=True),
    "NNoM q7": Runtime(1128, 1563, 520, "0.036"),
    "TinyMaix int8": Runtime(1343, None, 880, "0.040", first=True),
    "emlearn float": Runtime(1414, 2214, 3692, "0"),
    "TinyMind Q16.16": Runtime(1605, 2112, 2400, "-"),
    "CMSIS-NN s8": Runtime(1636, 2178, 4316, "0.036"),
    "CMSIS-NN s16": Runtime(1747, 2402, 1480, "0.0068"),
    "FANN fixed": Runtime(2161, None, 23300, "0.0033", first=True),
    "AIfES Q7": Runtime(2894, None, 4716, "0.058", first=True),
    "AIfES f32": Runtime(2943, 4530, 16236, "0"),
}

CMSIS_NN = {
    "24-16-4": (2212, 2524),
    "32-24-8": (3758, 4412),
    "64-48-10": (9886, 12024),
    "64-16-16-16-8-16-16-64": (14502, 16963),
}
"""Instructions of an inference by CMSIS-NN, s8 and s16."""

TRAINING = {
    "TinyMind float, SGD with momentum": 7813,
    "TinyMind Q16.16, SGD": 8476,
    "AIfES float, SGD": 25300,
    "AIfES float, Adam": 167007,
}
"""Instructions of a step of training, 10-7-10, batch 1."""
