"""Lesson 7: a node that senses. A made-up pump, features of windows, and a decision that does not chatter."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from host.boards.generators import PUMP_STATES, RATE
from host.boards.signals import generated
from host.core import features
from host.core.decide import Decision
from host.core.fixed import Int64
from host.core.wire import Feature
from host.data.recording import Recording
from host.data.windows import measure, whole_windows
from host.lessons.lesson import PROGRAM, Exercise, Facts, Lesson, block, table, trained
from host.models.sensed import Sensed
from host.training.decided import course
from host.training.trained import Trained

SIGNAL, SCANS = "pump:5", 1000
"""What the pump does, and scans a second."""
SIMULATE = f"python -m host.sim --link /tmp/pump --signal {SIGNAL}"
TRAIN = "--model logistic --window 256 --features a0.std,a0.crossings"
OFF, DELAY = 0.3, 500
"""The decision stage: --off-threshold 0.3 --on-delay 500ms."""
FEW = slice(10360, 10368)
"""Scans of the pump with a worn bearing, small enough for a sheet of paper."""
SHOWN = slice(114, 172)
"""Windows of the bearing that wears: those around which it is as much worn as not."""
OUTPUT_ONE = 1 << 15
"""Of a probability, whose step is 2^-15."""


def scans(spec: str) -> Int64:
    """(scans, channels) that a node at SCANS would sample of it."""
    return generated([spec]).raw[:: RATE // SCANS].astype(np.int64)


@dataclass(frozen=True)
class Learnt:
    """raw: (scans, 3) the pump's vibration, whether it runs, whether it is worn; result: what was learnt of it."""

    raw: Int64
    result: Trained

    @property
    def sensed(self) -> Sensed:
        windows = self.result.data.windows
        assert windows is not None
        return windows.sensed


@functools.cache
def learnt() -> Learnt:
    """As host.record would have recorded it, with `--label-channel d1=good,worn`."""
    raw = scans(SIGNAL)
    rows = [
        f"{number},{number / SCANS:.6f},{vibration},{('good', 'worn')[worn]}\n"
        for number, (vibration, _, worn) in enumerate(raw.tolist())
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.csv"
        file.write_text("".join(["sample,time,a0,label\n", *rows]), encoding="utf-8")
        return Learnt(raw, trained(f'{PROGRAM} --data "{file.as_posix()}" {TRAIN}'))


def recorded(vibration: Int64) -> Recording:
    return Recording("pump", SCANS, ("a0",), np.arange(len(vibration)), vibration[:, np.newaxis], None, {})


def states(raw: Int64, sensed: Sensed) -> str:
    """The mean of each feature, state by state."""
    recording, state = recorded(raw[:, 0]), raw[:, 1] + raw[:, 2]
    rows, _ = whole_windows(recording, sensed.window, sensed.hop)
    values = sensed.values(measure(recording, sensed, rows))
    shown = [["", "windows", *(one.name for one in sensed.inputs)]]
    for number, name in enumerate(PUMP_STATES):
        own = values[(state[rows] == number) & (state[rows + sensed.window - 1] == number)]
        shown.append([name, str(len(own)), *(f"{mean:.1f}" for mean in own.mean(axis=0))])
    return table(shown)


def wearing() -> Recording:
    """A bearing that is new at first and worn in the end."""
    normal, worn = (scans(f"a0=pump:{name}")[:, 0] for name in ("normal", "worn"))
    share = np.linspace(0, 1, len(normal))
    return recorded(np.rint(normal + (worn - normal) * share).astype(np.int64))


def changes(of: NDArray[np.bool_]) -> int:
    """From one to the next."""
    return int((of[1:] != of[:-1]).sum())


def lamps(one: Learnt) -> str:
    """The lamp after each window as the bearing wears, and how often it changes, by how it is decided."""
    recording, off = wearing(), round(OFF * OUTPUT_ONE)
    ways = {
        "P > 0.5": Decision(),
        "hysteresis": Decision(threshold_off=off),
        "delay": Decision(on_delay=DELAY),
        "both": Decision(threshold_off=off, on_delay=DELAY),
    }
    lines = []
    for name, decision in ways.items():
        decided = course(replace(one.result.model, decision=decision), one.sensed, recording).decided
        shown = "".join(".#"[lit] for lit in decided[SHOWN].tolist())
        lines.append(f"    {name:10} {shown}{changes(decided):4}")
    return block(lines)


def few() -> Int64:
    return learnt().raw[FEW, 0]


def show_pump(drawn: bool) -> Facts:
    one, r = learnt(), few()
    w, b, scores = one.result.end.w, one.result.end.b or 0.0, one.result.metrics["test"]["fixed"]
    (root,) = features.numerators(Feature.STD, r[np.newaxis]).tolist()
    return {
        "rate": SCANS,
        "few": len(r),
        "r": " ".join(map(str, r.tolist())),
        "sum": int(r.sum()),
        "squares": int((r * r).sum()),
        "root": root,
        "std": root / len(r),
        "window": one.sensed.window,
        "hop": one.sensed.hop,
        "states": states(one.raw, one.sensed),
        "w1": w[0],
        "w2": w[1],
        "b": -b,
        "right": round(scores["accuracy"] * scores["rows"]),
        "held": scores["rows"],
        "lamps": lamps(one),
        "off": OFF,
        "delay": DELAY,
    }


def pump_exercise() -> Exercise:
    r = few()
    mean = r.mean()
    (right,) = features.numerators(Feature.CROSSINGS, r[np.newaxis]).tolist()
    rises = np.diff(r) > 0
    mistakes = {
        "rising": int(((r[:-1] < mean) & (r[1:] >= mean)).sum()),
        "below": int((r < mean).sum()),
        "middle": changes(r < 2048),
        "turns": changes(rises),
        "pairs": len(r) - 1,
    }
    facts = {
        "few": len(r),
        "mean": float(mean),
        "sides": " ".join("-+"[int(v >= mean)] for v in r),
        "right": right,
    }
    return Exercise(right, 0.01, mistakes, facts)


LESSON = Lesson(SIMULATE, show_pump, pump_exercise)
