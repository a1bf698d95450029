"""The real ELF on its RS485 line: direction, silences, speeds, formats, damage, and what other nodes say."""

from __future__ import annotations

import itertools
import struct
from pathlib import Path

import pytest

from host.core.image import encode
from host.core.modbus import WRITE_REGISTERS_MAX, frame_seal, write_registers_pdu
from host.core.registers import bytes_registers, placed
from host.core.wire import BAUD_MAX, BAUD_MIN, BY_NAME, Format, Gap, Table
from tests.e2e.scenario import AND
from tests.elf import Edge
from tests.elf.firmware import START_MS, firmware_elf, powered, prepared
from tests.elf.master import FORMATS, Master

ECHO = bytes.fromhex("08 00 00 A5 37")
BUS_MESSAGES, BUS_ERRORS, EXCEPTIONS, SERVER_MESSAGES, NO_RESPONSES, OVERRUNS = 11, 12, 13, 14, 15, 18
STAGE = BY_NAME["STAGE"].address


@pytest.fixture(scope="module")
def elf() -> Path:
    return firmware_elf()


@pytest.fixture(scope="module")
def flash(elf: Path) -> bytes:
    """A node's flash with its stores prepared."""
    return prepared(elf)


@pytest.fixture
def master(elf: Path, flash: bytes) -> Master:
    return powered(elf, flash=flash)


def character_us(master: Master) -> float:
    return master.machine.bus.character() / 1e9


def direction(master: Master) -> list[Edge]:
    return [edge for edge in master.machine.bus.edges if edge.signal in ("RE", "SE")]


def check_reply(master: Master, pdu: bytes, silence_us: float | None = None) -> bytes:
    """Ask; the direction lines and the silence before the reply are as the rules want them."""
    bus = master.machine.bus
    heard, edges = len(bus.received), len(direction(master))
    reply = master.ask(pdu)
    sent = bus.received[heard:]
    on_re, on_se, off_se, off_re = direction(master)[edges:]
    assert [(e.signal, e.level) for e in (on_re, on_se, off_se, off_re)] == [
        *(("RE", 1), ("SE", 1), ("SE", 0), ("RE", 0)),
    ]
    silence = 3.5 * character_us(master) if silence_us is None else silence_us
    assert on_re.us - bus.host_end_us >= silence * 0.999
    assert sent[0].start_us - bus.host_end_us >= silence * 0.999
    assert on_re.us <= on_se.us <= sent[0].start_us
    assert 0 <= off_se.us - sent[-1].end_us < 10, "released after the last stop bit, and at once"
    assert off_se.us <= off_re.us < off_se.us + 5
    gaps = [late.start_us - early.end_us for early, late in itertools.pairwise(sent)]
    assert max(gaps) < 0.1 * character_us(master), "no gap inside a frame"
    return reply


# ------------------------------------------------------------------------------------------- speeds and formats


@pytest.mark.parametrize("gap", Gap, ids=lambda gap: gap.name.lower())
@pytest.mark.parametrize("form", Format, ids=lambda form: FORMATS[form])
@pytest.mark.parametrize("baud", [BAUD_MIN, 9600, 19200, 38400, 115200, 460800, BAUD_MAX])
def test_replies_at_every_speed_and_format(master: Master, baud: int, form: Format, gap: Gap) -> None:
    master.set_line(baud, form, gap, address=9)
    standard = gap is Gap.STANDARD and baud > 19200
    assert check_reply(master, ECHO, 1750 if standard else None) == ECHO
    assert {sent.format for sent in master.machine.bus.received[-8:]} == {FORMATS[form]}
    master.machine.cut_power()
    master.machine.boot()
    master.machine.run(milliseconds=START_MS)
    assert check_reply(master, ECHO, 1750 if standard else None) == ECHO
    assert master.read(*settings_area()) == placed(ADDRESS=9, BAUD=baud, FORMAT=form, GAP=gap)[1]
    assert master.counter(BUS_ERRORS) == master.counter(OVERRUNS) == 0


def settings_area() -> tuple[int, int, int]:
    register = BY_NAME["ADDRESS"]
    return register.table, register.address, 5


@pytest.mark.parametrize("off", [-0.02, 0.02])
def test_two_percent_off(master: Master, off: float) -> None:
    master.machine.bus.send(master.frame(ECHO), baud=round(19200 * (1 + off)))
    master.machine.run(milliseconds=30)
    assert master.machine.bus.data == master.frame(ECHO)


# ------------------------------------------------------------------------------------------------- full frames


def test_full_frames_back_to_back_at_the_highest_speed(master: Master) -> None:
    """123 registers a frame, and the true 3.5 characters between reply and next request: nothing is lost."""
    master.set_line(BAUD_MAX, Format.F8E1, Gap.TRUE_CHARACTERS)
    pattern = bytes(range(256))[: 2 * WRITE_REGISTERS_MAX]
    for number in range(32):
        words = bytes_registers(pattern[number:] + pattern[:number])
        reply = check_reply(master, write_registers_pdu(STAGE + number * WRITE_REGISTERS_MAX, words))
        assert reply == struct.pack(">BHH", 16, STAGE + number * WRITE_REGISTERS_MAX, WRITE_REGISTERS_MAX)
    for number in range(32):
        words = bytes_registers(pattern[number:] + pattern[:number])
        assert master.read(Table.HOLDING, STAGE + number * WRITE_REGISTERS_MAX, 123) == words
    assert (master.counter(OVERRUNS), master.counter(BUS_ERRORS)) == (0, 0)
    assert master.machine.chip.usart3.lost == 0


@pytest.mark.parametrize("size", [256, 257, 300, 1000])
def test_frames_of_256_bytes_and_more(master: Master, size: int) -> None:
    master.machine.bus.send(frame_seal(b"\x01\x03" + bytes(size - 4)))
    master.machine.run(milliseconds=size)
    assert len(master.machine.bus.data) == (5 if size == 256 else 0)  # exception 03
    assert check_reply(master, ECHO) == ECHO
    assert master.counter(BUS_ERRORS) == (size > 256)


def test_requests_at_the_highest_speed_while_the_flash_is_programmed(master: Master) -> None:
    """A word takes longer than a character: the receiver must be heard meanwhile."""
    master.set_line(BAUD_MAX, Format.F8E1, Gap.TRUE_CHARACTERS)
    image = encode(AND)
    master.stage(image)
    crc = int.from_bytes(image[-4:], "little")
    master.command(1, len(image), crc)
    master.command(2, crc=crc)
    machine = master.machine
    before = machine.chip.flash.programs
    hit = 0
    while machine.chip.flash.programs < before + 25:
        machine.run_until(lambda: machine.chip.flash.busy, 10_000)
        machine.run(
            microseconds=1 + 4 * (hit % 4)
        )  # then the first characters fall into a program, or onto its end
        assert master.ask(ECHO) == ECHO
        hit += 1
    assert hit > 5
    assert machine.chip.usart3.lost == 0
    master.wait_idle()
    assert master.value("MODEL_CRC") == crc
    assert (master.counter(OVERRUNS), master.counter(BUS_ERRORS)) == (0, 0)


# ------------------------------------------------------------------------------------------------------ damage


def silent(master: Master, pause_ms: float = 60) -> None:
    heard = len(master.machine.bus.received)
    master.machine.run(milliseconds=pause_ms)
    assert len(master.machine.bus.received) == heard


@pytest.mark.parametrize("index", [0, 1, 6, 7])
@pytest.mark.parametrize("damage", ["bad_parity", "bad_stop"])
def test_a_damaged_character_spoils_its_frame_only(master: Master, damage: str, index: int) -> None:
    spoilt = {damage: [index]}
    master.machine.bus.send(master.frame(ECHO), **spoilt)  # type: ignore[arg-type]
    silent(master)
    assert master.ask(ECHO) == ECHO
    assert master.counter(BUS_ERRORS) == 1


def test_noise_spoils_its_frame_only(master: Master) -> None:
    usart = master.machine.chip.usart3
    master.machine.bus.send(master.frame(ECHO))
    master.machine.run(microseconds=2.5 * character_us(master))
    receive = usart.receive

    def noisy(bits: list[int], bit: int) -> None:
        usart.reg["SR"] |= 1 << 2  # NF
        usart.receive = receive  # type: ignore[method-assign]
        receive(bits, bit)

    usart.receive = noisy  # type: ignore[method-assign]
    silent(master)
    assert master.ask(ECHO) == ECHO
    assert master.counter(BUS_ERRORS) == 1


def test_an_overrun_is_counted_and_spoils_its_frame_only(master: Master) -> None:
    machine = master.machine
    machine.bus.send(master.frame(ECHO))
    machine.run(microseconds=2.5 * character_us(master))
    machine.chip.stall(machine.chip.time.now + int(2 * machine.bus.character()))
    silent(master)
    assert machine.chip.usart3.lost > 0
    assert master.ask(ECHO) == ECHO
    assert master.counter(OVERRUNS) == machine.chip.usart3.lost


def test_a_wrong_crc_is_counted_and_not_answered(master: Master) -> None:
    frame = master.frame(ECHO)
    master.machine.bus.send(frame[:-1] + bytes([frame[-1] ^ 1]))
    silent(master)
    assert master.counter(BUS_ERRORS) == 1
    assert master.ask(ECHO) == ECHO


@pytest.mark.parametrize(("form", "errors"), [("8O1", 1), ("8N1", 1)])
def test_a_master_with_another_format(master: Master, form: str, errors: int) -> None:
    master.machine.bus.send(master.frame(ECHO), format=form)
    silent(master)
    assert master.ask(ECHO) == ECHO
    assert master.counter(BUS_ERRORS) == errors


def test_a_pause_inside_a_frame_ends_it(master: Master) -> None:
    bus, frame = master.machine.bus, master.frame(ECHO)
    bus.send(frame[:4])
    bus.send(frame[4:], delay_us=4.5 * character_us(master))
    silent(master)
    bus.send(frame, gap_us=1.2 * character_us(master))
    master.machine.run(milliseconds=60)
    assert bus.data == frame


# ---------------------------------------------------------------------------------------------------- other nodes


def test_what_others_say_is_heard_and_left_alone(master: Master) -> None:
    bus = master.machine.bus
    for other in (2, 17, 247):
        bus.send(frame_seal(bytes([other]) + ECHO), delay_us=5000)
        bus.send(frame_seal(bytes([other]) + ECHO), delay_us=5000)  # its reply
    silent(master, 120)
    assert direction(master) == []
    assert master.ask(ECHO) == ECHO
    assert master.counter(BUS_MESSAGES) >= 7


def test_a_broadcast_is_done_and_not_answered(master: Master) -> None:
    bus = master.machine.bus
    bus.send(frame_seal(b"\x00" + write_registers_pdu(BY_NAME["INPUTS"].address, [5, 6])))
    silent(master)
    assert master.read(Table.HOLDING, BY_NAME["INPUTS"].address, 2) == [5, 6]
