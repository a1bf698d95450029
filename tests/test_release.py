"""The release of a model: in its image, in the node's registers, and in what the commands say."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from host import deploy, train
from host.boards.simulated import simulate
from host.core.image import HEADER, decode, encode
from host.core.reader import ImageError
from host.core.registers import bytes_registers
from host.core.wire import BY_NAME, Command, Flag, Reason
from host.models import conversion
from tests.e2e.scenario import AND
from tests.memory_node import MemoryNode
from tests.test_conversion import ARGMAX, X
from tests.test_image import seal

HIGHEST = 0xFFFFFFFF
RELEASE_AT = HEADER.size + 4 + 8
"""In an image of AND: behind the fractions and the ranges of its inputs."""


def image_of(release: int) -> bytes:
    return encode(replace(AND, release=release))


def crc_of(image: bytes) -> int:
    return int.from_bytes(image[-4:], "little")


def bring(node: MemoryNode, image: bytes) -> None:
    node.write(BY_NAME["STAGE"].address, bytes_registers(image))
    node.command(Command.INSTALL, len(image), crc_of(image))
    node.work()


def released(image: bytes) -> tuple[int, bool]:
    """The release of an image, and whether a flag says that it has one."""
    return decode(image).release, bool(HEADER.unpack_from(image)[2] & Flag.RELEASE)


def test_it_takes_four_bytes_where_there_is_one() -> None:
    assert (len(encode(AND)), released(encode(AND))) == (116, (0, False))
    for release in (1, 0x01020304, HIGHEST):
        image = image_of(release)
        assert (len(image), released(image)) == (120, (release, True))
        assert struct.unpack_from("<I", image, RELEASE_AT) == (release,)


def test_a_release_of_0_is_said_by_none() -> None:
    image = bytearray(image_of(1))
    image[RELEASE_AT] = 0
    with pytest.raises(ImageError) as refused:
        decode(seal(bytes(image)))
    assert refused.value.reason is Reason.PADDING


def test_a_node_says_which_release_it_runs(node: MemoryNode) -> None:
    assert node.get("MODEL_RELEASE") == 0
    for image, release in ((image_of(HIGHEST), HIGHEST), (encode(AND), 0), (image_of(2), 2)):
        bring(node, image)
        assert node.get("MODEL_RELEASE") == release
    node.command(Command.ROLLBACK, crc=crc_of(encode(AND)))
    node.work()
    assert node.get("MODEL_RELEASE") == 0
    node.command(Command.ROLLBACK, crc=crc_of(image_of(2)))
    node.work()
    node.power_cycle()
    assert node.get("MODEL_RELEASE") == 2


# ------------------------------------------------------------------------------------------------- the commands


def described(capsys: pytest.CaptureFixture[str], image: str) -> tuple[object, str]:
    assert deploy.main([image, "--describe", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert deploy.main([image, "--describe"]) == 0
    return said["release"], capsys.readouterr().out.splitlines()[0]


def test_it_goes_from_the_training_to_the_node_and_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, back = str(tmp_path / "and.n485"), str(tmp_path / "back.n485")
    assert train.main(["--model", "and", "--release", "7", "--save", image]) == 0
    capsys.readouterr()
    release, line = described(capsys, image)
    assert release == 7
    assert line.endswith(", release 7")
    with simulate() as sim:
        assert deploy.main([sim.port, image]) == 0
        capsys.readouterr()
        assert deploy.main([sim.port]) == 0
        assert ", release 7\n" in capsys.readouterr().out
        assert deploy.main([sim.port, "--fetch", back]) == 0
    assert Path(back).read_bytes() == Path(image).read_bytes()


def test_without_it_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = str(tmp_path / "and.n485")
    assert train.main(["--model", "and", "--save", image]) == 0
    capsys.readouterr()
    release, line = described(capsys, image)
    assert release is None
    assert "release" not in line
    assert Path(image).stat().st_size == 116


def test_a_converted_model_has_one_too() -> None:
    image, _ = conversion.convert(ARGMAX, X, release=HIGHEST)
    assert released(image) == (HIGHEST, True)


@pytest.mark.parametrize("release", ["0", "-1", "4294967296", "1.0", "new"])
def test_what_is_no_release_is_refused(capsys: pytest.CaptureFixture[str], release: str) -> None:
    assert train.main(["--model", "and", "--release", release]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_it_is_of_one_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--release", "3"]) == 2
    assert "--release needs --model" in capsys.readouterr().err
