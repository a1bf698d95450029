"""Bad images and bad commands: exception 04 and a reason that people can read; the old model goes on untouched."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from host.boards.opening import open_node
from host.boards.simulated import simulate
from host.core.crc import crc32
from host.core.image import HEADER, encode
from host.core.modbus import DEVICE_FAILURE
from host.core.wire import BY_NAME, DEFAULT_ADDRESS, IMAGE_MAX, REASON_TEXT, Command, Reason, Table
from host.node.client import Answered
from host.node.node import Node, Refused
from host.node.staging import deploy, rollback, stage
from tests.conftest import Target
from tests.e2e.scenario import (
    AND,
    LIT,
    NAND,
    OR,
    ask_together,
    crc_of,
    largest,
    restart,
    running,
    walk,
)
from tests.patience import PATIENCE
from tests.pdus import command_words

RANGES_AT = HEADER.size + 4
LAYER_AT = RANGES_AT + 2 * 4
"""Where the parts of AND's image begin, behind the header: two input fractions, padded; their ranges; the layer."""
VECTORS = len(AND.vector_inputs)
COMMITS = 250
"""Before a node asks for patience; firmware/app/wear.h."""


def sealed(image: bytes) -> bytes:
    return image[:-4] + struct.pack("<I", crc32(image[:-4]))


def changed(offset: int, *values: int) -> Callable[[bytes], bytes]:
    """An image with other bytes at `offset`, and the right CRC-32 over them."""
    return lambda image: sealed(image[:offset] + bytes(values) + image[offset + len(values) :])


def flipped(image: bytes) -> bytes:
    return image[:20] + bytes([image[20] ^ 1]) + image[21:]


def with_wrong_vector(image: bytes) -> bytes:
    """Its last vector, of two inputs and an output, expects what the neuron does not compute."""
    padding = 2 * (VECTORS % 2)
    last = len(image) - 4 - padding - 2
    return changed(last, image[last] ^ 1)(image)


BAD: dict[str, tuple[Callable[[bytes], bytes], Reason, int]] = {
    "other bytes": (lambda image: sealed(b"ELF!" + image[4:]), Reason.MAGIC, 0),
    "nothing": (lambda image: b"", Reason.LENGTH, 0),
    "too short": (lambda image: image[:40], Reason.LENGTH, 0),
    "format of the future": (changed(4, 3), Reason.VERSION, 0),
    "cut off": (lambda image: sealed(image[:-8] + image[-4:]), Reason.LENGTH, 0),
    "longer than it says": (lambda image: sealed(image + bytes(4)), Reason.LENGTH, 0),
    "odd length": (lambda image: image[:-2], Reason.LENGTH, 0),
    "flipped bit": (flipped, Reason.CRC, 0),
    "no layers": (changed(28, 0), Reason.SIZES, 0),
    "nine layers": (changed(28, 9), Reason.SIZES, 0),
    "65 inputs": (changed(30, 65), Reason.SIZES, 0),
    "no vectors": (changed(34, 0), Reason.SIZES, 0),
    "lamp of no output": (changed(36, 1), Reason.SIZES, 0),
    "fraction of an input": (changed(HEADER.size + 1, 32), Reason.FRACTION, 1),
    "range with its ends swapped": (changed(RANGES_AT + 4, 1, 0, 0, 0), Reason.FRACTION, 1),
    "unknown flag": (changed(6, 1 | 32), Reason.PADDING, 0),
    "layer of three inputs": (changed(LAYER_AT, 3), Reason.SIZES, 0),
    "unknown activation": (changed(LAYER_AT + 4, 5), Reason.ACTIVATION, 0),
    "shift too far": (changed(LAYER_AT + 4, 0, 127), Reason.FRACTION, 0),
    "fraction of a step": (changed(LAYER_AT + 6, 1), Reason.FRACTION, 0),
    "reserved byte": (changed(LAYER_AT + 7, 1), Reason.PADDING, 0),
    "unprintable name": (changed(12, 7), Reason.PADDING, 0),
    "wrong vector": (with_wrong_vector, Reason.SELF_TEST, VECTORS - 1),
}


def still_works(target: Target, node: Node) -> None:
    """The old model, OR, runs; another deploy goes through."""
    assert running(node) == encode(OR)
    assert walk(target, node, OR) == LIT["or"]
    deploy(node, encode(NAND))
    assert walk(target, node, NAND) == LIT["nand"]


def test_every_bad_image_is_refused_with_its_reason(target: Target, node: Node) -> None:
    deploy(node, encode(OR))
    for name, (spoil, reason, detail) in BAD.items():
        image = spoil(encode(AND))
        stage(node, image)
        with pytest.raises(Refused) as refused:
            node.command(Command.VERIFY, "accept the image", len(image), int.from_bytes(image[-4:], "little"))
        assert (name, refused.value.reason, refused.value.detail) == (name, reason, detail)
        assert REASON_TEXT[reason] in str(refused.value)
        assert "\n" not in str(refused.value)
        identity = node.identity()
        assert (identity.reason, identity.staged_crc, identity.model_crc) == (reason, 0, crc_of(OR))
        with pytest.raises(Refused, match="not verified"):
            node.command(Command.COMMIT, "commit", crc=crc_of(AND))
    still_works(target, node)


def test_a_refusal_is_exception_4_on_the_wire(node: Node) -> None:
    with pytest.raises(Answered) as answered:
        node.write(BY_NAME["COMMAND"].address, command_words(Command.COMMIT, crc=0xDEADBEEF))
    assert answered.value.code == DEVICE_FAILURE == 4
    assert node.identity().reason is Reason.NOT_VERIFIED


def test_what_verify_was_told_must_be_what_is_staged(target: Target, node: Node) -> None:
    deploy(node, encode(OR))
    image = encode(AND)
    stage(node, image)
    for length, crc, reason in (
        (len(image), crc_of(AND) ^ 1, Reason.CRC),
        (len(image) - 4, crc_of(AND), Reason.LENGTH),
        (IMAGE_MAX + 4, crc_of(AND), Reason.LENGTH),
    ):
        with pytest.raises(Refused) as refused:
            node.command(Command.VERIFY, "verify", length, crc)
        assert refused.value.reason is reason
    node.command(Command.VERIFY, "verify", len(image), crc_of(AND))
    with pytest.raises(Refused, match="not verified"):
        node.command(Command.COMMIT, "commit", crc=crc_of(NAND))
    still_works(target, node)


def test_a_stage_that_changes_after_verify_is_not_committed(target: Target, node: Node) -> None:
    deploy(node, encode(OR))
    stage(node, encode(AND))
    node.command(Command.VERIFY, "verify", len(encode(AND)), crc_of(AND))
    node.write(BY_NAME["STAGE"].address, [0])
    with pytest.raises(Refused, match="not verified"):
        node.command(Command.COMMIT, "commit", crc=crc_of(AND))
    still_works(target, node)


def test_rollback_names_the_model_that_it_wants(target: Target, node: Node) -> None:
    deploy(node, encode(AND))
    deploy(node, encode(OR))
    with pytest.raises(Refused, match="no previous model of that CRC-32"):
        node.command(Command.ROLLBACK, "roll back", crc=crc_of(NAND))
    still_works(target, node)


def test_unknown_commands_and_settings_are_refused(target: Target, node: Node) -> None:
    deploy(node, encode(OR))
    with pytest.raises(Answered, match="illegal value"):
        node.write(BY_NAME["COMMAND"].address, command_words(99))
    assert node.identity().reason is Reason.COMMAND
    address = BY_NAME["ADDRESS"].address
    kept = node.read(Table.HOLDING, address, 5)
    for number, value in ((0, 0), (0, 248), (1, 0xFFFF), (3, 4), (4, 2)):
        words = [*kept]
        words[number] = value
        node.write(address, words)
        with pytest.raises(Refused, match="out of range"):
            node.command(Command.SAVE_SETTINGS, "keep the settings")
    node.write(address, kept)
    node.command(Command.SAVE_SETTINGS, "keep the settings")
    still_works(target, node)


def test_the_node_infers_while_an_image_is_staged(target: Target, node: Node) -> None:
    deploy(node, encode(OR))
    image = encode(largest())
    half = len(image) // 2
    stage(node, image[:half])
    assert walk(target, node, OR) == LIT["or"]
    stage(node, image)
    assert walk(target, node, OR) == LIT["or"]
    node.command(Command.VERIFY, "verify", len(image), crc_of(largest()))
    assert walk(target, node, OR) == LIT["or"]
    assert running(node) == encode(OR)
    still_works(target, node)


def test_a_commit_of_the_running_image_changes_nothing(target: Target, node: Node) -> None:
    deploy(node, encode(OR))
    deploy(node, encode(AND))
    before = node.identity()
    deploy(node, encode(AND))
    after = node.identity()
    assert (after.sequence, after.previous_sequence) == (before.sequence, before.previous_sequence)
    assert (after.model_crc, after.previous_crc, after.staged_crc) == (crc_of(AND), crc_of(OR), 0)
    rollback(node)
    assert walk(target, node, OR) == LIT["or"]


def test_a_model_that_rots_while_it_runs_makes_way(tmp_path: Path) -> None:
    """For the one before it, and in the end for none: the lamp is off."""
    path = tmp_path / "node.flash"

    def rot(image: bytes) -> None:
        place = path.read_bytes().index(image) + LAYER_AT + 8
        with path.open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 0x10]))

    def await_model(crc: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while node.identity().model_crc != crc:
            assert time.monotonic() < deadline

    with simulate(flash=str(path)) as sim, open_node(sim.port) as node:
        deploy(node, encode(OR))
        deploy(node, encode(AND))
        assert ask_together(node, AND, (1, 0)) == ([0.0], False)
        rot(encode(AND))
        await_model(crc_of(OR))
        assert node.identity().reason is Reason.ROTTEN_RUNNING
        assert node.read_value("FAULTS") == 1 << Reason.ROTTEN_RUNNING
        assert sim.wait(lambda now: now.leds[DEFAULT_ADDRESS])
        rot(encode(OR))
        await_model(0)
        assert sim.wait(lambda now: not now.leds[DEFAULT_ADDRESS])
        assert node.read(Table.DISCRETE, BY_NAME["MODEL_VALID"].address, 1) == [0]
        assert node.read(Table.DISCRETE, BY_NAME["FAULT"].address, 1) == [1]
        deploy(node, encode(AND))
        assert ask_together(node, AND, (1, 1)) == ([1.0], True)
        assert node.read(Table.DISCRETE, BY_NAME["FAULT"].address, 1) == [0]


def test_deploying_the_older_model_that_runs_for_a_rotten_one_mends_it(tmp_path: Path) -> None:
    path = tmp_path / "node.flash"
    with simulate(flash=str(path)) as sim, open_node(sim.port) as node:
        deploy(node, encode(OR))
        deploy(node, encode(AND))
    content = path.read_bytes()
    place = content.index(encode(AND)) + LAYER_AT + 8
    path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
    for faults in ((Reason.ROTTEN_MODEL,), ()):
        with simulate(flash=str(path)) as sim, open_node(sim.port) as node:
            assert node.identity().model_crc == crc_of(OR)
            assert node.identity().faults == faults
            assert deploy(node, encode(OR)).already is not bool(faults)
            assert node.identity().faults == ()


def test_a_node_is_not_worn_out_by_commits(tmp_path: Path) -> None:
    """Nor is the count lost in a restart, which anybody on the bus can ask for."""
    with simulate() as sim, open_node(sim.port) as node:
        deploy(node, encode(OR))
        deploy(node, encode(AND))
        for _ in range(COMMITS - 2):
            rollback(node)
        for _ in range(2):
            before = node.identity()
            with pytest.raises(Refused, match=r"wait 10 min \(") as refused:
                rollback(node)
            assert (refused.value.reason, refused.value.detail) == (Reason.WEAR, 10)
            after = node.identity()
            assert (
                (after.sequence, after.model_crc)
                == (before.sequence, before.model_crc)
                == (COMMITS, crc_of(AND))
            )
            restart(node)
