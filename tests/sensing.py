"""A recording with all that can happen to one, and a model that senses most of what a node can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from host.core import features
from host.core.channels import NAMES
from host.core.decide import Decision
from host.core.fixed import Int64
from host.core.image import Layer, Model
from host.core.infer import infer
from host.core.senses import Senses, Source
from host.core.wire import SAMPLE_MISSING, Activation, Feature
from host.data.recording import Recording

RATE, WINDOW, HOP = 1000, 64, 16
CHANNELS = ("a0", "a3", "d0", "d2")
SEEN: tuple[tuple[str, Feature, tuple[int, int]], ...] = (
    ("a0", Feature.RMS, (0, 0)),
    ("a0", Feature.P2P, (0, 0)),
    ("a0", Feature.BAND, (3, 7)),
    ("a0", Feature.BAND, (16, 31)),
    ("a3", Feature.MEAN, (0, 0)),
    ("a3", Feature.STD, (0, 0)),
    ("a3", Feature.CROSSINGS, (0, 0)),
    ("a3", Feature.MIN, (0, 0)),
    ("a3", Feature.MAX, (0, 0)),
    ("a0", Feature.LAST, (0, 0)),
    ("d0", Feature.COUNT, (0, 0)),
    ("d0", Feature.FREQUENCY, (0, 0)),
    ("d2", Feature.LEVEL, (0, 0)),
)
DECISION = Decision(votes=2, of=3, on_delay=40, off_delay=70, hold=120)


def recording(scans: int, gaps: list[tuple[int, int]]) -> Recording:
    """gaps: the first number that is missing, and how many are. A machine that comes and goes, with noise."""
    rng = np.random.default_rng(485)
    seconds = np.arange(scans) / RATE
    busy = np.repeat(rng.random(scans // 500 + 1), 500)[:scans]
    a0 = 2048 + 900 * busy * np.sin(2 * np.pi * (60 + 200 * busy) * seconds) + rng.normal(0, 40, scans)
    a3 = 1000 + 2500 * busy + rng.normal(0, 150, scans)
    d0 = np.sin(2 * np.pi * (20 + 60 * busy) * seconds) > 0
    raw = np.stack([np.clip(a0, 0, 4095), np.clip(a3, 0, 4095), d0, busy > 0.6], axis=1).astype(np.int64)
    there = np.ones(scans, bool)
    for first, count in gaps:
        there[first : first + count] = False
    samples = np.flatnonzero(there)
    return Recording("run", RATE, CHANNELS, samples, raw[there], None, {})


def by_channel(run: Recording) -> dict[int, Int64]:
    """What each channel gave in every scan from the first on."""
    whole = np.full((int(run.samples[-1] - run.samples[0]) + 1, len(run.channels)), SAMPLE_MISSING, np.int64)
    whole[run.samples - run.samples[0]] = run.raw
    return {NAMES.index(name): whole[:, place] for place, name in enumerate(run.channels)}


def write(run: Recording, path: Path) -> None:
    """The recording's file, without notes."""
    lines = [",".join(["sample", "time", *run.channels])]
    for sample, row in zip(run.samples.tolist(), run.raw.tolist(), strict=True):
        lines.append(f"{sample},{sample / run.rate:.6f},{','.join(map(str, row))}")
    path.write_text("\n".join(lines) + "\n")


def _source(name: str, feature: Feature, band: tuple[int, int], found: Int64) -> Source:
    """What spreads these numerators over the int16, and a little beyond: the extremes are clipped."""
    low, high = int(found.min()), int(found.max())
    shift = 16 if high - low > 2 else 14
    multiply = (72_000 << shift) // max(high - low, 1)
    return Source(
        NAMES.index(name), feature, multiply, shift, -((high + low) * multiply >> (shift + 1)), band
    )


def model(run: Recording) -> Model:
    """A network over all of SEEN, and an input from the bus whose 0 is q = -200, with two thresholds between which a
    fifth of its outputs lie."""
    rng = np.random.default_rng(7)
    columns = by_channel(run)
    scans = np.arange(len(columns[0]) // WINDOW * WINDOW).reshape(-1, WINDOW)
    scans = scans[(columns[0][scans] != SAMPLE_MISSING).all(axis=1)]
    found = [
        features.numerators(feature, columns[NAMES.index(name)][scans], RATE, band)
        for name, feature, band in SEEN
    ]
    sources = [_source(*seen, column) for seen, column in zip(SEEN, found, strict=True)]
    count = len(sources) + 1
    weights = rng.integers(-3000, 3000, (9, count)), rng.integers(-9000, 9000, (2, 9))
    bias = rng.integers(-1_000_000, 1_000_000, 9).astype(np.int32)
    layers = (
        Layer(weights[0].astype(np.int16), bias, Activation.TANH, 26, 15),
        Layer(weights[1].astype(np.int16), np.zeros(2, np.int32), Activation.IDENTITY, 28, 12),
    )
    senses = Senses(RATE, WINDOW, HOP, 485, (*sources, None))
    zero = np.zeros((1, count), np.int16)
    made = Model(
        "sensing", (0,) * count, layers, 1, 0, zero, zero[:, :2], (*[0.0] * (count - 1), 200.0), senses=senses
    )
    made = replace(made, vector_outputs=infer(made, zero))
    columns_in = [
        features.inputs(s.multiply, s.shift, s.offset, f)[0] for s, f in zip(sources, found, strict=True)
    ]
    outputs = infer(made, np.stack([*columns_in, np.zeros_like(columns_in[0])], axis=1))[:, 1]
    off, on = np.percentile(outputs, (40, 60)).astype(int).tolist()
    return replace(made, led_threshold=on, decision=replace(DECISION, threshold_off=off))
