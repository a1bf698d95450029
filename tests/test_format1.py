"""Images of format 1, as the encoder wrote them before there was a format 2, and the flash of a node that kept two of
them: tests/golden/format1.json, which nothing can write again. They run as they did; the PC writes them as format 2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import deploy
from host.core.crc import crc32
from host.core.fixed import INT16_MAX, INT16_MIN, Int16
from host.core.image import HEADER, Names, decode, encode, image_crc, image_newest
from host.core.infer import infer, led
from host.core.registers import pack
from host.core.wire import BY_NAME, IMAGE_VERSION, IMAGE_VERSION_OLDEST, Command, Flag, Reason, Table
from tests.e2e.scenario import AND, OR
from tests.e2e.stand_in import stand_in
from tests.memory_node import MemoryNode
from tests.parity.twins import BUILDS, Twins, build_id, python_verdict

GOLDEN = json.loads((Path(__file__).parent / "golden" / "format1.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Kept:
    """An image of format 1, and what it computes. inputs: int16 (rows, inputs); outputs: int16 (rows, outputs)."""

    image: bytes
    inputs: Int16
    outputs: Int16
    lamps: list[bool]


def kept(row: dict[str, Any]) -> Kept:
    inputs, outputs = (np.array(row[name], dtype=np.int16) for name in ("inputs", "outputs"))
    return Kept(bytes.fromhex(row["image"]), inputs, outputs, row["led"])


KEPT = [kept(row) for row in GOLDEN["images"]]
KEPT_AND, KEPT_OR = KEPT[:2]


def version(image: bytes) -> int:
    return int(HEADER.unpack_from(image)[1])


def running(node: MemoryNode, image: bytes) -> bool:
    return node.get("MODEL_CRC") == image_crc(image)


@pytest.fixture
def updated(node: MemoryNode) -> MemoryNode:
    """A node whose firmware is today's, and whose flash was written by that of format 1: first OR, then AND."""
    blank = node.flash()
    for offset, found in GOLDEN["flash"].items():
        kept = bytes.fromhex(found)
        there = blank[int(offset) :][: len(kept)]
        node.rot(int(offset), bytes(a ^ b for a, b in zip(kept, there, strict=True)))
    node.power_cycle()
    node.work()
    return node


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
def test_they_compute_what_they_did(build: tuple[str, list[str]]) -> None:
    runs = Twins(build).run(
        [(each.image, each.inputs) for each in KEPT], [each.outputs.shape[1] for each in KEPT]
    )
    for each, run in zip(KEPT, runs, strict=True):
        model = decode(each.image)
        assert version(each.image) == IMAGE_VERSION_OLDEST
        assert run.verdict == (Reason.NONE, 0, True)
        for outputs, lamps in (
            (infer(model, each.inputs), led(model, infer(model, each.inputs))),
            (run.outputs, run.leds),
        ):
            assert outputs.tolist() == each.outputs.tolist()
            assert lamps.tolist() == each.lamps


@pytest.mark.parametrize("number", range(len(KEPT)))
def test_the_pc_writes_them_as_format_2(number: int) -> None:
    """The same model: nothing is said that format 1 did not say, so that only version and CRC-32 are others."""
    old = KEPT[number].image
    new, model = image_newest(old), decode(old)
    assert version(new) == IMAGE_VERSION
    assert new == encode(model)
    assert new[:4] + new[6:-4] == old[:4] + old[6:-4]
    assert set(model.input_offset) == {0.0}
    assert (set(model.input_low), set(model.input_high)) == ({INT16_MIN}, {INT16_MAX})
    assert set(model.output_fraction) == {model.layers[-1].out_fraction}
    assert (model.led_class, model.names) == (False, Names())
    assert image_newest(new) is new


def test_a_node_with_new_firmware_runs_what_it_kept(updated: MemoryNode) -> None:
    assert running(updated, KEPT_AND.image)
    assert (updated.get("SEQUENCE"), updated.get("REASON"), updated.get("FAULT")) == (2, Reason.NONE, 0)
    for row, outputs, lamp in zip(KEPT_AND.inputs, KEPT_AND.outputs, KEPT_AND.lamps, strict=True):
        updated.write(BY_NAME["INPUTS"].address, pack(BY_NAME["INPUTS"], row.tolist()))
        assert updated.read(Table.INPUT, BY_NAME["OUTPUTS"].address) == pack(
            BY_NAME["OUTPUTS"], outputs.tolist()
        )
        assert (updated.lamp(), updated.get("CLASS")) == (lamp, lamp)
        assert updated.get("OUT_OF_RANGE") == 0


def test_it_goes_back_to_the_model_before(updated: MemoryNode) -> None:
    updated.command(Command.ROLLBACK, crc=image_crc(KEPT_OR.image))
    updated.work()
    assert running(updated, KEPT_OR.image)
    updated.power_cycle()
    updated.work()
    assert running(updated, KEPT_OR.image)


def test_a_model_of_format_2_stands_beside_it(updated: MemoryNode) -> None:
    updated.deploy(encode(OR))
    updated.power_cycle()
    updated.work()
    assert running(updated, encode(OR))
    assert updated.get("PREVIOUS_CRC") == image_crc(KEPT_AND.image)


@pytest.mark.parametrize("build", BUILDS, ids=build_id)
@pytest.mark.parametrize("flag", Flag)
def test_format_1_knows_no_flag(build: tuple[str, list[str]], flag: Flag) -> None:
    image = bytearray(KEPT_AND.image)
    image[6] = flag
    image[-4:] = crc32(bytes(image[:-4])).to_bytes(4, "little")
    assert python_verdict(bytes(image)) == (Reason.PADDING, 0, False)
    assert Twins(build).images([bytes(image)]) == [(Reason.PADDING, 0, False)]


# ------------------------------------------------------------------------------------------------------ the commands


@pytest.fixture
def port(node: MemoryNode) -> Iterator[str]:
    with stand_in(node.answer) as port:
        yield port


def test_a_file_of_format_1_is_deployed_as_it_is(
    node: MemoryNode, port: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "and.img"
    file.write_bytes(KEPT_AND.image)
    for already in (False, True):
        assert deploy.main([port, str(file), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["crc32"], said["already"]) == (image_crc(KEPT_AND.image), already)
    assert running(node, KEPT_AND.image)


def test_what_a_node_kept_is_fetched_as_format_2(
    updated: MemoryNode, port: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "and.img"
    assert deploy.main([port, "--fetch", str(file)]) == 0
    newest = encode(replace(AND, input_low=(INT16_MIN,) * 2, input_high=(INT16_MAX,) * 2))
    assert file.read_bytes() == image_newest(KEPT_AND.image) == newest
    said = capsys.readouterr()
    assert f"CRC-32 {image_crc(KEPT_AND.image):08x}" in said.out
    assert said.err == (
        "warning: the node runs an image of format 1, which is written no more: "
        f"{file} has the same model in format 2, with CRC-32 {image_crc(newest):08x}\n"
    )
