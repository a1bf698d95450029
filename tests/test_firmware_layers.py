"""The floors of firmware/app, which file stands on which, and that a board's names stand in its board.h alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from host.compiler import ROOT

FIRMWARE = ROOT / "firmware"
APP = FIRMWARE / "app"
BOARD = FIRMWARE / "port" / "stm32f407"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)

FLOORS = [
    {"main"},
    {"node"},
    {"registers"},
    {"parts"},
    {"hops"},
    {"orders"},
    {"session"},
    {"commands", "status"},
    {"trial", "models_rows"},
    {"models", "watch", "search"},
    {"neuron", "settings", "trainer", "sampling"},
    {"trust"},
    {"wear"},
    {"refusal"},
    {"events", "scan", "decision"},
    {"link", "sampler", "identity", "sectors", "fingerprint"},
    {"words", "rows"},
]
"""From the top. A part and its header are one; the gate will stand beside the link."""

DEVICE = re.compile(r"USART\d|(?<!TIM_)TIM\d|GPIO_PIN_\d|GPIO_AF\d|GPIO[A-K](?![A-Z])")
"""A name of one of the chip's pins, ports, timers or USARTs, with whatever goes on behind it: clocks, interrupts."""


def floor(stem: str) -> int:
    """The floor of a part, counted from the top."""
    (number,) = (number for number, stems in enumerate(FLOORS) if stem in stems)
    return number


def c_files(folder: Path) -> list[Path]:
    """All of them, in whichever folder below."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".c", ".h"))


def app_includes(path: Path) -> list[str]:
    """The parts that a file of the application includes, itself aside."""
    names = [Path(name) for name in INCLUDE.findall(path.read_text(encoding="utf-8"))]
    return [name.stem for name in names if name.parts[0] == "app" and name.stem != path.stem]


def test_every_file_of_the_application_has_its_floor() -> None:
    stems = {path.stem for path in c_files(APP)}
    assert stems == set().union(*FLOORS)
    assert sum(map(len, FLOORS)) == len(stems), "one floor each"
    assert all(path.parent == APP for path in c_files(APP)), "a folder of its own would need a floor"


@pytest.mark.parametrize("path", c_files(APP), ids=lambda path: path.name)
def test_includes_go_down(path: Path) -> None:
    assert [stem for stem in app_includes(path) if floor(stem) <= floor(path.stem)] == []


def test_the_check_sees_includes() -> None:
    assert {"node"} == set(app_includes(APP / "main.c"))
    assert {"models", "neuron", "link"} <= set(app_includes(APP / "parts.h"))


def test_includes_name_their_folder() -> None:
    """Else a neighbour could be included unseen."""
    for path in c_files(APP):
        for name in INCLUDE.findall(path.read_text(encoding="utf-8")):
            assert name.split("/")[0] in ("app", "core", "crypto", "port"), f"{path.name} includes {name}"


def test_what_stands_on_the_board_is_named_in_its_data_only() -> None:
    for path in c_files(BOARD):
        found = DEVICE.findall(path.read_text(encoding="utf-8"))
        assert bool(found) == (path.name == "board.h"), f"{path.name}: {found}"


@pytest.mark.parametrize(
    "name",
    ["USART3->CR1", "TIM7_IRQn", "__HAL_RCC_TIM7_CLK_ENABLE", "GPIO_PIN_3", "GPIOB->BSRR", "GPIO_AF7_USART3"],
)
def test_the_check_sees_a_device(name: str) -> None:
    assert DEVICE.search(name)


@pytest.mark.parametrize(
    "name", ["TIM_CR1_OPM", "USART_SR_TC", "GPIO_MODE_AF_PP", "GPIO_InitTypeDef", "GPIO_TypeDef"]
)
def test_the_check_leaves_what_any_board_has(name: str) -> None:
    assert not DEVICE.search(name)
