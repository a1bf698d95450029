"""host.deploy --describe: what is inside of an image, of either format."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host import deploy
from host.cli.line import Line
from host.core.crc import crc32
from host.core.decide import Decision
from host.core.fixed import INT16_MAX, INT16_MIN
from host.core.image import CRC, Model, encode, image_crc
from host.core.senses import Senses, Source
from host.core.wire import IMAGE_VERSION, Activation, Feature
from host.models.dense import Dense
from host.models.quantise import quantise
from host.node.node import Node
from tests.asked_models import FLOWERS
from tests.e2e.scenario import AND
from tests.virtual_link import VirtualLink


def of_format_1(model: Model) -> bytes:
    """The image that was written before there were ranges, and offsets and names, which this model has not."""
    image = bytearray(encode(replace(model, input_low=(INT16_MIN,) * 2, input_high=(INT16_MAX,) * 2)))
    assert struct.unpack_from("<HH", image, 4) == (IMAGE_VERSION, 0)
    struct.pack_into("<H", image, 4, 1)
    return bytes(image[: -CRC.size]) + CRC.pack(crc32(bytes(image[: -CRC.size])))


def described(image: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    file = tmp_path / "it.img"
    file.write_bytes(image)
    assert deploy.main([str(file), "--describe", *more]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_all_that_an_image_can_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = encode(FLOWERS)
    assert described(image, tmp_path, capsys).splitlines() == [
        f"flowers: image format 2, {len(image)} bytes, CRC-32 {image_crc(image):08x}",
        "  4 inputs",
        "    heat                 290..310, step 2^-8, from 300",
        "    width                0..10, step 2^-10",
        "    colour=red           0..1, step 2^-12",
        "    colour=blue          0..1, step 2^-12",
        "  1 layer",
        "    4 to 3, identity",
        "  3 outputs",
        "    rose                 step 2^-8",
        "    iris                 step 2^-8",
        "    tulip                step 2^-8",
        "  3 classes of kind: rose, iris, tulip",
        "  the LED is lit when the class is iris",
        "  self-test: 3 rows, every output as the image says",
        f"  hash {hashlib.blake2b(image, digest_size=32).hexdigest()}",
    ]


def test_the_same_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = json.loads(described(encode(FLOWERS), tmp_path, capsys, "--json"))
    assert said["inputs"][0] == {
        "name": "heat",
        "low": 290.0,
        "high": 310.0,
        "declared": True,
        "offset": 300.0,
        "fraction": 8,
        "step": 1 / 256,
    }
    assert (said["format"], said["classes"], said["led"]) == (2, ["rose", "iris", "tulip"], {"class": "iris"})
    assert said["layers"] == [{"inputs": 4, "outputs": 3, "activation": "identity"}]
    assert said["self_test"] == {"rows": 3, "passed": True}


def test_senses_and_a_decision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = (Source(0, Feature.RMS, 3, 8, -500), None, Source(9, Feature.COUNT, 1, 0, 0))
    band = Source(3, Feature.BAND, 1, 12, 7, (5, 12))
    model = replace(
        FLOWERS,
        senses=Senses(1000, 256, 100, 1, (*sources, band)),
        decision=Decision(None, 3, 5, 100, 2000, 50, latch=True, before=True),
    )
    lines = described(encode(model), tmp_path, capsys).splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["a0.rms", "width", "d1.count", "a3.bins(5,12)"]
    assert [line.partition("; ")[2] for line in lines[2:6]] == ["", "", "", "19.53 to 46.88 Hz"]
    assert lines[-5:-2] == [
        "  senses a0, a3, d1, 1000 scans a second: a window of 256 (0.256 s) every 100 (0.1 s)",
        "  a window takes about 37084 instructions, all of them 0.22 % of a board's clock",
        "  decides 3 of the last 5, on after 100 ms, off after 2 s, each for 50 ms at least, latched until it is "
        "acknowledged (host.deploy PORT --acknowledge), on before the first window",
    ]
    said = json.loads(described(encode(model), tmp_path, capsys, "--json"))
    assert (said["senses"]["channels"], said["senses"]["sources"][1]) == (["a0", "a3", "d1"], None)
    assert said["senses"]["sources"][3] == {
        "channel": "a3",
        "feature": "band",
        "band": [5, 12],
        "multiply": 1,
        "shift": 12,
        "offset": 7,
    }
    assert (said["senses"]["instructions"], said["senses"]["share"]) == (37084, 370840 / 168e6)
    assert (said["decision"]["of"], said["decision"]["threshold_off"]) == (5, None)


def test_an_image_that_no_board_follows_is_not_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tuple(Source(0, Feature.BAND, 1, 12, 0, (low, low + 15)) for low in (1, 20, 40, 60))
    file, asked = tmp_path / "it.img", list[bytes]()
    file.write_bytes(encode(replace(FLOWERS, senses=Senses(10_000, 1024, 64, 1, sources))))

    @contextmanager
    def opened(*args: Any) -> Iterator[Node]:
        yield Node(VirtualLink(lambda pdu: asked.append(pdu) or pdu, baud=115200), 1)

    monkeypatch.setattr(Line, "open", opened)
    assert deploy.main(["somewhere", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "% of its clock, of which they have 50 %: --hop " in line
    assert line.endswith("nothing was sent")
    assert asked == []


def test_another_threshold_for_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = replace(AND, decision=Decision(threshold_off=-1))
    fraction = model.led_fraction
    (line,) = [
        x for x in described(encode(model), tmp_path, capsys).splitlines() if x.startswith("  decides")
    ]
    assert line == f"  decides off again at {-(2.0**-fraction):g} or below"
    said = json.loads(described(encode(model), tmp_path, capsys, "--json"))
    assert said["decision"]["threshold_off"] == -(2.0**-fraction)
    assert said["senses"] is None


def test_an_image_of_format_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = of_format_1(AND)
    lines = described(image, tmp_path, capsys).splitlines()
    assert lines[0].startswith("and: image format 1, ")
    assert lines[1] == "  2 inputs, without names"
    assert lines[2].endswith("(all that it holds), step 2^-13")
    assert "  the LED is lit when output 1 > 0" in lines
    said = json.loads(described(image, tmp_path, capsys, "--json"))
    assert (said["format"], said["crc32"], said["classes"]) == (1, image_crc(image), [])
    assert [each["declared"] for each in said["inputs"]] == [False, False]


def test_an_image_that_fails_its_self_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = FLOWERS.vector_outputs.copy()
    wrong[2, 1] += 1
    file = tmp_path / "it.img"
    file.write_bytes(encode(replace(FLOWERS, vector_outputs=wrong)))
    assert deploy.main([str(file), "--describe"]) == 2
    assert "a self-test vector gave another output" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["it.img", "--describe", "--rollback"], "choose one"),
        (["it.img", "other.img", "--describe"], "choose one"),
        (["it.img", "--describe", "--baud", "9600"], "--baud needs a node"),
        (["none.img", "--describe"], "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_described(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert deploy.main(argv) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err


@pytest.mark.parametrize(("typed", "shown"), [(0.3, "0.3"), (-0.7, "-0.7"), (0.0, "0"), (0.1234, "0.1234")])
def test_a_threshold_is_shown_as_it_was_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: float, shown: str
) -> None:
    """It is kept rounded down, which the shortest text is too."""
    dense = Dense(np.array([[1.0, 1.0]]), np.array([0.0]), Activation.TANH)
    rows = [(-1.0, -1.0), (1.0, 1.0)]
    model = quantise("sum", [dense], rows, led_threshold=0.8, off_threshold=typed)[0]
    text = described(encode(model), tmp_path, capsys)
    assert f"  decides off again at {shown} or below" in text.splitlines()
    assert any(line.endswith(" > 0.8") for line in text.splitlines())
    kept = json.loads(described(encode(model), tmp_path, capsys, "--json"))["decision"]["threshold_off"]
    assert kept <= typed < kept + 2.0**-model.led_fraction
