"""Senses and decisions in an image: what is refused and why, in Python and in C, and what a node makes of it whose
board lacks a channel. tests/test_image.py damages them by the thousands."""

from __future__ import annotations

import struct
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from host import deploy
from host.core import features
from host.core.channels import NAMES
from host.core.decide import Decision
from host.core.image import HEADER, Model, Names, decode, encode
from host.core.modbus import DEVICE_FAILURE
from host.core.reader import ImageError
from host.core.registers import bytes_registers
from host.core.senses import DECIDES, SENSES, SOURCE, Senses, Source
from host.core.wire import (
    ANALOG,
    BAND_BINS_MAX,
    BY_NAME,
    CHANNEL_BUS,
    CHANNELS,
    DELAY_MAX,
    FEATURE_SHIFT_MAX,
    RATE_MAX,
    UNITS_MAX,
    VOTES_MAX,
    WINDOW_MAX,
    WINDOW_MIN,
    WINDOW_TEST,
    Command,
    Feature,
    Flag,
    Reason,
)
from host.errors import NeuronError
from tests.e2e.scenario import AND, OR, crc_of
from tests.e2e.stand_in import stand_in
from tests.memory_node import MemoryNode
from tests.models import random_model
from tests.parity.twins import BUILDS, Twins, Verdict, build_id, python_verdict
from tests.pdus import command_pdu
from tests.test_image import seal

RMS = Source(0, Feature.RMS, 3, 8, -500)
BAND = Source(1, Feature.BAND, 1, 12, 0, (5, 12))
EDGES = Source(8, Feature.COUNT, 256, 0, 0)
SOURCES = (RMS, None, BAND, EDGES)
WINDOW = 256
DECISION = Decision(-200, 3, 5, 100, 2000, 50, latch=True, before=True)


def plain(inputs: int = len(SOURCES), *, led_class: bool = False) -> Model:
    """A model of the bus, without a range or name."""
    rng = np.random.default_rng(485)
    while True:
        model = random_model(rng, largest=4, inputs=inputs)
        if HEADER.unpack_from(encode(model))[2] == 0 and model.outputs > 1:
            return replace(model, led_threshold=0 if led_class else 100, led_output=1, led_class=led_class)


def sensing(sources: tuple[Source | None, ...] = SOURCES, window: int = WINDOW) -> Model:
    return replace(plain(len(sources)), senses=Senses(1000, window, 128, 0x485, sources))


SENSING = sensing()
DECIDING = replace(plain(), decision=DECISION)
AT = HEADER.size + len(SOURCES)
"""Where both parts begin."""


def edited(image: bytes, offset: int, kind: str, *values: int) -> bytes:
    data = bytearray(image)
    struct.pack_into("<" + kind, data, AT + offset, *values)
    return seal(bytes(data))


@pytest.fixture(scope="module", params=BUILDS, ids=build_id)
def twins(request: pytest.FixtureRequest) -> Twins:
    return Twins(request.param)


# ------------------------------------------------------------------------------------------------- one image a model


def test_what_a_model_senses_and_decides_comes_back() -> None:
    model = replace(SENSING, decision=DECISION)
    found = decode(encode(model))
    assert (found.senses, found.decision) == (model.senses, DECISION)
    assert encode(found) == encode(model)
    assert len(encode(model)) == len(encode(plain())) + SENSES.size + 4 * SOURCE.size + DECIDES.size + 8
    assert HEADER.unpack_from(encode(model))[2] == Flag.SENSES | Flag.DECIDES | Flag.NAMES


def test_a_model_of_the_bus_that_decides_at_once_has_the_bytes_it_had() -> None:
    for model in (plain(), plain(led_class=True)):
        assert model.senses is None
        said = replace(model, decision=Decision(threshold_off=model.led_threshold))
        assert said.decision == Decision()
        assert encode(said) == encode(model)
    assert HEADER.unpack_from(encode(plain()))[2] == 0


def test_a_sensed_input_is_called_after_its_source() -> None:
    assert SENSING.names.inputs == ("a0.rms", "2", "a1.bins(5,12)", "d0.count")
    named = replace(plain(), names=Names(("p", "q", "r", "s"), ("y",), ()), senses=SENSING.senses)
    assert decode(encode(named)).names == Names(("a0.rms", "q", "a1.bins(5,12)", "d0.count"), ("y",), ())
    assert b"rms" not in encode(named), "the source says it"
    assert decode(encode(sensing((RMS,)))).names == Names(("a0.rms",))
    assert not HEADER.unpack_from(encode(sensing((RMS,))))[2] & Flag.NAMES
    assert NAMES[ANALOG - 1 : ANALOG + 1] == ("a7", "d0")
    assert len(NAMES) == CHANNELS


def test_the_image_expects_what_core_features_says() -> None:
    senses = SENSING.senses
    assert senses
    assert senses.channels == 1 << 0 | 1 << 1 | 1 << 8
    window = features.seeded(senses.seed, 1, WINDOW)
    assert senses.expected[2] == features.numerators(Feature.BAND, window, 1000, (5, 12))[0] > 0
    assert senses.expected[1] == 0


@pytest.mark.parametrize(
    ("source", "window"),
    [
        (replace(RMS, shift=FEATURE_SHIFT_MAX + 1), WINDOW),
        (replace(RMS, shift=-1), WINDOW),
        (replace(RMS, channel=8), WINDOW),
        (replace(EDGES, channel=7), WINDOW),
        (replace(BAND, band=(0, 3)), WINDOW),
        (replace(BAND, band=(4, 3)), WINDOW),
        (replace(BAND, band=(5, 5 + BAND_BINS_MAX)), WINDOW),
        (replace(BAND, band=(3, 4)), 8),
        (replace(BAND, band=(1, 1)), 2),
    ],
)
def test_a_source_that_does_not_fit_is_refused_as_it_is_made(source: Source, window: int) -> None:
    with pytest.raises(ImageError) as error:
        Senses(1000, window, 1, 0, (None, source))
    assert (error.value.reason, error.value.detail) == (Reason.SENSES, 1)


@pytest.mark.parametrize(
    ("rate", "window", "hop", "sources"),
    [
        (0, 2, 1, (RMS,)),
        (RATE_MAX + 1, 2, 1, (RMS,)),
        (1, 0, 1, (RMS,)),
        (1, 1, 1, (RMS,)),
        (1, 3, 1, (RMS,)),
        (1, 2 * WINDOW_MAX, 1, (RMS,)),
        (1, 2, 0, (RMS,)),
        (1, 2, 0x10000, (RMS,)),
        (1, 2, 1, (None,)),
        (1, 2, 1, ()),
    ],
)
def test_senses_that_are_none_are_refused_as_they_are_made(
    rate: int, window: int, hop: int, sources: tuple[Source | None, ...]
) -> None:
    with pytest.raises(ImageError) as error:
        Senses(rate, window, hop, 0, sources)
    assert (error.value.reason, error.value.detail) == (Reason.SENSES, len(sources))


@pytest.mark.parametrize("what", ["multiply", "offset"])
@pytest.mark.parametrize("value", [1 << 31, -(1 << 31) - 1])
def test_a_source_of_more_than_32_bits_is_refused_as_it_is_made(what: str, value: int) -> None:
    with pytest.raises(
        NeuronError, match=f"^the {what} {value} for RMS of channel 0 is no int32: an input's scale"
    ):
        replace(RMS, **{what: value})
    for most in (1 << 31) - 1, -(1 << 31):
        (found, *_) = decode(encode(sensing((replace(RMS, **{what: most}),)))).senses.sources
        assert getattr(found, what) == most


def test_a_seed_of_more_than_32_bits_is_refused_as_it_is_made() -> None:
    for seed in (-1, 1 << 32):
        with pytest.raises(NeuronError, match=f"^a seed of {seed} .* is no uint32$"):
            Senses(1000, 2, 1, seed, (RMS,))


def test_a_source_for_each_input() -> None:
    with pytest.raises(ImageError) as error:
        replace(plain(3), senses=SENSING.senses)
    assert (error.value.reason, error.value.detail) == (Reason.SENSES, 3)


@pytest.mark.parametrize(
    "decision",
    [
        Decision(threshold_off=101),
        Decision(votes=2),
        Decision(votes=0),
        Decision(of=0, votes=0),
        Decision(of=VOTES_MAX + 1),
        Decision(on_delay=DELAY_MAX + 1),
        Decision(off_delay=DELAY_MAX + 1),
        Decision(hold=DELAY_MAX + 1),
        Decision(threshold_off=-32769),
        Decision(votes=256, of=256),
        Decision(on_delay=-1),
        Decision(hold=1 << 32),
    ],
)
def test_a_decision_out_of_range_is_refused_as_it_is_encoded(decision: Decision) -> None:
    with pytest.raises(ImageError) as error:
        encode(replace(plain(), decision=decision))
    assert (error.value.reason, error.value.detail) == (Reason.DECIDES, 0)


# ------------------------------------------------------------------------------------------------ bytes made by hand

BUS_AT, BAND_AT, EDGES_AT = (SENSES.size + i * SOURCE.size for i in (1, 2, 3))
INPUTS = len(SOURCES)
BY_HAND = [
    # what is written where, and the verdict
    ((0, "H", 0), Reason.SENSES, INPUTS),
    ((0, "H", RATE_MAX + 1), Reason.SENSES, INPUTS),
    ((0, "H", 1), Reason.NONE, 0),
    ((0, "H", RATE_MAX), Reason.NONE, 0),
    ((2, "H", 1), Reason.SENSES, INPUTS),
    ((2, "H", 255), Reason.SENSES, INPUTS),
    ((2, "H", 2 * WINDOW_MAX), Reason.SENSES, INPUTS),
    ((2, "H", 0x8000), Reason.SENSES, INPUTS),
    ((2, "H", WINDOW_MIN), Reason.SENSES, 2),  # the band does not fit
    ((2, "H", WINDOW_MAX), Reason.SELF_TEST, WINDOW_TEST),
    ((4, "H", 0), Reason.SENSES, INPUTS),
    ((4, "H", 0xFFFF), Reason.NONE, 0),
    ((6, "H", 1), Reason.PADDING, 0),
    ((8, "I", 0), Reason.SELF_TEST, WINDOW_TEST),
    ((12, "B", CHANNEL_BUS), Reason.PADDING, 0),
    ((12, "B", CHANNELS), Reason.SENSES, 0),
    ((12, "B", 8), Reason.SENSES, 0),
    ((12, "B", 3), Reason.SELF_TEST, WINDOW_TEST),
    ((13, "B", Feature.FREQUENCY + 1), Reason.SENSES, 0),
    ((13, "B", Feature.LEVEL), Reason.SENSES, 0),
    ((13, "B", Feature.STD), Reason.SELF_TEST, WINDOW_TEST),
    ((13, "B", Feature.BAND), Reason.SENSES, 0),
    ((14, "H", 1), Reason.PADDING, 0),
    ((16, "H", 1), Reason.PADDING, 0),
    ((18, "B", FEATURE_SHIFT_MAX), Reason.NONE, 0),
    ((18, "B", FEATURE_SHIFT_MAX + 1), Reason.SENSES, 0),
    ((19, "B", 1), Reason.PADDING, 0),
    ((20, "i", -0x80000000), Reason.NONE, 0),
    ((24, "i", 0x7FFFFFFF), Reason.NONE, 0),
    ((28, "I", 0), Reason.SELF_TEST, WINDOW_TEST),
    ((28, "I", 0xFFFFFFFF), Reason.SELF_TEST, WINDOW_TEST),
    *(((BUS_AT + i, "B", 1), Reason.PADDING, 1) for i in range(1, SOURCE.size)),
    ((BUS_AT, "B", 0), Reason.SELF_TEST, WINDOW_TEST + 1),
    ((BAND_AT + 1, "B", Feature.P2P), Reason.PADDING, 2),
    ((BAND_AT + 2, "HH", 0, 3), Reason.SENSES, 2),
    ((BAND_AT + 2, "HH", 12, 11), Reason.SENSES, 2),
    ((BAND_AT + 2, "HH", 127, 127), Reason.SELF_TEST, WINDOW_TEST + 2),
    ((BAND_AT + 2, "HH", 127, 128), Reason.SENSES, 2),
    ((BAND_AT + 2, "HH", 1, BAND_BINS_MAX), Reason.SELF_TEST, WINDOW_TEST + 2),
    ((BAND_AT + 2, "HH", 1, BAND_BINS_MAX + 1), Reason.SENSES, 2),
    ((BAND_AT + 2, "HH", 0xFFFF, 0xFFFF), Reason.SENSES, 2),
    ((EDGES_AT + 1, "B", Feature.CROSSINGS), Reason.SENSES, 3),
    ((EDGES_AT, "B", 9), Reason.SELF_TEST, WINDOW_TEST + 3),
]
DECIDED_BY_HAND = [
    ((0, "h", 100), Reason.NONE, 0),
    ((0, "h", 101), Reason.DECIDES, 0),
    ((0, "h", -0x8000), Reason.NONE, 0),
    ((2, "BB", 0, 5), Reason.DECIDES, 0),
    ((2, "BB", 6, 5), Reason.DECIDES, 0),
    ((2, "BB", 0, 0), Reason.DECIDES, 0),
    ((2, "BB", 32, VOTES_MAX), Reason.NONE, 0),
    ((2, "BB", 1, VOTES_MAX + 1), Reason.DECIDES, 0),
    *(((at, "I", DELAY_MAX), Reason.NONE, 0) for at in (4, 8, 12)),
    *(((at, "I", DELAY_MAX + 1), Reason.DECIDES, 0) for at in (4, 8, 12)),
    *(((at, "B", 2), Reason.PADDING, 0) for at in (16, 17)),
    *(((at, "B", 0), Reason.NONE, 0) for at in (16, 17)),
    ((18, "H", 0x100), Reason.PADDING, 0),
]


def test_bytes_made_by_hand(twins: Twins) -> None:
    images = [edited(encode(SENSING), *change) for change, _, _ in BY_HAND]
    images += [edited(encode(DECIDING), *change) for change, _, _ in DECIDED_BY_HAND]
    expected = [
        Verdict(reason, detail, reason in (Reason.NONE, Reason.SELF_TEST))
        for _, reason, detail in [*BY_HAND, *DECIDED_BY_HAND]
    ]
    assert [python_verdict(image) for image in images] == expected
    assert twins.images(images) == expected


def test_the_first_thing_that_is_wrong_is_said(twins: Twins) -> None:
    """Form before meaning, the whole before its parts, inputs in their order."""
    faults: list[tuple[tuple[int, str, int], Verdict]] = [
        ((6, "H", 1), Verdict(Reason.PADDING, 0, False)),
        ((19, "B", 1), Verdict(Reason.PADDING, 0, False)),
        ((BAND_AT, "B", CHANNELS), Verdict(Reason.SENSES, 2, False)),
        ((EDGES_AT + 7, "B", 1), Verdict(Reason.PADDING, 3, False)),
        ((0, "H", 0), Verdict(Reason.SENSES, INPUTS, False)),
        ((18, "B", 63), Verdict(Reason.SENSES, 0, False)),
        ((EDGES_AT + 6, "B", 63), Verdict(Reason.SENSES, 3, False)),
    ]
    for first, second in pairwise(faults):
        image = edited(edited(encode(SENSING), *second[0]), *first[0])
        assert python_verdict(image) == first[1]
        assert twins.images([image]) == [first[1]]


def test_a_class_has_no_other_threshold(twins: Twins) -> None:
    image = encode(replace(plain(led_class=True), decision=Decision(votes=2, of=3)))
    assert decode(image).decision == Decision(votes=2, of=3)
    for off in (-1, 1):
        assert twins.images([edited(image, 0, "h", off)]) == [Verdict(Reason.DECIDES, 0, False)]
        assert python_verdict(edited(image, 0, "h", off)) == Verdict(Reason.DECIDES, 0, False)


def test_the_largest_senses(twins: Twins) -> None:
    """All inputs sensed, the longest window, the widest bands."""
    sources = [
        Source(i % ANALOG, Feature.BAND, 1, 0, 0, (i + 1, i + BAND_BINS_MAX)) for i in range(UNITS_MAX - 4)
    ]
    model = sensing((*sources, *[Source(ANALOG + i, Feature.LEVEL, 1, 0, 0) for i in range(4)]), WINDOW_MAX)
    assert model.senses
    assert model.senses.channels == (1 << CHANNELS) - 1
    assert twins.images([encode(model)]) == [Verdict(Reason.NONE, 0, True)]
    wrong = replace(model.senses, expected=(*model.senses.expected[:-1], 2))
    verdict = Verdict(Reason.SELF_TEST, WINDOW_TEST + UNITS_MAX - 1, True)
    assert twins.images([encode(replace(model, senses=wrong))]) == [verdict]


# --------------------------------------------------------------------------------------------------------- a node


def refusal(node: MemoryNode, image: bytes) -> tuple[int, int]:
    """VERIFY is refused: the reason and detail."""
    node.write(BY_NAME["STAGE"].address, bytes_registers(image))
    crc = int.from_bytes(image[-4:], "little")
    assert node.refusal(command_pdu(Command.VERIFY, len(image), crc)) == DEVICE_FAILURE
    return node.get("REASON"), node.get("DETAIL")


@pytest.mark.parametrize(
    ("channels", "lacking"), [(0, 0), (0b1, 2), (0b11, 3), (0x100, 0), (0x102, 0), (0x101, 2)]
)
def test_a_node_without_a_channel_refuses_the_model(node: MemoryNode, channels: int, lacking: int) -> None:
    node.deploy(encode(OR))
    node.board(channels)
    assert refusal(node, encode(SENSING)) == (Reason.SENSES, lacking)
    assert (node.get("MODEL_CRC"), node.get("STAGED")) == (crc_of(OR), 0)


def test_a_node_with_just_these_channels_takes_it(node: MemoryNode) -> None:
    assert SENSING.senses
    node.board(SENSING.senses.channels)
    node.deploy(encode(SENSING))
    assert node.get("MODEL_CRC") == crc_of(SENSING)
    node.power_cycle()
    assert (node.get("MODEL_CRC"), node.get("FAULTS")) == (crc_of(SENSING), 0)


def test_a_feature_that_comes_out_otherwise_is_refused(node: MemoryNode) -> None:
    image = edited(encode(SENSING), EDGES_AT + 16, "I", 999)
    assert refusal(node, image) == (Reason.SELF_TEST, WINDOW_TEST + 3)


def test_a_kept_model_of_another_board_makes_way_for_the_one_before_it(node: MemoryNode) -> None:
    node.deploy(encode(OR))
    node.deploy(encode(SENSING))
    node.board(0)
    node.power_cycle()
    assert node.get("MODEL_CRC") == crc_of(OR)
    assert (node.get("FAULTS"), node.get("DETAIL")) == (1 << Reason.SENSES, 0)
    node.deploy(encode(AND))
    assert (node.get("MODEL_CRC"), node.get("FAULTS")) == (crc_of(AND), 0)


def test_a_deploy_says_which_input_has_no_channel(
    node: MemoryNode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sensing.img"
    file.write_bytes(encode(SENSING))
    node.board(0b11)
    with stand_in(node.answer) as port:
        assert deploy.main([port, str(file)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "wants a channel" in line
        assert "(reason SENSES, detail 3)" in line
        node.board()
        assert deploy.main([port, str(file)]) == 0
    assert node.get("MODEL_CRC") == crc_of(SENSING)
