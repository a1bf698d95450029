"""USART3, the transceiver and the flash sins, on samples/echo.c and samples/mischief.c."""

from __future__ import annotations

import itertools

import pytest

from . import Machine, Timeout, Violation
from .conftest import Builder

VARIANTS: dict[str, tuple[str, ...]] = {"interrupts": (), "dma": ("-DDMA",)}
CHARACTER_US = 11 / 19200 * 1e6


def echo(sample: Builder, *options: str) -> Machine:
    machine = Machine(sample("echo", *options))
    machine.run_to("ready")
    return machine


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_a_frame_comes_back(sample: Builder, options: tuple[str, ...]) -> None:
    machine = echo(sample, *options)
    assert machine.request(b"hello, world") == b"hello, world"
    assert machine.request(bytes(range(256))) == bytes(range(256))
    assert [machine.word(name) for name in ("parity_errors", "framing_errors", "overruns")] == [0, 0, 0]


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_direction_and_pace(sample: Builder, options: tuple[str, ...]) -> None:
    machine = echo(sample, *options)
    assert machine.request(b"abcd") == b"abcd"
    signals = [(edge.signal, edge.level) for edge in machine.bus.edges]
    assert signals == [("RE", 1), ("SE", 1), ("SE", 0), ("RE", 0)]
    sent = machine.bus.received
    assert {one.format for one in sent} == {"8E1"}
    starts = [one.start_us for one in sent]
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert gaps == pytest.approx([CHARACTER_US] * 3, rel=0.001)
    assert machine.bus.edges[2].us == pytest.approx(sent[-1].end_us, abs=5)


@pytest.mark.parametrize(
    ("cr1", "brr", "form", "baud"),
    [("0", "42", "8N1", 1_000_000), ("0x1600", "364", "8O1", 115_384), ("0x400", "4375", "7E1", 9600)],
)
def test_other_formats(sample: Builder, cr1: str, brr: str, form: str, baud: int) -> None:
    machine = Machine(sample("echo", f"-DCR1_FORMAT={cr1}", f"-DBRR={brr}"))
    machine.bus.format, machine.bus.baud = form, baud
    machine.run_to("ready")
    assert machine.request(b"\x55\x7f\x00") == b"\x55\x7f\x00"
    assert machine.bus.received[0].baud == pytest.approx(baud, rel=0.005)


def test_spoilt_characters_show(sample: Builder) -> None:
    machine = echo(sample)
    machine.bus.send(b"abc", bad_parity=[1])
    machine.run(milliseconds=20)
    assert machine.word("parity_errors") == 1
    machine.bus.send(b"abc", bad_stop=[2])
    machine.run(milliseconds=20)
    assert machine.word("framing_errors") == 1


def test_a_host_in_another_format_is_misheard(sample: Builder) -> None:
    machine = echo(sample)
    machine.bus.send(b"\x01\x03\x07", format="8N1")
    machine.run(milliseconds=20)
    assert machine.word("parity_errors") == 1  # the stop bit is taken for parity: right for 1 and 7
    machine.bus.send(b"\x00", baud=9600)
    machine.run(milliseconds=20)
    assert machine.word("framing_errors") == 1


def test_overrun_when_nobody_reads(sample: Builder) -> None:
    machine = Machine(sample("mischief"))
    machine.run_to("ready")
    machine.bus.send(b"xyz")
    machine.run(milliseconds=3)
    assert machine.chip.usart3.reg["SR"] & 0x38 == 0x38  # RXNE, IDLE, ORE
    assert machine.chip.usart3.lost == 2


def test_nothing_is_heard_while_re_is_high(sample: Builder) -> None:
    machine = Machine(sample("mischief"))
    machine.run_to("ready")
    machine.bus.send(b"x", delay_us=10)
    machine.run(microseconds=200)
    machine.chip.gpio["B"].store("BSRR", 1 << 8)
    machine.run(milliseconds=2)
    assert not machine.chip.usart3.reg["SR"] & 0x20


def test_idle_comes_a_character_after_the_last_one(sample: Builder) -> None:
    machine = Machine(sample("mischief"))
    machine.run_to("ready")
    machine.bus.send(b"xyz", gap_us=0.5 * CHARACTER_US)
    machine.run(microseconds=4.9 * CHARACTER_US)
    assert not machine.chip.usart3.reg["SR"] & 0x10
    machine.run(microseconds=0.2 * CHARACTER_US)
    assert machine.chip.usart3.reg["SR"] & 0x10


def test_dma_flags_its_half(sample: Builder) -> None:
    machine = echo(sample, "-DDMA")  # 300 bytes of room
    machine.bus.send(bytes(200))
    machine.run(microseconds=149.5 * CHARACTER_US)
    assert machine.chip.dma1.reg["LISR"] == 0
    machine.run(microseconds=CHARACTER_US)
    assert machine.chip.dma1.reg["LISR"] == 1 << 10


def test_a_deaf_node_hears_nothing(sample: Builder) -> None:
    machine = Machine(sample("mischief"))
    machine.run_to("ready")
    machine.jump("deaf")
    machine.run_to("ready")
    machine.bus.send(b"x")
    machine.run(milliseconds=2)
    assert not machine.chip.usart3.reg["SR"] & 0x20


def test_a_transmitter_begins_with_an_idle_character(sample: Builder) -> None:
    machine = Machine(sample("mischief"))
    machine.run_to("ready")
    machine.jump("restart_transmitter")
    begun = machine.us
    machine.run(milliseconds=2)
    assert machine.bus.received[0].start_us - begun == pytest.approx(CHARACTER_US, abs=1)


def test_silence_is_an_empty_reply(sample: Builder) -> None:
    machine = Machine(sample("mischief"))
    machine.run_to("ready")
    assert machine.request(b"?", timeout_us=5000) == b""
    with pytest.raises(Timeout, match="a reply"):
        machine.run_until(lambda: machine.bus.received, 1000, "a reply")


SINS = {
    "read_unmodelled": "read of 0x40013000, where nothing has a model",
    "write_unmodelled": "write to 0x50060800, where nothing has a model",
    "unknown_bit": "bits 0x4000 have no model",
    "halfword_register": "by 16 bits",
    "gpio_unclocked": "GPIOA.* while its clock in RCC AHB1ENR is off",
    "timer_unclocked": "write of TIM2.* clock in RCC APB1ENR is off",
    "timer_unclocked_read": "read of TIM2.* is off",
    "flash_locked": "while the flash is locked",
    "flash_without_pg": "without FLASH_CR.PG",
    "flash_wrong_width": "32 bits with PSIZE x8",
    "flash_control_locked": "FLASH.CR = 0x200 while it is locked",
    "flash_wrong_key": "is not the next key",
    "flash_raise_bit": "a bit rises from 0 to 1",
    "flash_erase_self": "holds the running code",
    "flash_pg_and_ser": "PG and SER together",
    "flash_stale_cache": "data cache on",
    "flash_from_ram": "access to flash .* while it is busy",
    "latency": "flash latency 1 at 168000000 Hz: 5",
    "pll_while_on": "PLLCFGR is written while the PLL is on",
    "hse_off": "PLL is switched off while the core runs on it",
    "bus_too_fast": "clocks too fast",
    "both_bits": "sets and resets the same pin",
    "se_before_re": "SE .* rises while RE .* is low",
    "re_before_se": "RE .* falls while SE .* is high",
    "re_with_se": "change in one write",
    "send_without_se": "while SE .* is low",
    "se_off_early": "before the last character has left",
    "release_on_txe": "before the last character has left",
    "stale_tc": "before the last character has left",
    "overwrite_data": "while TXE is 0",
    "transmitter_off": "while the transmitter is off",
    "wrong_parity": "at 19196 8O1; the line runs at 19200 8E1",
    "seven_bits": "7E1; the line",
    "wrong_baud": "at 9600 8E1; the line runs at 19200",
    "change_while_sending": "BRR changes .* while a character is being sent",
    "wrong_pin": "PD8 is not in alternate function 7",
    "watchdog_no_key": "without the key 0x5555",
    "watchdog_bad_key": "is no key",
    "watchdog_busy": "still on its way",
    "counter_without_trace": "TRCENA is off",
    "reset_without_key": "without the key 0x05FA",
    "table_misaligned": "aligned to 512",
    "wait_for_event": "WFE has no model",
    "deep_sleep": "SCS.SCR.* have no model",
    "fpu_off": "before CPACR gave access",
    "interrupt_83": "has no interrupt 84",
    "divide_trap": "SCS.CCR.* have no model",
}


@pytest.mark.parametrize("function", SINS)
def test_a_sin_is_found(sample: Builder, function: str) -> None:
    machine = Machine(sample("mischief"))
    machine.run_to("ready")
    machine.jump(function)
    with pytest.raises(Violation, match=SINS[function]) as caught:
        machine.run(seconds=1)
    assert "[at " in str(caught.value)


def test_the_same_done_well_is_no_sin(sample: Builder) -> None:
    machine = Machine(sample("mischief"))
    machine.run_to("ready")
    machine.jump("good_byte")
    machine.run_to("ready")
    assert machine.bus.data == b"A"


def test_driving_into_another_sender(sample: Builder) -> None:
    machine = Machine(sample("mischief"))
    machine.run_to("ready")
    machine.bus.send(b"x")
    machine.run(microseconds=100)
    machine.jump("drive_now")
    with pytest.raises(Violation, match="rises while another node is sending"):
        machine.run(milliseconds=1)


def test_the_host_may_not_talk_over_the_node_unless_it_means_to(sample: Builder) -> None:
    for collide in (False, True):
        machine = Machine(sample("mischief"))
        machine.run_to("ready")
        machine.jump("drive_now")
        machine.run(milliseconds=1)
        machine.bus.send(b"x", collide=collide)
        if collide:
            machine.run(milliseconds=2)
        else:
            with pytest.raises(RuntimeError, match="while the node drives"):
                machine.run(milliseconds=2)


def test_a_driver_left_on(sample: Builder) -> None:
    machine = Machine(sample("mischief"))
    machine.run_to("ready")
    machine.jump("driver_left_on")
    machine.run_to("ready")
    machine.bus.send(b"x")
    with pytest.raises(Violation, match="is still high while another node is sending"):
        machine.run(milliseconds=1)
