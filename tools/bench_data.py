"""How long a CSV file takes to read, here and with pandas in the same run: `python -m tools.bench_data`.

A million rows of ten numbers, with six decimals, with all digits, and as numpy.savetxt writes them. pandas is no part
of the set-up: `python -m pip install pandas` beside numpy.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from host.data.dataset import read_csv

ROWS, COLUMNS = 1_000_000, 10
FORMATS = {"six decimals": "{:.6f}", "all digits": "{!r}", "numpy.savetxt": "{:.18e}"}
RUNS = 3


def write(path: Path, form: str, rows: int) -> None:
    values = np.random.default_rng(1).standard_normal((rows, COLUMNS)).tolist()
    with path.open("w") as file:
        file.write(",".join([*(f"x{k}" for k in range(1, COLUMNS)), "y"]) + "\n")
        file.writelines(",".join(map(form.format, row)) + "\n" for row in values)


def seconds(read: Callable[[Path], object], path: Path) -> float:
    began = time.perf_counter()
    read(path)
    return time.perf_counter() - began


def compared(rows: int = ROWS) -> dict[str, tuple[float, float | None]]:
    """By format: the seconds that reading takes here, and its share of pandas' time, None without pandas. The best of
    RUNS, one after the other in turn."""
    readers: list[Callable[[Path], object]] = [read_csv]
    try:
        import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        pass
    else:
        readers.append(pandas.read_csv)
    results: dict[str, tuple[float, float | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        for name, form in FORMATS.items():
            write(path, form, rows)
            best = [
                min(times)
                for times in zip(*([seconds(r, path) for r in readers] for _ in range(RUNS)), strict=True)
            ]
            results[name] = best[0], (best[0] / best[1] if len(best) > 1 else None)
    return results


def main() -> int:
    print(f"Reading {ROWS} rows of {COLUMNS} numbers")
    for name, (ours, share) in compared().items():
        beside = "pandas is not installed" if share is None else f"{share:.2f} times pandas' time"
        print(f"  {name:<16} {ours:6.2f} s   {beside}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
