"""The ADC and its DMA stream on samples/adc.c: true times, and what the chip would not forgive."""

from __future__ import annotations

import struct

import pytest

from . import Machine, Violation
from .adc import OVR
from .conftest import Builder

ANALOG_PINS = 0xFFF  # MODER of port C: PC0..PC5 in analog mode
BY_4, TSVREFE, VBATE = 1 << 16, 1 << 23, 1 << 22
CORE_CYCLES = 8
"""In one of ADCCLK: 168 MHz and 84 / 4."""


@pytest.fixture
def machine(sample: Builder) -> Machine:
    machine = Machine(sample("adc"))
    machine.run_to("ready")
    machine.analog.update({0: 100, 1: 4095, 2: lambda us: int(us) % 4096})
    return machine


def convert(machine: Machine, function: str, *given: int) -> None:
    """given: MODER, CCR, SMPR1, sequence, its length; the DMA's target and items."""
    words = [*given, *[0] * (7 - len(given))]
    machine.write("given", struct.pack("<7I", *words))
    machine.jump(function)
    machine.run_to("ready", 1000)


def sequence(*inputs: int) -> int:
    return sum(number << 5 * place for place, number in enumerate(inputs))


@pytest.mark.parametrize(("code", "sampling"), list(enumerate([3, 15, 28, 56, 84, 112, 144, 480])))
def test_a_conversion_takes_its_sampling_and_12_cycles(machine: Machine, code: int, sampling: int) -> None:
    convert(machine, "by_polling", ANALOG_PINS, BY_4, code, sequence(10), 1)
    assert machine.word("took") == pytest.approx(CORE_CYCLES * (sampling + 12), abs=CORE_CYCLES + 12)
    assert machine.word("results") == 100


def test_a_sequence_is_converted_in_its_order_each_with_its_own_sampling(machine: Machine) -> None:
    convert(machine, "by_polling", ANALOG_PINS, BY_4, 4 | 1 << 3, sequence(11, 10, 11), 3)
    assert machine.word("took") == pytest.approx(
        CORE_CYCLES * (2 * (15 + 12) + 84 + 12), abs=CORE_CYCLES + 12
    )
    done = machine.chip.adc1.conversions
    assert [conversion.input for conversion in done] == [11, 10, 11]
    assert done[1].us - done[0].us == pytest.approx(27 / 21, abs=0.001)
    assert done[2].us - done[1].us == pytest.approx(96 / 21, abs=0.001)


def test_the_value_is_that_of_the_end_of_sampling(machine: Machine) -> None:
    convert(machine, "by_polling", ANALOG_PINS, BY_4, 0o700, sequence(12), 1)
    (begun,) = machine.chip.adc1.conversions
    assert machine.word("results") == int(begun.us + 480 / 21) % 4096


def test_the_dma_carries_a_sequence_off(machine: Machine) -> None:
    results = machine.address("results")
    convert(machine, "by_dma", ANALOG_PINS, BY_4, 0, sequence(10, 11, 10), 3, results, 3)
    assert [machine.word(results + 4 * i) for i in range(4)] == [100, 4095, 100, 0]
    assert machine.chip.dma2.reg["LISR"] & 1 << 5
    assert not machine.chip.dma2.reg["S0CR"] & 1


def test_what_nobody_carries_off_is_an_overrun(machine: Machine) -> None:
    """After the stream's last item one more value waits, and the next has no place."""
    convert(machine, "by_dma", ANALOG_PINS, BY_4, 0, sequence(10, 11, 10), 3, machine.address("results"), 1)
    assert machine.word("status") & OVR
    assert machine.word("results") == 100
    assert machine.chip.adc1.idle


def test_the_chips_own_channels(machine: Machine) -> None:
    for number, value in ((16, 943), (17, 1502)):
        convert(machine, "by_polling", 0, BY_4 | TSVREFE, 7 << 18 | 7 << 21, sequence(number), 1)
        assert machine.word("results") == value


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((ANALOG_PINS, 0, 0, sequence(10), 1), "ADCCLK of 42000000 Hz"),
        ((0, BY_4, 0, sequence(10), 1), "PC0, which is not in analog mode"),
        ((ANALOG_PINS, BY_4, 0o777777777, sequence(16), 1), "before TSVREFE has been on"),
        ((ANALOG_PINS, BY_4 | TSVREFE, 6 << 18, sequence(16), 1), "input 16 for 6.857 us"),
        ((ANALOG_PINS, BY_4 | TSVREFE, 0, sequence(18), 1), "input 18, which has no model"),
        ((ANALOG_PINS, BY_4 | VBATE, 0, sequence(10), 1), "bits 0x400000 have no model"),
    ],
)
def test_what_the_chip_would_not_forgive(machine: Machine, arguments: tuple[int, ...], said: str) -> None:
    with pytest.raises(Violation, match=said):
        convert(machine, "by_polling", *arguments)


@pytest.mark.parametrize(
    ("settle_us", "ccr", "said"),
    [(1, BY_4, "on for 3 us"), (5, BY_4 | TSVREFE, "TSVREFE has been on for 10 us")],
)
def test_what_is_not_stable_yet(machine: Machine, settle_us: int, ccr: int, said: str) -> None:
    machine.write("settle_us", settle_us.to_bytes(4, "little"))
    with pytest.raises(Violation, match=said):
        convert(machine, "by_polling", ANALOG_PINS, ccr, 7 << 18, sequence(16), 1)


def test_a_start_while_it_converts(machine: Machine) -> None:
    with pytest.raises(Violation, match="while it converts"):
        convert(machine, "twice", ANALOG_PINS, BY_4, 0, sequence(10), 1)


def test_no_dma_reaches_the_core_coupled_memory(machine: Machine) -> None:
    with pytest.raises(Violation, match="no DMA reaches"):
        convert(machine, "by_dma", ANALOG_PINS, BY_4, 0, sequence(10), 1, 0x1000_0000, 1)


def test_levels_from_outside(machine: Machine) -> None:
    """An input sees them, a pin in analog mode does not."""
    machine.pins.update({"PC6": 1, "PC8": lambda us: 1, "PC0": 1, "PD6": 1})
    port = machine.chip.gpio["C"]
    port.write(0x00, 4, ANALOG_PINS)
    assert port.read(0x10, 4) == 1 << 6 | 1 << 8
    machine.pins["PC6"] = 0
    assert port.read(0x10, 4) == 1 << 8


def test_an_open_pin_follows_its_pull(machine: Machine) -> None:
    port, idr = machine.chip.gpio["C"], 0x10
    port.write(0x00, 4, ANALOG_PINS)
    port.write(
        0x0C, 4, 1 << 2 * 6 | 1 << 2 * 7 | 2 << 2 * 8 | 1 << 2 * 0
    )  # up: 6, 7, and 0, which is analog; down: 8
    assert port.read(idr, 4) == 1 << 6 | 1 << 7
    machine.pins.update({"PC7": 0, "PC8": 1})
    assert port.read(idr, 4) == 1 << 6 | 1 << 8
    port.reset()
    assert port.read(idr, 4) == 1 << 8


def test_a_value_that_no_conversion_gives_is_the_tests_mistake(machine: Machine) -> None:
    machine.analog[0] = 4096
    with pytest.raises(ValueError, match=r"A0 is 4096 at .* us: a conversion gives 0..4095"):
        convert(machine, "by_polling", ANALOG_PINS, BY_4, 0, sequence(10), 1)
