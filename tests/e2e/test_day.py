"""A day with one node: look at it, teach it, change its mind, take it back. On every kind of node."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from host import deploy as deploy_command
from host.boards.opening import open_node
from host.core.image import encode
from host.core.infer import infer, led
from host.core.wire import BY_NAME, IMAGE_MAX, WIRE_VERSION, Command, Reason, State, Table
from host.node.client import NodeError
from host.node.line import save_settings
from host.node.node import Node, Refused
from host.node.staging import deploy, rollback
from tests.conftest import Target
from tests.e2e.scenario import (
    AND,
    LIT,
    NAND,
    OR,
    TABLE,
    WAYS,
    ask_together,
    broadcast,
    crc_of,
    hear_broadcasts,
    lamp_bit,
    largest,
    neuron,
    plain_client,
    restart,
    running,
    walk,
)
from tests.patience import growing
from tests.pdus import command_words, stage_frames


def test_a_node_says_who_it_is(node: Node) -> None:
    identity = node.identity()
    assert identity.wire_version == WIRE_VERSION
    assert len(identity.uid) == 24
    assert int(identity.uid, 16) != 0
    assert identity.firmware.count(".") == 1


def test_a_blank_node_runs_nothing_and_is_dark(target: Target, node: Node) -> None:
    if not target.blank:
        pytest.skip("this board has a model already")
    identity = node.wait_idle()
    assert (identity.sequence, identity.model_crc, identity.model_length, identity.name) == (0, 0, 0, "")
    assert (identity.state, identity.reason, identity.previous_sequence) == (State.IDLE, Reason.NONE, 0)
    model = BY_NAME["MODEL_VALID"]
    assert node.read(Table.DISCRETE, model.address, 1) == [0]
    for row in TABLE:
        outputs, lit = ask_together(node, AND, row)
        assert (outputs, lit) == ([0.0], False)
    assert target.shows(False)
    with pytest.raises(NodeError, match="keeps no previous model"):
        rollback(node)


@pytest.mark.parametrize("way", WAYS)
def test_and_lights_the_lamp_for_both_inputs_only(target: Target, node: Node, way: str) -> None:
    before = node.identity().sequence
    deployed = deploy(node, encode(AND))
    assert (deployed.crc, deployed.sequence) == (crc_of(AND), before + 1)
    assert walk(target, node, AND, way) == LIT["and"]


def test_the_next_model_takes_its_place_and_can_give_it_back(target: Target, node: Node) -> None:
    first = deploy(node, encode(AND))
    second = deploy(node, encode(OR))
    assert second.sequence == first.sequence + 1
    assert walk(target, node, OR) == LIT["or"]
    identity = node.identity()
    assert (identity.name, identity.previous_crc) == ("or", first.crc)
    assert identity.previous_sequence == first.sequence

    back = rollback(node)
    assert (back.name, back.model_crc, back.sequence) == ("and", first.crc, second.sequence + 1)
    assert walk(target, node, AND) == LIT["and"]

    again = rollback(node)
    assert (again.name, again.model_crc, again.sequence) == ("or", second.crc, second.sequence + 2)
    assert walk(target, node, OR) == LIT["or"]


def test_a_deploy_stays_the_same_when_its_commands_are_repeated(target: Target, node: Node) -> None:
    deploy(node, encode(OR))
    image, crc = encode(AND), crc_of(AND)
    before = node.identity()
    for _ in range(2):
        for address, words in stage_frames(image):
            node.write(address, words)
    for _ in range(3):
        node.command(Command.VERIFY, "verify", len(image), crc)
    assert node.identity().staged_crc == crc
    for _ in range(3):
        node.command(Command.COMMIT, "commit", crc=crc)
    after = node.wait_idle()
    node.command(Command.COMMIT, "commit", crc=crc)
    assert node.wait_idle() == after
    assert (after.model_crc, after.sequence) == (crc, before.sequence + 1)

    for _ in range(3):
        node.command(Command.ROLLBACK, "roll back", crc=before.model_crc)
    back = node.wait_idle()
    node.command(Command.ROLLBACK, "roll back", crc=before.model_crc)
    assert node.wait_idle() == back
    assert (back.model_crc, back.sequence) == (before.model_crc, after.sequence + 1)
    assert walk(target, node, OR) == LIT["or"]


def test_frames_of_an_image_may_come_in_any_order(target: Target, node: Node) -> None:
    model = largest()
    image = encode(model)
    frames = list(stage_frames(image))
    for address, words in [*frames[::2], *reversed(frames)]:
        node.write(address, words)
    node.command(Command.VERIFY, "verify", len(image), crc_of(model))
    node.command(Command.COMMIT, "commit", crc=crc_of(model))
    assert running(node) == image


def test_the_largest_image_fits_and_comes_back_whole(target: Target, node: Node) -> None:
    model = largest()
    image = encode(model)
    assert len(image) == IMAGE_MAX
    steps: list[tuple[str, int, int]] = []
    deploy(node, image, progress=lambda *step: steps.append(step))
    assert [step for step in steps if step[0] == "stage"] == [("stage", i + 1, 34) for i in range(34)]
    assert running(node) == image
    rows = np.random.default_rng(1).integers(-32768, 32768, (20, model.inputs)).astype(np.int16)
    result = node.evaluate(rows, model.outputs)
    assert result.outputs.tolist() == infer(model, rows).tolist()
    assert result.led.tolist() == led(model, infer(model, rows)).tolist()
    assert set(result.led.tolist()) == {False, True}
    assert target.shows(bool(result.led[-1]))


def test_a_restart_keeps_the_model(target: Target, node: Node) -> None:
    deploy(node, encode(NAND))
    before = node.identity()
    restart(node)
    after = node.identity()
    assert (after.model_crc, after.sequence, after.name) == (before.model_crc, before.sequence, "nand")
    assert node.read(Table.HOLDING, BY_NAME["INPUTS"].address, 2) == [0, 0]
    assert lamp_bit(node), "nand of (0, 0)"
    assert target.shows(True)
    assert walk(target, node, NAND) == LIT["nand"]


def test_a_restart_in_the_middle_of_staging_forgets_the_stage(target: Target, node: Node) -> None:
    deploy(node, encode(OR))
    image = encode(AND)
    node.write(*next(stage_frames(image)))
    node.command(Command.VERIFY, "verify", len(image), crc_of(AND))
    restart(node)
    with pytest.raises(Refused, match="not verified"):
        node.command(Command.COMMIT, "commit", crc=crc_of(AND))
    assert walk(target, node, OR) == LIT["or"]


def test_many_deploys_in_a_row(target: Target, node: Node) -> None:
    """More than a flash sector holds of the largest, so that sectors are erased and used again."""
    sequence = node.identity().sequence
    models = [largest(seed=1), AND, largest(seed=2), largest(seed=3), OR, largest(seed=4)]
    if target.kind == "elf":
        models = models[3:]  # its flash is the same store; an erase there takes its time
    for model in models:
        sequence += 1
        assert deploy(node, encode(model)).sequence == sequence
        assert running(node) == encode(model)
    assert rollback(node).model_crc == crc_of(OR)
    assert walk(target, node, OR) == LIT["or"]


def test_an_image_can_be_broadcast(target: Target) -> None:
    """Nobody acknowledges a broadcast: what was lost shows in the registers and is sent again."""
    model = neuron("broadcast", (2, -1), -0.5)
    image, crc = encode(model), crc_of(model)
    command = BY_NAME["COMMAND"].address
    with open_node(target.port, address=target.address) as node:
        before = hear_broadcasts(node)
    for seconds in growing(0.05):
        with plain_client(target.port) as client:
            for address, words in stage_frames(image):
                broadcast(client, address, words, seconds)
            broadcast(client, command, command_words(Command.VERIFY, len(image), crc), seconds)
            broadcast(client, command, command_words(Command.COMMIT, crc=crc), seconds)
        with open_node(target.port, address=target.address) as node:
            if node.wait_idle().model_crc == crc:
                assert walk(target, node, model) == [False, False, True, True]
                save_settings(node, before)
                node.wait_idle()
                return
    pytest.fail("no broadcast has arrived")


def test_reading_the_model_back_into_a_file(target: Target, tmp_path: Path) -> None:
    with open_node(target.port, address=target.address) as node:
        deploy(node, encode(AND))
    file = tmp_path / "fetched.img"
    assert deploy_command.main([target.port, "--fetch", str(file)]) == 0
    assert file.read_bytes() == encode(AND)
    assert deploy_command.main([target.port, str(file)]) == 0
