"""What every command owes to bad input: one line that says what is wrong, exit status 2, and nothing else."""

from __future__ import annotations

import pytest

from host import train


def assert_one_line(capsys: pytest.CaptureFixture[str], argv: list[str], says: str) -> None:
    assert train.main(argv) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    if "--json" in argv:
        assert captured.out == ""
