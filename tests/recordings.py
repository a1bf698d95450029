"""Recordings for tests, as host.record writes them: a pump's vibration, its flow switch, and a temperature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

RATE = 1000
KINDS = ("normal", "worn", "off")


def pump(kind: str, scans: int, seed: int, rate: int = RATE) -> np.ndarray:
    """(scans, 3) of a0, a1, d0: vibration, warmth, and whether it runs. A worn bearing rings at 170 Hz; one that is off
    only hums."""
    rng, t = np.random.default_rng(seed), np.arange(scans) / rate
    noise = rng.normal(0, 12, scans)
    turning = 180 * np.sin(2 * np.pi * 25 * t + rng.uniform(0, 6)) * (kind != "off")
    ringing = 160 * np.sin(2 * np.pi * 170 * t) * (np.sin(2 * np.pi * 25 * t) > 0.6) * (kind == "worn")
    warmth = 2200 - 400 * (kind == "off") + rng.normal(0, 5, scans)
    a0, a1 = (np.clip(np.round(one), 0, 4095) for one in (2048 + turning + ringing + noise, warmth))
    return np.column_stack([a0, a1, np.full(scans, kind != "off")]).astype(np.int64)


def write(
    path: Path,
    raw: np.ndarray,
    labels: Sequence[str] | None,
    channels: Sequence[str] = ("a0", "a1", "d0"),
    rate: int = RATE,
    samples: Sequence[int] | None = None,
    scale: dict[str, list[float | str]] | None = None,
) -> str:
    """A recording of these scans; samples: their numbers, from 0 unless told."""
    numbers = list(range(len(raw)) if samples is None else samples)
    lines = [",".join(["sample", "time", *channels, *["label"] * (labels is not None)])]
    for row, number in enumerate(numbers):
        cells = [str(number), f"{number / rate:.6f}", *map(str, raw[row].tolist())]
        lines.append(",".join([*cells, *([labels[row]] if labels is not None else [])]))
    path.write_text("\n".join(lines) + "\n")
    notes = {
        "version": 1,
        "rate": rate,
        "channels": list(channels),
        "scale": scale or {},
        "samples": len(raw),
        "gaps": [],
        "sessions": [],
        "events": [],
    }
    path.with_suffix(".json").write_text(json.dumps(notes))
    return str(path)


def pump_recording(path: Path, parts: Sequence[tuple[str, int]], seed: int = 1, **how: object) -> str:
    """One part after the other, each a kind and how many scans."""
    raw = np.vstack([pump(kind, scans, seed + number) for number, (kind, scans) in enumerate(parts)])
    labels = [kind for kind, scans in parts for _ in range(scans)]
    return write(path, raw, labels, **how)  # type: ignore[arg-type]
