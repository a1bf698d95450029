"""ST's own HAL finds nothing amiss in the models."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import firmware

from . import Machine
from .build import build_hal, cube


@pytest.fixture(scope="module")
def hal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lack = firmware.lacking() or (
        "the stock PlatformIO keeps ST's HAL elsewhere" if firmware.stock() else None
    )
    if lack:
        pytest.skip(lack)
    return build_hal(tmp_path_factory.mktemp("hal") / "hal.elf", cube())


def test_hal_clocks_pins_timer_and_flash(hal: Path) -> None:
    machine = Machine(hal)
    machine.run_to("ready", 2_000_000)
    assert machine.word("step") == 10
    assert machine.word("core_hz") == 168_000_000
    assert machine.word("sector_error") == 0xFFFF_FFFF
    assert machine.word("read_back") == 0x1234_5678
    assert machine.word("fired") >= 10
    assert [edge.level for edge in machine.chip.board.led_edges] == [1, 0]
    assert machine.chip.flash.erases[2] == 1


def test_hal_reports_a_dead_crystal(hal: Path) -> None:
    machine = Machine(hal, crystal=False)
    machine.run(milliseconds=90)
    assert machine.word("step") == 1
    machine.run(milliseconds=20)
    assert machine.word("step") == 2  # HAL_RCC_OscConfig has given up after its 100 ms
    machine.run(milliseconds=100)
    assert machine.word("step") == 2
