"""The ring of scans: numbers, gaps, what is sampled, levels and edges, against tests/sampler_model.py."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from host.core.image import encode
from host.core.modbus import write_read_pdu
from host.core.senses import Senses, Source
from host.core.wire import (
    ANALOG,
    BY_NAME,
    CHANNELS,
    DEFAULT_RATE,
    RATE_MAX,
    RATE_MIN,
    SAMPLE_MISSING,
    SAMPLE_WORDS,
    SAMPLES_MAX,
    Command,
    EventKind,
    Feature,
    Reason,
    Table,
)
from tests.e2e.scenario import AND
from tests.memory_node import MemoryNode, ModbusException, Scan
from tests.sampler_model import U32, SamplerModel

FAILURE, ADDRESS = 4, 2
ASKED = BY_NAME["SAMPLE_RATE"].address
FROM = BY_NAME["SAMPLE_FROM"].address
HEAD = BY_NAME["SAMPLES_HEAD"].address
NOW = BY_NAME["CHANNELS"].address
NOW_SIZE = BY_NAME["CALIBRATION"].address - NOW
READ = 5 + SAMPLES_MAX
A0, A1, D0 = 1, 2, 1 << ANALOG
ALL = (1 << CHANNELS) - 1


class Pair:
    """A node and its model, told the same."""

    def __init__(self, node: MemoryNode) -> None:
        self.node = node
        node.factory()
        node.board()
        self.model = SamplerModel()

    def ask(self, rate: int, channels: int) -> None:
        self.node.write(ASKED, [rate, channels])
        assert self.model.ask(rate, channels)

    def scan(self, analog: Sequence[int] = (), levels: int = 0, missed: int = 0) -> None:
        self.scans([Scan(analog, levels, missed)])

    def scans(self, scans: Sequence[Scan]) -> None:
        self.node.scans(scans)
        for scan in scans:
            for i in range(scan.times):
                self.model.scan(scan.analog, scan.levels, 0 if i else scan.missed)

    def read(self, number: int) -> list[int]:
        """One function 23, as host.record reads."""
        data = self.node.ask(write_read_pdu(FROM, [number >> 16, number & 0xFFFF], HEAD, READ))
        return [data[i] << 8 | data[i + 1] for i in range(2, len(data), 2)]

    def agrees(self, *numbers: int) -> None:
        for number in numbers:
            assert self.read(number % U32) == self.model.scans_words(number % U32), number
        assert self.node.read(Table.INPUT, NOW, NOW_SIZE) == self.model.now_words()

    def drain(self, number: int) -> dict[int, list[int]]:
        """All scans from a number on, by their number, as a recorder follows them."""
        found: dict[int, list[int]] = {}
        while True:
            words = self.read(number)
            head, first = words[0] << 16 | words[1], words[2] << 16 | words[3]
            width = self.model.width
            count = min((head - first) % U32, SAMPLES_MAX // width)
            for i in range(count):
                found[(first + i) % U32] = words[5 + i * width : 5 + (i + 1) * width]
            assert words[5 + count * width :] == [SAMPLE_MISSING] * (SAMPLES_MAX - count * width)
            number = (first + count) % U32
            if number == head:
                return found


@pytest.fixture(scope="module")
def node(memory_node: MemoryNode) -> MemoryNode:
    """One goes through all of the tests, so that no number is small for long."""
    return memory_node


@pytest.fixture
def pair(node: MemoryNode) -> Pair:
    return Pair(node)


def ramp(rng: random.Random, count: int) -> list[Scan]:
    return [
        Scan([rng.randrange(4096) for _ in range(ANALOG)], levels=rng.randrange(16)) for _ in range(count)
    ]


# ------------------------------------------------------------------------------------------------------- numbers


def test_nothing_is_sampled_at_start(pair: Pair) -> None:
    assert pair.node.sampled() == (0, 0)
    pair.agrees(0, 1, U32 - 1)
    assert pair.node.read(Table.HOLDING, ASKED, 2) == [DEFAULT_RATE, 0]


@pytest.mark.parametrize("channels", [A0, 1 << 7, 0x3F, D0, 0xF00, A0 | D0, 0x5A5, ALL])
def test_a_scan_is_its_channels_ascending_then_the_levels(pair: Pair, channels: int) -> None:
    rng = random.Random(channels)
    pair.ask(1000, channels)
    assert pair.node.sampled() == (channels, 1000)
    pair.scans(ramp(rng, 50))
    pair.agrees(0, 1, 30, 49, 50, 51)
    assert pair.drain(0) == pair.model.frames
    assert len(pair.model.frames) == 50


def test_the_ring_holds_what_it_promises_and_then_the_newest(pair: Pair) -> None:
    rng = random.Random(3)
    pair.ask(1000, 0x107)
    capacity = SAMPLE_WORDS // 4
    pair.scans(ramp(rng, capacity))
    pair.agrees(0, capacity - 1)
    assert pair.drain(0) == pair.model.frames
    for _ in range(3):
        pair.scans(ramp(rng, rng.randrange(1, capacity)))
        pair.agrees(0, pair.model.oldest - 1, pair.model.oldest, pair.model.oldest + 1, pair.model.head - 1)
        found = pair.drain(0)
        assert found == pair.model.frames
        assert len(found) == capacity


def test_a_channel_alone_has_the_whole_ring(pair: Pair) -> None:
    pair.ask(RATE_MAX, A0)
    pair.scans([Scan([i % 4096]) for i in range(SAMPLE_WORDS + 5)])
    found = pair.drain(0)
    assert found == {i: [i % 4096] for i in range(5, SAMPLE_WORDS + 5)}


def test_numbers_run_on_over_changes_and_old_scans_are_gone(pair: Pair) -> None:
    pair.ask(1000, A0 | D0)
    pair.scans([Scan([5], 1, times=7)])
    pair.ask(1000, A0 | D0)
    pair.agrees(0)
    assert pair.model.oldest == 0, "asked for once more, it goes on"
    for rate, channels in [(500, A0 | D0), (500, A1), (500, 0), (500, A1), (400, A1)]:
        before = pair.model.head
        pair.ask(rate, channels)
        assert pair.node.sampled()[0] == channels
        pair.agrees(0, before, U32 - 1)
        if channels:
            pair.scans([Scan([1, 2], 1, times=3)])
            assert pair.drain(0).keys() == set(range(before, before + 3))


@pytest.mark.parametrize("channels", [A0, 0x3F, 0xF05])
def test_numbers_wrap(pair: Pair, channels: int) -> None:
    """Of the 64 bits that the node counts the wire has the lower 32."""
    rng = random.Random(5)
    pair.ask(RATE_MAX, channels)
    pair.scan([1], missed=U32 - 20)
    for _ in range(4):
        pair.scans(ramp(rng, 10))
        pair.agrees(0, 1, U32 - 1, U32 - 19, U32 - 20, 7, U32 // 2, pair.model.head)
    assert pair.model.head > U32
    first = U32 - 20
    assert pair.drain(first) == {i % U32: frame for i, frame in pair.model.frames.items()}
    pair.scan([1], missed=U32 - 1)
    pair.agrees(0, pair.model.head - 1, first)


# ---------------------------------------------------------------------------------------------------------- gaps


def test_lost_scans_are_there_as_missing(pair: Pair) -> None:
    pair.ask(1000, A0 | A1 | D0)
    pair.scan([1, 2], 1)
    pair.scan([3, 4], 0, missed=2)
    pair.agrees(*range(6))
    missing = [SAMPLE_MISSING] * 3
    assert pair.drain(0) == {0: [1, 2, 1], 1: missing, 2: missing, 3: [3, 4, 0]}


@pytest.mark.parametrize("channels", [A0, 0x107, 0xFF, ALL])
def test_gaps_at_the_ends_of_the_ring_and_beyond_it(pair: Pair, channels: int) -> None:
    rng = random.Random(channels)
    pair.ask(1000, channels)
    capacity = pair.model.capacity
    gaps = [1, 2, capacity - 2, capacity - 1, capacity, capacity + 1, 3 * capacity, 1]
    for gap in [*gaps, *rng.sample(gaps, len(gaps))]:
        pair.scans(ramp(rng, rng.choice([1, 2, capacity - 3, capacity])))
        pair.scans([Scan([7] * ANALOG, missed=gap)])
        model = pair.model
        pair.agrees(0, model.oldest, model.head - 1, model.head - 2, model.head - gap, model.head - gap - 2)
    assert pair.drain(0) == pair.model.frames


def test_a_gap_is_an_event_at_most_once_a_second(pair: Pair) -> None:
    node = pair.node
    pair.ask(1000, A0)

    def gaps() -> list[int]:
        found = []
        for i in range(node.get("EVENTS_HEAD")):
            node.write(BY_NAME["EVENT_FROM"].address, [0, i])
            if node.get("EVENT_KIND") == EventKind.GAP:
                found.append(node.get("EVENT_VALUE"))
        return found

    pair.scan(missed=3)
    node.work()
    assert gaps() == [3]
    for _ in range(5):
        pair.scan(missed=2)
        node.idle(2)
    node.advance(999)
    node.work()
    assert gaps() == [3]
    node.advance(1)
    node.work()
    assert gaps() == [3, 10]
    node.advance(5000)
    node.idle(3)
    assert gaps() == [3, 10]
    assert node.get("SCANS_LOST") == 13


# ------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("board", "rate", "channels"),
    [
        (ALL, RATE_MIN - 1, A0),
        (ALL, RATE_MAX + 1, A0),
        (ALL, RATE_MAX + 1, 0),
        (ALL, 1000, 1 << CHANNELS),
        (ALL & ~A1, 1000, A0 | A1),
        (0, 1000, A0),
    ],
)
def test_what_the_board_cannot_sample_is_refused_and_changes_nothing(
    pair: Pair, board: int, rate: int, channels: int
) -> None:
    node = pair.node
    node.board(board)
    before = node.read(Table.HOLDING, ASKED, 4)
    with pytest.raises(ModbusException) as error:
        node.write(ASKED, [rate, channels, 0, 77])
    assert error.value.code == FAILURE
    assert node.get("REASON") == Reason.SAMPLING
    assert node.read(Table.HOLDING, ASKED, 4) == before
    assert node.sampled() == (0, 0)
    assert node.get("CHANNELS") == board


def test_a_running_model_fixes_the_rate_and_its_channels(pair: Pair) -> None:
    node = pair.node
    source = Source(0, Feature.MEAN, 1, 4, 0)
    node.write(ASKED, [200, A1])
    node.deploy(encode(replace(AND, senses=Senses(500, 16, 8, 485, (source, source)))))
    assert node.sampled() == (A0 | A1, 500)
    assert node.get("SAMPLING_RATE") == 500
    for rate in (100, 1000):
        with pytest.raises(ModbusException) as error:
            node.write(ASKED, [rate])
        assert error.value.code == FAILURE
        assert node.get("REASON") == Reason.SAMPLING
    assert node.read(Table.HOLDING, ASKED, 2) == [200, A1]
    node.write(ASKED, [200, D0])
    assert node.sampled() == (A0 | D0, 500), "the rate is not asked for anew"
    node.scan([7], 1, times=3)
    node.write(ASKED, [500, 0])
    assert node.sampled() == (A0, 500)
    assert node.read(Table.HOLDING, HEAD, 4) == [0, 3, 0, 3], (
        "another scan: the ring is empty, the numbers go on"
    )
    node.scan([9], times=2)
    node.write(ASKED, [500, A0])
    assert pair.read(0)[:7] == [0, 5, 0, 3, A0, 9, 9], "what is sampled anyway changes nothing"
    node.deploy(encode(AND))
    assert node.sampled() == (A0, 500)


@pytest.mark.parametrize(
    ("address", "values"), [(FROM, [1]), (FROM + 1, [1]), (ASKED, [1000, 1, 0]), (HEAD, [0])]
)
def test_half_a_number_and_what_is_read_only_are_refused(pair: Pair, address: int, values: list[int]) -> None:
    with pytest.raises(ModbusException) as error:
        pair.node.write(address, values)
    assert error.value.code == ADDRESS
    assert pair.node.read(Table.HOLDING, ASKED, 4) == [DEFAULT_RATE, 0, 0, 0]


def test_a_part_of_the_scans_is_the_same_as_in_the_whole(pair: Pair) -> None:
    rng = random.Random(8)
    pair.ask(1000, 0x107)
    pair.scans(ramp(rng, 60))
    pair.node.write(FROM, [0, 11])
    whole = pair.node.read(Table.HOLDING, HEAD, READ)
    assert whole == pair.model.scans_words(11)
    for _ in range(40):
        first = rng.randrange(READ)
        count = rng.randrange(1, READ - first + 1)
        assert pair.node.read(Table.HOLDING, HEAD + first, count) == whole[first : first + count]


# -------------------------------------------------------------------------------------------------------- levels


@pytest.mark.parametrize(
    ("rate", "ms"), [(1000, 0), (1000, 1), (1000, 20), (10_000, 3), (7, 1000), (1, 1000), (333, 10)]
)
def test_levels_count_when_they_have_stood_and_their_rises_are_counted(
    pair: Pair, rate: int, ms: int
) -> None:
    """Random levels, with runs of every length about the debounce time, and lost scans among them."""
    rng = random.Random(rate * 1001 + ms)
    pair.node.write(BY_NAME["DEBOUNCE"].address, [ms])
    pair.node.command(Command.SAVE_SETTINGS)
    pair.node.work()
    pair.model.debounce_ms = ms
    pair.ask(rate, A0 | 0xD00)
    longest = 2 * (ms * rate // 1000) + 3
    levels = 0
    for _ in range(60):
        levels ^= rng.randrange(16)
        gap = rng.randrange(1, 5) if rng.random() < 0.05 else 0
        pair.scans([Scan([rng.randrange(4096)], levels, gap, rng.randrange(1, longest))])
        pair.agrees(pair.model.head - 5)
    assert pair.drain(0) == pair.model.frames
    if rate > 1:
        assert min(pair.model.edges[0], pair.model.edges[2], pair.model.edges[3]) > 0
    assert pair.model.edges[1] == 0, "it is not sampled"


def test_a_level_that_is_there_from_the_start_is_no_rise(pair: Pair) -> None:
    pair.ask(1000, 0xF00)
    pair.scan(levels=0b0101)
    pair.agrees(0)
    pair.scan(levels=0b1111)
    assert pair.model.edges == [0, 1, 0, 1]
    pair.agrees(0)
    pair.ask(1000, 0xF01)
    pair.scan([9], levels=0b0101)
    pair.scan([9], levels=0b0111)
    assert pair.model.edges == [0, 2, 0, 1]
    pair.agrees(0)


@pytest.mark.parametrize(
    ("rate", "period"), [(1000, 2), (1000, 10), (1000, 333), (1000, 2500), (10_000, 7), (50, 3)]
)
def test_a_steady_frequency_is_exact_and_falls_when_nothing_comes(pair: Pair, rate: int, period: int) -> None:
    pair.ask(rate, D0)
    high = period // 2
    wave = [Scan(levels=1, times=high), Scan(levels=0, times=period - high)]
    pair.scans(wave * (3 * max(rate // period, 1) + 1))
    pair.agrees(0)
    assert pair.model.frequency(0) == rate * 256 // period
    found = []
    for _ in range(4):
        pair.scans([Scan(times=rate)])
        pair.agrees(0)
        found.append(pair.model.frequency(0))
    assert found == sorted(found, reverse=True)
    assert found[-1] <= 256 // 4
    pair.scans([Scan(missed=257 * rate)])
    pair.agrees(0)
    assert pair.model.frequency(0) == 0


def test_a_frequency_that_changes_is_followed(pair: Pair) -> None:
    rng = random.Random(12)
    pair.ask(200, 0xF00)
    for _ in range(40):
        period = rng.randrange(2, 90)
        pair.scans([Scan(levels=rng.randrange(16), times=period // 2), Scan(times=period - period // 2)] * 4)
        if rng.random() < 0.1:
            pair.scan(missed=rng.randrange(1, 100))
        pair.agrees(pair.model.head - 3)
    assert all(pair.model.frequency(i) for i in range(4))
