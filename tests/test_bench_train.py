"""tools/bench_train.py: what it compares, whatever the times are."""

from __future__ import annotations

import sys

import pytest

from tools import bench_train


def test_ratios_are_their_time_over_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, int]] = []

    def times(model: str, dtype: str, rows: int) -> dict[str, float]:
        asked.append((model, dtype, rows))
        return {"C": 2.0, "one": 3.0, "all": len(asked)}

    monkeypatch.setattr(bench_train, "epoch_seconds", times)
    assert bench_train.ratios(7) == {
        "wxb": {"float64": {"one": 1.5, "all": 0.5}, "float32": {"one": 1.5, "all": 1.0}},
        "logistic": {"float64": {"one": 1.5, "all": 1.5}, "float32": {"one": 1.5, "all": 2.0}},
        "mlp": {"float64": {"one": 1.5, "all": 2.5}, "float32": {"one": 1.5, "all": 3.0}},
    }
    assert all(rows == 7 for _, _, rows in asked)


def test_without_pytorch_there_is_nothing_to_compare(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert bench_train.ratios(100) is None
    bench_train.large(100)
    assert "pip install torch" in capsys.readouterr().out
