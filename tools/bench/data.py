"""Reading a CSV file: a million rows of ten numbers, here and with pandas in the same run."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from host.data.dataset import read_csv
from host.progress import Progress, silent
from tools.bench.pc import Work, best_in_turn

ROWS, COLUMNS = 1_000_000, 10
FORMATS = {"six decimals": "{:.6f}", "all digits": "{!r}", "numpy.savetxt": "{:.18e}"}
ROUNDS = 3
STEP = "reading CSV"
NO_PANDAS = "pandas is not installed, so nothing stands beside our reading: pip install pandas"
OURS, PANDAS = "ours", "pandas"


@dataclass(frozen=True)
class Data:
    """What was measured. pandas: its version, None where it is not installed; seconds: of reading a file, by format,
    then by OURS and PANDAS."""

    pandas: str | None
    seconds: dict[str, dict[str, float]]


def measure(progress: Progress = silent) -> Data:
    """All of it, in about a minute; half of that is writing the files."""
    seconds = {}
    for done, name in enumerate(FORMATS):
        progress(STEP, done, len(FORMATS))
        seconds[name] = read_seconds(name)
    progress(STEP, len(FORMATS), len(FORMATS))
    return Data(pandas_version(), seconds)


def pandas_version() -> str | None:
    """None where pandas is not installed."""
    try:
        return importlib.metadata.version("pandas")
    except importlib.metadata.PackageNotFoundError:
        return None


def read_seconds(form: str) -> dict[str, float]:
    """Seconds of reading a file whose numbers are written in that way: OURS, and those of PANDAS if it is here."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        _write(path, FORMATS[form])
        works: dict[str, Work] = {OURS: lambda: read_csv(path)}
        if pandas_version():
            works[PANDAS] = lambda: _pandas_reader()(path)
        return best_in_turn(works, ROUNDS)


def _pandas_reader() -> Callable[[Path], object]:
    import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]

    reader: Callable[[Path], object] = pandas.read_csv
    return reader


def _write(path: Path, form: str) -> None:
    values = np.random.default_rng(1).standard_normal((ROWS, COLUMNS)).tolist()
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join([*(f"x{k}" for k in range(1, COLUMNS)), "y"]) + "\n")
        file.writelines(",".join(map(form.format, row)) + "\n" for row in values)
