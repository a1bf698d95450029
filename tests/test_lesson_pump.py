"""Lesson seven: its figures worked out by another way, and its commands are README's, which are run there."""

from __future__ import annotations

import math
import shlex

import numpy as np
import pytest

from host.boards.signals import generated
from host.compiler import ROOT
from host.core import features
from host.core.wire import Feature
from host.lessons import pump
from host.lessons.text import LANGUAGES, TEXTS


def in_a_row(outputs: list[float], on: float, off: float, windows: int) -> str:
    """The lamp, window by window: lit when the output has been above `on`, and since then above `off`, for so many
    windows in a row; dark as soon as it is not."""
    lamp, held, above = "", 0, False
    for output in outputs:
        above = output > on or (above and output > off)
        held = held + 1 if above else 0
        lamp += ".#"[held >= windows]
    return lamp


def test_the_pump_is_told_apart_and_the_decision_stage_ends_the_chatter() -> None:
    shown = pump.LESSON.show(True)
    r = [int(value) for value in shown["r"].split()]
    assert (shown["sum"], shown["squares"]) == (sum(r), sum(value * value for value in r))
    assert shown["root"] == math.isqrt(8 * shown["squares"] - shown["sum"] ** 2)
    assert shown["std"] == shown["root"] / 8 == pytest.approx(np.std(r), abs=1 / 8)

    raw = generated([pump.SIGNAL]).raw[::60].astype(int)
    assert " ".join(map(str, raw[pump.FEW, 0])) == shown["r"]
    assert raw[pump.FEW, 1:].all()  # "of the last", with a worn bearing
    windows = [raw[begin : begin + 256] for begin in range(0, len(raw) - 255, 128)]
    for row, flags in zip(shown["states"].splitlines()[1:], ([0, 0], [1, 0], [1, 1]), strict=True):
        own = np.array([w[:, 0] for w in windows if (w[:, 1:] == flags).all()])
        below = own < own.mean(axis=1, keepdims=True)
        crossings = (below[:, 1:] != below[:, :-1]).sum(axis=1)
        assert int(row.split()[1]) == len(own)
        assert float(row.split()[2]) == pytest.approx(own.std(axis=1).mean(), abs=0.06)
        assert float(row.split()[3]) == pytest.approx(crossings.mean(), abs=0.06)
    assert shown["right"] == shown["held"] > 40

    learnt, worn = pump.learnt(), pump.wearing()
    step = [worn.raw[begin : begin + 256, 0] for begin in range(0, len(worn.raw) - 255, 128)]
    std = np.array([features.numerators(Feature.STD, w[np.newaxis])[0] / 256 for w in step])
    crossed = np.array([features.numerators(Feature.CROSSINGS, w[np.newaxis])[0] for w in step])
    p = 1 / (1 + np.exp(-(shown["w1"] * std + shown["w2"] * crossed - shown["b"])))
    outputs = np.abs(p[:, np.newaxis] - [0.5, pump.OFF])
    assert outputs.min() > learnt.result.report.error_bound  # fixed point decides each window as p does
    delayed = 1 + math.ceil(pump.DELAY / 128)
    ways = [(0.5, 1), (pump.OFF, 1), (0.5, delayed), (pump.OFF, delayed)]
    expected = [in_a_row(p.tolist(), 0.5, off, count) for off, count in ways]
    for row, lamp in zip(shown["lamps"].splitlines(), expected, strict=True):
        lit, changes = row.split()[-2:]
        assert lit == lamp[pump.SHOWN]
        assert int(changes) == lamp.count(".#") + lamp.count("#.")
        assert "#" not in lamp[: pump.SHOWN.start]
        assert "." not in lamp[pump.SHOWN.stop :]  # all changes are seen
    counts = [int(row.split()[-1]) for row in shown["lamps"].splitlines()]
    assert counts[0] > max(counts[1:3]) >= min(counts[1:3]) > counts[3] == 1  # "chatters", and each helps


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_six_commands_are_those_of_the_readme_whose_test_runs_them(lang: str) -> None:
    page = TEXTS.joinpath(f"{lang}.md").read_text(encoding="utf-8").partition("\n# 7 ")[2]
    page = page.replace("{command}", pump.LESSON.command)
    commands, readme = (
        [
            shlex.split(line, comments=True)
            for line in text.replace("\\\n", "").splitlines()
            if line.strip().startswith("python -m ")
        ]
        for text in (
            page,
            (ROOT / "README.md").read_text(encoding="utf-8").partition("## A node of its own")[2],
        )
    )
    assert len(commands) == 6
    assert commands == readme[:6]
