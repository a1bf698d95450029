"""The real ELF samples: what stands at the pins arrives in the ring, on time and under its number, whatever goes on."""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from unicorn import arm_const as arm

from host.core.channels import NAMES, is_analog, names_of
from host.core.image import encode
from host.core.modbus import (
    FC23_WRITE_REGISTERS_MAX,
    READ_REGISTERS_MAX,
    WRITE_REGISTERS_MAX,
    write_read_pdu,
    write_registers_pdu,
)
from host.core.registers import pack, placed, register_bytes, unpack
from host.core.windows import hops as windows_of
from host.core.wire import (
    ANALOG,
    BAUD_MAX,
    BY_NAME,
    DIGITAL,
    RATE_MAX,
    SAMPLE_MISSING,
    Command,
    EventKind,
    Format,
    Gap,
)
from tests import sensing
from tests.e2e.scenario import largest
from tests.elf.adc import CONVERTING, Conversion
from tests.elf.debug import CALIBRATION
from tests.elf.firmware import firmware_elf, powered, ready
from tests.elf.master import Master, Refused

TIMER_HZ = 84_000_000
ALL_ANALOG = (1 << ANALOG) - 1
ALL = (1 << ANALOG + DIGITAL) - 1
LATE_US = 2.0
"""The most that a scan may be late by."""
A0, A6 = 1 << 0, 1 << 6
STAGE = BY_NAME["STAGE"].address
ADC_US = 4 / TIMER_HZ * 1e6
"""A cycle of ADCCLK."""
SAMPLING_US = {**dict.fromkeys(range(10, 16), 84 * ADC_US), 16: 480 * ADC_US, 17: 480 * ADC_US}


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


@pytest.fixture(scope="module")
def flash(elf: Path) -> bytes:
    """A node's flash with its stores prepared, at the highest speed: the ring is read faster than it fills."""
    master = ready(elf)
    master.set_line(BAUD_MAX, Format.F8E1, Gap.TRUE_CHARACTERS)
    return master.machine.flash_image


@pytest.fixture
def master(elf: Path, flash: bytes) -> Master:
    master = powered(elf, flash=flash)
    master.follow(BAUD_MAX, Format.F8E1)
    for channel in range(ANALOG):
        master.machine.analog[channel] = signal(channel)
    return master


def signal(channel: int) -> Callable[[float], int]:
    """Another value every 10 us, and another on each channel."""
    return lambda us: (int(us / 10) * 7 + 311 * channel) % 4096


def sample(master: Master, channels: int, rate: int) -> None:
    """What is sampled from now on; the conversions of what was before are forgotten."""
    master.write(*placed(SAMPLE_RATE=rate, SAMPLE_CHANNELS=0))
    conversions(master).clear()
    master.write(*placed(SAMPLE_RATE=rate, SAMPLE_CHANNELS=channels))


def conversions(master: Master) -> list[Conversion]:
    return master.machine.chip.adc1.conversions


def drain(master: Master, number: int, end: int | None = None) -> tuple[int, NDArray[np.int64]]:
    """The scans from this number on, all or up to another: the first number, and (n, width) words."""
    first, parts = None, []
    while True:
        block = BY_NAME["SAMPLES_HEAD"].address
        words = pack(BY_NAME["SAMPLE_FROM"], number)
        reply = master.ask(write_read_pdu(BY_NAME["SAMPLE_FROM"].address, words, block, READ_REGISTERS_MAX))
        got = np.frombuffer(reply[2:], ">u2").astype(np.int64)
        head, begin = (int(got[i]) << 16 | int(got[i + 1]) for i in (0, 2))
        names = names_of(int(got[4]))
        width = sum(map(is_analog, names)) + any(not is_analog(name) for name in names)
        count = min((READ_REGISTERS_MAX - 5) // width, head - begin)
        first = begin if first is None else first
        assert begin == first + sum(map(len, parts)), "nothing is left out"
        parts.append(got[5 : 5 + count * width].reshape(count, width))
        number = begin + count
        if count < (READ_REGISTERS_MAX - 5) // width or (end is not None and number >= end):
            return first, np.concatenate(parts)[: end and end - first]


def scans(master: Master) -> NDArray[np.float64]:
    """When each began, in us: of the ADC's conversions, those of the first channel."""
    done = conversions(master)
    return np.array([us for number, us in done if number == done[0].input])


def lateness(starts: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Against the ideal grid of this rate that the earliest is on."""
    period = round(TIMER_HZ / rate) / TIMER_HZ * 1e6
    offsets = starts - period * np.round((starts - starts[0]) / period)
    return offsets - offsets.min()


def expected(master: Master, count: int) -> NDArray[np.int64]:
    """What the ADC has given: (count, channels), by the times at which it looked."""
    done = conversions(master)
    width = len({number for number, _ in done})
    values = [signal(number - 10)(us + SAMPLING_US[number]) for number, us in done[: count * width]]
    return np.array(values).reshape(-1, width)


# -------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize("channels", [A0, 0b0010_1010, ALL_ANALOG, A6])
def test_what_stands_at_the_pins_arrives_under_its_number(master: Master, channels: int) -> None:
    sample(master, channels, 1000)
    master.machine.run(milliseconds=50)
    first, words = drain(master, 0)
    assert first == 0
    assert len(words) >= 50
    assert (words == expected(master, len(words))).all()
    assert words.shape[1] == channels.bit_count()
    assert {number for number, _ in conversions(master)} == {
        10 + channel for channel in range(ANALOG) if channels >> channel & 1
    }
    assert master.value("SCANS_LOST") == 0


def test_levels_are_read_as_the_scan_begins(master: Master) -> None:
    machine = master.machine
    machine.pins["PC6"] = lambda us: int(us / 4000) % 2
    machine.pins["PC9"] = 1
    sample(master, 1 | 0b1001 << ANALOG, 1000)
    machine.run(milliseconds=60)
    _, words = drain(master, 0)
    started = scans(master)[: len(words)]
    assert words[:, 1].tolist() == [8 | int(us / 4000) % 2 for us in started]
    assert set(words[:, 1]) == {8, 9}
    sample(master, 0b0001 << ANALOG, 1000)
    machine.run(milliseconds=30)
    first, levels = drain(master, len(words))
    assert first >= len(words), "numbers run on"
    assert len(levels) >= 30
    assert set(levels[:, 0]) == {0, 1}
    assert conversions(master) == [], "no analog channel is wanted"


def test_the_channels_and_the_calibration_are_the_boards(master: Master) -> None:
    assert master.value("CHANNELS") == ALL
    reference, cold, hot = CALIBRATION
    row = BY_NAME["CALIBRATION"]
    assert unpack(row, master.read(row.table, row.address, row.size)) == [cold, hot, reference]


# --------------------------------------------------------------------------------------------------------- rates


@pytest.mark.parametrize("rate", [1, 7, 999, 1000, 4801, 9973, RATE_MAX])
def test_the_rate_is_what_was_asked_for(master: Master, rate: int) -> None:
    sample(master, A0, rate)
    master.machine.run(seconds=max(0.05, 3.5 / rate))
    steps = np.diff(scans(master))
    assert steps.mean() == pytest.approx(1e6 / rate, rel=1e-4)
    assert np.ptp(steps) < 0.2


def test_every_whole_rate_is_within_a_ten_thousandth() -> None:
    """The period is the nearest whole number of cycles of the timer; test above: that is what the board does."""
    rates = np.arange(1, RATE_MAX + 1)
    true = TIMER_HZ / ((TIMER_HZ + rates // 2) // rates)
    assert np.abs(true / rates - 1).max() < 1e-4


def test_all_channels_at_the_highest_rate(master: Master) -> None:
    sample(master, ALL, RATE_MAX)
    master.machine.run(milliseconds=40)
    starts, done = scans(master), conversions(master)
    last = [us for number, us in done if number == 17]
    took = max(end - start for start, end in zip(starts, last, strict=False)) + (480 + CONVERTING) * ADC_US
    assert took < 76
    assert lateness(starts, RATE_MAX).max() < 0.2
    assert len(starts) >= 400
    _, words = drain(master, 0, 400)
    assert (words[:, :ANALOG] == expected(master, 400)).all()
    assert master.value("SCANS_LOST") == 0


# ------------------------------------------------------------------------------------------------------- on time


def full_traffic(master: Master) -> list[bytes]:
    """The longest requests there are, function 16 and function 23."""
    words = list(range(1, 1 + WRITE_REGISTERS_MAX))
    return [
        write_registers_pdu(STAGE, words),
        write_read_pdu(STAGE, words[:FC23_WRITE_REGISTERS_MAX], STAGE, READ_REGISTERS_MAX),
    ]


def test_no_sample_is_late_under_full_traffic(master: Master) -> None:
    sample(master, A0 | 1 << ANALOG, 1000)
    for pdu in itertools.islice(itertools.cycle(full_traffic(master)), 40):
        master.ask(pdu)
    starts = scans(master)
    assert len(starts) > 150
    assert lateness(starts, 1000).max() < LATE_US
    _, words = drain(master, 0)
    assert (words[:, :1] == expected(master, len(words))).all()
    assert master.value("SCANS_LOST") == 0
    assert master.machine.chip.usart3.lost == 0


@pytest.mark.parametrize("rate", [1000, RATE_MAX])
def test_no_sample_is_late_while_the_flash_is_at_work(master: Master, rate: int) -> None:
    """A commit programs 2,000 words, then erases the other sector, and full requests come."""
    machine, flash = master.machine, master.machine.chip.flash
    image = encode(largest())
    crc = int.from_bytes(image[-4:], "little")
    master.stage(image)
    master.command(Command.VERIFY, len(image), crc)
    sample(master, A0, rate)
    programs, erases = flash.programs, sum(flash.erases)
    master.command(Command.COMMIT, crc=crc)
    requests = itertools.cycle(full_traffic(master))
    machine.run_until(lambda: flash.programs > programs, 100_000)
    words_us = machine.us
    machine.run_until(lambda: flash.programs > programs + 2000, 1_000_000)
    flash.slowness = 0.2  # an erase of 50 ms
    machine.run_until(lambda: sum(flash.erases) > erases, 1_000_000)
    erase_us, end_us = (time / 1e9 for time in (flash.operations[0].start, flash.operations[0].end))
    refused = 0
    while machine.us < end_us:
        with contextlib.suppress(Refused):
            refused += 1
            master.ask(next(requests))
            refused -= 1
    assert refused > 10, "the erase keeps the node from serving, and nothing else"
    starts = scans(master)
    for begin, end in ((words_us, erase_us), (erase_us, end_us)):
        there = (starts >= begin) & (starts < end)
        assert there.sum() == pytest.approx((end - begin) * rate / 1e6, abs=1)
        assert lateness(starts, rate)[there].max() < LATE_US
    assert master.value("SCANS_LOST") == 0
    number = (master.value("SAMPLES_HEAD") - 200) & 0xFFFF_FFFF
    first, words = drain(master, number, number + 200)
    assert (words[:, 0] == expected(master, first + len(words))[first:, 0]).all()


# --------------------------------------------------------------------------------------------------------- losses


def test_what_was_slept_over_is_counted(master: Master) -> None:
    """The core stands for 5 ms: the scans of that time have numbers, and their words say that they are missing."""
    machine = master.machine
    sample(master, A0, 1000)
    machine.run(milliseconds=20.3)
    machine.halt(seconds=0.005)
    machine.run(milliseconds=20)
    starts = scans(master)
    gaps = np.round(np.diff(starts) / 1000).astype(int) - 1
    lost = int(gaps.sum())
    assert lost in (4, 5)
    assert master.value("SCANS_LOST") == lost
    _, words = drain(master, 0)
    missing = words[:, 0] == SAMPLE_MISSING
    assert missing.sum() == lost
    numbers = np.concatenate([[0], np.cumsum(1 + gaps)])
    seen = numbers[numbers < len(words)]
    assert not missing[seen].any()
    assert (words[seen, 0] == expected(master, len(seen))[:, 0]).all()


def test_a_scan_that_outlasts_its_period_costs_the_next(master: Master) -> None:
    """Sampling times are changed behind the firmware's back: eight channels now last 187 us."""
    sample(master, ALL_ANALOG, 5000)
    master.machine.run(milliseconds=1.05)
    master.machine.run_until(lambda: master.machine.chip.adc1.idle, 1000)
    master.machine.chip.adc1.reg["SMPR1"] = 0o77777777
    master.machine.run(milliseconds=10)
    sample_lost = master.value("SCANS_LOST")
    assert sample_lost == 0
    sample(master, ALL_ANALOG, RATE_MAX)
    master.machine.run_until(lambda: master.machine.chip.adc1.idle, 1000)
    master.machine.chip.adc1.reg["SMPR1"] = 0o77777777
    conversions(master).clear()
    master.machine.run(milliseconds=20)
    starts = scans(master)
    assert np.diff(starts) == pytest.approx(200, abs=1), "every other one"
    assert master.value("SCANS_LOST") == pytest.approx(len(starts), abs=2)


def test_an_overrun_costs_its_scan_and_no_more(master: Master) -> None:
    """The DMA does not take what the ADC gives: the scan stands until the next tick begins anew."""
    machine = master.machine
    sample(master, 0b11, 1000)
    machine.run(milliseconds=10)
    machine.run_until(lambda: not machine.chip.adc1.idle, 2000)
    machine.chip.dma2.reg["S0CR"] &= ~1
    machine.run(milliseconds=10)
    assert master.value("SCANS_LOST") == 1
    _, words = drain(master, 0)
    assert (words[:, 0] == SAMPLE_MISSING).sum() == 1
    told = words[:, 0] != SAMPLE_MISSING
    whole = [us for number, us in conversions(master) if number == 10]
    values = [signal(0)(us + SAMPLING_US[10]) for us in whole]
    assert (words[told, 0] == np.array(values[: len(words)])[told]).all()


@pytest.mark.parametrize("dead", ["ADC", "DMA"])
def test_a_converter_that_stands_is_begun_anew_and_its_scans_are_lost(master: Master, dead: str) -> None:
    """One channel: no overrun tells of it."""
    machine = master.machine
    sample(master, A0, 1000)
    machine.run(milliseconds=10)
    machine.run_until(lambda: not machine.chip.adc1.idle, 2000)
    machine.chip.adc1.dead = dead == "ADC"
    machine.chip.dma2.reg["S0CR"] &= ~int(dead == "DMA")
    machine.run(milliseconds=3)
    machine.chip.adc1.dead = False
    machine.run(milliseconds=20)
    assert master.value("SCANS_LOST") == 4, "the dead one, two that wait for it, one while the ADC gets ready"
    _, words = drain(master, 0)
    assert (words[:, 0] == SAMPLE_MISSING).sum() == 4
    assert np.ptp(np.flatnonzero(words[:, 0] == SAMPLE_MISSING)) == 3
    assert abs(len(words) - np.ptp(scans(master)) / 1000) < 2, "the numbers run on with the time"


def test_a_dead_converter_is_told_and_does_not_stop_the_node(master: Master) -> None:
    machine = master.machine
    sample(master, A0, 1000)
    machine.run(milliseconds=10)
    events = master.value("EVENTS_HEAD")
    machine.chip.adc1.dead = True
    before = master.value("SCANS_LOST"), master.value("SAMPLES_HEAD")
    machine.run(milliseconds=40)
    lost, head = master.value("SCANS_LOST") - before[0], master.value("SAMPLES_HEAD") - before[1]
    assert lost >= 36
    assert head == pytest.approx(lost, abs=2)
    master.write(*placed(EVENT_FROM=events))
    assert master.value("EVENT_KIND") == EventKind.GAP
    machine.run_until(lambda: not machine.chip.adc1.idle, 10_000)
    sample(master, 0, 1000)
    assert master.value("SAMPLING_RATE") == 0
    machine.chip.adc1.dead = False
    sample(master, A0, 1000)
    machine.run(milliseconds=10)
    assert len(scans(master)) >= 10
    assert (drain(master, master.value("SAMPLES_HEAD") - 5)[1] != SAMPLE_MISSING).all()


def test_sampling_stops_when_nobody_wants_it(master: Master) -> None:
    sample(master, ALL, RATE_MAX)
    master.machine.run(milliseconds=5)
    head = register_bytes(master.read(BY_NAME["SAMPLES_HEAD"].table, BY_NAME["SAMPLES_HEAD"].address, 2))
    sample(master, 0, 1000)
    master.machine.run(milliseconds=50)
    assert conversions(master) == []
    after = register_bytes(master.read(BY_NAME["SAMPLES_HEAD"].table, BY_NAME["SAMPLES_HEAD"].address, 2))
    assert int.from_bytes(after, "big") >= int.from_bytes(head, "big")
    machine = master.machine
    machine.chip.cpu.entries.clear()
    machine.run(milliseconds=20)
    assert not {16 + 28, 16 + 56} & machine.chip.cpu.entries.keys()


# -------------------------------------------------------------------------------------------------- on its own


def decided(master: Master) -> tuple[int, list[int], list[int], list[int], bool, bool]:
    """The window that is next decided, as the port is told of it: no master asks."""
    machine = master.machine
    machine.run_to("port_decided")
    sample, inputs, outputs, features, q, y, flags = struct.unpack(
        "<7I", machine.read(machine.chip.engine.reg(arm.UC_ARM_REG_R0), 28)
    )

    def words(form: str, address: int, count: int) -> list[int]:
        return list(struct.unpack(f"<{count}{form}", machine.read(address, struct.calcsize(form) * count)))

    return (
        sample,
        words("I", features, inputs),
        words("h", q, inputs),
        words("h", y, outputs),
        bool(flags & 1),
        bool(flags >> 8 & 1),
    )


def test_the_node_decides_as_the_pc_does(master: Master) -> None:
    """What the PC makes of the same scans: features, inputs, outputs, decision and lamp of every window, `==`."""
    machine = master.machine
    count = 224
    run = sensing.recording(count * sensing.HOP + sensing.WINDOW, [])
    seen: dict[int, list[int]] = {NAMES.index(name): [] for name in run.channels}

    def played(place: int) -> Callable[[float], int]:
        """One row of the recording a scan; the ADC and the port ask once for each."""
        column, asked = run.raw[:, place].tolist(), seen[NAMES.index(run.channels[place])]

        def value(us: float) -> int:
            asked.append(column[len(asked) % len(column)])
            return asked[-1]

        return value

    for place, name in enumerate(run.channels):
        if is_analog(name):
            machine.analog[NAMES.index(name)] = played(place)
        else:
            machine.pins[f"PC{6 + int(name[1:])}"] = played(place)
    model = sensing.model(run)
    master.deploy(encode(model))
    assert master.value("SAMPLING_RATE") == sensing.RATE
    windows = [decided(master)]
    while windows[-1][0] < count * sensing.HOP:
        windows.append(decided(master))
    assert len(windows) >= 200
    hops = windows_of(model, 0, seen)
    first = hops.samples.tolist().index(windows[0][0])
    for index, window in enumerate(windows, first):
        pc_says = (
            int(hops.samples[index]),
            hops.features[index].tolist(),
            hops.inputs[index].tolist(),
            hops.outputs[index].tolist(),
            bool(hops.decisions[index]),
        )
        assert window[:5] == pc_says, f"window {index}"
        assert window[5] == window[4], "the lamp shows the decision"
    assert len({window[4] for window in windows}) == 2, "both happen"
    assert master.value("SCANS_LOST") == master.value("WINDOWS_MISSED") == 0
