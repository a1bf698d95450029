"""Reading a CSV file: what our checks and names of rows cost over pandas alone, a million rows of ten numbers."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from host.data.columns import read_data
from host.data.part import pandas
from host.errors import NeuronError
from host.progress import Progress, silent
from tools.bench.pc import Work, best_in_turn

ROWS, COLUMNS = 1_000_000, 10
FORMATS = {"six decimals": "{:.6f}", "all digits": "{!r}", "numpy.savetxt": "{:.18e}"}
ROUNDS = 3
STEP = "reading CSV"
OURS, PANDAS = "ours", "pandas"


@dataclass(frozen=True)
class Data:
    """What was measured. pandas: its version; seconds: of reading a file, by format, then by OURS and PANDAS; lacks:
    why nothing was measured."""

    pandas: str
    seconds: dict[str, dict[str, float]]
    lacks: str | None = None


def measure(progress: Progress = silent) -> Data:
    """All of it, in about a minute; half of that is writing the files."""
    try:
        version = pandas().__version__
    except NeuronError as error:
        return Data("", {}, str(error))
    seconds = {}
    for done, name in enumerate(FORMATS):
        progress(STEP, done, len(FORMATS))
        seconds[name] = read_seconds(name)
    progress(STEP, len(FORMATS), len(FORMATS))
    return Data(version, seconds)


def read_seconds(form: str) -> dict[str, float]:
    """Seconds of reading a file whose numbers are written in that way."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        _write(path, FORMATS[form])
        works: dict[str, Work] = {OURS: lambda: read_data(path), PANDAS: lambda: pandas().read_csv(path)}
        return best_in_turn(works, ROUNDS)


def _write(path: Path, form: str) -> None:
    values = np.random.default_rng(1).standard_normal((ROWS, COLUMNS)).tolist()
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join([*(f"x{k}" for k in range(1, COLUMNS)), "y"]) + "\n")
        file.writelines(",".join(map(form.format, row)) + "\n" for row in values)
