"""Recordings as samples: windows of scans, each with the features that a node would measure in it.

A node that begins at a recording's first scan decides on the windows that lie every `hop` scans from there. These are
the samples: those of them that no gap and no change of the label lies in. What is left out is counted and said.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from host.core import features
from host.core.channels import NAMES
from host.core.fixed import Int64
from host.data.dataset import Dataset, Windows
from host.data.dialect import is_number
from host.data.measures import all_of, named
from host.data.part import Form, number_of
from host.data.recording import LABEL, Recording, read_recording
from host.data.table import Table, Text
from host.data.targets import Answers, targets_of
from host.errors import NeuronError, counted
from host.models.sensed import Sensed
from host.progress import Progress, silent

MEASURING = "measure features"


@dataclass(frozen=True)
class Windowing:
    """What was asked for. window: scans, a power of two; hop: scans from one window's first to the next's; features:
    names such as a0.rms, bands in Hz: a0.band(100,150); None: every feature of every channel."""

    window: int
    hop: int
    features: tuple[str, ...] | None = None


def read_windows(
    paths: Sequence[str], wish: Windowing, answers: Answers | None = None, progress: Progress = silent
) -> Dataset:
    """The recordings' windows, in their order. NeuronError says what is wrong with files or wishes."""
    recordings = _read(paths, progress)
    first = recordings[0]
    measured, notes = (
        all_of(recordings, wish.window) if wish.features is None else named(first, wish.features, wish.window)
    )
    cuts = [cut(recording, wish.window, wish.hop) for recording in recordings]
    if not sum(len(one.rows) for one in cuts):
        raise NeuronError(_none(recordings, cuts, wish))
    table = _labels(recordings, cuts)
    targets = targets_of(table, [0], answers or Answers())
    sensed = Sensed(first.rate, wish.window, wish.hop, measured)
    total = sum(len(one.rows) for one in cuts)
    numerators = np.vstack(
        [
            measure(recording, sensed, one.rows, progress)
            for recording, one in zip(recordings, cuts, strict=True)
        ]
    )
    windows = Windows(
        sensed,
        numerators,
        np.repeat(np.arange(len(cuts)), [len(one.rows) for one in cuts]),
        np.concatenate([r.samples[one.rows] for r, one in zip(recordings, cuts, strict=True)]),
        tuple(recordings),
    )
    return Dataset(
        first.name if len(recordings) == 1 else f"{first.name} and {len(recordings) - 1} more",
        tuple(one.name for one in measured),
        (LABEL,),
        sensed.values(numerators),
        targets.y,
        range(1, total + 1),
        "\n".join([_said(recordings, cuts, wish), *_left_out(cuts), *notes, *targets.notes]),
        targets.classes,
        windows=windows,
    )


# ------------------------------------------------------------------------------------------------------- the files


def _read(paths: Sequence[str], progress: Progress) -> list[Recording]:
    """All of one rate, of the same channels and in the same units, each with labels."""
    real = [os.path.realpath(path) for path in paths]
    if twice := [path for path in paths if real.count(os.path.realpath(path)) > 1]:
        raise NeuronError(f"--data {twice[0]} is given twice: its windows would be learnt from and judged by")
    found = [read_recording(path, progress) for path in paths]
    first = found[0]
    for path, one in zip(paths, found, strict=True):
        for what, here, there in (
            ("rate", f"{first.rate} Hz", f"{one.rate} Hz"),
            ("channels", ", ".join(first.channels), ", ".join(one.channels)),
            ("scale", _scale_said(first), _scale_said(one)),
        ):
            if here != there:
                raise NeuronError(
                    f"{path}: its {what} is {there}, that of {paths[0]} {here}: a model is of recordings alike; train "
                    "on one sort at a time"
                )
        if one.labels is None:
            raise NeuronError(
                f"{path} has no column label: record with --label NAME, or add the column, to say what is learnt"
            )
    return found


def _scale_said(recording: Recording) -> str:
    said = [
        f"{name} {factor:g},{offset:g},{unit}" for name, (factor, offset, unit) in recording.scale.items()
    ]
    return "; ".join(said) or "raw"


# ----------------------------------------------------------------------------------------------------- the windows


@dataclass(frozen=True)
class Cut:
    """Windows of a recording. rows: of `raw`, where each begins; labels: (windows,) of the recording's; left out for a
    gap, a change of the label, no label: how many."""

    rows: Int64
    labels: tuple[str, ...]
    gap: int
    change: int
    unlabelled: int


def whole_windows(recording: Recording, window: int, hop: int) -> tuple[Int64, int]:
    """(rows of `raw` where windows begin that no gap lies in, how many begin that one cuts off)."""
    found, cut_off = [], 0
    begin = int(recording.samples[0])
    runs = recording.runs()
    for run in runs:
        first = run.start + (begin - int(recording.samples[run.start])) % hop
        starts = np.arange(first, run.stop, hop)
        whole = starts <= run.stop - window
        found.append(starts[whole])
        cut_off += int((~whole).sum()) * (run is not runs[-1])
    return np.concatenate(found), cut_off


def cut(recording: Recording, window: int, hop: int) -> Cut:
    """The windows that one label is of, with that label."""
    rows, gap = whole_windows(recording, window, hop)
    labels = np.array(recording.labels)
    changes = np.concatenate([[0], np.cumsum(labels[1:] != labels[:-1])])
    one = changes[rows] == changes[rows + window - 1]
    change, rows = int((~one).sum()), rows[one]
    known = labels[rows] != ""
    rows, unlabelled = rows[known], int((~known).sum())
    return Cut(rows, tuple(labels[rows].tolist()), gap, change, unlabelled)


def measure(recording: Recording, sensed: Sensed, rows: Int64, progress: Progress = silent) -> Int64:
    """(windows, inputs) numerators of the windows that begin at these rows of `raw`."""
    numerators = np.empty((len(rows), len(sensed.inputs)), np.int64)
    for place, one in enumerate(sensed.inputs):
        column = recording.raw[:, recording.channels.index(NAMES[one.channel])]
        numerators[:, place] = features.numerators_at(
            one.feature, column, rows, sensed.window, sensed.rate, one.band
        )
        progress(MEASURING, place + 1, len(sensed.inputs))
    return numerators


def _labels(recordings: Sequence[Recording], cuts: Sequence[Cut]) -> Table:
    """The windows' labels as a table of one column, so that they are told as those of any file are."""
    labels = [label for one in cuts for label in one.labels]
    rows = tuple(row + 2 for one in cuts for row in one.rows.tolist())
    path = recordings[0].name if len(recordings) == 1 else f"{recordings[0].name} and others"
    form = Form(path, (LABEL,), ",", ".")
    if all(map(is_number, labels)):
        numbers = np.array([[number_of(label, ".", f"{path}, label", "")] for label in labels])
        return Table(form, path, rows, numbers, {0: 0}, {}, [])
    words, codes = np.unique(np.array(labels), return_inverse=True)
    return Table(
        form, path, rows, np.empty((len(labels), 0)), {}, {0: Text(codes, tuple(words.tolist()))}, []
    )


# -------------------------------------------------------------------------------------------------- what is said


def _said(recordings: Sequence[Recording], cuts: Sequence[Cut], wish: Windowing) -> str:
    rate, count = recordings[0].rate, sum(len(one.rows) for one in cuts)
    of = f" of {counted(len(recordings), 'recording')}" if len(recordings) > 1 else ""
    return (
        f"{counted(count, 'window')}{of}: {wish.window} scans ({wish.window / rate:.3g} s) at {rate} Hz, one every "
        f"{wish.hop}"
    )


def _left_out(cuts: Sequence[Cut]) -> list[str]:
    counts = {
        "with a gap": sum(one.gap for one in cuts),
        "in which the label changes": sum(one.change for one in cuts),
        "without a label": sum(one.unlabelled for one in cuts),
    }
    said = [f"{number} {why}" for why, number in counts.items() if number]
    return [f"windows left out: {', '.join(said)}"] if said else []


def _none(recordings: Sequence[Recording], cuts: Sequence[Cut], wish: Windowing) -> str:
    why = ", ".join(_left_out(cuts)) or (
        f"the longest recording has {max(len(one.samples) for one in recordings)} scans"
    )
    return f"no window of {wish.window} scans is left to learn from ({why}): give a shorter --window or record longer"
